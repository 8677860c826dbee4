"""The shape of every R4 type as a check compiled from the snapshot, node by node, when first needed.

One check both accepts and explains: elements, JSON shape and types, cardinality, primitive formats, `_element`
siblings, nulls, empty values, choice types, bindings and invariants. What needs more than the node itself
(references, extensions, contained resources) is called from here and lives in its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.fhir.definitions import ElementDefinition, children, is_primitive, is_subtype, json_children
from adapter.validation.explain import explain_primitive, missing, sibling_findings, unknown_element, wrong_type
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.primitives import PRIMITIVES, Fast
from adapter.validation.run import Run

Check = Callable[[Any, Run], Findings]
"""Looks at one JSON value; None when all is well."""


@dataclass(frozen=True, slots=True)
class PrimitiveField:
    """A primitive element of an object: its definition, type and fast test."""

    definition: ElementDefinition
    type_name: str
    fast: Fast
    codes: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice element: its name, JSON keys (without and with underscore) and whether one is required."""

    name: str
    keys: frozenset[str]
    required: bool


@cache
def check_of(type_name: str, path: str = "") -> Check:
    """Return the check of a type (`Period`) or of a node inside one (`CarePlan`, `activity.detail`)."""
    return _Node(type_name, path).compile()


class _Node:
    """Gathers what an object may hold, then compiles it into one closure."""

    def __init__(self, type_name: str, path: str) -> None:
        self.type_name = type_name
        self.path = path
        self.fast: dict[str, Fast] = {}
        self.primitives: dict[str, PrimitiveField] = {}
        self.parts: dict[str, Check] = {}
        for key, definition in json_children(type_name, path).items():
            self._add(key, definition)

    def _add(self, key: str, definition: ElementDefinition) -> None:
        from adapter.validation.bindings import required_codes

        code = definition.types[0].code if definition.types else ""
        if not is_primitive(code):
            item = self._item(key, definition, code)
            self.parts[key] = _many(item) if definition.is_list else _single(item)
            return
        binding = definition.binding
        codes = required_codes(binding.value_set) if binding and binding.strength == "required" else None
        primitive = PRIMITIVES[code]
        fast = dict.fromkeys(codes).__getitem__ if codes is not None and code == "code" else primitive.fast
        self.primitives[key] = PrimitiveField(definition, code, fast, codes)
        self.fast[key] = _fast_many(fast) if definition.is_list else fast

    def _item(self, key: str, definition: ElementDefinition, code: str) -> Check:
        from adapter.validation import bindings, extensions, references, resources

        if definition.content or code in ("BackboneElement", "Element"):
            below = f"{self.path}.{key}" if self.path else key
            return _later(lambda: check_of(self.type_name, below))
        if code == "Resource":
            return resources.nested(key)
        if code == "Extension":
            return extensions.check(modifier=key == "modifierExtension", nested=self.type_name == "Extension")
        profile = definition.types[0].profiles
        plain = _later(lambda: check_of(profile[0] if profile else code))
        if code in ("Reference", "CodeableReference"):
            return references.check(plain, definition.types[0].targets)
        return bindings.bound(plain, code, definition.binding)

    def compile(self) -> Check:
        """Return the closure that checks an object of this node."""
        from adapter.validation.invariants import rules_of

        fast_of, part_of, primitives = self.fast.get, self.parts.get, self.primitives
        type_name, path = self.type_name, self.path
        known = tuple(json_children(type_name, path))
        required, choices = _cardinality(type_name, path)
        rules = rules_of(type_name, path)
        is_resource = not path and is_subtype(type_name, "Resource")
        if is_resource:
            self.fast["resourceType"] = {type_name: None}.__getitem__

        def check(value: Any, run: Run) -> Findings:
            if value.__class__ is not dict:
                return wrong_type("object", value, run)
            found: Findings = None
            for key, item in value.items():
                fast = fast_of(key)
                if fast is not None:
                    try:
                        if fast(item) is None:
                            continue
                    except (TypeError, KeyError):
                        pass
                    more = explain_primitive(primitives[key], value, key, run)
                elif (part := part_of(key)) is not None:
                    more = part(item, run)
                elif key[:1] == "_" and key[1:] in primitives:
                    more = sibling_findings(primitives[key[1:]], value, key[1:], run, check_of("Element"))
                else:
                    more = unknown_element(key, known, type_name, run)
                    found = joined(found, more)
                    continue
                if more is not None:
                    found = joined(found, under(key.removeprefix("_"), more))
            for name in required:
                if name not in value and f"_{name}" not in value:
                    found = joined(found, missing(name, run))
            for choice in choices:
                if not choice.keys.isdisjoint(value) or choice.required:
                    found = joined(found, _choice(choice, value, run))
            if len(value) < 2 and (not value or "id" in value) and not is_resource:
                found = joined(found, run.found(Finding("empty-object", rule="ele-1")))
            for rule in rules:
                more = rule(value, run)
                if more is not None:
                    found = joined(found, more)
            return found

        return check


def _cardinality(type_name: str, path: str) -> tuple[tuple[str, ...], tuple[Choice, ...]]:
    """Return the names of required elements, and the choices."""
    required, choices = [], []
    for name, definition in children(type_name, path).items():
        if definition.is_choice:
            keys = [key for key, found in json_children(type_name, path).items() if found.path == definition.path]
            with_siblings = frozenset([*keys, *(f"_{key}" for key in keys)])
            choices.append(Choice(name.removesuffix("[x]"), with_siblings, definition.min > 0))
        elif definition.min > 0:
            required.append(name)
    return tuple(required), tuple(choices)


def _choice(choice: Choice, value: dict[str, Any], run: Run) -> Findings:
    present = {key.removeprefix("_") for key in value if key in choice.keys}
    if len(present) > 1:
        names = ", ".join(sorted(present))
        return run.found(Finding("choice-several", {"name": f"{choice.name}[x]", "names": names}, choice.name))
    if choice.required and not present:
        names = ", ".join(sorted(key for key in choice.keys if key[0] != "_"))
        return run.found(Finding("choice-missing", {"name": f"{choice.name}[x]", "names": names}))
    return None


def _later(make: Callable[[], Check]) -> Check:
    """Return a check that is compiled at its first use: types refer to each other in circles."""
    made: list[Check] = []

    def check(value: Any, run: Run) -> Findings:
        if not made:
            made.append(make())
        return made[0](value, run)

    return check


def _single(item: Check) -> Check:
    def check(value: Any, run: Run) -> Findings:
        if value.__class__ is list:
            return run.found(Finding("not-single"))
        return item(value, run)

    return check


def _many(item: Check) -> Check:
    def check(values: Any, run: Run) -> Findings:
        if values.__class__ is not list:
            return run.found(Finding("not-list"))
        if not values:
            return run.found(Finding("empty-list"))
        found: Findings = None
        for index, value in enumerate(values):
            more = item(value, run)
            if more is not None:
                found = joined(found, under(f"[{index}]", more))
        return found

    return check


def _fast_many(fast: Fast) -> Fast:
    def test(values: Any) -> object:
        if values.__class__ is not list or not values:
            return True
        for value in values:
            if fast(value) is not None:
                return True
        return None

    return test
