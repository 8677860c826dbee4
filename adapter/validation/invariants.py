"""All invariants of base R4, by the node they stand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.fhir.definitions import Constraint, children, element, is_primitive, type_definition
from adapter.types import Severity
from adapter.validation.datatype_rules import OF_TYPE
from adapter.validation.evaluation import Invariant
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.native_rules import ELSEWHERE, NATIVE
from adapter.validation.run import Run

Rule = Callable[[dict[str, Any], Run], Findings]


def broken(constraint: Constraint, profile: str = "") -> Finding:
    """Return the finding that an invariant does not hold."""
    severity: Severity = "error" if constraint.severity == "error" else "warning"
    values = {"rule": constraint.key, "human": constraint.human}
    return Finding("invariant", values, rule=constraint.key, severity=severity, profile=profile)


@cache
def rules_of(type_name: str, path: str) -> tuple[Rule, ...]:
    """Return the rules that an object of this node must keep, those of its simple children included."""
    rules: list[Rule] = [OF_TYPE[type_name]] if not path and type_name in OF_TYPE else []
    definition = element(type_name, path) if path else type_definition(type_name).elements[type_name]
    if definition is not None and not definition.content:
        at = definition.path if path else type_name
        rules += [_own(constraint, at) for constraint in _checked_here(definition.constraints)]
    for name, child in children(type_name, path).items():
        code = child.types[0].code if child.types else ""
        if child.constraints and code not in ("BackboneElement", "Element") and not child.content:
            rules += [_of_child(name, code, constraint) for constraint in _checked_here(child.constraints)]
    return tuple(rules)


def _checked_here(constraints: tuple[Constraint, ...]) -> list[Constraint]:
    return [constraint for constraint in constraints if constraint.key not in ELSEWHERE]


def _own(constraint: Constraint, path: str) -> Rule:
    native = NATIVE.get(f"{path} {constraint.key}")
    if native is not None:

        def rule(value: dict[str, Any], run: Run) -> Findings:
            return None if native(value, run) else run.found(broken(constraint))

        return rule
    return _FhirPathRule(constraint, path)


@dataclass(slots=True)
class _FhirPathRule:
    """An invariant as FHIRPath, compiled when first needed."""

    constraint: Constraint
    type_path: str
    invariant: Invariant | None = None

    def __call__(self, value: Any, run: Run) -> Findings:
        if self.invariant is None:
            self.invariant = Invariant(self.constraint.expression)
        if self.invariant.holds(value, self.type_path, run):
            return None
        return run.found(broken(self.constraint))


def _of_child(name: str, code: str, constraint: Constraint) -> Rule:
    """Return a rule on a child that has a data type: org-2 on every Organization.address, eld-3 on a string."""
    bare, is_choice = name.removesuffix("[x]"), name.endswith("[x]")
    rule = _FhirPathRule(constraint, "" if is_choice else code)

    def check(owner: dict[str, Any], run: Run) -> Findings:
        found: Findings = None
        for key in [key for key in owner if key.startswith(bare)] if is_choice else (name,):
            if key not in owner:
                continue
            if is_choice:
                chosen = key[len(bare) :]
                lowered = chosen[:1].lower() + chosen[1:]
                rule.type_path = lowered if is_primitive(lowered) else chosen
            value = owner[key]
            if not isinstance(value, list):
                found = joined(found, _named(key, rule(value, run)))
                continue
            for index, item in enumerate(value):
                found = joined(found, _named(f"{key}[{index}]", rule(item, run)))
        return found

    return check


def _named(name: str, found: Findings) -> Findings:
    return None if found is None else under(name, found)
