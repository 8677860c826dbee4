"""The national policy, row by row of the published Kanta behaviour: permissions, disclosure notices, transport."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from adapter.data import data_root
from adapter.fhir.canonical import canonical
from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.security.certificates import Authority
from adapter.security.signatures import Signer

PERMISSION = "https://gen.kanta.fi/fhir/tahdonilmaisut/StructureDefinition/soteluovutuslupa"
PERMISSION_PROVENANCE = "https://gen.kanta.fi/fhir/tahdonilmaisut/StructureDefinition/TahdonilmaisuProvenance"
NOTICE = "https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEvent"
NOTICE_PROVENANCE = "https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEventProvenance"
ROLE = "http://gen.kanta.fi/figen-cs-provenancerolecategory"
NOTICE_ROLE = "http://shark.kanta.fi/fishark-cs-auditeventrolecategory"
CODES = "http://terminology.hl7.org/CodeSystem"
NATIONAL = "urn:oid:1.2.246.537.5.40112.2006"
HETU = {"system": "urn:oid:1.2.246.21", "value": "010594Y9032"}
NOW = datetime(2026, 3, 14, 8, tzinfo=UTC)
KIND = {"content-type": "application/fhir+json"}
_numbers = itertools.count()

Change = Callable[[dict[str, Any]], object]


def numbered(request: httpx.Request) -> None:
    """Give a request an id of its own unless the test gives one."""
    request.headers.setdefault("x-request-id", f"request-{next(_numbers)}")


@pytest.fixture
def control(root: str) -> Iterator[MockClient]:
    """Control of the test's namespace."""
    endpoint, _, namespace = root.rpartition("/t/")
    with MockClient(endpoint, namespace) as client:
        yield client


@pytest.fixture
def national(fhir: httpx.Client, control: MockClient) -> httpx.Client:
    """A namespace under the national policy, and a client that numbers its requests."""
    control.behave(policy="national")
    fhir.event_hooks = {"request": [numbered]}
    return fhir


def reference(number: int) -> str:
    """The fullUrl of an entry."""
    return f"urn:uuid:00000000-0000-4000-8000-{number:012}"


def transaction(*resources: dict[str, Any]) -> dict[str, Any]:
    """A transaction of creates; the fullUrl of an entry is `reference(its number)`."""
    entries = [
        {
            "fullUrl": reference(number),
            "resource": one,
            "request": {"method": "POST", "url": one["resourceType"]},
        }
        for number, one in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def permission(category: str = "1") -> dict[str, Any]:
    """A disclosure permission (sote-luovutuslupa)."""
    kind = {"system": "urn:example:category", "code": category, "display": "Luovutuslupa"}
    return {
        "resourceType": "Consent",
        "meta": {"profile": [PERMISSION]},
        "status": "active",
        "scope": {"coding": [{"system": f"{CODES}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [kind]}],
        "patient": {"identifier": HETU},
        "policyRule": {"coding": [{"system": "urn:oid:1.2.246.537.5.40193.2013", "code": "1"}]},
        "provision": {
            "period": {"start": "2026-01-01"},
            "provision": [{"type": "permit", "class": [{"system": "urn:x", "code": "a"}]}],
        },
    }


def agent(role: str, value: str = "1.2.3", system: str = ROLE) -> dict[str, Any]:
    """An agent in a role."""
    who = {"identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{value}"}}
    return {"role": [{"coding": [{"system": system, "code": role}]}], "who": who}


def permission_provenance(target: int = 0) -> dict[str, Any]:
    """The Provenance of a permission that a professional recorded."""
    agents = [agent("1", "1.2.246.10.2462460.19.1"), *(agent(role) for role in ("2", "3", "4", "7", "13"))]
    return {
        "resourceType": "Provenance",
        "meta": {"profile": [PERMISSION_PROVENANCE]},
        "target": [{"reference": reference(target)}],
        "recorded": "2026-03-14T08:00:00Z",
        "agent": agents,
    }


def issue_of(answer: httpx.Response) -> dict[str, Any]:
    """The first issue of a refusal."""
    found: dict[str, Any] = answer.json()["issue"][0]
    return found


def rules_of(answer: httpx.Response) -> set[str]:
    """The rules that a refusal names."""
    return {coding["code"] for one in answer.json()["issue"] for coding in one["details"]["coding"]}


def test_a_permission_is_a_transaction_of_consent_and_provenance(national: httpx.Client) -> None:
    """The pair is taken, the server gives the ids; alone, without its Provenance or outside a transaction it is not."""
    answer = national.post("", json=transaction(permission(), permission_provenance()))
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["response"]["location"].split("/")[-4] == "Consent"
    assert national.post("", json=transaction(permission())).status_code == 400
    alone = national.post("Consent", json=permission())
    assert (alone.status_code, rules_of(alone)) == (400, {"4Y00007", "K7043"})


def test_two_pairs_only_when_the_directions_differ(national: httpx.Client) -> None:
    """Categories 1 and 2 together are taken; twice the same, or three, are not."""
    provenances = [permission_provenance(number) for number in range(3)]
    assert national.post("", json=transaction(permission("1"), permission("2"), *provenances[:2])).status_code == 200
    same = national.post("", json=transaction(permission("1"), permission("1"), *provenances[:2]))
    assert "national-permission-directions" in rules_of(same)
    many = national.post("", json=transaction(*(permission() for _ in range(3)), *provenances))
    assert "national-permission-pairs" in rules_of(many)


def test_a_permission_is_replaced_by_the_servers_id_and_version(national: httpx.Client) -> None:
    """PUT to the id of the receipt with ifMatch and a new Provenance; without ifMatch, or to an own id, it is not."""
    answer = national.post("", json=transaction(permission(), permission_provenance())).json()
    identity = answer["entry"][0]["response"]["location"].split("/")[-3]
    bundle = transaction(permission() | {"id": identity, "status": "inactive"}, permission_provenance())
    bundle["entry"][0]["request"] = {"method": "PUT", "url": f"Consent/{identity}"}
    assert "K7011" in rules_of(national.post("", json=bundle))
    bundle["entry"][0]["request"]["ifMatch"] = 'W/"1"'
    assert national.post("", json=bundle).status_code == 200
    own = transaction(permission() | {"id": "mine"}, permission_provenance())
    own["entry"][0]["request"] = {"method": "PUT", "url": "Consent/mine"}
    assert national.post("", json=own).status_code == 405


def test_permissions_are_read_by_search_and_history_only(national: httpx.Client) -> None:
    """POST with patient:identifier in the body, category if wanted; no GET, no other parameter, no read by id."""
    answer = national.post("", json=transaction(permission(), permission_provenance())).json()
    identity = answer["entry"][0]["response"]["location"].split("/")[-3]
    client = "{system}|{value}".format_map(HETU)
    found = national.post("Consent/_search", data={"patient:identifier": client, "category": "1"})
    assert (found.status_code, found.json()["total"]) == (200, 1)
    assert national.post("Consent/_search", data={"patient:identifier": client, "category": "2"}).json()["total"] == 0
    assert national.get(f"Consent/{identity}/_history").json()["total"] == 1
    for wrong in ({"category": "1"}, {"patient": "Patient/1"}, {"patient:identifier": client, "status": "active"}):
        assert national.post("Consent/_search", data=wrong).status_code == 400, wrong
    assert national.get("Consent", params={"patient:identifier": client}).status_code == 405
    assert national.get(f"Consent/{identity}").status_code == 405
    plan = national.get("metadata").json()["rest"][0]["resource"]
    consent = next(one for one in plan if one["type"] == "Consent")
    assert {one["name"] for one in consent["searchParam"] if one["name"][0] != "_"} == {
        "patient",
        "category",
        "identifier",
    }
    assert "read" not in {one["code"] for one in consent["interaction"]}


PERMISSION_CHANGES: dict[str, tuple[str, Change]] = {
    "no display": ("permission-category", lambda one: one["category"][0]["coding"][0].pop("display")),
    "no system": ("permission-category", lambda one: one["category"][0]["coding"][0].pop("system")),
    "unknown category": ("permission-category", lambda one: one["category"][0]["coding"][0].update(code="3")),
    "client without identity code": ("permission-client", lambda one: one.update(patient={"display": "Moona"})),
    "two nested provisions": (
        "permission-provision",
        lambda one: one["provision"].update(provision=[{"type": "permit"}, {"type": "permit"}]),
    ),
    "a nested denial": ("permission-provision", lambda one: one["provision"]["provision"][0].update(type="deny")),
    "four classes": (
        "permission-provision",
        lambda one: one["provision"]["provision"][0].update({"class": [{"system": "urn:x", "code": "a"}] * 4}),
    ),
}
PROVENANCE_CHANGES: dict[str, tuple[str, Change]] = {
    "two profiles": ("permission-provenance-target", lambda one: one["meta"]["profile"].append(NOTICE_PROVENANCE)),
    "two targets": ("permission-provenance-target", lambda one: one["target"].append({"reference": reference(1)})),
    "an activity": ("permission-provenance-elements", lambda one: one.update(activity={"text": "x"})),
    "a policy": ("permission-provenance-elements", lambda one: one.update(policy=["urn:x"])),
    "no controller": ("permission-provenance-agents", lambda one: one["agent"].pop(0)),
    "another controller": (
        "permission-provenance-controller",
        lambda one: one["agent"][0]["who"]["identifier"].update(value="urn:oid:1.2.246.10.1"),
    ),
    "two systems": ("permission-provenance-agents", lambda one: one["agent"].append(agent("4"))),
    "an unknown role": ("permission-provenance-agents", lambda one: one["agent"].append(agent("99"))),
    "no recorder": ("permission-provenance-recorder", lambda one: one["agent"].pop(1)),
    "two recorders": ("permission-provenance-recorder", lambda one: one["agent"].append(agent("12"))),
    "a professional without unit": ("permission-provenance-recorder", lambda one: one["agent"].pop(4)),
}


@pytest.mark.parametrize("name", PERMISSION_CHANGES)
def test_what_a_permission_must_be(national: httpx.Client, name: str) -> None:
    """Category with system, code and display; the client by identity code; one nested permit, three classes."""
    rule, change = PERMISSION_CHANGES[name]
    changed = permission()
    change(changed)
    answer = national.post("", json=transaction(changed, permission_provenance()))
    assert (answer.status_code, rules_of(answer)) == (400, {"4Y00007", f"national-{rule}"})


@pytest.mark.parametrize("name", PROVENANCE_CHANGES)
def test_what_the_provenance_of_a_permission_must_be(national: httpx.Client, name: str) -> None:
    """One profile, one target, closed roles, Kela as controller, exactly one recorder, the unit with a professional."""
    rule, change = PROVENANCE_CHANGES[name]
    changed = permission_provenance()
    change(changed)
    answer = national.post("", json=transaction(permission(), changed))
    assert answer.status_code == 400
    assert f"national-{rule}" in rules_of(answer)


def test_a_permission_may_be_recorded_by_the_client_or_a_proxy(national: httpx.Client) -> None:
    """Role 12 or 5 instead of the professional, then without a unit."""
    for role in ("12", "5"):
        changed = permission_provenance()
        changed["agent"] = [
            *(one for one in changed["agent"] if one["role"][0]["coding"][0]["code"] not in "27"),
            agent(role),
        ]
        assert national.post("", json=transaction(permission(), changed)).status_code == 200


def notice() -> dict[str, Any]:
    """A disclosure notice (luovutusilmoitus)."""
    staff = agent("5", system=NOTICE_ROLE) | {"requestor": True}
    staff["who"] = {"identifier": {"system": "urn:oid:1.2.246.537.26", "value": "12345678901"}}
    document = {"type": {"system": f"{CODES}/audit-entity-type", "code": "4"}, "description": "Asiakassuunnitelma"}
    client = {"type": {"system": f"{CODES}/audit-entity-type", "code": "1"}, "what": {"identifier": HETU}}
    consent = {
        "resourceType": "Consent",
        "id": "consent",
        "status": "active",
        "scope": {"coding": [{"system": f"{CODES}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": HETU},
        "dateTime": "2026-03-01",
        "performer": [{"identifier": HETU}],
        "policyRule": {"coding": [{"system": "urn:oid:1.2.246.537.5.40193.2013", "code": "1"}]},
    }
    return {
        "resourceType": "AuditEvent",
        "meta": {"profile": [NOTICE]},
        "contained": [consent],
        "extension": [
            {
                "url": "urn:example:disclosure-type",
                "valueCoding": {"system": "urn:oid:1.2.246.537.5.40165.202301", "code": "8"},
            }
        ],
        "type": {"system": f"{CODES}/iso-21089-lifecycle", "code": "disclose"},
        "period": {"start": "2026-03-14T08:00:00Z"},
        "recorded": "2026-03-14T08:00:00Z",
        "purposeOfEvent": [{"coding": [{"system": "urn:oid:1.2.246.537.6.3300.202201", "code": "1.2"}]}],
        "agent": [
            agent("1", system=NOTICE_ROLE) | {"requestor": False},
            staff,
            agent("7", system=NOTICE_ROLE) | {"requestor": False},
        ],
        "source": {"observer": {"identifier": {"system": "urn:oid:1.2.246.537.6.12.999.2003.34", "value": "1"}}},
        "entity": [client, document],
    }


def notice_provenance(target: int = 0) -> dict[str, Any]:
    """The Provenance of a disclosure notice."""
    status = {"system": "urn:oid:1.2.246.537.5.40154.2008", "code": "3"}
    return {
        "resourceType": "Provenance",
        "meta": {"profile": [NOTICE_PROVENANCE]},
        "extension": [{"url": "urn:example:status", "valueCoding": status}],
        "target": [{"reference": reference(target)}],
        "recorded": "2026-03-14T08:00:00Z",
        "agent": [agent(role, system=NOTICE_ROLE) for role in ("1", "2", "3", "4")],
    }


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority, Path]:
    """A trusted authority, a foreign one, and the PEM file of the trusted one."""
    folder = tmp_path_factory.mktemp("authorities")
    trusted, foreign = (Authority.create(name, NOW) for name in ("trusted", "foreign"))
    (folder / "ca.pem").write_bytes(trusted.root.certificate_pem)
    return trusted, foreign, folder / "ca.pem"


@pytest.fixture(scope="module")
def receiver(authorities: tuple[Authority, Authority, Path]) -> Iterator[httpx.Client]:
    """An endpoint that takes notices signed under the trusted authority."""
    settings = MockSettings(port=0, policy="national", trusted=str(authorities[2]), clock=NOW)
    with (
        running_mock(settings) as base,
        httpx.Client(base_url=base, headers=KIND, event_hooks={"request": [numbered]}) as client,
    ):
        yield client


def signed(bundle: dict[str, Any], issuer: Authority, days: int | None = None) -> bytes:
    """The Bundle, signed with a certificate of an authority."""
    issued = issuer.issue("organisation", "signature", NOW, days=days)
    who = {"identifier": {"value": "organisation"}}
    return Signer(issued.private_key, "k", "ES256", who, (issued.x5c,)).sign(bundle, "2026-03-14T08:00:00Z")


def test_a_disclosure_notice_is_taken_as_a_signed_transaction(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path]
) -> None:
    """One pair, or two about the same client; ids are the server's; nothing but create is offered."""
    trusted = authorities[0]
    one = receiver.post("", content=signed(transaction(notice(), notice_provenance()), trusted))
    assert one.status_code == 200, one.text
    assert one.json()["entry"][0]["response"]["location"].split("/")[-3] != "1"
    pairs = transaction(notice(), notice_provenance(0), notice(), notice_provenance(2))
    assert receiver.post("", content=signed(pairs, trusted)).status_code == 200
    identity = one.json()["entry"][0]["response"]["location"].split("/")[-3]
    assert receiver.get(f"/AuditEvent/{identity}").status_code == 405
    assert receiver.post("/AuditEvent/_search", data={"patient:identifier": "x"}).status_code == 405
    assert receiver.request("DELETE", f"/AuditEvent/{identity}").status_code == 405
    alone = receiver.post("/AuditEvent", json=notice())
    assert (alone.status_code, issue_of(alone)["details"]["coding"][0]["code"]) == (400, "4Y00007")


def test_the_signature_of_a_notice_is_verified_by_its_chain(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path]
) -> None:
    """Missing, altered, foreign or expired: 400 and the code of message integrity; RSA with RS512 holds as well."""
    trusted, foreign, _ = authorities
    bundle = transaction(notice(), notice_provenance())
    altered = signed(bundle, trusted).replace(b"Asiakassuunnitelma", b"Aktivointisuunnitelma")
    for wrong in (canonical(bundle), altered, signed(bundle, foreign), signed(bundle, trusted, -1)):
        refused = receiver.post("", content=wrong)
        assert (refused.status_code, issue_of(refused)["details"]["coding"][0]["code"]) == (400, "4Y00007")
    key = rsa.generate_private_key(65537, 2048)
    weak = Signer(key, "k", "RS384", {"identifier": {"value": "x"}}).sign(bundle, "2026-03-14T08:00:00Z")
    assert receiver.post("", content=weak).status_code == 400


def second_client(one: dict[str, Any]) -> None:
    """Make the notice be about another client."""
    one["entity"][0]["what"] = {"identifier": HETU | {"value": "020594X903P"}}


NOTICE_CHANGES: dict[str, tuple[str, Change]] = {
    "another event": ("notice-event", lambda one: one["type"].update(code="access")),
    "an action": ("notice-event", lambda one: one.update(action="R")),
    "an outcome": ("notice-event", lambda one: one.update(outcome="0")),
    "an end": ("notice-event", lambda one: one["period"].update(end="2026-03-14T09:00:00Z")),
    "no purpose": ("notice-purpose", lambda one: one.pop("purposeOfEvent")),
    "no type of disclosure": ("notice-disclosure-type", lambda one: one.pop("extension")),
    "no controller": ("notice-agents", lambda one: one["agent"].pop(0)),
    "no recipient": ("notice-agents", lambda one: one["agent"].pop()),
    "staff without a number": (
        "notice-staff",
        lambda one: one["agent"][1]["who"]["identifier"].update(system="urn:example:staff"),
    ),
    "no system": ("notice-device", lambda one: one["source"].pop("observer")),
    "no document": ("notice-documents", lambda one: one["entity"].pop()),
    "a document without a kind": ("notice-documents", lambda one: one["entity"][1].pop("description")),
    "no client": ("notice-one-client", lambda one: one["entity"].pop(0)),
    "a consent that is over": ("notice-consent", lambda one: one["contained"][0].update(status="inactive")),
    "a consent on no ground": ("notice-consent", lambda one: one["contained"][0].pop("policyRule")),
}


@pytest.mark.parametrize("name", NOTICE_CHANGES)
def test_what_a_disclosure_notice_must_be(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path], name: str
) -> None:
    """Event, purpose, type, agents, system, document and consent, each by a rule of its own."""
    rule, change = NOTICE_CHANGES[name]
    changed = notice()
    change(changed)
    answer = receiver.post("", content=signed(transaction(changed, notice_provenance()), authorities[0]))
    assert answer.status_code == 400
    assert f"national-{rule}" in rules_of(answer)
    assert issue_of(answer)["details"]["coding"][0] == {"system": NATIONAL, "code": "4Y00007"}


def test_a_notice_is_about_one_client_and_made_of_pairs(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path]
) -> None:
    """Two clients, a lone notice, a stranger in the Bundle and an unfinished document are refused."""
    other = copy.deepcopy(notice())
    second_client(other)
    unfinished = notice_provenance()
    unfinished["extension"][0]["valueCoding"]["code"] = "1"
    tries = {
        "national-notice-one-client": (notice(), notice_provenance(0), other, notice_provenance(2)),
        "K7043": (notice(), notice_provenance(0), notice()),
        "national-notice-pairs": (notice(), notice_provenance(), notice_provenance()),
        "national-notice-provenance": (notice(), unfinished),
    }
    for rule, resources in tries.items():
        answer = receiver.post("", content=signed(transaction(*resources), authorities[0]))
        assert (answer.status_code, rule in rules_of(answer)) == (400, True), rule


def team(**more: Any) -> dict[str, Any]:
    """A team that claims a profile of ours."""
    return {
        "resourceType": "CareTeam",
        "meta": {"profile": ["https://kykysilta.example/fhir/StructureDefinition/kykysilta-team"]},
        **more,
    }


def custodian() -> dict[str, Any]:
    """The Provenance that names the controller."""
    kind = {"coding": [{"system": f"{CODES}/v3-ParticipationType", "code": "CST"}]}
    profile = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-custodian-provenance"
    return {
        "resourceType": "Provenance",
        "meta": {"profile": [profile]},
        "target": [{"reference": reference(0)}],
        "recorded": "2026-03-14T08:00:00Z",
        "agent": [{"type": kind, "who": {"identifier": {"system": "urn:oid:1.2.246.537.6.40174", "value": "1.2.3"}}}],
    }


def test_profiles_are_mandatory(national: httpx.Client) -> None:
    """Without meta.profile, or with a foreign one, the refusal names what is allowed."""
    assert national.post("Goal", json={"resourceType": "Goal"}).status_code == 400
    foreign = {"resourceType": "Goal", "meta": {"profile": ["https://foreign.example/x"]}}
    refused = national.post("Goal", json=foreign)
    assert (refused.status_code, "https://kykysilta.example/fhir/" in refused.text) == (400, True)
    own = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-goal"
    for claimed, status in ((own, 201), (f"{own}|9.9", 400), (f"{own}-of-nobody", 400)):
        goal = {"resourceType": "Goal", "meta": {"profile": [claimed]}}
        assert national.post("Goal", json=goal).status_code == status, claimed


def test_what_is_stored_has_its_controller(national: httpx.Client) -> None:
    """The Provenance of a team names the custodian; one that names only an author does not do."""
    author = custodian()
    author["agent"][0]["type"]["coding"][0]["code"] = "AUT"
    assert "national-custodian-named" in rules_of(national.post("", json=transaction(team(), author)))
    refused = national.post("", json=transaction(team()))
    assert issue_of(refused)["expression"] == ["Bundle.entry[0].resource"]
    assert national.post("", json=transaction(team(), custodian())).status_code == 200
    assert national.post("", json=transaction(team(), custodian()) | {"type": "batch"}).status_code == 400


def test_a_client_is_found_by_identifier_however_it_is_referred_to(national: httpx.Client, control: MockClient) -> None:
    """Logical and literal references alike; under a policy that does as R4 says only the logical one."""
    control.seed(
        [
            {"resourceType": "Patient", "id": "p", "identifier": [HETU]},
            {"resourceType": "CarePlan", "id": "literal", "subject": {"reference": "Patient/p"}},
            {"resourceType": "CarePlan", "id": "logical", "subject": {"type": "Patient", "identifier": HETU}},
            {"resourceType": "CarePlan", "id": "other", "subject": {"reference": "Patient/q"}},
        ]
    )
    form = {"patient:identifier": "{system}|{value}".format_map(HETU)}
    found = national.post("CarePlan/_search", data=form).json()["entry"]
    assert {one["resource"]["id"] for one in found} == {"literal", "logical"}
    control.behave(policy="open")
    assert national.post("CarePlan/_search", data=form).json()["total"] == 1


def test_search_by_post_only_and_always_about_a_client(national: httpx.Client) -> None:
    """Nothing personal in the URL; a search without a patient is 400."""
    client = "{system}|{value}".format_map(HETU)
    assert national.get("CarePlan", params={"patient:identifier": client}).status_code == 405
    assert national.post("CarePlan/_search", data={"status": "active"}).status_code == 400
    found = national.post("CarePlan/_search", data={"patient:identifier": client})
    assert (found.status_code, found.json()["total"]) == (200, 0)
    assert client not in found.json()["link"][0]["url"]


def test_request_ids_are_demanded_once_each_and_come_back(national: httpx.Client) -> None:
    """The server's own id and the caller's as correlation id; none, or one that came before, is 400."""
    search = {"patient:identifier": "x"}
    first = national.post("Goal/_search", data=search, headers={"x-request-id": "mine"})
    assert first.status_code == 200
    assert first.headers["x-correlation-id"] == "mine"
    assert first.headers["x-request-id"] != "mine"
    assert "K7062" in rules_of(national.post("Goal/_search", data=search, headers={"x-request-id": "mine"}))
    assert "K7061" in rules_of(national.post("Goal/_search", data=search, headers={"x-request-id": ""}))
    assert national.get("metadata", headers={"x-request-id": ""}).status_code == 200


def test_json_only_and_its_content_type(national: httpx.Client) -> None:
    """XML is neither taken nor given; the answer says JSON and UTF-8."""
    assert national.get("metadata", headers={"accept": "application/fhir+xml"}).status_code == 406
    xml = {"content-type": "application/fhir+xml"}
    assert national.post("", content=b"<Bundle xmlns='http://hl7.org/fhir'/>", headers=xml).status_code == 415
    kind = national.get("metadata").headers["content-type"].replace(" ", "").lower()
    assert kind == "application/fhir+json;charset=utf-8"


def test_refusals_are_written_as_the_national_services_write_them(national: httpx.Client) -> None:
    """Severity error, code processing, national coding where there is one, text in diagnostics, several issues."""
    refused = national.post("", json=transaction(permission("3"), permission_provenance()))
    issue = issue_of(refused)
    assert (issue["severity"], issue["code"]) == ("error", "processing")
    assert issue["details"]["coding"][0] == {"system": NATIONAL, "code": "4Y00007"}
    assert "text" not in issue["details"]
    assert issue["diagnostics"]
    changed = permission("3") | {"patient": {"display": "Moona"}}
    assert len(national.post("", json=transaction(changed, permission_provenance())).json()["issue"]) == 2
    assert "010594Y9032" not in refused.text


def test_an_unreadable_body_is_answered_without_one(national: httpx.Client) -> None:
    """400 and nothing more."""
    for wrong in (b"{", b"[]", b""):
        answer = national.post("", content=wrong)
        assert (answer.status_code, answer.content) == (400, b"")


def test_the_documents_of_a_person(national: httpx.Client) -> None:
    """The operation demands patient, viewCode and reasonCode, and answers with the person's Communications."""
    profile = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-communication"
    message = {
        "resourceType": "Communication",
        "meta": {"profile": [profile]},
        "status": "completed",
        "subject": {"identifier": HETU},
    }
    assert national.post("Communication", json=message).status_code == 201
    parameters = [
        {"name": "patient", "valueIdentifier": HETU},
        {"name": "viewCode", "valueCode": "a"},
        {"name": "reasonCode", "valueCode": "b"},
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    found = national.post("Communication/$get-persons-documents", json=body)
    assert (found.status_code, found.json()["total"]) == (200, 1)
    for missing in range(3):
        short = body | {"parameter": [one for number, one in enumerate(parameters) if number != missing]}
        assert "K7064" in rules_of(national.post("Communication/$get-persons-documents", json=short))
    statement = national.get("metadata").json()["rest"][0]["resource"]
    offered = {one["type"]: {each["name"] for each in one["operation"]} for one in statement}
    assert "get-persons-documents" in offered["Communication"]
    assert "get-persons-documents" not in offered["Patient"]


def test_functional_capacity_may_name_the_national_profile_beside_ours(
    national: httpx.Client, control: MockClient
) -> None:
    """A result coded by the ICF list of THL is taken; the national profile is known but not checked here."""
    control.behave(strictness="national")
    assessed = {
        "resourceType": "Observation",
        "meta": {
            "profile": [
                "https://kykysilta.example/fhir/StructureDefinition/kykysilta-observation",
                "https://gen.kanta.fi/fhir/StructureDefinition/KantaObservationFunctionalCapacityObservation",
            ]
        },
        "status": "final",
        "code": {"coding": [{"system": "urn:oid:1.2.246.537.6.48", "code": "d850"}]},
        "effectiveDateTime": "2026-03-14",
    }
    answer = national.post("Observation/$validate", json=assessed)
    assert not [one for one in answer.json()["issue"] if "gen.kanta.fi" in str(one) and one["severity"] == "error"]


def test_everything_that_the_adapter_maps_is_taken(national: httpx.Client, control: MockClient) -> None:
    """The Bundles of a whole path of care pass the policy at its strictest."""
    import adapter
    from adapter.mock.storage import to_json

    control.behave(strictness="national")
    records = data_root() / "fixtures" / "scenarios" / "SCN-6-tyossa-kayva" / "records"
    sent = 0
    for file in sorted(records.glob("*.json")):
        if "lahde" not in file.name:
            bundle = adapter.map_record(file.read_bytes(), id_key=bytes(range(32))).bundle
            answer = national.post("", content=to_json(bundle))
            assert answer.status_code == 200, (file.name, answer.text)
            sent += 1
    assert sent
