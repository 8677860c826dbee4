"""Health check, work-ability evaluation and measures (BR-070, BR-083 … BR-109)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.types import Resource
from adapter.validation.rules.actors import CODES, organisation, person, same
from adapter.validation.rules.meetings import meeting_kinds
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.planning import COMPONENT, OBSERVATION_CODE, component_codes, observations
from adapter.validation.rules.scope import Scope, codes_of, inner, objects

LEVEL = CODES + "health-check-level"
INSTRUMENT = CODES + "instrument"


def level_of(check: Resource) -> set[str]:
    """Return the cs:health-check-level codes of a health check."""
    return codes_of(check.get("method"), LEVEL)


def further_needed(check: Resource) -> Any:
    """Return the nurse's yes or no to further evaluation; None when it is not said."""
    for component in objects(check.get("component")):
        if "further-evaluation-needed" in codes_of(component.get("code"), OBSERVATION_CODE):
            return component.get("valueBoolean")
    return None


def findings(scope: Scope, check: Resource, code: str) -> list[Resource]:
    """Return the members of a health check with a code of cs:observation-code."""
    found = scope.resolve_all(check.get("hasMember"))
    return [member for member in found if code in codes_of(member.get("code"), OBSERVATION_CODE)]


def _told_to_client(scope: Scope, check: Resource) -> bool:
    return any(
        any(scope.resolve(about) is check for about in objects(message.get("about")))
        and any(scope.same(recipient, check.get("subject")) for recipient in objects(message.get("recipient")))
        for message in scope.of_type("Communication")
    )


@judgement("feedback_to_client")
def feedback_to_client(scope: Scope, check: Resource) -> Iterator[Breach]:
    """BR-070: the client gets feedback on the check (a nurse's «no» is BR-084)."""
    ends_here = "nurse-broad" in level_of(check) and further_needed(check) is False
    if not ends_here and not _told_to_client(scope, check):
        yield Breach()


@judgement("no_leads_to_feedback")
def no_leads_to_feedback(scope: Scope, check: Resource) -> Iterator[Breach]:
    """BR-084: a nurse's «no» ends with feedback to the client."""
    ends_here = "nurse-broad" in level_of(check) and further_needed(check) is False
    if ends_here and not _told_to_client(scope, check):
        yield Breach()


@judgement("yes_leads_to_physician")
def yes_leads_to_physician(scope: Scope, check: Resource) -> Iterator[Breach]:
    """BR-083: a nurse's «yes» leads to a physician's check, done or planned."""
    if "nurse-broad" not in level_of(check) or further_needed(check) is not True or not scope.has_context:
        return
    done = any("physician" in level_of(other) for other in observations(scope, "health-check"))
    planned = any(
        codes_of(inner(activity, "detail").get("code"), CODES + "service") & {"physician-check"}
        for plan in scope.of_type("CarePlan")
        for activity in objects(plan.get("activity"))
    )
    if not done and not planned:
        yield Breach("component")


@judgement("physician_content")
def physician_content(scope: Scope, check: Resource) -> Iterator[Breach]:
    """BR-085: a physician's check has survey, evaluation and remaining work ability."""
    if "physician" not in level_of(check):
        return
    components = {
        code for part in objects(check.get("component")) for code in codes_of(part.get("code"), OBSERVATION_CODE)
    }
    missing = [] if "health-survey" in components else ["health-survey"]
    missing += [
        code for code in ("work-ability-evaluation", "remaining-work-ability") if not findings(scope, check, code)
    ]
    if missing:
        yield Breach("hasMember", values={"missing": ", ".join(missing)})


@judgement("mental_and_substance")
def mental_and_substance(scope: Scope, check: Resource) -> Iterator[Breach]:
    """BR-086: both assessments are there, done or «not done» with a reason."""
    for code in ("mental-health-assessment", "substance-use-assessment"):
        found = findings(scope, check, code)
        if not found:
            yield Breach("hasMember", values={"missing": code})
        for assessment in found:
            absent = assessment.get("dataAbsentReason")
            if isinstance(absent, dict) and not absent.get("text"):
                yield Breach("hasMember", variant="no-reason", values={"missing": code})


@judgement("network_leads_to_meeting")
def network_leads_to_meeting(scope: Scope, check: Resource) -> Iterator[Breach]:
    """BR-088: the route «network cooperation» is followed by a multi-agency meeting."""
    if "network-cooperation" not in component_codes(check, "outcome-routes") or not scope.has_context:
        return
    if not any("multi-agency-meeting" in meeting_kinds(meeting) for meeting in scope.of_type("Appointment")):
        yield Breach("component")


@judgement("reference_work_unemployed")
def reference_work_unemployed(scope: Scope, evaluation: Resource) -> Iterator[Breach]:
    """BR-090: for an unemployed client the comparison is with the last job or closely comparable work."""
    unemployed = any(
        "unemployed" in codes_of(found.get("valueCodeableConcept"), CODES + "client-group")
        and scope.same(found.get("subject"), evaluation.get("subject"))
        for found in observations(scope, "client-group")
    )
    chosen = component_codes(evaluation, "reference-work")
    if unemployed and chosen - {"last-job-before-unemployment", "closely-comparable-work"}:
        yield Breach("component")


@judgement("sick_leave_basis")
def sick_leave_basis(scope: Scope, leave: Resource) -> Iterator[Breach]:
    """BR-091: a sick leave rests on an examination; where that is known it holds the anamnesis with the work tasks."""
    if not objects(leave.get("derivedFrom")):
        yield Breach("derivedFrom")
    for examination in scope.resolve_all(leave.get("derivedFrom")):
        if "health-check" not in codes_of(examination.get("code"), OBSERVATION_CODE):
            continue
        evaluations = findings(scope, examination, "work-ability-evaluation")
        if any(_says_no(evaluation, "job-impact-known") for evaluation in evaluations):
            yield Breach("derivedFrom", variant="tasks-unknown")


def _says_no(observation: Resource, code: str) -> bool:
    return any(
        code in codes_of(part.get("code"), COMPONENT) and part.get("valueBoolean") is False
        for part in objects(observation.get("component"))
    )


@judgement("repeat_measures")
def repeat_measures(scope: Scope, measure: Resource) -> Iterator[Breach]:
    """BR-109: Kykyviisari at the end goes with one at the start."""
    if "kykyviisari" not in codes_of(measure.get("code"), INSTRUMENT) or not scope.has_context:
        return
    if not component_codes(measure, "measurement-point") & {"interim", "end", "after"}:
        return
    for other in scope.of_type("Observation"):
        mine = "kykyviisari" in codes_of(other.get("code"), INSTRUMENT)
        if (
            mine
            and "start" in component_codes(other, "measurement-point")
            and scope.same(other.get("subject"), measure.get("subject"))
        ):
            return
    yield Breach("component")


@judgement("old_diagnosis")
def old_diagnosis(scope: Scope, condition: Resource) -> Iterator[Breach]:
    """BR-051: a diagnosis from another register keeps its date, and is not active only because it was found there."""
    source = scope.resolve(condition.get("asserter"))
    if source is None or source["resourceType"] != "PractitionerRole" or "practitioner" in source:
        return
    theirs = organisation(scope, condition.get("asserter"))
    ours = [agent.get("who") for provenance in scope.own("Provenance") for agent in objects(provenance.get("agent"))]
    if theirs is None or any(same(person(scope, who), person(scope, source.get("organization"))) for who in ours):
        return
    if "recordedDate" not in condition:
        yield Breach("recordedDate")
