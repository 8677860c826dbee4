"""The gate: request, subject, purpose labels, statutory rights (R1 – R3, R26, R31)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter.consent.configuration import read_statutory_rule
from tests.consent.world import (
    CLIENT_IDS,
    OURS,
    REASON,
    V3,
    ask,
    coding,
    concept,
    configuration,
    consent,
    observation,
    plan,
    ref,
    refusal,
    request,
    requester,
    said,
    several,
)


def test_the_usual_request_is_permitted() -> None:
    """A team member reads the plan for the agreed purpose."""
    decision = ask(consent())
    assert (decision.decision, decision.reason) == ("permit", "CONSENT_PERMIT")
    assert [tuple(by) for by in decision.decided_by] == [("Consent/c1", "1", "Consent.provision")]


def test_without_any_consent_nothing_is_released() -> None:
    """R1: the default is deny."""
    assert said() == "NO_CONSENT"


@pytest.mark.parametrize(
    "changes",
    [
        {"time": None},
        {"time": "2026-03-10"},
        {"time": "2026-03-10T12:00:00"},
        {"time": 5},
        {"patient": None},
        {"patient": {"display": "Testi"}},
        {"patient": "Organization/jobs"},
        {"requester": None},
        {"requester": {}},
        {"requester": {"practitioner": "Practitioner/coach"}},
        {"purpose": []},
        {"purpose": [coding(REASON, "COC"), coding(REASON, "TREAT")]},
        {"purpose": [{"code": "COC"}]},
        {"action": None},
        {"action": "read"},
        {"interaction": "delete"},
        {"mode": "future"},
        {"resource": None},
        {"resource": None, "resources": ["CarePlan/plan"]},
    ],
)
def test_an_incomplete_request_is_invalid(changes: dict[str, Any]) -> None:
    """R2: time with offset, client, requester, one purpose, known action, something to decide about."""
    assert said(consent(), **changes) == "REQUEST_INVALID"


@pytest.mark.parametrize(
    "who",
    [
        requester("coach", "kela"),
        requester("nobody", "jobs"),
        {**requester(), "organization": "Organization/kela"},
        {**requester(), "practitioner": "Practitioner/social"},
        {"organization": "Organization/jobs", "practitioner": "Practitioner/social"},
        {"organization": "Organization/jobs", "practitionerRole": "PractitionerRole/coach-kela-over"},
    ],
)
def test_a_person_needs_a_current_role_in_the_claimed_organisation(who: dict[str, Any]) -> None:
    """R2: nobody acts for an organisation without a current PractitionerRole there."""
    assert said(consent(), requester=who) == "REQUESTER_ROLE_INACTIVE"


def test_a_role_that_was_not_claimed_is_looked_up() -> None:
    """R2: person and organisation are enough when a current role ties them."""
    who = {"organization": "Organization/jobs", "practitioner": "Practitioner/coach"}
    assert said(consent(), requester=who) == "CONSENT_PERMIT"


def test_requester_and_client_may_be_named_by_identifier() -> None:
    """References by identifier are resolved in the context."""
    who = {
        "organization": {"identifier": {"system": "urn:example:org", "value": "jobs"}},
        "practitioner": {"identifier": {"system": "urn:example:staff", "value": "coach"}},
    }
    client = {"identifier": {"system": CLIENT_IDS, "value": "P1"}}
    assert said(consent(), requester=who, patient=client) == "CONSENT_PERMIT"


@pytest.mark.parametrize(
    "subject",
    [
        None,
        ref("Patient/p2"),
        ref("Group/g"),
        ref("https://elsewhere.example/fhir/Patient/p1"),
        ref("#p"),
        {"display": "Testi"},
        {"identifier": {"system": CLIENT_IDS, "value": "P2"}},
        {"identifier": {"value": "P1"}},
        "Patient/p1",
    ],
)
def test_the_subject_must_be_the_client(subject: Any) -> None:
    """R3: data that cannot be tied to the requested client are not released."""
    assert said(consent(), resource=plan(subject=subject)) == "SUBJECT_MISMATCH"


@pytest.mark.parametrize(
    "subject",
    [
        ref("https://adapter.example.fi/fhir/Patient/p1"),
        ref("Patient/p1/_history/4"),
        {"identifier": {"system": CLIENT_IDS, "value": "P1"}},
    ],
)
def test_the_subject_is_known_by_every_form_of_reference(subject: Any) -> None:
    """R3, R17: own base, version and identifier name the same client."""
    assert said(consent(), resource=plan(subject=subject)) == "CONSENT_PERMIT"


def _booking(*clients: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": "meeting",
        "participant": [{"actor": ref(key)} for key in (*clients, "Practitioner/coach")],
    }


def test_every_client_that_a_resource_names_must_permit() -> None:
    """R3: a meeting of two clients needs both consents."""
    kind = [coding("http://hl7.org/fhir/resource-types", "Appointment")]
    mine = consent(provision=consent()["provision"] | {"class": kind})
    member = {
        "resourceType": "CareTeam",
        "id": "team-2",
        "status": "active",
        "subject": ref("Patient/p2"),
        "period": {"start": "2026-01-01"},
        "participant": [{"member": ref("Practitioner/coach"), "period": {"start": "2026-01-01"}}],
    }
    theirs = consent(
        "c2",
        mine["provision"] | {"actor": [{**mine["provision"]["actor"][0], "reference": ref("CareTeam/team-2")}]},
        patient=ref("Patient/p2"),
        performer=[ref("Patient/p2")],
    )
    both = _booking("Patient/p1", "Patient/p2")
    assert said(mine, resource=_booking("Patient/p1")) == "CONSENT_PERMIT"
    assert said(mine, resource=both, context=[member]) == "NO_CONSENT"
    assert said(mine, theirs, resource=both, context=[member]) == "CONSENT_PERMIT"
    assert said(mine, resource=_booking("Patient/p2")) == "SUBJECT_MISMATCH"


def test_a_provenance_is_about_the_client_of_its_target() -> None:
    """R3: Provenance names its client through what it describes."""
    kind = [coding("http://hl7.org/fhir/resource-types", "Provenance")]
    opened = consent(provision=consent()["provision"] | {"class": kind})
    origin = {"resourceType": "Provenance", "id": "origin", "target": [ref("CarePlan/plan")]}
    assert said(opened, resource=origin, context=[plan()]) == "CONSENT_PERMIT"
    assert said(opened, resource=origin, context=[plan(subject=ref("Patient/p2"))]) == "SUBJECT_MISMATCH"
    assert said(opened, resource=origin) == "SUBJECT_MISMATCH"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("HRESCH", "PURPOSE_CONFLICTS_WITH_LABEL"),
        ("HTEST", "CONSENT_PERMIT"),
        ("COC", "CONSENT_PERMIT"),
        ("TREAT", "CONSENT_PERMIT"),
        ("unknown", "PURPOSE_CONFLICTS_WITH_LABEL"),
    ],
)
def test_a_purpose_label_on_the_data_limits_the_purpose(label: str, reason: str) -> None:
    """R26: the label must cover the requested purpose; test data limit nothing."""
    labels = [coding(f"{V3}/v3-Confidentiality", "N"), coding(REASON, label)]
    assert said(consent(), resource=plan(meta={"security": labels})) == reason


RULE = {
    "id": "S-9",
    "legalBasis": coding("urn:example:law", "right"),
    "statute": "1 §",
    "validFrom": "2026-01-01",
    "validTo": "2026-06-30",
    "recipients": ["Organization/county"],
    "actions": ["access"],
    "purposes": ["COC"],
    "classes": ["CarePlan"],
}
WITH_RULE = replace(
    configuration(),
    statutory_rules=(
        read_statutory_rule(RULE, configuration().zone, configuration().own_bases, REASON, f"{OURS}/rules"),
    ),
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "STATUTORY_BASIS"),
        ({"legalBasis": coding(f"{OURS}/rules", "S-9")}, "STATUTORY_BASIS"),
        ({"legalBasis": coding("urn:example:law", "other")}, "LEGAL_BASIS_UNKNOWN"),
        ({"legalBasis": {"code": "right"}}, "LEGAL_BASIS_UNKNOWN"),
        ({"legalBasis": None}, "EXPLICIT_DENY"),
        ({"requester": {"organization": "Organization/kela"}}, "EXPLICIT_DENY"),
        ({"requester": {"organization": "Organization/unit"}}, "EXPLICIT_DENY"),
        ({"action": "disclose"}, "EXPLICIT_DENY"),
        ({"purpose": [coding(REASON, "TREAT")]}, "EXPLICIT_DENY"),
        ({"resource": observation()}, "EXPLICIT_DENY"),
        ({"time": "2025-12-31T23:59:59+02:00"}, "CONSENT_NOT_YET_VALID"),
        ({"time": "2026-07-01T00:00:00+03:00"}, "EXPLICIT_DENY"),
        ({"resource": plan(subject=ref("Patient/p2"))}, "SUBJECT_MISMATCH"),
    ],
)
def test_a_statutory_right_is_claimed_and_matched(changes: dict[str, Any], reason: str) -> None:
    """R31: recipient, action, purpose, class and validity must all match; refusals do not stop a right."""
    usual: dict[str, Any] = {
        "requester": {"organization": "Organization/county"},
        "legalBasis": RULE["legalBasis"],
    }
    decision = ask(refusal(), config=WITH_RULE, **(usual | changes))
    assert decision.reason == reason
    assert decision.review is (reason == "STATUTORY_BASIS")
    assert decision.statutory_rule == ("S-9" if decision.review else "")


def test_an_unknown_basis_refuses_a_whole_search() -> None:
    """R31: the caller is told what it can mend, not that rows were withheld."""
    asked = several(plan(), legalBasis=coding("urn:example:law", "other"))
    assert said(consent(), asked=asked) == "LEGAL_BASIS_UNKNOWN"


@pytest.mark.parametrize(("kind", "reason"), [("social-welfare", "STATUTORY_BASIS"), ("te-office", "NO_CONSENT")])
def test_a_concern_notification_reaches_social_welfare_only(kind: str, reason: str) -> None:
    """BR-065: the packaged rule names the kind of organisation, whatever its name."""
    office = {
        "resourceType": "Organization",
        "id": "office",
        "type": [concept(f"{OURS}/CodeSystem/organisation-type", kind)],
    }
    message = {
        "resourceType": "Communication",
        "id": "concern",
        "meta": {"profile": [f"{OURS}/StructureDefinition/kykysilta-communication"]},
        "subject": ref("Patient/p1"),
    }
    asked = request(
        requester={"organization": "Organization/office"},
        action="disclose",
        purpose=[coding(f"{OURS}/CodeSystem/consent-purpose", "team-assessment")],
        resource=message,
        legalBasis=coding(f"{OURS}/CodeSystem/disclosure-basis", "statutory-concern-notification"),
    )
    assert said(asked=asked, context=[office]) == reason
