"""Each file of `fixtures/negative/` breaks exactly the business rule that it names."""

from __future__ import annotations

import copy
import json
import warnings
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapter.mapping import map_record
from adapter.validation.rules import catalogue, check_rules

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "negative"
CASES = sorted(FOLDER.glob("BR-*.json"))
BASES = ("client", "team", "plan", "consent", "health-check", "nurse-check", "assessment")


def read(path: Path) -> Any:
    """Read JSON with decimals as written."""
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


@cache
def base(name: str) -> dict[str, Any]:
    """Return a record that breaks no rule."""
    return read(FOLDER / "base" / f"{name}.json")  # type: ignore[no-any-return]


@cache
def mapped_base(name: str) -> dict[str, Any]:
    """Return the Bundle of a base record."""
    return mapped(base(name))


def mapped(record: dict[str, Any]) -> dict[str, Any]:
    """Map a record with the published demonstration key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return map_record(record).bundle


def position(parent: Any, name: str) -> Any:
    """Return key or index; `@Type:element` finds the first entry of a type that has an element."""
    if not isinstance(parent, list):
        return name
    if name.startswith("@"):
        type_, _, element = name[1:].partition(":")
        found = [entry["resource"]["resourceType"] == type_ and element in entry["resource"] for entry in parent]
        return found.index(True)
    return len(parent) if name == "-" else int(name)


def changed(document: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply JSON Patch operations add, remove and replace to a copy."""
    document = copy.deepcopy(document)
    for change in changes:
        parent: Any = document
        *path, last = change["path"].removeprefix("/").split("/")
        for name in path:
            parent = parent[position(parent, name)]
        place = position(parent, last)
        if change["op"] == "remove":
            del parent[place]
        elif isinstance(parent, list) and change["op"] == "add":
            parent.insert(place, change["value"])
        else:
            assert change["op"] == "add" or last in parent or isinstance(parent, list), change
            parent[place] = change["value"]
    return document


def related(written: str | dict[str, Any]) -> dict[str, Any]:
    """Return the Bundle of a related record, as it stands or changed."""
    if isinstance(written, str):
        return mapped_base(written)
    return mapped(changed(base(written["record"]), written["change"]))


def found(case: dict[str, Any]) -> list[tuple[str, str]]:
    """Return severity and rule of what is found in a case."""
    record = base(case["record"])
    bundle = mapped(changed(record, case["change"])) if "change" in case else mapped_base(case["record"])
    bundle = changed(bundle, case.get("bundle", []))
    issues = check_rules(bundle, at=case["at"], context=[related(written) for written in case["context"]])
    assert all(issue.expression.startswith("Bundle.entry[") for issue in issues)
    return [(issue.severity, issue.rule) for issue in issues]


@pytest.mark.parametrize("name", BASES)
def test_base_records_break_no_rule(name: str) -> None:
    """The records that the cases start from are clean, alone and beside each other."""
    bundle = mapped_base(name)
    others = [mapped_base(other) for other in BASES if other != name]
    assert check_rules(bundle, at="2022-09-01T10:00:00+03:00", context=others) == []
    assert check_rules(bundle) == []


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_case_breaks_exactly_its_rule(path: Path) -> None:
    """A case with an error has no other error; a case with a warning has nothing else."""
    case = read(path)
    assert path.stem.startswith(case["rule"])
    issues = set(found(case))
    if case["severity"] == "error":
        issues = {issue for issue in issues if issue[0] == "error"}
    assert issues == {(case["severity"], case["rule"])}


def test_every_rule_has_a_case() -> None:
    """No rule is without a fixture that breaks it."""
    covered = {path.stem[:6] for path in CASES}
    assert {rule.id for rule in catalogue().rules} - covered == set()
