"""What a profile asks of one value by itself: fixed, pattern, length, limits, binding, invariants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import Constraint, ElementDefinition
from adapter.validation.bindings import binding_findings
from adapter.validation.compile import type_path
from adapter.validation.evaluation import FhirPathError, compiled, holds
from adapter.validation.fhirpath.values import compare_temporals, parse_temporal
from adapter.validation.findings import Finding, Findings
from adapter.validation.invariants import broken
from adapter.validation.items import Item
from adapter.validation.matching import equals, fits, shown
from adapter.validation.native_rules import ELSEWHERE
from adapter.validation.overlay import Overlay
from adapter.validation.run import Run

if TYPE_CHECKING:
    from adapter.validation.compile import Compiler
    from adapter.validation.profile import ItemCheck


def facet_checks(overlay: Overlay, definition: ElementDefinition, compiler: Compiler) -> list[ItemCheck]:
    """Return the checks of a value that the overlay asks for, in the order of their cost."""
    checks = [*_value_checks(overlay, definition), *_constraint_checks(overlay, definition, compiler)]
    if overlay.regex:
        checks += _regex(overlay, compiler)
    return checks


def _value_checks(overlay: Overlay, definition: ElementDefinition) -> Iterator[ItemCheck]:
    if overlay.must_have_value:
        yield lambda item, run: None if item.value is not None else run.found(Finding("profile-value-missing"))
    if overlay.fixed is not None:
        yield _compare("profile-fixed", overlay.fixed)
    if overlay.pattern is not None:
        yield _compare("profile-pattern", overlay.pattern)
    if overlay.min_length is not None or overlay.max_length is not None:
        yield _length(overlay.min_length or 0, overlay.max_length)
    if overlay.min_value is not None:
        yield _limit("profile-min-value", overlay.min_value, -1)
    if overlay.max_value is not None:
        yield _limit("profile-max-value", overlay.max_value, 1)
    open_choice = definition.is_choice and len(overlay.types or definition.types) > 1
    bound_here = overlay.binding is not None and overlay.binding[0] in ("required", "extensible", "preferred")
    if overlay.binding is not None and bound_here and not open_choice:
        strength, value_set = overlay.binding

        def bound(item: Item, run: Run) -> Findings:
            return None if item.value is None else binding_findings(item.value, strength, value_set, run)

        yield bound


def _compare(key: str, expected: Any) -> ItemCheck:
    test = equals if key == "profile-fixed" else fits
    values = {"expected": shown(expected)}

    def check(item: Item, run: Run) -> Findings:
        if item.value is None or test(item.value, expected):
            return None
        return run.found(Finding(key, values))

    return check


def _length(least: int, most: int | None) -> ItemCheck:
    def check(item: Item, run: Run) -> Findings:
        if not isinstance(item.value, str):
            return None
        length = len(item.value)
        if length < least:
            return run.found(Finding("profile-min-length", {"min": str(least), "length": str(length)}))
        if most is not None and length > most:
            return run.found(Finding("profile-max-length", {"max": str(most), "length": str(length)}))
        return None

    return check


def _regex(overlay: Overlay, compiler: Compiler) -> Iterator[ItemCheck]:
    """Yield the check of HL7's `regex` extension, on the linear engine of FHIRPath."""
    pattern = overlay.regex.replace("\\", "\\\\").replace("'", "\\'")
    try:
        expression = compiled(f"matches('^(?:{pattern})$')", "string")
    except FhirPathError as error:
        compiler.problem(overlay, f"regex: {error.problem}")
        return

    def check(item: Item, run: Run) -> Findings:
        if not isinstance(item.value, str) or holds(expression, item.value, run):
            return None
        return run.found(Finding("profile-regex", {"pattern": overlay.regex}))

    yield check


def _limit(key: str, limit: Any, wrong_side: int) -> ItemCheck:
    def check(item: Item, run: Run) -> Findings:
        if _order(item.value, limit) == wrong_side:
            return run.found(Finding(key, {"limit": shown(limit)}))
        return None

    return check


def _order(value: Any, limit: Any) -> int | None:
    """Return -1, 0 or 1; None when the two cannot be compared."""
    if isinstance(value, dict) and isinstance(limit, dict):
        if (value.get("system"), value.get("code")) != (limit.get("system"), limit.get("code")):
            return None
        return _order(value.get("value"), limit.get("value"))
    if isinstance(value, bool) or isinstance(limit, bool):
        return None
    if isinstance(value, int | Decimal) and isinstance(limit, int | Decimal | float):
        left, right = Decimal(value), Decimal(str(limit))
        return (left > right) - (left < right)
    if isinstance(value, str) and isinstance(limit, str):
        one, other = parse_temporal(value), parse_temporal(limit)
        return None if one is None or other is None else compare_temporals(one, other)
    return None


def _constraint_checks(overlay: Overlay, definition: ElementDefinition, compiler: Compiler) -> Iterator[ItemCheck]:
    for constraint in constraints_beyond(overlay, definition):
        for problem in _unknown_names(constraint.expression, compiler):
            compiler.problem(overlay, f"{constraint.key}: {problem}")
        try:
            compiled(constraint.expression)
            yield _constraint(constraint, definition, compiler.profile.canonical)
        except FhirPathError as error:
            compiler.problem(overlay, f"{constraint.key}: {error.problem}")


def constraints_beyond(overlay: Overlay, definition: ElementDefinition) -> list[Constraint]:
    """Return the invariants that a profile adds to those of base R4."""
    base = {constraint.key for constraint in definition.constraints} | ELSEWHERE
    return [constraint for constraint in overlay.constraints.values() if constraint.key not in base]


_NAMED = re.compile(r"\b(memberOf|conformsTo)\(\s*'([^']+)'\s*\)")


def _unknown_names(expression: str, compiler: Compiler) -> Iterator[str]:
    """Yield the value sets and profiles that an invariant asks about and that are not known in full."""
    for function, name in _NAMED.findall(expression):
        if function == "memberOf":
            codes = compiler.registry.terminology.value_set(name)
            if codes is None or codes.open_systems:
                yield f"value set {name}"
        elif not compiler.registry.is_base(name) and not compiler.registry.knows(name):
            yield f"profile {name}"


def _constraint(constraint: Constraint, definition: ElementDefinition, canonical: str) -> ItemCheck:
    def check(item: Item, run: Run) -> Findings:
        sibling = item.sibling if isinstance(item.sibling, dict) else None
        expression = compiled(constraint.expression, type_path(item.code, definition))
        if holds(expression, item.value, run, sibling):
            return None
        return run.found(broken(constraint, canonical))

    return check
