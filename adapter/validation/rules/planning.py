"""The plan itself: goals, meetings, planning with the client, services and their organisers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from adapter.types import CANONICAL_ROOT, Resource
from adapter.validation.fhirpath.values import Quantity, Temporal, add_duration
from adapter.validation.rules.actors import (
    CODES,
    Key,
    count_different,
    is_professional,
    members,
    person,
    team_of,
    versions,
)
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.periods import order
from adapter.validation.rules.scope import (
    Scope,
    codes_of,
    codings,
    extension_value,
    extension_values,
    inner,
    listed,
    moment,
    objects,
    tokens,
)

EXTENSIONS = f"{CANONICAL_ROOT}/StructureDefinition/"
PLANNED_SERVICE = EXTENSIONS + "planned-service"
RECONCILIATION = EXTENSIONS + "plan-reconciliation"
OBSERVATION_CODE = CODES + "observation-code"
COMPONENT = CODES + "observation-component"
_THREE_MONTHS = Quantity(Decimal(3), "month")


def details(plan: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield place and content of every activity that is described in the plan."""
    for index, activity in enumerate(objects(plan.get("activity"))):
        if isinstance(activity.get("detail"), dict):
            yield f"activity[{index}].detail", activity["detail"]


def observations(scope: Scope, code: str) -> list[Resource]:
    """Return the Observations with a code of cs:observation-code, in the document and around it."""
    return [found for found in scope.of_type("Observation") if code in codes_of(found.get("code"), OBSERVATION_CODE)]


def component_codes(observation: Resource, code: str) -> set[str]:
    """Return the codes that a component of an Observation has as value, whatever their systems."""
    found: set[str] = set()
    for component in objects(observation.get("component")):
        if code in codes_of(component.get("code"), COMPONENT):
            found |= {value for _, value in codings(component.get("valueCodeableConcept"))}
    return found


@judgement("client_goal")
def client_goal(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-012: at least one goal is expressed by the client."""
    goals = [goal for goal in scope.resolve_all(plan.get("goal")) if goal["resourceType"] == "Goal"]
    if goals and not any(scope.same(goal.get("expressedBy"), plan.get("subject")) for goal in goals):
        yield Breach("goal")


def next_meeting(scope: Scope, plan: Resource) -> Resource | None:
    """Return the Appointment of the plan's next meeting: the part of that name of its record."""
    for activity in objects(plan.get("activity")):
        found = scope.resolve(activity.get("reference")) if "reference" in activity else None
        is_meeting = found is not None and found["resourceType"] == "Appointment"
        if is_meeting and any("/next_meeting" in value for _, value in tokens(found or {})):
            return found
    return None


@judgement("has_next_meeting")
def has_next_meeting(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-017: an active plan has a next meeting with a time."""
    meeting = next_meeting(scope, plan)
    booked = any("reference" in activity for activity in objects(plan.get("activity")))
    if meeting is None and booked and scope.may_lack("Appointment"):
        return
    if meeting is None or moment(meeting.get("start")) is None:
        yield Breach("activity")


@judgement("next_meeting_future")
def next_meeting_future(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-018: the next meeting is not in the past."""
    meeting = next_meeting(scope, plan)
    start = moment(meeting.get("start")) if meeting else None
    if start is not None and scope.now is not None and order(start, scope.now) < 0:
        yield Breach("activity")


def _next_review(plan: Resource) -> list[tuple[str, Any]]:
    """Return place and date of the next reviews of activation plans."""
    found = []
    for index, extension in enumerate(objects(plan.get("extension"))):
        if extension.get("url") == RECONCILIATION and extension_value(extension, "plan-type") == "activation-plan":
            review = moment(extension_value(extension, "date"))
            if review is not None:
                found.append((f"extension[{index}]", review))
    return found


@judgement("activation_plan_3_months")
def activation_plan_3_months(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-021: the activation plan is reviewed at most three months after the last time, else after this version."""
    reviews = _next_review(plan)
    if not reviews:
        return
    earlier = [review for old in versions(scope, plan) for _, review in _next_review(old)]
    made = _made(scope, plan)
    for place, review in reviews:
        before = [at for at in earlier if order(at, review) < 0] or ([made] if made else [])
        last = max(before, key=lambda at: at.text, default=None)
        limit = add_duration(last, _THREE_MONTHS, 1) if last else None
        if limit is not None and order(review, limit) > 0:
            yield Breach(place)


def _made(scope: Scope, plan: Resource) -> Temporal | None:
    """Return when this version was recorded; None when only the making of an earlier version is known."""
    written = [provenance.get("recorded") for provenance in scope.own("Provenance")]
    if not versions(scope, plan) and "replaces" not in plan:
        written.append(plan.get("created"))
    return max((at for at in map(moment, written) if at), key=lambda at: at.text, default=None)


@judgement("job_search_change")
def job_search_change(_scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-025: a change keeps the old obligation and its end, says who set it and, when lowered, what helps."""
    found = []
    for place, detail in details(plan):
        if "job-search-obligation" in codes_of(detail.get("code"), CODES + "plan-activity"):
            repeat = inner(detail, "scheduledTiming", "repeat")
            bounds, frequency = inner(repeat, "boundsPeriod"), repeat.get("frequency", 0)
            number = frequency if type(frequency) is int else 0
            found.append((str(bounds.get("start", "")), place, detail, bounds, number))
    found.sort(key=lambda row: row[0])
    for (_, place, _, bounds, old), (_, next_place, detail, _, new) in pairwise(found):
        if "end" not in bounds:
            yield Breach(f"{place}.scheduledTiming.repeat.boundsPeriod", variant="no-end")
        if not objects(detail.get("performer")):
            yield Breach(f"{next_place}.performer", variant="nobody")
        services = extension_values(detail, PLANNED_SERVICE)
        if new < old and not any(extension_value(service, "supported-by") for service in services):
            yield Breach(next_place)


@judgement("follow_up_content")
def follow_up_content(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-027: a held follow-up meeting has its three results in one Observation."""
    wanted = {"follow-up-effect", "goals-checked", "current-need"}
    for index, activity in enumerate(objects(plan.get("activity"))):
        detail = activity.get("detail")
        if not isinstance(detail, dict) or detail.get("status") != "completed":
            continue
        if "follow-up-meeting" not in codes_of(detail.get("code"), CODES + "plan-activity"):
            continue
        best: set[str] = set()
        for result in scope.resolve_all(activity.get("outcomeReference")):
            there = {
                code for part in objects(result.get("component")) for code in codes_of(part.get("code"), COMPONENT)
            }
            best = max(best, there & wanted, key=len)
        if best != wanted:
            missing = ", ".join(sorted(wanted - best))
            yield Breach(f"activity[{index}].outcomeReference", values={"missing": missing})


@judgement("not_ended_too_early")
def not_ended_too_early(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-029: ending while the latest assessment says that the need goes on is flagged."""
    if extension_value(plan, EXTENSIONS + "plan-end-reason") in ("employed", "in-education"):
        return
    found = [
        result
        for result in observations(scope, "follow-up")
        if component_codes(result, "current-need") and scope.same(result.get("subject"), plan.get("subject"))
    ]
    latest = max(found, key=lambda result: str(result.get("effectiveDateTime", "")), default=None)
    if latest is not None and "ongoing" in component_codes(latest, "current-need"):
        yield Breach("status")


def client_took_part(scope: Scope, plan: Resource) -> bool:
    """True when an Appointment about the making of the plan has the client as accepted participant."""
    for meeting in scope.of_type("Appointment"):
        if meeting.get("status") != "fulfilled":
            continue
        if not any(scope.resolve(about) is plan for about in listed(meeting.get("supportingInformation"))):
            continue
        for participant in objects(meeting.get("participant")):
            if participant.get("status") == "accepted" and scope.same(participant.get("actor"), plan.get("subject")):
                return True
    return False


def mode_of(plan: Resource) -> Any:
    """Return the cs:planning-mode code of a plan."""
    return extension_value(plan, EXTENSIONS + "planning-mode")


@judgement("made_with_client")
def made_with_client(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-033: the client is present, or the mode is mediated and a permission for it is active."""
    if client_took_part(scope, plan) or scope.may_lack("Appointment"):
        return
    if mode_of(plan) != "mediated":
        yield Breach()
        return
    for consent in scope.of_type("Consent"):
        mine = "mediated-planning" in codes_of(consent.get("category"), CODES + "consent-type")
        if mine and consent.get("status") == "active" and scope.same(consent.get("patient"), plan.get("subject")):
            return
    yield Breach(variant="no-permission")


@judgement("mediated_not_alone")
def mediated_not_alone(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-034: some version of the plan is made in another mode than mediated."""
    others = [old for old in versions(scope, plan) if mode_of(old)]
    if others and mode_of(plan) == "mediated" and all(mode_of(old) == "mediated" for old in others):
        yield Breach()


@judgement("one_compiler")
def one_compiler(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-035: in work-division mode exactly one person compiles the plan."""
    if mode_of(plan) != "work-division":
        return
    keys = [person(scope, plan["author"])] if is_professional(scope, plan.get("author")) else []
    team = team_of(scope, plan)
    if team is not None:
        keys += [person(scope, member.reference) for member in members(scope, team) if "compiler" in member.functions]
    if count_different(keys) != 1:
        yield Breach("author")


@judgement("group_at_least_two")
def group_at_least_two(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-036: in group mode at least two professionals take part (the client's part is BR-033)."""
    if mode_of(plan) != "group":
        return
    references = [plan.get("author"), *listed(plan.get("contributor"))]
    team = team_of(scope, plan)
    if team is not None:
        references += [member.reference for member in members(scope, team)]
    keys: list[Key] = [person(scope, reference) for reference in references if is_professional(scope, reference)]
    unknown_team = team is None and inner(plan, "author").get("type") == "CareTeam"
    if count_different(keys) < 2 and not unknown_team:
        yield Breach("contributor")


@judgement("own_view_included")
def own_view_included(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-106: the assessment of needs includes the client's own view."""
    if extension_value(plan, EXTENSIONS + "client-view") or not objects(plan.get("supportingInfo")):
        return
    for found in scope.of_type("Observation"):
        instrument = codes_of(found.get("code"), CODES + "instrument")
        mode = codes_of(found.get("method"), CODES + "assessment-mode")
        if instrument and (
            "self" in mode or "own-work-ability-view" in instrument or has_component(found, "self-view")
        ):
            return
    yield Breach("extension")


def has_component(observation: Resource, code: str) -> bool:
    """True when an Observation has a component with a code of cs:observation-component."""
    return any(code in codes_of(part.get("code"), COMPONENT) for part in objects(observation.get("component")))
