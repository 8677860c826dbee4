"""What a requester is in a CareTeam or Group (R20, R21): looked up once, asked by many provisions."""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from adapter.consent.context import Party
from adapter.consent.instants import ALWAYS, Span, period_span
from adapter.consent.model import NO, UNKNOWN, YES, Match
from adapter.consent.question import Asking
from adapter.consent.references import Ref
from adapter.types import Resource


class Standing(NamedTuple):
    """What the requester is in one team or group.

    Attributes:
        refused: whether a refusal aimed at the team reaches the requester; current membership is enough.
        best: whether a permit does, when the day of signing does not help.
        since: when the earliest current membership began; None when there is none or nobody knows.
    """

    refused: Match
    best: Match
    since: float | None = None

    def permitted(self, signing_day_end: float | None) -> Match:
        """Tell whether a permit for the team reaches the requester: a member since the day of signing."""
        if self.since is not None and signing_day_end is not None and self.since < signing_day_end:
            return YES
        return self.best


def standing(ref: Ref, asking: Asking, client: Party) -> Standing | None:
    """Return the requester's standing in a team or group; None when the reference is resolved to neither."""
    known = asking.standings.setdefault(client.keys, {})
    if ref not in known:
        known[ref] = _standing(ref, asking, client)
    return known[ref]


def _standing(ref: Ref, asking: Asking, client: Party) -> Standing | None:
    resource = asking.context.look_up(ref)
    kind = ref.type if resource is None else resource.get("resourceType")
    if kind == "CareTeam":
        return _in_team(resource, asking, client) if resource else _UNRESOLVED
    if kind == "Group":
        return _in_group(resource, asking) if resource else _UNRESOLVED
    return None


_UNRESOLVED = Standing(UNKNOWN, UNKNOWN)
_OUTSIDE = Standing(NO, NO)
_ENDED = Standing(Match.TEAM_NOT_ACTIVE, Match.TEAM_NOT_ACTIVE)


def _in_team(team: Resource, asking: Asking, client: Party) -> Standing:
    runs = _period(team, asking)
    participants = team.get("participant", [])
    if runs is None or not isinstance(participants, list):
        return _UNRESOLVED
    if team.get("status") != "active" or not runs.holds(asking.moment):
        return _ENDED
    whose = client.matches(asking.context.reference(team.get("subject")))
    if whose is not YES:
        return _UNRESOLVED if whose is UNKNOWN and "subject" in team else _OUTSIDE
    found = _OUTSIDE
    for participant in participants:
        if isinstance(participant, dict) and "member" in participant:
            entry = _participation(participant, asking, runs.low)
            found = found if entry is _OUTSIDE else _joined(found, entry)
    return found


def _participation(participant: dict[str, Any], asking: Asking, team_began: float) -> Standing:
    """Judge one participant entry: whom it names, for whom, since when."""
    member = asking.context.reference(participant.get("member"))
    personal, own, unit = _person(member, asking), _organization(member, asking), _unit_above(member, asking)
    if personal is own is unit is NO:
        return _OUTSIDE
    behalf = participant.get("onBehalfOf")
    if behalf is not None:
        personal = min(personal, _organization(asking.context.reference(behalf), asking))
    admitted = max(personal, own) if asking.request.requester.is_system else personal
    reached = max(personal, own, unit)
    runs = _period(participant, asking)
    if runs is None:
        return Standing(min(reached, UNKNOWN), min(admitted, UNKNOWN))
    if not runs.holds(asking.moment):
        return Standing(*(Match.MEMBERSHIP_NOT_CURRENT if one >= UNKNOWN else NO for one in (reached, admitted)))
    if admitted is not YES:
        return Standing(reached, admitted)
    began = runs.low if runs.low > -inf else team_began
    return Standing(reached, Match.ADDED_LATER, began if began > -inf else None)


def _in_group(group: Resource, asking: Asking) -> Standing:
    members = group.get("member", [])
    active, actual = group.get("active"), group.get("actual")
    if not isinstance(members, list):
        return _UNRESOLVED
    if active is False or actual is False:
        return _OUTSIDE
    best = NO
    for member in members:
        if not isinstance(member, dict) or member.get("inactive", False) is True:
            continue
        runs = _period(member, asking)
        if runs is None or runs.holds(asking.moment):
            named = _person(asking.context.reference(member.get("entity")), asking)
            best = max(best, min(named, UNKNOWN) if runs is None else named)
    if active is not True or actual is not True:
        best = min(best, UNKNOWN)
    return Standing(best, best)


def _person(ref: Ref, asking: Asking) -> Match:
    """Tell whether a reference names the person, role, RelatedPerson or Device that asks."""
    if ref.key in asking.possible_role_keys:
        return UNKNOWN
    return max((one.matches(ref) for one in asking.people), default=NO)


def _organization(ref: Ref, asking: Asking) -> Match:
    organization = asking.request.requester.organization
    return NO if organization is None else organization.matches(ref)


def _unit_above(ref: Ref, asking: Asking) -> Match:
    """Tell whether a reference names a unit above the requester's organisation (refusals flow down, R18)."""
    keys, identifiers, complete = asking.units_above
    if (ref.key and ref.key in keys) or ref.identifier in identifiers:
        return YES
    return NO if complete or ref.type not in ("Organization", "") else UNKNOWN


def _joined(left: Standing, right: Standing) -> Standing:
    begins = [since for since in (left.since, right.since) if since is not None]
    return Standing(max(left.refused, right.refused), max(left.best, right.best), min(begins, default=None))


def _period(resource: Resource, asking: Asking) -> Span | None:
    """Return the span of `period`; ALWAYS without one, None when it cannot be read."""
    period = resource.get("period")
    if period is None:
        return ALWAYS
    return period_span(period, asking.configuration.zone) if isinstance(period, dict) else None
