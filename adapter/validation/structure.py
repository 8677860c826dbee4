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
from adapter.validation import leaf_types
from adapter.validation.explain import (
    definition_id,
    element_id,
    explain_primitive,
    missing,
    no_content,
    sibling_findings,
    unknown_element,
)
from adapter.validation.findings import Finding, Findings, has_errors, joined, under
from adapter.validation.grammars import GRAMMARS, Grammar
from adapter.validation.primitives import PRIMITIVES, Fast
from adapter.validation.run import Run

Check = Callable[[Any, Run], Findings]
"""Looks at one JSON value; None when all is well."""


@dataclass(frozen=True, slots=True)
class PrimitiveField:
    """A primitive element of an object: its definition, its type and the codes, or their form, that it is bound to."""

    definition: ElementDefinition
    type_name: str
    codes: frozenset[str] | None
    grammar: Grammar | None = None


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
        if "id" in self.primitives and not self._is_resource:
            del self.primitives["id"], self.fast["id"]
            self.parts["id"] = element_id if self.type_name != "ElementDefinition" else definition_id

    @property
    def _is_resource(self) -> bool:
        return not self.path and is_subtype(self.type_name, "Resource")

    def _add(self, key: str, definition: ElementDefinition) -> None:
        from adapter.validation.bindings import required_codes

        code = definition.types[0].code if definition.types else ""
        if not is_primitive(code):
            make = self._maker(key, definition, code)
            self.parts[key] = _many(make) if definition.is_list else self._later(key, make)
            return
        binding = definition.binding
        codes = required_codes(binding.value_set) if binding and binding.strength == "required" else None
        grammar = GRAMMARS.get(binding.value_set) if binding and binding.strength == "required" else None
        fast: Fast = PRIMITIVES[code].fast
        if code == "code" and codes is not None:
            fast = codes.__contains__
        elif code == "code" and grammar is not None:
            fast = grammar.fast(fast)
        self.primitives[key] = PrimitiveField(definition, code, codes, grammar)
        self.fast[key] = _fast_many(fast) if definition.is_list else fast

    def _later(self, key: str, make: Callable[[], Check]) -> Check:
        """Return a check that compiles at its first use and then takes its own place."""

        def check(value: Any, run: Run) -> Findings:
            made = self.parts[key] = make()
            return made(value, run)

        return check

    def _maker(self, key: str, definition: ElementDefinition, code: str) -> Callable[[], Check]:
        """Return what compiles the check of one value of an element; types refer to each other in circles."""
        from adapter.validation import bindings, extensions, references, resources

        if definition.content or code in ("BackboneElement", "Element"):
            below = f"{self.path}.{key}" if self.path else key
            return lambda: check_of(self.type_name, below)
        if code == "Resource":
            return lambda: resources.nested(key)
        if code == "Extension":
            modifier, nested = key == "modifierExtension", self.type_name == "Extension"
            return lambda: extensions.check(check_of("Extension"), modifier=modifier, nested=nested)
        type_ = definition.types[0]
        name = type_.profiles[0] if type_.profiles else code
        if code == "Reference":
            return lambda: references.check(check_of(name), type_.targets)
        return lambda: bindings.bound(_leaf(name), code, definition.binding)

    def compile(self) -> Check:
        """Return the closure that checks an object of this node."""
        from adapter.validation.invariants import broken, rules_of

        fast_of, part_of, primitives = self.fast.get, self.parts.get, self.primitives
        type_name, path = self.type_name, self.path
        known = tuple(json_children(type_name, path))
        required, choices = _cardinality(type_name, path)
        rules = rules_of(type_name, path)
        native, others = rules.native, rules.others
        labels = _labels(type_name, path)
        is_resource = self._is_resource
        if is_resource:
            self.fast["resourceType"] = frozenset((type_name,)).__contains__

        def check(value: Any, run: Run) -> Findings:
            if value.__class__ is not dict or not value:
                return no_content(value, run)
            found: Findings = None
            for key, item in value.items():
                fast = fast_of(key)
                if fast is not None:
                    try:
                        if fast(item):
                            continue
                    except TypeError:
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
                    found = joined(found, under(labels.get(key) or key, more))
            for name in required:
                if name not in value and f"_{name}" not in value:
                    found = joined(found, missing(name, run))
            for choice in choices:
                present = 0 if choice.keys.isdisjoint(value) else len(choice.keys & value.keys())
                if present > 1 or (choice.required and not present):
                    found = joined(found, _choice(choice, value, run))
            if len(value) == 1 and "id" in value and not is_resource:
                found = joined(found, run.found(Finding("rule-ele-1", rule="ele-1")))
            if run.structure_only or (found is not None and has_errors(found)):
                return found
            for holds, constraint in native:
                if not holds(value, run):
                    found = joined(found, run.found(broken(constraint)))
            for rule in others:
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


def _labels(type_name: str, path: str) -> dict[str, str]:
    """Return the FHIRPath name by JSON name, where the two differ: `valueQuantity`, `_status`."""
    labels: dict[str, str] = {}
    for key, definition in json_children(type_name, path).items():
        name = definition.path.rpartition(".")[2].removesuffix("[x]")
        labels[f"_{key}"] = name
        if name != key:
            labels[key] = name
    return labels


def _choice(choice: Choice, value: dict[str, Any], run: Run) -> Findings:
    present = {key.removeprefix("_") for key in value if key in choice.keys}
    if len(present) > 1:
        names = ", ".join(sorted(present))
        return run.found(Finding("choice-several", {"name": f"{choice.name}[x]", "names": names}, choice.name))
    if choice.required and not present:
        names = ", ".join(sorted(key for key in choice.keys if key[0] != "_"))
        return run.found(Finding("choice-missing", {"name": f"{choice.name}[x]", "names": names}))
    return None


@cache
def _leaf(type_name: str) -> Check:
    """Return the check of a data type that asks pydantic-core first where that can tell."""
    exact, accepts = check_of(type_name), leaf_types.accepts(type_name)
    if accepts is None:
        return exact

    def check(value: Any, run: Run) -> Findings:
        return None if value and accepts(value) else exact(value, run)

    return check


def _many(make: Callable[[], Check]) -> Check:
    item: Check | None = None

    def check(values: Any, run: Run) -> Findings:
        nonlocal item
        if values.__class__ is not list:
            return run.found(Finding("not-list"))
        if not values:
            return run.found(Finding("empty-list"))
        if item is None:
            item = make()
        found: Findings = None
        for index, value in enumerate(values):
            more = item(value, run)
            if more is not None:
                found = joined(found, under(f"[{index}]", more))
        return found

    return check


def _fast_many(fast: Fast) -> Fast:
    return lambda values: values.__class__ is list and bool(values) and all(map(fast, values))
