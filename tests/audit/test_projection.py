"""Every act of the log becomes valid AuditEvents: of the BALP patterns, of the Finnish log entry, of the notice."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from adapter.audit.acts import acts
from adapter.audit.notice import Evidence, disclosure_notice, notice_bundle
from adapter.audit.persons import Identity
from adapter.audit.pieces import Site
from adapter.audit.projection import PATTERNS, audit_events
from adapter.audit.rows import Row
from adapter.data import data_root, read_yaml
from adapter.i18n import LANGUAGES
from adapter.store import Database
from adapter.types import CANONICAL_ROOT, Resource
from adapter.validation.judge import judge
from tests.audit.conftest import CODE, ID_KEY, personal_values, rows_of

SITE = Site("kykysilta", "https://adapter.example/", "1.2.246.10.32213086.19.0")
CLIENT, USER, SUBMISSION = "a" * 32, "b" * 32, "c" * 32
FULL: dict[str, str | int] = {
    "client": CLIENT,
    "user": USER,
    "role": "physician",
    "sender": "ehr",
    "submission": SUBMISSION,
    "record_type": "work_ability_plan",
    "classes": "work-ability-plan, substance-use",
    "custodian": "1.2.246.10.32213086.19.0",
    "basis": "client-consent",
    "purpose": "treatment",
    "recipients": "1.2.246.10.2462460.19.1, 0246246-0, te-6100",
    "request": "0b8fb9ac-1f5d-4b43-9f4f-9c1b0a2f6a55",
    "decision": "permit",
}
VARIANTS: dict[str, dict[str, str | int]] = {
    "full": FULL,
    "no-person": {name: value for name, value in FULL.items() if name not in ("user", "role")},
    "reviewer": {"reviewer": "d" * 32, "client": CLIENT},
    "reviewer-alone": {"reviewer": "d" * 32, "rows": 3},
    "own-register": {"client": CLIENT, "submission": SUBMISSION, "basis": "own-register", "sender": "ehr"},
    "several": FULL | {"submission": f"{SUBMISSION}, {'d' * 32}", "custodian": "1.2.3, 1.2.4"},
    "refused": {"client": CLIENT, "sender": "ehr", "stage": "consent", "rules": "EXPLICIT_DENY", "purpose": "TREAT"},
    "unread": {"sender": "ehr", "stage": "read", "rules": "K1003"},
    "operator": {"operator": "cli"},
}


def row(act: str, facts: dict[str, str | int], seq: int = 7) -> Row:
    """An entry of the log."""
    return Row(seq, 1683300000.0, "refusal" if act == "refuse" else "decision", {"act": act, **facts})


def problems(resource: Resource) -> list[str]:
    """What our validator has against a resource; that a national profile is not checked itself is no problem."""
    return [f"{one.rule_id} {one.expression}" for one in judge(resource).issues if one.severity != "information"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_act_projects_to_valid_events(variant: str) -> None:
    """Each act, with much or little known, gives events without any error or warning, each with an id of its own."""
    for code in acts():
        events = audit_events(row(code, VARIANTS[variant]), SITE)
        assert events
        assert len({event["id"] for event in events}) == len(events)
        for event in events:
            assert (code, problems(event)) == (code, [])


def profiles_of(code: str) -> list[list[str]]:
    """Short names of the profiles that each event of an act claims."""
    prefix = f"{CANONICAL_ROOT}/StructureDefinition/kykysilta-"
    events = audit_events(row(code, FULL), SITE)
    return [[one.removeprefix(prefix) for one in event.get("meta", {}).get("profile", ())] for event in events]


@pytest.mark.parametrize(
    ("code", "profiles"),
    [
        ("accept", [["audit-create", "log-entry"]]),
        ("give-consent", [["audit-create", "log-entry"]]),
        ("withdraw-consent", [["audit-update", "log-entry"]]),
        ("invalidate", [["audit-update", "log-entry"]]),
        ("refuse", [["audit-decision"]]),
        ("disclose", [["audit-decision"], *[["audit-disclosure-source", "log-entry"]] * 3]),
        ("fetch", [["audit-decision"], *[["audit-disclosure-source", "log-entry"]] * 3]),
        ("read", [["audit-read", "log-entry"]]),
        ("vread", [["audit-read", "log-entry"]]),
        ("search", [["audit-query", "log-entry"]]),
        ("open-client", [["audit-read", "log-entry"]]),
        ("reveal-identity", [["audit-read", "log-entry"]]),
        ("export-client", [["log-entry"]]),
        ("log-copy", [["log-entry"]]),
        ("sign-in", [[]]),
        ("erase-person", [[]]),
        ("deliver", [[]]),
    ],
)
def test_an_act_claims_its_pattern_and_the_finnish_entry(code: str, profiles: list[list[str]]) -> None:
    """What is about a client claims our restatements; a disclosure is one event a recipient, and its decision."""
    assert profiles_of(code) == profiles


def test_a_disclosure_says_who_got_what_on_which_ground() -> None:
    """Source, recipient, asker, controller and client who allowed it; data classes; purpose and basis as stated."""
    event = audit_events(row("disclose", FULL), SITE)[2]
    agents = {one["type"]["coding"][0]["code"]: one for one in event["agent"]}
    assert agents["110152"]["who"]["identifier"]["value"] == "0246246-0"
    assert agents["110153"]["who"] == event["source"]["observer"]
    assert agents["110150"]["who"]["identifier"]["value"] == USER
    assert agents["159541003"]["who"]["identifier"]["value"] == "urn:oid:1.2.246.10.32213086.19.0"
    assert agents["429577009"]["who"]["identifier"]["value"] == CLIENT
    assert [one["requestor"] for one in event["agent"]].count(True) == 1
    details = [one["valueString"] for entity in event["entity"] for one in entity.get("detail", ())]
    assert details == ["work-ability-plan", "substance-use"]
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "treatment"
    assert event["extension"][0]["valueCode"] == "client-consent"


def test_a_refusal_says_why() -> None:
    """Outcome 8 and the reason; a record refused before its client was known is a plain event that failed."""
    (denied,) = audit_events(row("refuse", VARIANTS["refused"]), SITE)
    assert (denied["outcome"], denied["outcomeDesc"]) == ("8", "EXPLICIT_DENY")
    (unread,) = audit_events(row("refuse", VARIANTS["unread"]), SITE)
    assert (unread["outcome"], unread["outcomeDesc"], unread["entity"][0]["type"]["code"]) == (
        "4",
        "K1003",
        "XrequestId",
    )


def test_the_log_of_a_scenario_projects_whole(told: Database) -> None:
    """All entries of a real log are valid events and notices, and name nobody."""
    events = [event for one in rows_of(told) for event in audit_events(one, SITE)]
    notices = [notice for one in rows_of(told) if (notice := disclosure_notice(one, SITE))]
    assert len(events) > len(rows_of(told)) / 2
    assert notices
    for each in (*events, *notices):
        assert [one for one in problems(each) if "kyk-notice-purpose" not in one] == []
    written = json.dumps([*events, *notices])
    assert [value for value in personal_values() if f'"{value}"' in written] == []


@pytest.mark.parametrize("evidence", [None, Evidence("2023-05-04", "written"), Evidence("2023-05-04", "oral")])
@pytest.mark.parametrize("act", ["disclose", "fetch"])
def test_a_disclosure_is_told_as_the_national_notice(act: str, evidence: Evidence | None) -> None:
    """Notice and transaction are valid; the one warning is that no national code of the purpose is known."""
    one = row(act, FULL)
    notice = disclosure_notice(one, SITE, client=Identity("urn:oid:1.2.246.21", CODE), evidence=evidence)
    assert notice is not None
    bundle = notice_bundle(notice, one, SITE, ID_KEY)
    for each in (notice, bundle):
        assert {problem.split()[0] for problem in problems(each)} == {"kyk-notice-purpose"}
    assert notice["entity"][0]["what"]["identifier"]["value"] == CODE
    assert ("contained" in notice) is (evidence is not None)
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == ["AuditEvent", "Provenance"]
    assert bundle["entry"][1]["resource"]["target"] == [{"reference": bundle["entry"][0]["fullUrl"]}]


def test_a_notice_to_the_client_names_no_organisation() -> None:
    """What the client is given goes to the client alone; whoever has no key table sends the pseudonym."""
    notice = disclosure_notice(row("disclose", FULL | {"basis": "to-client", "recipients": ""}), SITE)
    assert notice is not None
    assert [one["role"][0]["coding"][0]["code"] for one in notice["agent"]] == ["1", "5", "7"]
    assert notice["agent"][2]["who"]["identifier"]["value"] == CLIENT


@pytest.mark.parametrize("act", ["accept", "read", "refuse", "open-client", "deliver", "sign-in"])
def test_what_is_no_disclosure_of_ours_gives_no_notice(act: str) -> None:
    """Keeping, reading at the repository, refusing and reviewing are told to nobody outside."""
    assert disclosure_notice(row(act, FULL), SITE) is None


def written_acts() -> set[str]:
    """Return every act that the program writes as a literal: a value of `act`, or an argument of `record`."""
    found: set[str] = set()
    texts = (path.read_text(encoding="utf-8") for path in Path("adapter").rglob("*.py"))
    for text in (one for one in texts if '"act"' in one or ".record(" in one or "open_client(" in one):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                found |= {v.value for k, v in pairs if _is(k, "act") and isinstance(v, ast.Constant)}
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
                "record",
                "open_client",
            ):
                found |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    return {one for one in found if isinstance(one, str)}


def _is(node: Any, value: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def test_every_act_of_the_program_is_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes an act that the list does not have; each has a pattern and a name in every language."""
    monkeypatch.chdir(Path(__file__).parents[2])
    known = acts()
    assert written_acts() - known.keys() == set()
    assert len(written_acts()) > 20
    for act in known.values():
        assert act.pattern in PATTERNS
        assert all(act.name(language) for language in LANGUAGES)
    defaults = read_yaml(data_root() / "mappings" / "audit" / "acts.yaml")["defaults"]
    assert set(defaults.values()) <= known.keys()
