"""Who gets what by the consents of the scenarios: each type, mapped as its sender wrote it, read by the engine.

A table row is a requester; its cells are the data classes that it gets. Everything else must be denied. A data class
is tried with a resource as our mapping makes it: profile of the class, label of the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapter.consent import Context, Decision, decide, packaged_configuration
from adapter.consent.context import party
from adapter.consent.item import Item
from adapter.consent.subject import clients_of
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import map_record

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2] / "fixtures" / "scenarios"
V3 = "http://terminology.hl7.org/CodeSystem"
PURPOSES = "https://kykysilta.example/fhir/CodeSystem/consent-purpose"
CONFIGURATION = packaged_configuration()
CLASSES = CONFIGURATION.data_classes
OID = "urn:ietf:rfc:3986"
BUSINESS = "urn:oid:1.2.246.10"
VALVIRA, UNITS = "urn:oid:1.2.246.537.26", "https://yksikot.hyvinvointialue.example"
TE, TE_STAFF = "https://toimistot.te-palvelut.example", "https://henkilosto.te-palvelut.example"

Who = tuple[tuple[str, str], tuple[str, str] | None]
"""Organisation and person, each as system and value; without a person the organisation's own system asks."""


@cache
def bundle(scenario: str, name: str) -> Json:
    """Return a record of a scenario as the Bundle that our mapping makes of it."""
    found: Json = map_record((ROOT / scenario / "records" / f"{name}.json").read_bytes(), id_key=DEMO_KEY).bundle
    return found


def of_type(found: Json, kind: str) -> list[Json]:
    """Return the entries of one type."""
    return [entry for entry in found["entry"] if entry["resource"]["resourceType"] == kind]


def specimen(data_class: str, client: str) -> Json:
    """Return a resource of a data class, labelled as BR-079 says."""
    topics = [
        {"system": label.system, "code": label.code} for label, code in CLASSES.labels.items() if code == data_class
    ]
    confidentiality = {"system": f"{V3}/v3-Confidentiality", "code": "R" if topics else "N"}
    return {
        "resourceType": "Observation",
        "meta": {"profile": [CLASSES.profiles[data_class][0]], "security": [confidentiality, *topics]},
        "subject": {"reference": client},
    }


@dataclass(frozen=True)
class Table:
    """One consent and what it opens.

    Attributes:
        consents, teams: the records on file, newest versions, by file name.
        at: the moment asked about.
        rows: data classes that each requester gets.
        reasons: why a requester does not get a data class, where it matters.
    """

    scenario: str
    consents: tuple[str, ...]
    at: str
    purpose: str
    rows: dict[Who, set[str]]
    teams: tuple[str, ...] = ()
    action: str = "disclose"
    reasons: tuple[tuple[Who, str, str], ...] = ()

    def decide(self, who: Who, data_class: str) -> Decision:
        """Ask for one data class."""
        bundles = [bundle(self.scenario, name) for name in (*self.consents, *self.teams)]
        consents = [entry["resource"] for found in bundles for entry in of_type(found, "Consent")]
        client = of_type(bundles[0], "Patient")[0]["fullUrl"]
        organisation, person = ({"identifier": {"system": one[0], "value": one[1]}} if one else None for one in who)
        request = {
            "time": self.at,
            "requester": {"organization": organisation} | ({"practitioner": person} if person else {}),
            "purpose": [{"system": PURPOSES, "code": self.purpose}],
            "action": self.action,
            "patient": client,
            "custodian": consents[0]["organization"][0],
            "resource": specimen(data_class, client),
        }
        return decide(consents, request, context=Context(bundles, ()), config=CONFIGURATION)


TEAM = set(CLASSES.profiles) - {"mental-health", "substance-use", "treatment", "occupational-health"}
COORDINATOR: Who = ((UNITS, "sote-101"), (VALVIRA, "00000000951"))
COUNSELLOR: Who = ((UNITS, "tyoikaiset-101"), (VALVIRA, "00000000955"))
TE_PERSON: Who = ((TE, "te-6100"), (TE_STAFF, "te-1204"))
KELA_PERSON: Who = ((BUSINESS, "0246246-0"), ("https://henkilosto.kela.example", "kela-3188"))
WORKSHOP: Who = ((BUSINESS, "9000022-2"), None)
COACH: Who = ((BUSINESS, "9000022-2"), ("https://henkilosto.verstas.example", "ohj-0412"))
TE_4100: Who = ((TE, "te-4100"), None)
HEALTH_CENTRE: Who = ((OID, "urn:oid:1.2.246.10.90000011.10.11"), None)
KELA: Who = ((BUSINESS, "0246246-0"), None)

TABLES = {
    "team-information-sharing": Table(
        "SCN-5-tyoton-polku",
        ("10-consent",),
        "2023-06-01T10:00:00+03:00",
        "service-coordination",
        {COORDINATOR: TEAM, TE_PERSON: TEAM, KELA_PERSON: TEAM, WORKSHOP: TEAM, COACH: set()},
        teams=("11-team-v2",),
        reasons=(
            (TE_PERSON, "mental-health", "CLASS_NOT_COVERED"),
            (COACH, "work-ability-plan", "REQUESTER_ROLE_INACTIVE"),
        ),
    ),
    "team-information-sharing, member who joined later": Table(
        "SCN-5-tyoton-polku",
        ("10-consent",),
        "2023-08-02T10:00:00+03:00",
        "service-coordination",
        {COORDINATOR: TEAM, COUNSELLOR: set()},
        teams=("17-team-v3",),
        reasons=((COUNSELLOR, "work-ability-plan", "MEMBER_ADDED_AFTER_CONSENT"),),
    ),
    "team-information-sharing, renewed": Table(
        "SCN-5-tyoton-polku",
        ("15-consent", "16-consent-v2"),
        "2023-09-01T10:00:00+03:00",
        "team-assessment",
        {COORDINATOR: TEAM, COUNSELLOR: TEAM, KELA_PERSON: TEAM, COACH: TEAM, WORKSHOP: TEAM},
        teams=("17-team-v3",),
        action="access",
    ),
    "team-information-sharing, one recipient withdrawn": Table(
        "SCN-5-tyoton-polku",
        ("21-consent-v2",),
        "2023-10-02T12:16:00+03:00",
        "team-assessment",
        {COORDINATOR: TEAM, KELA_PERSON: set(), COACH: TEAM},
        teams=("17-team-v3",),
        action="access",
        reasons=((KELA_PERSON, "work-ability-plan", "EXPLICIT_DENY"),),
    ),
    "team-information-sharing, before the withdrawal": Table(
        "SCN-5-tyoton-polku",
        ("21-consent-v2",),
        "2023-10-02T12:14:00+03:00",
        "team-assessment",
        {KELA_PERSON: TEAM},
        teams=("17-team-v3",),
        action="access",
    ),
    "team-information-sharing, withdrawn as a whole": Table(
        "SCN-5-tyoton-polku",
        ("16-consent-v2",),
        "2023-08-01T09:00:00+03:00",
        "service-coordination",
        {COORDINATOR: set()},
        teams=("17-team-v3",),
        reasons=((COORDINATOR, "work-ability-plan", "CONSENT_INACTIVE"),),
    ),
    "team-information-sharing, used for research": Table(
        "SCN-5-tyoton-polku",
        ("15-consent",),
        "2023-09-01T10:00:00+03:00",
        "research",
        {COORDINATOR: set(), COACH: set()},
        teams=("17-team-v3",),
        reasons=((COORDINATOR, "functional-assessment", "PURPOSE_NOT_COVERED"),),
    ),
    "feedback-to-referrer": Table(
        "SCN-3-moona",
        ("04-consent",),
        "2021-07-21T10:00:00+03:00",
        "feedback",
        {TE_4100: {"health-check", "work-ability-evaluation", "employment-service"}, HEALTH_CENTRE: set(), KELA: set()},
        reasons=(
            (TE_4100, "substance-use", "CLASS_NOT_COVERED"),
            (KELA, "health-check", "ACTOR_NOT_COVERED"),
        ),
    ),
    "contact-on-behalf": Table(
        "SCN-2-matti",
        ("05-consent",),
        "2021-09-01T10:00:00+03:00",
        "benefit-handling",
        {
            ((TE, "te-4100"), (TE_STAFF, "te-2071")): {
                "identity-and-contact",
                "work-ability-evaluation",
                "sick-leave-and-statement",
            },
            ((BUSINESS, "9000004-6"), None): {
                "identity-and-contact",
                "work-ability-evaluation",
                "sick-leave-and-statement",
            },
            TE_4100: set(),
        },
    ),
    "contact-on-behalf, by a legal representative": Table(
        "SCN-4-nuori",
        ("14-consent",),
        "2023-04-01T10:00:00+03:00",
        "benefit-handling",
        {KELA: {"income-and-debt", "family-and-housing", "work-ability-plan"}, TE_4100: set()},
    ),
    "contact-on-behalf, one data class withdrawn": Table(
        "SCN-4-nuori",
        ("17-consent-v2",),
        "2023-05-02T14:00:00+03:00",
        "benefit-handling",
        {KELA: {"income-and-debt", "work-ability-plan"}},
        reasons=((KELA, "family-and-housing", "EXPLICIT_DENY"),),
    ),
    "employer-disclosure": Table(
        "SCN-4-nuori",
        ("13-consent",),
        "2023-02-20T10:00:00+02:00",
        "service-coordination",
        {((BUSINESS, "9000011-8"), None): {"work-ability-evaluation"}, KELA: set()},
    ),
    "research-use": Table(
        "SCN-5-tyoton-polku",
        ("08-consent",),
        "2023-05-01T10:00:00+03:00",
        "research",
        {(("https://tutkimus.example", "0000-tutkimus-1"), None): {"functional-assessment"}, KELA: set()},
    ),
    "research-use, asked for coordination": Table(
        "SCN-5-tyoton-polku",
        ("08-consent",),
        "2023-05-01T10:00:00+03:00",
        "service-coordination",
        {(("https://tutkimus.example", "0000-tutkimus-1"), None): set()},
    ),
    "transfer-to-next-actor": Table(
        "SCN-7-tyoterveys",
        ("09-consent",),
        "2024-06-01T10:00:00+03:00",
        "continuity",
        {
            ((UNITS, "sote-102"), (VALVIRA, "00000000961")): {
                "identity-and-contact",
                "work-ability-plan",
                "work-ability-evaluation",
                "health-check",
                "sick-leave-and-statement",
                "occupational-health",
                "diagnosis",
            },
            ((TE, "te-6100"), None): {
                "identity-and-contact",
                "work-ability-plan",
                "work-ability-evaluation",
                "health-check",
                "sick-leave-and-statement",
                "occupational-health",
            },
            ((UNITS, "sote-102"), None): set(),
        },
        reasons=((((TE, "te-6100"), None), "diagnosis", "EXPLICIT_DENY"),),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_consent_is_read_as_its_sender_meant_it(name: str) -> None:
    """Every requester gets exactly the data classes of its row."""
    table = TABLES[name]
    for who, expected in table.rows.items():
        given = {code for code in CLASSES.profiles if table.decide(who, code).decision == "permit"}
        assert given == expected, who


@pytest.mark.parametrize(
    ("name", "who", "data_class", "reason"),
    [(name, *row) for name, table in TABLES.items() for row in table.reasons],
)
def test_what_is_withheld_has_the_right_reason(name: str, who: Who, data_class: str, reason: str) -> None:
    """Excluded, withdrawn, late and outsiders are told apart for the reviewer."""
    assert str(TABLES[name].decide(who, data_class).reason) == reason


def test_every_consent_type_of_the_scenarios_has_a_table() -> None:
    """A type that a scenario uses says in a table who gets what."""
    used = {consent_type(path.parents[1].name, path.stem) for path in consent_records()}
    shown = {consent_type(table.scenario, name) for table in TABLES.values() for name in table.consents}
    assert shown == used


def consent_records() -> list[Path]:
    """Every consent record of the scenarios."""
    return sorted(path for path in ROOT.glob("*/records/*consent*.json") if path.suffixes == [".json"])


def consent_type(scenario: str, name: str) -> str:
    """The type of a consent, as its mapped category says."""
    (entry,) = of_type(bundle(scenario, name), "Consent")
    codings = [coding for category in entry["resource"]["category"] for coding in category["coding"]]
    return next(str(coding["code"]) for coding in codings if coding["system"].endswith("/consent-type"))


def test_every_consent_of_the_scenarios_can_be_read() -> None:
    """None of what our mapping writes is malformed or not understood."""
    found = consent_records()
    assert len(found) > 15
    for path in found:
        mapped = bundle(path.parents[1].name, path.stem)
        client = of_type(mapped, "Patient")[0]["fullUrl"]
        (entry,) = of_type(mapped, "Consent")
        start = entry["resource"]["provision"]["period"]["start"]
        request = {
            "time": f"{start}T23:59:00+03:00" if len(start) == 10 else start,
            "requester": {"organization": "Organization/nobody"},
            "purpose": [{"system": PURPOSES, "code": "service-coordination"}],
            "action": "disclose",
            "patient": client,
            "resource": specimen("work-ability-plan", client),
        }
        reason = decide([entry["resource"]], request, context=Context([mapped], ())).reason
        assert reason not in ("CONSENT_MALFORMED", "CONSENT_NOT_UNDERSTOOD", "REQUEST_INVALID"), path.name


def test_every_resource_of_a_client_can_be_decided_about() -> None:
    """R3, R24: what our mapping makes names its client, and its profile stands for a data class.

    Consents themselves and Provenances have no class: they say who agreed and who wrote, not what.
    """
    for path in sorted(ROOT.glob("*/records/*.json")):
        if path.suffixes != [".json"]:
            continue
        mapped = bundle(path.parents[1].name, path.stem)
        around = Context([mapped], ())
        client = party(around.named(of_type(mapped, "Patient")[0]["fullUrl"]), around)
        items = [Item(entry["resource"], entry["fullUrl"], around, CONFIGURATION) for entry in mapped["entry"]]
        for item in items:
            if item.type in ("Organization", "Practitioner", "PractitionerRole"):
                continue
            assert clients_of(item, client, items) == (client,), (path.name, item.type)
            assert item.type in ("Consent", "Provenance") or item.profiles & CLASSES.classes.keys(), path.name
