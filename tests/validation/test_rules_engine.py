"""The rule engine: its files are checked when read, and it judges whatever it is given without falling over."""

from __future__ import annotations

import copy
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from adapter.data import DataFileError
from adapter.validation.fhirpath import FhirPathError
from adapter.validation.rules import catalogue, check_rules, load
from adapter.validation.rules.periods import Span, covers, gap, overlap, span

PROFILE = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-"
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}
FUNCTION = "https://kykysilta.example/fhir/CodeSystem/team-function"
PLAN: dict[str, Any] = {
    "resourceType": "CarePlan",
    "meta": {"profile": [f"{PROFILE}work-ability-plan|1.0.0"], "security": [LABEL]},
    "status": "active",
    "intent": "plan",
    "subject": {"reference": "urn:uuid:p"},
    "period": {"start": "2022-06-20", "end": "2023-06-19"},
    "careTeam": [{"type": "CareTeam", "identifier": {"system": "urn:x", "value": "t1"}}],
}


def team(*periods: dict[str, str]) -> dict[str, Any]:
    """Return a team with one responsible worker after the other."""
    return {
        "resourceType": "CareTeam",
        "identifier": [{"system": "urn:x", "value": "t1"}],
        "status": "active",
        "participant": [
            {
                "member": {"type": "Practitioner", "identifier": {"system": "urn:x", "value": f"w{number}"}},
                "role": [{"coding": [{"system": FUNCTION, "code": "responsible-worker"}]}],
                "period": period,
            }
            for number, period in enumerate(periods)
        ],
    }


def rules_of(*periods: dict[str, str]) -> set[str]:
    """Return which rules about the responsible worker the periods break."""
    issues = check_rules(PLAN, context=[team(*periods)])
    return {issue.rule for issue in issues} & {"BR-001", "BR-004", "BR-006"}


def test_no_rule_of_the_domain_model_is_missing() -> None:
    """BR-001 … BR-149 each stand once: judged, waiting with what they wait for, or decided elsewhere."""
    found = catalogue()
    ids = [row.id for part in (found.rules, found.waiting, found.elsewhere) for row in part]
    assert sorted(ids) == [f"BR-{number:03d}" for number in range(1, 150)]
    assert all(row.needs for row in found.waiting)
    assert all(row.seed.startswith("S") for row in (*found.rules, *found.waiting))


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ("rules: []", 1),
        ("more: {}", 1),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, must: 'x(', fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, must: nothing.exists(), fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, must: title = %cs-none, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlans, must: title, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: fatal, on: CarePlan, must: title, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, named: none, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, must: title, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, must: title, fi: '{x}', en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, must: title, fi: f, en: e, seed: S1, odd: 1}", 2),
        ("rules:\n  a: {id: BR-1, severity: error, on: CarePlan, must: title, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: CarePlan, each: a.b, must: title, fi: f, en: e, seed: S1}", 2),
        ("rules:\n  a: {id: BR-001, severity: error, on: '*', must: title, fi: f, en: e, seed: S1}", 2),
        (
            "rules:\n  a: {id: BR-001, severity: error, on: Observation, code: no, must: id, fi: f, en: e, seed: S1}",
            2,
        ),
        ("waiting:\n  a: {id: BR-001, severity: error, seed: S1}", 2),
        (
            "waiting:\n  a: {id: BR-001, severity: error, needs: [x], seed: S1}\n"
            "  b: {id: BR-001, severity: error, needs: [x], seed: S1}",
            3,
        ),
        ("elsewhere:\n  a: {id: BR-001, decided-by: [nobody]}", 2),
        ("rules:\n  a: {id: BR-001\n", 2),
    ],
)
def test_broken_rule_files_are_refused_with_their_line(tmp_path: Path, broken: str, line: int) -> None:
    """A mistake in a rule file is found when it is read, with file and line."""
    (tmp_path / "plan.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(DataFileError) as refused:
        load(tmp_path)
    assert refused.value.path.endswith("plan.yaml")
    assert line <= refused.value.line <= line + 1


@pytest.mark.parametrize(
    ("periods", "broken"),
    [
        ([{"start": "2022-06-20"}], set()),
        ([{"start": "2022-06-01"}], set()),
        ([{"start": "2022-06-20", "end": "2023-06-19"}], set()),
        ([{"start": "2022-06-20", "end": "2023-06-18"}], set()),
        ([{"start": "2022-06-20", "end": "2023-06-01"}], {"BR-006"}),
        ([{"start": "2022-06-21"}], set()),
        ([{"start": "2022-07-01"}], {"BR-001"}),
        ([{"start": "2022-06-20", "end": "2023-03-01"}, {"start": "2023-03-01"}], set()),
        ([{"start": "2022-06-20", "end": "2023-03-01"}, {"start": "2023-03-02"}], set()),
        ([{"start": "2022-06-20", "end": "2023-03-01"}, {"start": "2023-03-15"}], {"BR-004"}),
        ([{"start": "2022-06-20", "end": "2023-03-15"}, {"start": "2023-03-01"}], {"BR-001"}),
        ([{"start": "2022-06-20"}, {"start": "2023-03-01"}], {"BR-001"}),
        ([{"start": "2023-03-01"}, {"start": "2022-06-20", "end": "2023-03-01"}], set()),
        ([{"start": "2022-06-20", "end": "2023-03-01T12:00:00+02:00"}, {"start": "2023-03-01T10:00:00Z"}], set()),
        (
            [{"start": "2022-06-20", "end": "2023-03-01T12:00:00+02:00"}, {"start": "2023-03-01T12:00:01+02:00"}],
            {"BR-004"},
        ),
        ([], {"BR-001"}),
    ],
)
def test_periods_of_the_responsible_worker(periods: list[dict[str, str]], broken: set[str]) -> None:
    """Gap, overlap, late begin and early end are told apart, at the precision of days and of instants."""
    assert rules_of(*periods) == broken


def test_periods_are_half_open() -> None:
    """An end that is an instant is outside the period; an end that is a day still belongs to it."""
    day, noon = span({"start": "2022-01-01", "end": "2022-01-31"}), span({"end": "2022-01-31T12:00:00Z"})
    assert noon.end is not None
    assert day.end is not None
    assert covers(day, noon.end)
    assert not covers(noon, noon.end)
    assert overlap(day, noon)
    assert not overlap(span({"end": "2022-01-31"}), span({"start": "2022-01-31"}))
    assert gap(day.end, span({"start": "2022-02-02"}).start)
    assert not gap(None, day.start)
    assert span("x") == Span(None, None)


def test_only_resources_of_our_profiles_are_judged() -> None:
    """A CarePlan of somebody else may look as it likes."""
    assert check_rules({"resourceType": "CarePlan", "status": "active"}) == []
    assert check_rules({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "CarePlan"}}]}) == []
    assert check_rules({}) == []


def test_a_single_resource_has_places_of_its_own() -> None:
    """Without a Bundle the FHIRPath begins with the resource; every text is there in Finnish and English."""
    issues = check_rules(PLAN)
    assert {issue.rule for issue in issues} >= {"BR-001", "BR-011", "BR-015", "BR-017", "BR-019"}
    assert {issue.expression.partition(".")[0] for issue in issues} == {"CarePlan"}
    assert all(issue.text("fi") != issue.text("en") and issue.text("sv") for issue in issues)
    assert all(issue.issue_type == "business-rule" for issue in issues)


def test_what_a_lone_resource_cannot_show_is_not_held_against_it() -> None:
    """A plan without the rest of its record may have a next meeting, and the client may have been there."""
    booked = {**PLAN, "activity": [{"reference": {"reference": "urn:uuid:m", "type": "Appointment"}}]}
    assert not {"BR-017", "BR-033"} & {issue.rule for issue in check_rules(booked)}
    record = {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:a", "resource": booked}]}
    assert {"BR-017", "BR-033"} <= {issue.rule for issue in check_rules(record)}


def test_the_instant_needs_an_offset() -> None:
    """`at` is an instant; a bare date leaves open when it is."""
    with pytest.raises(FhirPathError):
        check_rules(PLAN, at="2022-09-01")


def test_nothing_is_changed() -> None:
    """The Bundle and the related resources are as before."""
    related = team({"start": "2022-06-20"})
    before = copy.deepcopy((PLAN, related))
    check_rules(PLAN, at="2022-09-01T10:00:00Z", context=[related])
    assert (PLAN, related) == before


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, item in inner for place in _places(item, (*at, name)))]


def test_misshapen_resources_never_crash() -> None:
    """Whatever stands in whatever place, of the document or of what is related, there is an answer."""
    folder = Path(__file__).resolve().parents[2] / "fixtures" / "negative" / "base"
    records = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    plan = {
        **PLAN,
        "activity": [{"detail": {"code": {"coding": [{"code": "x"}]}, "performer": [{"reference": "a"}]}}],
        "goal": [{}],
    }
    documents = [plan, team({"start": "2022-06-20"}, {"start": "2023-01-01"}), {**PLAN, "note": records}]
    oddities = (None, 5, "x", [], {}, [None], ["x"], {"coding": [5]}, {"reference": 5}, {"identifier": [5]}, True)
    chance = random.Random(7)
    for document in documents:
        places = [place for place in _places(document) if place and place[0] != "resourceType"]
        for _ in range(250):
            broken = copy.deepcopy(document)
            *path, last = chance.choice(places)
            parent: Any = broken
            for name in path:
                parent = parent[name]
            parent[last] = copy.deepcopy(chance.choice(oddities))
            check_rules(broken, at="2022-09-01T10:00:00Z", context=[team({"start": "2022-06-20"})])
            check_rules(PLAN, at="2022-09-01T10:00:00Z", context=[broken])


def test_huge_documents_are_answered() -> None:
    """Thousands of resources, or members, that all refer to each other end with one issue that says so."""
    consent = {
        "resourceType": "Consent",
        "meta": {"profile": [f"{PROFILE}consent"], "security": [LABEL]},
        "status": "active",
        "dateTime": "2022-01-01",
        "patient": {"reference": "urn:uuid:p"},
        "category": [
            {
                "coding": [
                    {
                        "system": "https://kykysilta.example/fhir/CodeSystem/consent-type",
                        "code": "team-information-sharing",
                    }
                ]
            }
        ],
    }
    crowd = {**team(*[{"start": "2022-06-20"}] * 3_000), "subject": {"reference": "urn:uuid:p"}}
    many = {"resourceType": "Bundle", "entry": [{"resource": consent}] * 2_000 + [{"resource": crowd}] * 2_000}
    start = time.process_time()
    for document in (many, {"resourceType": "Bundle", "entry": [{"resource": PLAN}, {"resource": crowd}]}):
        assert check_rules(document)[-1].rule_id == "K4802"
    assert time.process_time() - start < 4
