"""Whether a Consent can be read at all (R8): the shape of base R4 plus what base R4 leaves out.

The shape is judged by `adapter.validation`; the rows below it lacks: a nested rule without type, rules nested
too deep, a date that is no day, a period that ends before it starts, a privacy consent without policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from adapter.consent.configuration import Configuration
from adapter.consent.instants import period_span, span
from adapter.consent.model import Reason
from adapter.types import Resource

StructureCheck = Callable[[Resource], Sequence[object]]
"""Returns what breaks the base R4 structure of a Consent; nothing when it is sound."""


def flaw(consent: Resource, check: StructureCheck, configuration: Configuration) -> Reason | None:
    """Return why an active privacy consent cannot be relied on; None when it can be read."""
    if _depth(consent.get("provision")) > configuration.deepest + 1:
        return Reason.CONSENT_MALFORMED
    try:
        is_sound = not check(consent)
    except RecursionError:  # nested without end somewhere outside the provisions
        is_sound = False
    if not is_sound or not _has_policy(consent) or not _is_dated(consent, configuration):
        return Reason.CONSENT_MALFORMED
    rules = list(_rules(consent.get("provision")))
    if any(not _is_whole(rule, configuration) for rule in rules) or any("type" not in rule for rule in rules[1:]):
        return Reason.CONSENT_MALFORMED
    if "implicitRules" in consent or _has_modifier(consent, rules):
        return Reason.CONSENT_NOT_UNDERSTOOD
    return None


def _depth(rule: Any) -> int:
    """Return how many levels of rules there are, the root being one."""
    level, depth = [rule], 0
    while level := [found for found in level if isinstance(found, dict)]:
        depth += 1
        nested = [found.get("provision") for found in level]
        level = [inner for rules in nested if isinstance(rules, list) for inner in rules]
    return depth


def _has_policy(consent: Resource) -> bool:
    """Invariant ppc-1: `policy` or `policyRule`."""
    return bool(consent.get("policy") or consent.get("policyRule"))


def _is_dated(consent: Resource, configuration: Configuration) -> bool:
    moment = consent.get("dateTime")
    return moment is None or span(moment, configuration.zone) is not None


def _rules(root: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield the root and all rules below it."""
    if root is not None:
        yield root
        for nested in root.get("provision", ()):
            yield from _rules(nested)


def _is_whole(rule: dict[str, Any], configuration: Configuration) -> bool:
    """Tell whether the periods of a rule are spans of time."""
    return all(
        name not in rule or period_span(rule[name], configuration.zone) is not None for name in ("period", "dataPeriod")
    )


def _has_modifier(consent: Resource, rules: list[dict[str, Any]]) -> bool:
    """Tell whether a modifier extension stands where R4 allows one: none is known here, so all are unknown."""
    parts = [consent, *rules]
    for name in ("policy", "verification"):
        parts += consent.get(name, ())
    for rule in rules:
        parts += rule.get("actor", ())
        parts += rule.get("data", ())
    return any("modifierExtension" in part for part in parts) or _holds_modifier(consent.get("contained", []))


def _holds_modifier(contained: list[Any]) -> bool:
    """Tell whether a modifier extension stands anywhere inside contained resources."""
    waiting = list(contained)
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "modifierExtension" in found:
                return True
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
    return False
