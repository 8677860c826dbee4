"""Whether a Consent can be read at all (R8): the shape of base R4 plus what base R4 leaves out.

The shape is judged by `adapter.validation`; the rows below it lacks: a nested rule without type, rules nested
too deep, a date that is no day, a period that ends before it starts, a privacy consent without policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adapter.consent.configuration import Configuration
from adapter.consent.instants import period_span, span
from adapter.consent.model import Reason
from adapter.types import Issue, Resource

StructureCheck = Callable[[Resource], Sequence[Issue]]
"""Returns what breaks the base R4 structure of a Consent; nothing when it is sound."""


def flaw(consent: Resource, check: StructureCheck, configuration: Configuration) -> Reason | None:
    """Return why an active privacy consent cannot be relied on; None when it can be read."""
    if _depth(consent.get("provision")) > configuration.deepest + 1:
        return Reason.CONSENT_MALFORMED
    if check(consent) or not _has_policy(consent) or not _is_dated(consent, configuration):
        return Reason.CONSENT_MALFORMED
    if not _rules_are_whole(consent.get("provision"), configuration):
        return Reason.CONSENT_MALFORMED
    if "implicitRules" in consent or _has_modifier(consent):
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


def _rules_are_whole(root: Any, configuration: Configuration) -> bool:
    """Tell whether nested rules have a type and periods a span; the root may go without type (R12)."""
    level = [root] if root else []
    is_root = True
    while level:
        for rule in level:
            if "type" not in rule and not is_root:
                return False
            for name in ("period", "dataPeriod"):
                if name in rule and period_span(rule[name], configuration.zone) is None:
                    return False
        level = [inner for rule in level for inner in rule.get("provision", [])]
        is_root = False
    return True


def _has_modifier(consent: Resource) -> bool:
    """Tell whether a modifier extension stands anywhere: none is known here, so all are unknown."""
    waiting: list[Any] = [consent]
    while waiting:
        found = waiting.pop()
        if found.__class__ is dict:
            if "modifierExtension" in found:
                return True
            found = found.values()
        for inner in found:
            if inner.__class__ is dict or inner.__class__ is list:
                waiting.append(inner)
    return False
