"""Rules find contained resources as they find the entries of a Bundle; a booked meeting keeps a team together."""

from __future__ import annotations

import copy
import json
import warnings
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.mapping import map_record
from adapter.mapping.contained import contain
from adapter.validation.rules import check_rules

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
SCENARIOS = sorted((FIXTURES / "scenarios").glob("SCN-*"))
NOW = "2022-09-01T10:00:00+03:00"


def mapped(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a record and its Bundle."""
    record = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return record, map_record(record).bundle


def base(name: str) -> dict[str, Any]:
    """Return the Bundle of a record that breaks no rule."""
    return mapped(FIXTURES / "negative" / "base" / f"{name}.json")[1]


@pytest.mark.parametrize("folder", SCENARIOS, ids=[folder.name for folder in SCENARIOS])
def test_contained_form_is_judged_alike(folder: Path) -> None:
    """A record breaks the same rules as often, whether its supporting resources are entries or contained."""
    plain: dict[tuple[str, str], dict[str, Any]] = {}
    inside: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(each for each in (folder / "records").glob("*.json") if each.name.count(".") == 1):
        record, bundle = mapped(path)
        one, other = (
            Counter(issue.rule for issue in check_rules(form, at=record["recorded_at"], context=known.values()))
            for form, known in ((bundle, plain), (contain(bundle), inside))
        )
        assert one == other, path.name
        key = (record["record_type"], record["record_id"])
        plain[key], inside[key] = bundle, contain(bundle)


def test_finding_in_a_contained_resource_has_its_place() -> None:
    """A broken contained meeting is found where it stands, and nothing of the document is changed."""
    bundle = contain(base("team"))
    where = next(
        (number, index)
        for number, entry in enumerate(bundle["entry"])
        for index, part in enumerate(entry["resource"].get("contained", []))
        if part["resourceType"] == "Appointment" and "patientInstruction" in part
    )
    broken = copy.deepcopy(bundle)
    del broken["entry"][where[0]]["resource"]["contained"][where[1]]["patientInstruction"]
    before = copy.deepcopy(broken)
    issues = [issue for issue in check_rules(broken) if issue.rule == "BR-037"]
    place = f"Bundle.entry[{where[0]}].resource.contained[{where[1]}].patientInstruction"
    assert [issue.expression for issue in issues] == [place]
    assert broken == before


def test_contained_resource_needs_no_security_label() -> None:
    """R4 dom-5 forbids what BR-079 asks of other resources; the container still needs one."""
    bundle = contain(base("team"))
    assert "BR-079" not in {issue.rule for issue in check_rules(bundle)}
    team = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "CareTeam")
    del team["meta"]["security"]
    assert [issue.rule for issue in check_rules(bundle)].count("BR-079") == 1


@pytest.mark.parametrize(
    ("kind", "status", "start", "warned"),
    [
        ("team-meeting", "booked", "2022-10-01T12:00:00+03:00", False),
        ("multi-agency-meeting", "proposed", "2022-10-01T12:00:00+03:00", False),
        ("team-meeting", "booked", "2022-08-01T12:00:00+03:00", True),
        ("team-meeting", "cancelled", "2022-10-01T12:00:00+03:00", True),
        ("follow-up-meeting", "booked", "2022-10-01T12:00:00+03:00", True),
    ],
)
def test_team_goes_on_while_it_meets(kind: str, status: str, start: str, warned: bool) -> None:
    """BR-048 is silent while a meeting of the team is to come; a meeting of the responsible worker is none."""
    bundle = base("team")
    resources = [entry["resource"] for entry in bundle["entry"]]
    team = next(resource for resource in resources if resource["resourceType"] == "CareTeam")
    for participant in team["participant"]:
        participant["period"].pop("end", None)
    meeting = next(r for r in resources if r["resourceType"] == "Appointment" and "supportingInformation" in r)
    meeting["appointmentType"]["coding"][0]["code"] = kind
    meeting.update(status=status, start=start)
    found = {issue.rule for issue in check_rules(bundle, at=NOW, context=[base("plan")])}
    assert ("BR-048" in found) is warned
