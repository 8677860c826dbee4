"""What a requester is told (R33): the same for "no consent" and "refused", so that no refusal shows."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.consent.configuration import Configuration, packaged_configuration
from adapter.consent.model import Decision


@dataclass(frozen=True, slots=True)
class Outward:
    """The answer to a requester.

    Attributes:
        released: something is released; how much was left out or cut is not told.
        reason: empty when released, else one of the closed outward list.
        status: HTTP status.
    """

    released: bool
    reason: str
    status: int


def outward(decision: Decision, *, config: Configuration | None = None) -> Outward:
    """Return what the requester may be told of a decision."""
    if decision.decision != "deny":
        return Outward(released=True, reason="", status=200)
    rules = (config or packaged_configuration()).outward
    status = rules.named.get(decision.reason)
    if status is not None:
        return Outward(released=False, reason=str(decision.reason), status=status)
    if not decision.team_member:
        return Outward(released=False, reason=rules.otherwise, status=rules.status)
    status = rules.named_for_members.get(decision.reason)
    if status is not None:
        return Outward(released=False, reason=str(decision.reason), status=status)
    return Outward(released=False, reason=rules.otherwise, status=rules.member_status)
