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

from adapter.fhir.canonical import dumps
from adapter.mapping import map_record
from adapter.types import Issue
from adapter.validation.judge import placed
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


def at(document: Any, path: str) -> Any:
    """Return what stands at a JSON Pointer."""
    for name in path.split("/")[1:]:
        document = document[position(document, name)]
    return document


def changed(document: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply JSON Patch operations add, copy, remove and replace to a copy."""
    document = copy.deepcopy(document)
    for change in changes:
        before, _, last = change["path"].rpartition("/")
        parent = at(document, before)
        place = position(parent, last)
        if change["op"] == "copy":
            change = {"op": "add", "value": at(document, change["from"])}
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


def found(case: dict[str, Any]) -> list[Issue]:
    """Return what is found in a case."""
    record = base(case["record"])
    bundle = mapped(changed(record, case["change"])) if "change" in case else mapped_base(case["record"])
    bundle = changed(bundle, case.get("bundle", []))
    issues = check_rules(bundle, at=case["at"], context=[related(written) for written in case["context"]])
    assert all(issue.expression.startswith("Bundle.entry[") for issue in issues)
    return issues


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
    issues = {(issue.severity, issue.rule) for issue in found(case)}
    if case["severity"] == "error":
        issues = {issue for issue in issues if issue[0] == "error"}
    assert issues == {(case["severity"], case["rule"])}


def test_every_rule_and_variant_has_a_case() -> None:
    """No rule, and no variant of a rule, is without a fixture that breaks it."""
    said = {text.partition("{")[0] for path in CASES for text in (issue.text("en")[:60] for issue in found(read(path)))}
    for rule in catalogue().rules:
        for texts in (rule.texts, *(variant.texts for variant in rule.variants.values())):
            start = texts["en"].partition("{")[0][:60]
            assert any(sentence.startswith(start) for sentence in said), f"{rule.id}: {start}"


def test_texts_hold_no_value_of_the_record() -> None:
    """No name, identity code, organisation or free text of a record stands in any text."""
    secrets = ("Kaisa", "Sanna", "Lauri", "Tero", "Leena", "Moona", "200594-904", "Liperi", "kampaaja", "fibromyalgia")
    texts = [issue.text(language) for path in CASES for issue in found(read(path)) for language in ("fi", "sv", "en")]
    assert len(texts) > 200
    assert not [text for text in texts if any(secret in text for secret in secrets)]


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_place_is_where_the_record_is_mended(path: Path) -> None:
    """The sender's place is the field to mend, or the item that holds it."""
    case = read(path)
    record = changed(base(case["record"]), case.get("change", []))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = map_record(dumps(record))
    bundle = changed(made.bundle, case.get("bundle", []))
    issues = check_rules(bundle, at=case["at"], context=[related(written) for written in case["context"]])
    places = {
        place.path for issue in issues if issue.rule == case["rule"] and (place := placed(issue, made.locate).source)
    }
    assert places
    assert places <= set(MENDED_AT[case["rule"]]), f"{path.stem}: {places}"


MENDED_AT: dict[str, list[str]] = read(FOLDER / "mended-at.json")
"""Rule to the places that may be named: the field to mend, the item that holds it, or its fellow in there."""
