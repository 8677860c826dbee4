"""The criteria one by one: actors, purposes, actions, classes, codes, labels, times, data (R17 – R30)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.consent.world import (
    ACT,
    BASE,
    CONFIDENTIALITY,
    LOINC,
    REASON,
    V3,
    Json,
    action,
    actor,
    ask,
    coding,
    concept,
    consent,
    labelled,
    observation,
    permit,
    plan,
    profile_class,
    ref,
    refusal,
    requester,
    resource_class,
    said,
    team,
)

DOCTOR_IN_JUNE = {"time": "2026-06-01T12:00:00+03:00", "requester": requester("doctor", "health")}


def both(criterion: Json, **asked: Any) -> tuple[str, str]:
    """Return what a criterion says in a permit and in a refusal, as YES, NO or UNKNOWN."""
    wide = {"action": [action(code) for code in ("access", "disclose", "use", "collect", "correct")], "class": None}
    purposes = [coding(REASON, code) for code in ("TREAT", "HPAYMT", "HRESCH", "BTG")]
    everybody = [actor(f"Organization/{name}") for name in ("jobs", "county", "unit", "health", "kela")]
    local = [*purposes, *asked.get("purpose", [])]
    open_to_all = permit(actor=everybody, purpose=local, **wide, securityLabel=[coding(CONFIDENTIALITY, "V")])
    given = said(consent(provision=open_to_all | criterion), **asked)
    assert said(consent(provision=open_to_all), **asked) == "CONSENT_PERMIT"
    refused = said(consent(provision=open_to_all), refusal(**criterion), **asked)
    permits = {"CONSENT_PERMIT": "YES", "CRITERION_NOT_UNDERSTOOD": "UNKNOWN"}.get(given, "NO")
    refuses = {"EXPLICIT_DENY": "YES", "DENY_NOT_UNDERSTOOD": "UNKNOWN", "CONSENT_PERMIT": "NO"}[refused]
    return permits, refuses


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


LOCAL = "urn:example:purpose"


@pytest.mark.parametrize(
    ("listed", "requested", "expected"),
    [
        ((REASON, "COC"), (REASON, "COC"), ("YES", "YES")),
        ((REASON, "TREAT"), (REASON, "COC"), ("YES", "YES")),
        ((REASON, "COC"), (REASON, "TREAT"), ("NO", "NO")),
        ((REASON, "TREAT"), (REASON, "BTG"), ("NO", "YES")),
        ((REASON, "ETREAT"), (REASON, "BTG"), ("NO", "YES")),
        ((REASON, "BTG"), (REASON, "BTG"), ("YES", "YES")),
        ((REASON, "HRESCH"), (REASON, "CLINTRCH"), ("YES", "YES")),
        ((REASON, "HPAYMT"), (REASON, "COC"), ("NO", "NO")),
        ((REASON, "coc"), (REASON, "COC"), ("UNKNOWN", "UNKNOWN")),
        ((LOCAL, "a"), (LOCAL, "a"), ("YES", "YES")),
        ((LOCAL, "a"), (LOCAL, "b"), ("UNKNOWN", "UNKNOWN")),
        ((LOCAL, "a"), (REASON, "COC"), ("UNKNOWN", "UNKNOWN")),
        ((REASON, "COC"), (LOCAL, "a"), ("UNKNOWN", "UNKNOWN")),
        ((None, "COC"), (REASON, "COC"), ("UNKNOWN", "UNKNOWN")),
    ],
)
def test_purposes(listed: tuple[str | None, str], requested: tuple[str, str], expected: tuple[str, str]) -> None:
    """R22: equal or below; override purposes only when listed themselves; unknown codes stay unknown."""
    system, code = listed
    wanted = {"code": code} | ({"system": system} if system else {})
    assert both({"purpose": [wanted]}, purpose=[coding(*requested)]) == expected


@pytest.mark.parametrize(
    ("listed", "requested", "expected"),
    [
        ("access", "access", ("YES", "YES")),
        ("disclose", "access", ("NO", "NO")),
        ("correct", "access", ("YES", "NO")),
        ("access", "correct", ("NO", "YES")),
        ("correct", "correct", ("YES", "YES")),
        ("read", "access", ("UNKNOWN", "UNKNOWN")),
    ],
)
def test_actions(listed: str, requested: str, expected: tuple[str, str]) -> None:
    """R23: correcting includes accessing, so refusing access refuses correcting."""
    assert both({"action": [action(listed)]}, action=requested) == expected


def test_an_action_in_words_is_unknown() -> None:
    """R16, R23: text cannot be matched; a known code beside a foreign one can."""
    assert both({"action": [{"text": "luku"}]}) == ("UNKNOWN", "UNKNOWN")
    translated = {"coding": [coding("urn:example:actions", "x"), coding(f"{V3}/consentaction", "disclose")]}
    assert both({"action": [translated]}) == ("NO", "NO")


PROFILE = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-work-ability-plan"
CLAIMING = plan(meta={"profile": [f"{PROFILE}|1.0"], "security": [coding(CONFIDENTIALITY, "N")]})


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (resource_class("CarePlan"), ("YES", "YES")),
        (resource_class("Observation"), ("NO", "NO")),
        (resource_class("careplan"), ("UNKNOWN", "UNKNOWN")),
        (profile_class("kykysilta-work-ability-plan"), ("YES", "YES")),
        (profile_class("kykysilta-work-ability-plan|2.0"), ("YES", "YES")),
        (profile_class("kykysilta-goal"), ("NO", "NO")),
        (coding("urn:example:classes", "plan"), ("UNKNOWN", "UNKNOWN")),
        ({"code": "CarePlan"}, ("UNKNOWN", "UNKNOWN")),
    ],
)
def test_classes(listed: Json, expected: tuple[str, str]) -> None:
    """R24: resource type or claimed profile, versions dropped; other systems are unknown."""
    assert both({"class": [listed]}, resource=CLAIMING) == expected


SNOMED = "http://snomed.info/sct"
CODED = observation(
    category=[concept("urn:example:category", "survey")],
    interpretation=[concept(SNOMED, "1")],
    meta={"security": [coding(CONFIDENTIALITY, "N")], "tag": [coding(SNOMED, "2")]},
)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (concept(LOINC, "96760-4"), ("YES", "YES")),
        (concept("urn:example:category", "survey"), ("YES", "YES")),
        (concept(SNOMED, "1"), ("NO", "YES")),
        (concept(SNOMED, "2"), ("NO", "NO")),
        (concept(SNOMED, "96760-4"), ("NO", "NO")),
        ({"text": "työkyky"}, ("UNKNOWN", "UNKNOWN")),
        ({"coding": [{"code": "96760-4"}]}, ("UNKNOWN", "UNKNOWN")),
    ],
)
def test_codes(listed: Json, expected: tuple[str, str]) -> None:
    """R25: a permit looks at code, category and type; a refusal at every coding outside meta."""
    assert both({"code": [listed]}, resource=CODED) == expected


def test_data_coded_in_words_only_cannot_be_told_from_what_is_refused() -> None:
    """R16, R25: text on the side of the data is as unknown as text in the rule."""
    assert both({"code": [concept(LOINC, "1")]}, resource=observation(code={"text": "työkyky"})) == (
        "UNKNOWN",
        "UNKNOWN",
    )


N, R, V = (coding(CONFIDENTIALITY, code) for code in "NRV")
PSY, SUD, ETHUD, ETH, SPI, SDV = (coding(ACT, code) for code in ("PSY", "SUD", "ETHUD", "ETH", "SPI", "SDV"))
STRANGE = coding("urn:example:labels", "X9")
NATIONAL = coding("https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs", "TURVAKIELTO")


@pytest.mark.parametrize(
    ("listed", "on_data", "expected"),
    [
        ([N], [N], ("YES", "YES")),
        ([R], [N], ("YES", "NO")),
        ([N], [R], ("NO", "YES")),
        ([N], [], ("NO", "YES")),
        ([V], [], ("YES", "YES")),
        ([R], [V], ("NO", "YES")),
        ([R], [coding(CONFIDENTIALITY, "Q")], ("NO", "YES")),
        ([R], [N, R], ("YES", "YES")),
        ([N], [N, R], ("NO", "YES")),
        ([PSY], [R, PSY], ("YES", "YES")),
        ([PSY], [R, SUD], ("NO", "NO")),
        ([PSY], [R], ("YES", "NO")),
        ([PSY], [V, PSY], ("NO", "YES")),
        ([R, PSY], [R, PSY, SDV], ("NO", "YES")),
        ([R, PSY, SDV], [R, PSY, SDV], ("YES", "YES")),
        ([SPI], [N, PSY], ("YES", "YES")),
        ([SUD], [N, ETHUD], ("YES", "YES")),
        ([ETH], [N, ETHUD], ("NO", "NO")),
        ([PSY], [N, SPI], ("NO", "NO")),
        ([PSY], [N, STRANGE], ("UNKNOWN", "UNKNOWN")),
        ([N], [N, STRANGE], ("YES", "YES")),
        ([STRANGE], [N], ("UNKNOWN", "UNKNOWN")),
        ([N, STRANGE], [N], ("UNKNOWN", "YES")),
        ([N, STRANGE], [R], ("NO", "YES")),
        ([R, STRANGE], [N], ("UNKNOWN", "UNKNOWN")),
        ([PSY], [N, NATIONAL], ("YES", "NO")),
        ([PSY], [N, PSY, coding(ACT, "NOREUSE")], ("YES", "YES")),
    ],
)
def test_labels(listed: list[Json], on_data: list[Json], expected: tuple[str, str]) -> None:
    """R27: high-water mark, covered topics, no label as the highest, direction turned for refusals."""
    assert both({"securityLabel": listed}, resource=labelled(plan(), *on_data)) == expected


@pytest.mark.parametrize(
    ("on_data", "reason"),
    [
        ([V], "LABEL_NOT_COVERED"),
        ([coding(CONFIDENTIALITY, "Q")], "LABEL_NOT_COVERED"),
        ([R], "CONSENT_PERMIT"),
        ([], "CONSENT_PERMIT"),
        ([N, STRANGE], "CONSENT_PERMIT"),
    ],
)
def test_the_highest_confidentiality_must_always_be_listed(on_data: list[Json], reason: str) -> None:
    """R27: also under a permit that says nothing of labels."""
    assert said(consent(), resource=labelled(plan(), *on_data)) == reason


@pytest.mark.parametrize(
    ("period", "times", "expected"),
    [
        ({"start": "2026-01-01", "end": "2026-12-31"}, {}, ("YES", "YES")),
        ({"start": "2026-03-01"}, {}, ("NO", "YES")),
        ({"end": "2026-02-01"}, {}, ("NO", "YES")),
        ({"end": "2026-01-31"}, {}, ("NO", "NO")),
        ({"start": "2026"}, {"period": {"start": "2026-02-01"}}, ("YES", "YES")),
        ({"end": "2030"}, {"period": {"start": "2026-02-01"}}, ("NO", "YES")),
        ({"start": "2026"}, {"period": None}, ("NO", "YES")),
        ({"start": "2026"}, {"period": {}}, ("NO", "YES")),
        ({"start": "2026"}, {"period": None, "created": "2026-02-01"}, ("YES", "YES")),
        ({"end": "2025"}, {"period": None, "created": "2026-02-01"}, ("NO", "NO")),
        ({"start": "2026"}, {"period": {"start": "huomenna"}}, ("NO", "YES")),
    ],
)
def test_data_periods(period: Json, times: Json, expected: tuple[str, str]) -> None:
    """R29: wholly inside for a permit, any overlap for a refusal; undated data fit no permit and every refusal."""
    assert both({"dataPeriod": period}, resource=plan(**times)) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, ("YES", "YES")),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2026-02-01", "end": "2026-02-02"}}, ("YES", "YES")),
        ({"effectiveDateTime": None, "effectiveInstant": "2026-02-01T00:00:00Z"}, ("YES", "YES")),
        ({"effectiveDateTime": None, "effectiveTiming": {"event": ["2026-02-01"]}}, ("NO", "YES")),
        ({"effectiveDateTime": None, "issued": "2026-02-01T00:00:00Z"}, ("YES", "YES")),
        ({"effectiveDateTime": "2025-06-01", "issued": "2026-02-01T00:00:00Z"}, ("NO", "NO")),
    ],
)
def test_the_time_of_an_observation(times: Json, expected: tuple[str, str]) -> None:
    """R29: effective[x] first, then period, then issued or created."""
    assert both({"dataPeriod": {"start": "2026", "end": "2026"}}, resource=observation(**times)) == expected


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


def test_the_nearest_miss_says_what_a_permit_would_need() -> None:
    """Trace: the criteria that fail, with the codes that were compared."""
    decision = ask(consent(provision=permit(purpose=[coding(REASON, "HPAYMT")])))
    near = [step for step in decision.trace if step.outcome == "nearest-miss"]
    assert [(step.path, step.needs) for step in near] == [("Consent.provision", ("purpose",))]
    (asked,) = [step for step in decision.trace if step.rule == "R16"]
    compared = {result.name: (result.result, result.wanted, result.given) for result in asked.criteria}
    assert compared["purpose"] == ("NO", (f"{REASON}|HPAYMT",), (f"{REASON}|COC",))
    assert compared["actor"][0] == "YES"
