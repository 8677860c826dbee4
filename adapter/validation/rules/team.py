"""Composition and meetings of a team (BR-037 … BR-052)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.types import Resource
from adapter.validation.rules.actors import (
    CODES,
    ORGANISATION_TYPE,
    PROFESSIONAL_ROLE,
    Member,
    count_different,
    member_organisation,
    members,
    organisation_types,
    person,
    same,
    team_of,
)
from adapter.validation.rules.meetings import meeting_kinds, team_of_meeting
from adapter.validation.rules.model import Breach
from adapter.validation.rules.named import judgement
from adapter.validation.rules.periods import covers, day, order
from adapter.validation.rules.planning import observations
from adapter.validation.rules.scope import Scope, codes_of, listed, moment, objects, tokens
from adapter.validation.rules.team_phase import with_function

_CORE_ROLES = ("physician", "public-health-nurse", "social-worker", "employment-specialist")
_OUTSIDERS = ("Patient", "RelatedPerson")


@judgement("two_actors")
def two_actors(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-039: at least two organisations; the client and close persons do not count (BR-047)."""
    if team.get("status") != "active":
        return
    organisations = [
        member_organisation(scope, member) for member in members(scope, team) if member.kind not in _OUTSIDERS
    ]
    keys = [
        frozenset(f"{system}|{value}" for system, value in tokens(found)) | {str(id(found))}
        for found in organisations
        if found is not None
    ]
    if count_different(keys) < 2:
        yield Breach("participant")


@judgement("core_members")
def core_members(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-040: core roles that nobody has are named."""
    if team.get("status") not in ("proposed", "active"):
        return
    roles: set[str] = set()
    kela = False
    for member in members(scope, team):
        roles |= member.roles
        found = member_organisation(scope, member)
        kela = kela or (found is not None and "kela" in codes_of(found.get("type"), ORGANISATION_TYPE))
    missing = [role for role in _CORE_ROLES if role not in roles]
    if not kela and "kela-contact" not in roles:
        missing.append("kela")
    if missing:
        yield Breach("participant", values={"missing": ", ".join(missing)})


@judgement("membership_complete")
def membership_complete(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-041: role, kind of membership, begin; an organisation for professionals and only for them."""
    for member in members(scope, team):
        if not member.membership:
            yield Breach(f"{member.place}.role", variant="no-membership")
        if member.period.start is None:
            yield Breach(f"{member.place}.period", variant="no-start")
        if member.is_professional and not member.roles:
            yield Breach(f"{member.place}.role")
        if member.is_professional and member_organisation(scope, member) is None:
            yield Breach(f"{member.place}.onBehalfOf", variant="no-organisation")
        if member.kind in _OUTSIDERS and "onBehalfOf" in member.participant:
            yield Breach(f"{member.place}.onBehalfOf", variant="outsider")


@judgement("close_person_allowed")
def close_person_allowed(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-047: a close person is a member as close person and as nothing else."""
    for member in members(scope, team):
        if member.kind == "RelatedPerson" and (member.roles or member.membership - {"close-person"}):
            yield Breach(f"{member.place}.role")
        if member.kind != "RelatedPerson" and "close-person" in member.membership and member.kind:
            yield Breach(f"{member.place}.role", variant="not-close")


@judgement("named_contact")
def named_contact(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-052: a team of occupational health has a coordinator or contact person who can be reached."""
    managers = listed(team.get("managingOrganization"))
    if not any("occupational-health" in organisation_types(scope, manager) for manager in managers):
        return
    for member in members(scope, team):
        found = scope.resolve(member.reference) or {}
        if _is_contact(member) and objects(found.get("telecom")):
            return
    yield Breach("participant")


def _is_contact(member: Member) -> bool:
    return bool(member.functions & {"contact-person", "network-contact"} or "work-ability-coordinator" in member.roles)


@judgement("typ_no_team")
def typ_no_team(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-043: a client of the joint service (TYP) gets no separate team."""
    if team.get("status") in ("proposed", "active") and "yes" in _screening(scope, team):
        yield Breach("subject")


@judgement("typ_screened")
def typ_screened(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-044: the need of the joint service is assessed before a team is convened."""
    plans = [plan for plan in scope.of_type("CarePlan") if team_of(scope, plan) is team]
    if plans and not _screening(scope, team) - {"not-assessed"}:
        yield Breach("subject")


def _screening(scope: Scope, team: Resource) -> set[str]:
    return {
        code
        for found in observations(scope, "typ-screening")
        if scope.same(found.get("subject"), team.get("subject"))
        for code in codes_of(found.get("valueCodeableConcept"), CODES + "typ-screening")
    }


@judgement("oh_and_student_primary")
def oh_and_student_primary(scope: Scope, team: Resource) -> Iterator[Breach]:
    """BR-046: occupational or student health comes first; a team of somebody else is flagged."""
    managers = listed(team.get("managingOrganization"))
    kinds = {kind for manager in managers for kind in organisation_types(scope, manager)}
    if kinds & {"occupational-health", "student-health"} or team.get("status") not in ("proposed", "active"):
        return
    subject = scope.resolve(team.get("subject"))
    for patient in scope.of_type("Patient"):
        practices = listed(patient.get("generalPractitioner"))
        mine = subject is not None and (patient is subject or tokens(patient) & tokens(subject))
        if mine and any(organisation_types(scope, it) & {"occupational-health", "student-health"} for it in practices):
            yield Breach("managingOrganization")
            return


@judgement("agenda_before")
def agenda_before(_scope: Scope, meeting: Resource) -> Iterator[Breach]:
    """BR-037: the topics of a meeting are sent to the client beforehand."""
    instruction = meeting.get("patientInstruction")
    if meeting_kinds(meeting) and (not isinstance(instruction, str) or " ei ole " in instruction):
        yield Breach("patientInstruction")


@judgement("client_absent_sharing")
def client_absent_sharing(scope: Scope, meeting: Resource) -> Iterator[Breach]:
    """BR-049: a team meeting without the client is flagged."""
    if "team-meeting" not in meeting_kinds(meeting):
        return
    for participant in objects(meeting.get("participant")):
        found = scope.resolve(participant.get("actor"))
        if found is not None and found["resourceType"] == "Patient" and participant.get("status") != "declined":
            return
    yield Breach("participant")


@judgement("coordinator_convenes")
def coordinator_convenes(scope: Scope, meeting: Resource) -> Iterator[Breach]:
    """BR-042: the coordinator convenes the first team meeting, the responsible worker the follow-up meetings."""
    kinds, team = meeting_kinds(meeting), team_of_meeting(scope, meeting)
    conveners = [
        (f"participant[{index}].actor", participant.get("actor"))
        for index, participant in enumerate(objects(meeting.get("participant")))
        if "convener" in codes_of(participant.get("type"), CODES + "team-function")
    ]
    for place, actor in conveners:
        if "team-meeting" in kinds and _is_first(scope, meeting, team):
            roles = codes_of((scope.resolve(actor) or {}).get("code"), PROFESSIONAL_ROLE)
            if "work-ability-coordinator" not in roles:
                yield Breach(place)
        elif "follow-up-meeting" in kinds and team is not None:
            at = moment(meeting.get("start"))
            present = [
                member
                for period, member in with_function(scope, team, "responsible-worker")
                if at is None or covers(period, at)
            ]
            if present and not any(same(person(scope, member.reference), person(scope, actor)) for member in present):
                yield Breach(place, variant="follow-up")


def _is_first(scope: Scope, meeting: Resource, team: Resource | None) -> bool:
    """True when no team meeting of the team begins earlier."""
    start = moment(meeting.get("start"))
    for other in scope.of_type("Appointment"):
        if other is meeting or "team-meeting" not in meeting_kinds(other) or team_of_meeting(scope, other) is not team:
            continue
        begin = moment(other.get("start"))
        if start is not None and begin is not None and order(begin, start) < 0:
            return False
    return True


@judgement("consent_asked_at_team")
def consent_asked_at_team(scope: Scope, meeting: Resource) -> Iterator[Breach]:
    """BR-056: a held team meeting goes with a consent, or at least the request for one."""
    if "team-meeting" not in meeting_kinds(meeting) or meeting.get("status") != "fulfilled" or not scope.has_context:
        return
    for consent in scope.of_type("Consent"):
        if "team-information-sharing" in codes_of(consent.get("category"), CODES + "consent-type"):
            return
    yield Breach("status")


@judgement("new_member_not_covered")
def new_member_not_covered(scope: Scope, resource: Resource) -> Iterator[Breach]:
    """BR-058: who joined after the day on which the client signed is not covered."""
    consents = [resource] if resource["resourceType"] == "Consent" else scope.of_type("Consent")
    teams = [resource] if resource["resourceType"] == "CareTeam" else scope.of_type("CareTeam")
    for consent in consents:
        kinds = codes_of(consent.get("category"), CODES + "consent-type")
        signed = moment(consent.get("dateTime"))
        if consent.get("status") != "active" or "team-information-sharing" not in kinds or signed is None:
            continue
        if resource["resourceType"] == "CareTeam" and scope.is_own(consent):
            continue
        for team in teams:
            if scope.same(team.get("subject"), consent.get("patient")):
                yield from _not_covered(scope, resource, team, consent)


def _not_covered(scope: Scope, resource: Resource, team: Resource, consent: Resource) -> Iterator[Breach]:
    """Yield the first member who joined later and was neither there before nor is named as a recipient."""
    provision = consent.get("provision")
    actors = objects(provision.get("actor")) if isinstance(provision, dict) else []
    covered = [person(scope, actor.get("reference")) for actor in actors]
    later = []
    for member in members(scope, team):
        if member.kind not in _OUTSIDERS:
            joined, signed = (day(at) if at else None for at in (member.period.start, moment(consent.get("dateTime"))))
            if joined and signed and joined > signed:
                later.append(member)
            else:
                covered.append(person(scope, member.reference))
    for member in later:
        key = person(scope, member.reference)
        if not any(same(key, other) for other in covered):
            yield Breach(member.place if resource is team else "provision.actor")
            return
