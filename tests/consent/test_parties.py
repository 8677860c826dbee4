"""The criteria that compare references: actors, teams, groups, named data (R17 – R21, R30)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.consent.world import (
    BASE,
    Json,
    actor,
    both,
    consent,
    observation,
    permit,
    plan,
    ref,
    refusal,
    requester,
    said,
    team,
)

DOCTOR_IN_JUNE = {"time": "2026-06-01T12:00:00+03:00", "requester": requester("doctor", "health")}


def _identified(value: str, system: str | None = "urn:example:staff") -> Json:
    return {"identifier": {"value": value} | ({"system": system} if system else {})}


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (actor("Practitioner/coach"), ("YES", "YES")),
        (actor("Practitioner/coach/_history/3"), ("YES", "YES")),
        (actor(f"{BASE}/Practitioner/coach"), ("YES", "YES")),
        (actor("https://elsewhere.example/fhir/Practitioner/coach"), ("NO", "NO")),
        (actor("Practitioner/Coach"), ("NO", "NO")),
        (actor("Practitioner/social"), ("NO", "NO")),
        (actor("PractitionerRole/coach-jobs"), ("YES", "YES")),
        (actor("PractitionerRole/coach-kela-over"), ("NO", "NO")),
        (actor("Organization/jobs"), ("YES", "YES")),
        (actor("Organization/county"), ("NO", "NO")),
        (actor("Patient/p1"), ("NO", "NO")),
        (actor(_identified("coach")), ("YES", "YES")),
        (actor(_identified("social")), ("NO", "NO")),
        (actor(_identified("jobs", "urn:example:org")), ("YES", "YES")),
        (actor(_identified("nobody-knows")), ("NO", "UNKNOWN")),
        (actor(_identified("nobody-knows") | {"type": "Practitioner"}), ("NO", "NO")),
        (actor(_identified("nobody-knows") | {"type": "CareTeam"}), ("UNKNOWN", "UNKNOWN")),
        (actor(_identified("coach", None)), ("UNKNOWN", "UNKNOWN")),
        (actor({"display": "Valmentaja"}), ("UNKNOWN", "UNKNOWN")),
        (actor("CareTeam/team"), ("YES", "YES")),
        (actor("CareTeam/gone"), ("UNKNOWN", "UNKNOWN")),
        (actor("Group/gone"), ("UNKNOWN", "UNKNOWN")),
        (actor("Practitioner/coach", "PRCP"), ("YES", "YES")),
        (actor("Practitioner/coach", "CST"), ("UNKNOWN", "UNKNOWN")),
        (actor("Practitioner/social", "CST"), ("UNKNOWN", "UNKNOWN")),
    ],
)
def test_actors(recipient: Json, expected: tuple[str, str]) -> None:
    """R17, R19: recipient roles only; references by type and id or by identifier, exact."""
    assert both({"actor": [recipient]}) == expected


def test_actors_are_alternatives() -> None:
    """R16, R17: one that matches is enough; one that cannot be read leaves it open."""
    assert both({"actor": [actor("Practitioner/social"), actor("Practitioner/coach")]}) == ("YES", "YES")
    assert both({"actor": [actor("Practitioner/social"), actor({"display": "x"})]}) == ("UNKNOWN", "UNKNOWN")


UNIT = {"requester": requester("social", "unit")}


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (actor("Organization/unit"), ("YES", "YES")),
        (actor("Organization/county"), ("NO", "YES")),
        (actor(_identified("county", "urn:example:org")), ("NO", "YES")),
        (actor("Organization/kela"), ("NO", "NO")),
    ],
)
def test_a_refusal_flows_down_the_organisation(recipient: Json, expected: tuple[str, str]) -> None:
    """R18: a permit is exact, a refusal also reaches the units below."""
    assert both({"actor": [recipient]}, **UNIT) == expected


def test_an_organisation_whose_place_is_unknown_may_be_refused() -> None:
    """R16, R18: without the organisation's record nobody knows what stands above it."""
    lost = {"resourceType": "Organization", "id": "unit", "partOf": ref("Organization/nowhere")}
    assert said(consent(), refusal(actor=[actor("Organization/kela")]), context=[lost]) == "CONSENT_PERMIT"
    asked = {"requester": requester("social", "unit"), "context": [lost]}
    mine = consent(provision=permit(actor=[actor("Practitioner/social")]))
    assert said(mine, refusal(actor=[actor("Organization/kela")]), **asked) == "DENY_NOT_UNDERSTOOD"


@pytest.mark.parametrize(
    ("changes", "asked", "reason"),
    [
        ({}, {}, "CONSENT_PERMIT"),
        ({}, {"requester": requester("stranger")}, "ACTOR_NOT_COVERED"),
        ({}, {"requester": requester(None)}, "ACTOR_NOT_COVERED"),
        ({}, {"requester": requester("social", "unit")}, "ACTOR_NOT_COVERED"),
        ({}, {"time": "2026-05-31T23:59:59+03:00", "requester": requester("doctor", "health")}, "CONSENT_PERMIT"),
        ({}, DOCTOR_IN_JUNE, "TEAM_MEMBERSHIP_NOT_CURRENT"),
        ({}, {"requester": requester("rehab")}, "TEAM_MEMBERSHIP_NOT_CURRENT"),
        ({}, {"requester": requester("rehab"), "time": "2026-04-01T00:00:00+03:00"}, "MEMBER_ADDED_AFTER_CONSENT"),
        ({"status": "inactive"}, {}, "TEAM_NOT_ACTIVE"),
        ({"status": "suspended"}, {}, "TEAM_NOT_ACTIVE"),
        ({"period": {"start": "2026-01-07", "end": "2026-03-09"}}, {}, "TEAM_NOT_ACTIVE"),
        ({"period": {"start": "2026-01-07", "end": "2026-03-10"}}, {}, "CONSENT_PERMIT"),
        ({"subject": ref("Patient/p2")}, {}, "ACTOR_NOT_COVERED"),
        ({"subject": {"identifier": {"system": "urn:example:client", "value": "P1"}}}, {}, "CONSENT_PERMIT"),
        ({"period": {"start": "yesterday"}}, {}, "CRITERION_NOT_UNDERSTOOD"),
        ({"participant": []}, {}, "ACTOR_NOT_COVERED"),
    ],
)
def test_team_membership(changes: Json, asked: Json, reason: str) -> None:
    """R20: active team of the client, current member for the requester's organisation, since the signing day."""
    assert said(consent(), context=[team(**changes)], **asked) == reason


def _member(**changes: Any) -> Json:
    found: Json = {"member": ref("Practitioner/coach"), "period": {"start": "2026-01-15"}, **changes}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("member", "permits", "refuses"),
    [
        (_member(), "CONSENT_PERMIT", True),
        (_member(period={"start": "2026-01-15T23:59:59+02:00"}), "CONSENT_PERMIT", True),
        (_member(period={"start": "2026-01-16"}), "MEMBER_ADDED_AFTER_CONSENT", True),
        (_member(period=None), "CONSENT_PERMIT", True),
        (_member(member=ref("PractitionerRole/coach-jobs")), "CONSENT_PERMIT", True),
        (_member(member=_identified("coach")), "CONSENT_PERMIT", True),
        (_member(onBehalfOf=ref("Organization/jobs")), "CONSENT_PERMIT", True),
        (_member(onBehalfOf=ref("Organization/kela")), "ACTOR_NOT_COVERED", False),
        (_member(member=ref("Organization/jobs")), "ACTOR_NOT_COVERED", True),
        (_member(member=None), "ACTOR_NOT_COVERED", False),
        (_member(member={"display": "Valmentaja"}), "CRITERION_NOT_UNDERSTOOD", True),
    ],
)
def test_participant_entries(member: Json, permits: str, refuses: bool) -> None:
    """R20: for a permit a personal member since the signing day; for a refusal current membership is enough."""
    context = [team(participant=[member])]
    assert said(consent(), context=context) == permits
    mine = consent(provision=permit(actor=[actor("Practitioner/coach")]))
    stopped = said(mine, refusal(actor=[actor("CareTeam/team")]), context=context)
    assert (stopped != "CONSENT_PERMIT") is refuses


def test_an_organisation_in_the_team_admits_its_own_system_only() -> None:
    """R20: the members of an organisation are not members of the team by that."""
    context = [team(participant=[_member(member=ref("Organization/jobs"))])]
    assert said(consent(), context=context, requester=requester(None)) == "CONSENT_PERMIT"


def test_the_beginning_of_a_membership_may_be_the_teams() -> None:
    """R20: an entry without start began with the team; when that is unknown too, nobody can show it."""
    member = _member(period={"end": "2026-12-31"})
    assert said(consent(), context=[team(participant=[member])]) == "CONSENT_PERMIT"
    assert said(consent(), context=[team(participant=[member], period={"start": "2026-02-01"})]) == (
        "MEMBER_ADDED_AFTER_CONSENT"
    )
    assert said(consent(), context=[team(participant=[member], period={})]) == "MEMBER_ADDED_AFTER_CONSENT"


def test_the_signing_day_must_be_known_for_a_team() -> None:
    """R20: without `dateTime` membership at signing cannot be shown; an imprecise one counts from its first day."""
    assert said(consent(dateTime=None)) == "MEMBER_ADDED_AFTER_CONSENT"
    assert said(consent(dateTime="2026-01")) == "MEMBER_ADDED_AFTER_CONSENT"
    assert said(consent(dateTime="2026-02")) == "CONSENT_PERMIT"


GROUP: Json = {
    "resourceType": "Group",
    "id": "g",
    "active": True,
    "actual": True,
    "type": "practitioner",
    "member": [{"entity": ref("Practitioner/coach")}, {"entity": ref("Practitioner/social"), "inactive": True}],
}


@pytest.mark.parametrize(
    ("changes", "who", "expected"),
    [
        ({}, "coach", "CONSENT_PERMIT"),
        ({}, "stranger", "ACTOR_NOT_COVERED"),
        ({"active": False}, "coach", "ACTOR_NOT_COVERED"),
        ({"actual": False}, "coach", "ACTOR_NOT_COVERED"),
        ({"active": None}, "coach", "CRITERION_NOT_UNDERSTOOD"),
        ({"member": [{"entity": ref("Practitioner/coach"), "inactive": True}]}, "coach", "ACTOR_NOT_COVERED"),
        (
            {"member": [{"entity": ref("Practitioner/coach"), "period": {"end": "2026-02"}}]},
            "coach",
            "ACTOR_NOT_COVERED",
        ),
        (
            {"member": [{"entity": ref("Practitioner/coach"), "period": {"end": "2026-03-10"}}]},
            "coach",
            "CONSENT_PERMIT",
        ),
    ],
)
def test_groups(changes: Json, who: str, expected: str) -> None:
    """R21: active, actual, member entry in use."""
    found = {key: value for key, value in (GROUP | changes).items() if value is not None}
    mine = consent(provision=permit(actor=[actor("Group/g")]))
    assert said(mine, requester=requester(who), context=[found]) == expected


def test_a_related_person_or_device_may_ask() -> None:
    """R19: matched exactly, under its own name."""
    mine = consent(provision=permit(actor=[actor("RelatedPerson/guardian")]))
    assert said(mine, requester={"relatedPerson": "RelatedPerson/guardian"}) == "CONSENT_PERMIT"
    assert said(mine, requester={"organization": "RelatedPerson/guardian"}) == "CONSENT_PERMIT"
    assert said(mine, requester={"relatedPerson": "RelatedPerson/friend"}) == "ACTOR_NOT_COVERED"
    box = consent(provision=permit(actor=[actor("Device/box")]))
    assert said(box, requester={"device": "Device/box"}) == "CONSENT_PERMIT"


GOAL: Json = {"resourceType": "Goal", "id": "goal", "subject": ref("Patient/p1")}
REFERRING = plan(goal=[ref("Goal/goal")], identifier=[{"system": "urn:example:plan", "value": "1"}])


@pytest.mark.parametrize(
    ("meaning", "reference", "resource", "expected"),
    [
        ("instance", ref("CarePlan/plan"), REFERRING, ("YES", "YES")),
        ("instance", ref("CarePlan/plan/_history/2"), REFERRING, ("YES", "YES")),
        ("instance", ref("CarePlan/other"), REFERRING, ("NO", "NO")),
        ("instance", ref("https://elsewhere.example/fhir/CarePlan/plan"), REFERRING, ("NO", "NO")),
        ("instance", {"identifier": {"system": "urn:example:plan", "value": "1"}}, REFERRING, ("YES", "YES")),
        ("instance", {"display": "suunnitelma"}, REFERRING, ("UNKNOWN", "UNKNOWN")),
        ("related", ref("CarePlan/plan"), REFERRING, ("YES", "YES")),
        ("related", ref("CarePlan/plan"), GOAL, ("YES", "YES")),
        ("related", ref("CarePlan/plan"), observation(), ("NO", "NO")),
        ("related", ref("CarePlan/gone"), GOAL, ("UNKNOWN", "UNKNOWN")),
        ("dependents", ref("Goal/goal"), REFERRING, ("YES", "YES")),
        ("dependents", ref("Goal/goal"), GOAL, ("YES", "YES")),
        ("dependents", ref("CarePlan/plan"), GOAL, ("NO", "NO")),
        ("authoredby", ref("Practitioner/social"), plan(), ("YES", "YES")),
        ("authoredby", _identified("social"), plan(), ("YES", "YES")),
        ("authoredby", ref("Practitioner/coach"), plan(), ("NO", "NO")),
        ("authoredby", ref("Practitioner/coach"), plan(author=None), ("UNKNOWN", "UNKNOWN")),
        ("authoredby", ref("Practitioner/coach"), plan(author={"display": "V"}), ("UNKNOWN", "UNKNOWN")),
        ("authoredby", ref("Practitioner/coach"), plan(contributor=[ref("Practitioner/coach")]), ("YES", "YES")),
        ("authoredby", ref("Practitioner/social"), observation(), ("YES", "YES")),
    ],
)
def test_named_data(meaning: str, reference: Json, resource: Json, expected: tuple[str, str]) -> None:
    """R30: the instance, what it refers to, what refers to it, what somebody wrote; one step."""
    criterion = {"data": [{"meaning": meaning, "reference": reference}]}
    assert both(criterion, resource=resource, context=[REFERRING]) == expected
