"""All invariants of base R4, by the node they stand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.fhir.definitions import Constraint, children, element, is_primitive, type_definition
from adapter.i18n import catalogue
from adapter.types import CANONICAL_ROOT, Severity
from adapter.validation.datatype_rules import OF_TYPE
from adapter.validation.evaluation import compiled, holds
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.native_rules import ELSEWHERE, NATIVE, Native
from adapter.validation.run import Run

Rule = Callable[[dict[str, Any], Run], Findings]


def broken(constraint: Constraint, profile: str = "") -> Finding:
    """Return the finding that an invariant does not hold: in our words where we have them, else in HL7's."""
    severity: Severity = "error" if constraint.severity == "error" else "warning"
    key, values = f"rule-{constraint.key}", {}
    if profile or key not in catalogue("validation"):
        key, values = "invariant", {"rule": constraint.key, "human": constraint.human}
    fixed = _own_texts(constraint.human) if profile.startswith(CANONICAL_ROOT) else {}
    return Finding(key, values, rule=constraint.key, severity=severity, profile=profile, fixed=fixed)


def _own_texts(human: str) -> dict[str, str]:
    """Return the texts of an invariant of ours, which FHIR keeps in one string: `Finnish / English`."""
    finnish, mark, english = human.partition(" / ")
    return {"fi": finnish, "en": english} if mark else {}


@dataclass(frozen=True, slots=True)
class Rules:
    """What an object of one node must keep: native functions with their invariants, and everything else."""

    native: tuple[tuple[Native, Constraint], ...]
    others: tuple[Rule, ...]


@cache
def rules_of(type_name: str, path: str) -> Rules:
    """Return the rules of a node, those of its simple children included."""
    native: list[tuple[Native, Constraint]] = []
    others: list[Rule] = [OF_TYPE[type_name]] if not path and type_name in OF_TYPE else []
    definition = element(type_name, path) if path else type_definition(type_name).elements[type_name]
    if definition is not None and not definition.content:
        at = definition.path if path else type_name
        for constraint in _checked_here(definition.constraints):
            function = NATIVE.get(f"{at} {constraint.key}")
            if function is not None:
                native.append((function, constraint))
            else:
                others.append(_by_expression(constraint, at))
    for name, child in children(type_name, path).items():
        code = child.types[0].code if child.types else ""
        if child.constraints and code not in ("BackboneElement", "Element") and not child.content:
            others += [_of_child(name, code, constraint) for constraint in _checked_here(child.constraints)]
    return Rules(tuple(native), tuple(others))


def _checked_here(constraints: tuple[Constraint, ...]) -> list[Constraint]:
    return [constraint for constraint in constraints if constraint.key not in ELSEWHERE]


def _by_expression(constraint: Constraint, type_path: str) -> Rule:
    """Return an invariant as FHIRPath, compiled when first needed."""

    def rule(value: dict[str, Any], run: Run) -> Findings:
        if holds(compiled(constraint.expression, type_path), value, run):
            return None
        return run.found(broken(constraint))

    return rule


def _of_child(name: str, code: str, constraint: Constraint) -> Rule:
    """Return a rule on a child that has a data type: org-2 on every Organization.address, eld-3 on a string."""
    bare, is_choice = name.removesuffix("[x]"), name.endswith("[x]")

    def check(owner: dict[str, Any], run: Run) -> Findings:
        found: Findings = None
        for key in [key for key in owner if key.startswith(bare)] if is_choice else (name,):
            if key not in owner:
                continue
            rule = _by_expression(constraint, _type_in(key[len(bare) :]) if is_choice else code)
            value = owner[key]
            if not isinstance(value, list):
                found = joined(found, _named(key, rule(value, run)))
                continue
            for index, item in enumerate(value):
                found = joined(found, _named(f"{key}[{index}]", rule(item, run)))
        return found

    return check


def _type_in(ending: str) -> str:
    lowered = ending[:1].lower() + ending[1:]
    return lowered if is_primitive(lowered) else ending


def _named(name: str, found: Findings) -> Findings:
    return None if found is None else under(name, found)
