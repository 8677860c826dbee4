"""The responsible worker through time: plan and team judged together (BR-001 … BR-006, BR-009)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from adapter.types import CANONICAL_ROOT, Resource
from adapter.validation.rules.actors import (
    CODES,
    Member,
    members,
    organisation_types,
    pairs,
    person,
    same,
    team_of,
)
from adapter.validation.rules.meetings import meets_again
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.periods import Span, by_start, covers, gap, order, overlap, span
from adapter.validation.rules.scope import Scope, codes_of, extension_value, extension_values, objects

HANDOVER = f"{CANONICAL_ROOT}/StructureDefinition/handover"
PLAN_ACTIVITY = CODES + "plan-activity"
_ACKNOWLEDGED = ("receiver-acknowledged", "completed")
_FOLLOW_UP = frozenset({"follow-up-meeting", "regular-contact", "measurement"})
_OPEN = frozenset({"not-started", "scheduled", "in-progress", "on-hold"})


def with_function(scope: Scope, team: Resource | None, function: str) -> list[tuple[Span, Member]]:
    """Return the members of a team with a function, by the begin of their periods."""
    if team is None:
        return []
    found = [member for member in members(scope, team) if function in member.functions]
    return by_start((member.period, member) for member in found)


def named_in_plan(plan: Resource, function: str) -> list[tuple[str, dict[str, Any]]]:
    """Return place and Reference of those whom the plan's coordination activities name for a function."""
    found = []
    for index, activity in enumerate(objects(plan.get("activity"))):
        detail = activity.get("detail")
        if not isinstance(detail, dict) or "coordination" not in codes_of(detail.get("code"), PLAN_ACTIVITY):
            continue
        if function in codes_of(detail.get("code"), CODES + "team-function"):
            for position, performer in enumerate(objects(detail.get("performer"))):
                found.append((f"activity[{index}].detail.performer[{position}]", performer))
    return found


def _within_plan(plan: Resource, found: list[tuple[Span, Member]]) -> list[tuple[Span, Member]]:
    period = span(plan.get("period"))
    return [row for row in found if overlap(row[0], period) or row[0].end is None]


def _place(resource: Resource, member: Member | None) -> str:
    return member.place if member is not None and resource["resourceType"] == "CareTeam" else ""


@judgement("one_responsible_worker")
def one_responsible_worker(scope: Scope, resource: Resource) -> Iterator[Breach]:
    """BR-001: one responsible worker at every instant: none, late or two at once is a breach."""
    for plan, team in pairs(scope, resource):
        if plan.get("status") not in ("active", "draft"):
            continue
        found = _within_plan(plan, with_function(scope, team, "responsible-worker"))
        if not found:
            if not named_in_plan(plan, "responsible-worker"):
                yield Breach(variant=_lacking(scope, plan, team))
            continue
        if plan["status"] == "active":
            yield from _not_one_at_a_time(scope, resource, plan, found)


def _lacking(scope: Scope, plan: Resource, team: Resource | None) -> str:
    """Return the variant for a plan without responsible worker."""
    if plan["status"] == "draft":
        return "draft"
    kinds = codes_of(plan.get("category"), CODES + "plan-type")
    managers = objects(team.get("managingOrganization")) if team else []
    others = [plan.get("author"), *managers]
    if "oh-work-ability-plan" in kinds and any("occupational-health" in organisation_types(scope, it) for it in others):
        return "occupational-health"
    return ""


def _not_one_at_a_time(
    scope: Scope, resource: Resource, plan: Resource, found: list[tuple[Span, Member]]
) -> Iterator[Breach]:
    begin = span(plan.get("period")).start
    first = found[0][0].start
    if begin is not None and gap(begin, first):
        yield Breach(_place(resource, found[0][1]), variant="late")
    for position, (period, member) in enumerate(found):
        for other_period, other in found[position + 1 :]:
            two = not same(person(scope, member.reference), person(scope, other.reference))
            if two and overlap(period, other_period):
                yield Breach(_place(resource, other), variant="two")
                return


@judgement("responsible_in_team")
def responsible_in_team(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-002: whom the plan names is in its team as responsible worker, now."""
    team = team_of(scope, plan)
    if team is None or plan.get("status") != "active":
        return
    known = with_function(scope, team, "responsible-worker")
    for place, reference in named_in_plan(plan, "responsible-worker"):
        mine = [period for period, member in known if same(person(scope, member.reference), person(scope, reference))]
        if not mine:
            yield Breach(place)
        elif scope.now is not None and not any(covers(period, scope.now) for period in mine):
            yield Breach(place, variant="not-now")


@judgement("responsible_if_existing")
def responsible_if_existing(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-003: another responsible worker than the client already has needs a handover."""
    mine = with_function(scope, team, "responsible-worker")
    for other in scope.of_type("CareTeam"):
        if other is team or not mine or not scope.same(other.get("subject"), team.get("subject")):
            continue
        present = [member for period, member in with_function(scope, other, "responsible-worker") if period.end is None]
        for member in present if other.get("status") == "active" else ():
            known = person(scope, member.reference)
            if any(same(known, person(scope, one.reference)) for _, one in mine):
                continue
            if not any(extension_values(one.participant, HANDOVER) for _, one in mine):
                yield Breach(mine[-1][1].place)


def _changes(scope: Scope, team: Resource | None) -> Iterator[tuple[Span, Member, Span, Member]]:
    """Yield each change of the responsible worker to another person: before and after."""
    found = with_function(scope, team, "responsible-worker")
    for (before, old), (after, new) in pairwise(found):
        if not same(person(scope, old.reference), person(scope, new.reference)):
            yield before, old, after, new


@judgement("no_follow_up_gap")
def no_follow_up_gap(scope: Scope, resource: Resource) -> Iterator[Breach]:
    """BR-004: a change leaves no gap, and open follow-up goes to the new one."""
    if resource["resourceType"] == "CareTeam":
        for before, _, after, new in _changes(scope, resource):
            if gap(before.end, after.start):
                yield Breach(f"{new.place}.period.start")
        return
    team = team_of(scope, resource)
    former = []
    for before, old, after, _ in _changes(scope, team):
        former.append(person(scope, old.reference))
        if gap(before.end, after.start):
            yield Breach()
    for index, activity in enumerate(objects(resource.get("activity")) if former else []):
        detail = activity.get("detail")
        if not isinstance(detail, dict) or detail.get("status") not in _OPEN:
            continue
        if codes_of(detail.get("code"), PLAN_ACTIVITY) & _FOLLOW_UP:
            keys = [person(scope, performer) for performer in objects(detail.get("performer"))]
            if any(same(key, old) for key in keys for old in former):
                yield Breach(f"activity[{index}].detail.performer", variant="old-performer")


@judgement("escorted_handover")
def escorted_handover(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-005: a change is escorted: its handover was acknowledged or completed."""
    for _, _, _, new in _changes(scope, team):
        statuses = [extension_value(handover, "status") for handover in extension_values(new.participant, HANDOVER)]
        if not any(status in _ACKNOWLEDGED for status in statuses):
            yield Breach(new.place)


@judgement("coordination_to_end")
def coordination_to_end(scope: Scope, resource: Resource) -> Iterator[Breach]:
    """BR-006: the responsible worker stays named until the plan's end."""
    for plan, team in pairs(scope, resource):
        if plan.get("status") not in ("active", "on-hold", "completed"):
            continue
        found = with_function(scope, team, "responsible-worker")
        if not found or any(period.end is None for period, _ in found):
            continue
        last, member = max_end(found)
        end = span(plan.get("period")).end
        if last.end is not None and (plan["status"] != "completed" if end is None else gap(last.end, end)):
            yield Breach(_place(resource, member))


def max_end(found: list[tuple[Span, Member]]) -> tuple[Span, Member]:
    """Return the period that ends last; all of them have an end."""
    best = found[0]
    for row in found[1:]:
        assert best[0].end is not None
        assert row[0].end is not None
        if order(row[0].end, best[0].end) > 0:
            best = row
    return best


@judgement("companion_defined")
def companion_defined(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-009: the plan names the companion that its team names."""
    if plan.get("status") != "active":
        return
    mine = [person(scope, reference) for _, reference in named_in_plan(plan, "companion")]
    for period, member in with_function(scope, team_of(scope, plan), "companion"):
        present = period.end is None if scope.now is None else covers(period, scope.now)
        if present and not any(same(person(scope, member.reference), key) for key in mine):
            yield Breach("activity")


@judgement("not_remaining_in_team")
def not_remaining_in_team(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-048: once the plan is made the other memberships end, and the team stays active until the plan has ended.

    While a meeting of the team is booked its phase goes on.
    """
    plans = [plan for plan in scope.of_type("CarePlan") if team_of(scope, plan) is team]
    if not any(plan.get("status") == "active" for plan in plans):
        return
    if team.get("status") == "inactive":
        yield Breach("status", variant="inactive")
    if meets_again(scope, team):
        return
    for member in members(scope, team):
        stays = member.functions & {"responsible-worker", "companion"} or member.kind in ("Patient", "RelatedPerson")
        if not stays and member.period.end is None:
            yield Breach(f"{member.place}.period")
            return
