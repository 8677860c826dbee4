"""One cause, one issue: whatever is broken once is told once, by base R4, profiles and bindings together."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from adapter.data import data_root
from adapter.fhir.definitions import ElementDefinition, is_primitive, json_children
from adapter.source import read_json
from adapter.types import Issue
from adapter.validation import Validator
from adapter.validation.judge import packaged_validator
from tests.validation.mutations import changes, mutants
from tests.validation.specimens import OUR_TYPES

BASE = Validator()
SCENARIOS = data_root() / "fixtures" / "scenarios"
BUNDLES = ("SCN-4*/expected/02-work-ability-plan.bundle.json", "SCN-1*/expected/*-team.bundle.json")

BREAKS_MORE = (
    "removed",
    "empty object",
    "null item",
    "text for object",
    "wrong shape",
    "target",
    "dangling local",
    "unknown extension",
)
"""Changes that take other content away too: several rules may miss it."""

Held = tuple[dict[str, Any], str, ElementDefinition]
"""An object, the name of an element in it, and that element's definition."""


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_a_broken_element_of_base_r4_is_told_once(type_name: str) -> None:
    """Each mutant has at most one issue more than the resource it was made of."""
    before: set[tuple[str, str]] = set()
    for name, resource in mutants(type_name):
        issues = {(issue.expression, issue.key) for issue in BASE.validate(resource).issues}
        if name.startswith("valid "):
            before = issues
        else:
            assert len(issues - before) <= 1, f"{name}: {sorted(issues - before)}"


@pytest.mark.parametrize("pattern", BUNDLES)
def test_a_broken_element_of_a_profile_is_told_once(pattern: str) -> None:
    """In a Bundle of ours, a value that is broken in one way has one error at its place, or around or inside it."""
    bundle = read_json(sorted(SCENARIOS.glob(pattern))[0].read_bytes())
    validator, seen, tried = packaged_validator(), set(), 0
    for entry in bundle["entry"]:
        for holder, key, definition in _elements(entry["resource"], entry["resource"]["resourceType"], ""):
            before = dict(holder)
            for what, change in changes(definition, key, holder[key]):
                if what in BREAKS_MORE or (what, definition.path, key) in seen:
                    continue
                seen.add((what, definition.path, key))
                holder[key] = copy.deepcopy(before[key])
                change(holder)
                issues = [issue for issue in validator.validate(bundle).issues if issue.severity != "information"]
                holder.clear()
                holder.update(before)
                tried += 1
                assert not _pair_on_a_line(issues), f"{what} {definition.path}: {_pair_on_a_line(issues)}"
    assert tried > 200


def _pair_on_a_line(issues: list[Issue]) -> tuple[str, ...]:
    """Return the rules of two issues of which one stands at, around or inside the other's place."""
    for position, left in enumerate(issues):
        for right in issues[position + 1 :]:
            if f"{left.expression}.".startswith(f"{right.expression}.") or f"{right.expression}.".startswith(
                f"{left.expression}."
            ):
                return left.rule_id, left.expression, right.rule_id, right.expression
    return ()


def _elements(value: Any, owner: str, inside: str) -> Iterator[Held]:
    """Yield every element of a resource or data type with its definition."""
    options = json_children(owner, inside)
    for key in [name for name in value if name in options]:
        definition = options[key]
        yield value, key, definition
        code = definition.types[0].code if definition.types else ""
        for item in value[key] if isinstance(value[key], list) else [value[key]]:
            if not isinstance(item, dict) or is_primitive(code):
                continue
            if definition.content or code in ("BackboneElement", "Element"):
                place = definition.content.partition(".")[::2] if definition.content else (owner, "")
                below = place[1:][-1] if definition.content else f"{inside}.{key}" if inside else key
                yield from _elements(item, place[0], below)
            else:
                yield from _elements(item, item.get("resourceType", code), "")
