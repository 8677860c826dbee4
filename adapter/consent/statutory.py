"""Statutory rights (R31): claimed, never assumed; configured, never guessed."""

from __future__ import annotations

from adapter.consent.configuration import Configuration, StatutoryRule
from adapter.consent.item import Item
from adapter.consent.model import YES, Coding, Reason
from adapter.consent.question import Asking
from adapter.consent.request import Request
from adapter.consent.vocabulary import read_coding


def claimed_rules(request: Request, configuration: Configuration) -> tuple[StatutoryRule, ...] | Reason:
    """Return the configured rules of the legal basis that the request claims; a reason when it is unknown."""
    if request.legal_basis is None and not request.basis_unreadable:
        return ()
    found = tuple(rule for rule in configuration.statutory_rules if request.legal_basis in rule.claims)
    return found or Reason.LEGAL_BASIS_UNKNOWN


def covers(rule: StatutoryRule, item: Item, asking: Asking) -> bool:
    """Tell whether a rule covers this resource: time, recipient, action, purpose, class; all must be listed."""
    request = asking.request
    return (
        rule.valid.holds(request.moment)
        and request.action in rule.actions
        and request.purpose in rule.purposes
        and (item.type in rule.classes or not rule.classes.isdisjoint(item.profiles))
        and _is_recipient(rule, asking)
    )


def _is_recipient(rule: StatutoryRule, asking: Asking) -> bool:
    organization = asking.request.requester.organization
    if organization is None:
        return False
    if any(organization.matches(ref) is YES for ref in rule.recipients):
        return True
    kinds = (organization.resource or {}).get("type")
    concepts = [kind for kind in kinds if isinstance(kind, dict)] if isinstance(kinds, list) else []
    found: set[Coding | None] = set()
    for concept in concepts:
        codings = concept.get("coding")
        found.update(map(read_coding, codings if isinstance(codings, list) else ()))
    return not rule.recipient_types.isdisjoint(found)
