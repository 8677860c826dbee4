"""The bindings of our profiles hold: their value sets are the packaged code lists."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.data import data_root
from adapter.types import CANONICAL_ROOT
from adapter.validation import Validator
from adapter.validation.judge import judge, package_folder, packaged_validator

PLAN = next((data_root() / "fixtures" / "scenarios").glob("SCN-2-*")) / "expected" / "08-work-ability-plan.bundle.json"


def plan() -> dict[str, Any]:
    """Return a right plan Bundle; its CarePlan is the first entry."""
    return json.loads(PLAN.read_text(encoding="utf-8"), parse_float=Decimal)  # type: ignore[no-any-return]


def bound_value_sets(folder: Path) -> set[str]:
    """Return the value sets of ours that the profiles bind elements to."""
    found = set()
    for path in folder.glob("StructureDefinition-*.json"):
        for element in json.loads(path.read_text(encoding="utf-8"))["differential"]["element"]:
            value_set = element.get("binding", {}).get("valueSet", "")
            if value_set.startswith(CANONICAL_ROOT):
                found.add(value_set)
    return found


def test_every_bound_value_set_is_there() -> None:
    """No profile of ours binds to a value set that the validator does not have."""
    terminology = packaged_validator().registry.terminology
    names = bound_value_sets(package_folder())
    assert len(names) > 20
    assert [name for name in sorted(names) if terminology.value_set(name) is None] == []


@pytest.mark.parametrize(
    ("place", "path"),
    [("category", "category[0]"), ("goal category", "category[0]")],
)
def test_code_outside_a_required_list_of_ours_is_refused(place: str, path: str) -> None:
    """A type of plan or an area of a goal that our list does not have is an error at its place."""
    bundle = plan()
    number = 0 if place == "category" else 1
    bundle["entry"][number]["resource"]["category"][0]["coding"][0]["code"] = "no-such-code"
    expressions = [issue.expression for issue in judge(bundle).issues if issue.severity == "error"]
    assert any(re.match(rf"Bundle\.entry\[{number}\]\.resource\.{re.escape(path)}", found) for found in expressions)


def test_right_plan_is_fine() -> None:
    """Nothing is said against the plan that the cases above break."""
    assert [issue for issue in judge(plan()).issues if issue.severity != "information"] == []


@pytest.mark.parametrize(
    ("coding", "severity", "key"),
    [
        ({"system": f"{CANONICAL_ROOT}/CodeSystem/service", "code": "rehabiltation"}, "error", "code-unknown-near"),
        ({"system": f"{CANONICAL_ROOT}/CodeSystem/plan-activity", "code": "x"}, "error", "code-unknown-near"),
        ({"system": "https://ehr.example/codes", "code": "x"}, "warning", "binding-extensible"),
    ],
)
def test_unknown_activity_is_told_at_its_code(coding: dict[str, str], severity: str, key: str) -> None:
    """A misspelt code of ours is an error that names near ones; a foreign code alone is told with the value set."""
    bundle = plan()
    detail = next(row for row in bundle["entry"][0]["resource"]["activity"] if "detail" in row)["detail"]
    detail["code"] = {"coding": [coding]}
    found = {(issue.severity, issue.key) for issue in judge(bundle).issues if ".detail.code" in issue.expression}
    assert (severity, f"validation.{key}") in found


def test_unknown_code_of_an_own_system_anywhere() -> None:
    """Where nothing is bound a code of a code system that is loaded whole must exist; others are nobody's business."""
    codes = {
        "resourceType": "CodeSystem",
        "url": "https://ehr.example/codes",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    document = {"resourceType": "Basic", "code": {"coding": [{"system": "https://ehr.example/codes", "code": "b"}]}}
    assert Validator().validate(document).ok
    (issue,) = Validator([codes]).validate(document).issues
    assert (issue.key, issue.expression) == ("validation.code-unknown-near", "Basic.code.coding[0].code")
    assert Validator([codes | {"content": "fragment"}]).validate(document).ok
