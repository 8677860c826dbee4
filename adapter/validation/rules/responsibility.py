"""Who answers for what: occupational health, county and municipality, employer, employment authority."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter import terminology
from adapter.types import Resource
from adapter.validation.fhirpath.values import parse_temporal
from adapter.validation.rules.actors import CODES, organisation, organisation_types, team_of
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.periods import day, order, span
from adapter.validation.rules.planning import COMPONENT, PLANNED_SERVICE, details, observations
from adapter.validation.rules.scope import (
    Scope,
    codes_of,
    extension_value,
    extension_values,
    listed,
    moment,
    objects,
    tokens,
)

_COUNTY_SINCE = parse_temporal("2023-01-01")
_REHABILITATION = frozenset(
    {
        "vocational-rehabilitation",
        "rehabilitation-education",
        "employment-promoting-rehabilitation",
        "education-trial",
        "supported-employment-line",
        "personal-guidance-and-financial-support",
    }
)
_WORKPLACE_MEASURES = frozenset({"job-modification", "work-tailoring", "preventive-workplace-measures"})


@judgement("oh_overall_responsibility")
def oh_overall_responsibility(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-120: the plan of an occupational-health client belongs to occupational health throughout."""
    is_oh_plan = "oh-work-ability-plan" in codes_of(plan.get("category"), CODES + "plan-type")
    if not is_oh_plan and not is_occupational_health_client(scope, plan.get("subject")):
        return
    owners = [owner for owner in _owners(scope, plan) if organisation(scope, owner) is not None]
    if owners and not any("occupational-health" in organisation_types(scope, owner) for owner in owners):
        yield Breach("careTeam")


def _owners(scope: Scope, plan: Resource) -> Iterator[Any]:
    """Yield References to the organisations that answer for a plan: its team's managers and its custodian."""
    team = team_of(scope, plan)
    if team is not None:
        yield from listed(team.get("managingOrganization"))
        return
    for provenance in scope.own("Provenance"):
        for agent in objects(provenance.get("agent")):
            if any(code == "custodian" for code in _agent_codes(agent)):
                yield agent.get("who")


def _agent_codes(agent: dict[str, Any]) -> set[str]:
    return codes_of(agent.get("type"), "http://terminology.hl7.org/CodeSystem/provenance-participant-type")


def is_occupational_health_client(scope: Scope, subject: Any) -> bool:
    """True when the client's record names occupational health."""
    patients = (patient for patient in scope.of_type("Patient") if "generalPractitioner" in patient)
    return any(
        "occupational-health" in organisation_types(scope, practice)
        for patient in patients
        if scope.resolve(subject) is not None and tokens(patient) & tokens(scope.resolve(subject) or {})
        for practice in listed(patient.get("generalPractitioner"))
    )


@judgement("organiser_by_date")
def organiser_by_date(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-142: the municipality organises health and social services until the end of 2022, the county from 2023."""
    services = terminology.code_system("service")
    for place, detail in details(plan):
        for code in codes_of(detail.get("code"), services.url):
            if code not in services or "organiser-until-2022" not in services.properties(code):
                continue
            start = span(detail.get("scheduledPeriod")).start or moment(plan.get("created"))
            if start is None or _COUNTY_SINCE is None:
                continue
            wrong = "municipality" if order(start, _COUNTY_SINCE) >= 0 else "wellbeing-county"
            for service in extension_values(detail, PLANNED_SERVICE):
                if wrong in organisation_types(scope, extension_value(service, "organiser")):
                    yield Breach(f"{place}.extension", values={"found": wrong})


@judgement("te_needs_finding")
def te_needs_finding(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-103: services of the employment authority as vocational rehabilitation rest on a physician's finding."""
    if not scope.has_context or observations(scope, "work-ability-evaluation"):
        return
    for place, detail in details(plan):
        if codes_of(detail.get("code"), CODES + "service") & _REHABILITATION:
            for service in extension_values(detail, PLANNED_SERVICE):
                if "te-office" in organisation_types(scope, extension_value(service, "organiser")):
                    yield Breach(place)


@judgement("employer_decides_workplace")
def employer_decides_workplace(scope: Scope, plan: Resource) -> Iterator[Breach]:
    """BR-123: measures at the workplace have the employer as organiser or performer."""
    for place, detail in details(plan):
        if codes_of(detail.get("code"), CODES + "service") & _WORKPLACE_MEASURES:
            performers = listed(detail.get("performer"))
            if not any("employer" in organisation_types(scope, performer) for performer in performers):
                yield Breach(f"{place}.performer")


@judgement("sick_leave_30_days")
def sick_leave_30_days(scope: Scope, leave: Resource) -> Iterator[Breach]:
    """BR-093: over 30 days of sick leave of an occupational-health client without occupational health is flagged."""
    if not is_occupational_health_client(scope, leave.get("subject")):
        return
    period = span(leave.get("valuePeriod"))
    first, last = (day(at) if at else None for at in (period.start, period.end))
    days = (last - first).days + 1 if first and last else 0
    for component in objects(leave.get("component")):
        if "sick-leave-cumulative-days" in codes_of(component.get("code"), COMPONENT):
            quantity = component.get("valueQuantity")
            days = max(days, int(quantity.get("value", 0))) if isinstance(quantity, dict) else days
    performers = listed(leave.get("performer"))
    if days > 30 and not any("occupational-health" in organisation_types(scope, it) for it in performers):
        yield Breach("performer")
