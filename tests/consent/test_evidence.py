"""Whether a consent's permits count: document, verification, who agreed, whose data (R11, BR-055)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.consent.world import (
    ACT,
    OURS,
    V3,
    actor,
    coding,
    concept,
    consent,
    permit,
    ref,
    refusal,
    said,
)

GUARDIAN = [ref("RelatedPerson/guardian")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sourceReference": None}, "CONSENT_UNVERIFIED"),
        ({"sourceReference": None, "sourceAttachment": {"title": "lomake"}}, "CONSENT_PERMIT"),
        ({"verification": [{"verified": True}, {"verified": False}]}, "CONSENT_UNVERIFIED"),
        ({"verification": [{"verified": True}]}, "CONSENT_PERMIT"),
        ({"performer": None}, "PERFORMER_NOT_AUTHORISED"),
        ({"performer": [ref("Organization/jobs")]}, "PERFORMER_NOT_AUTHORISED"),
        ({"performer": [ref("Patient/p2")]}, "PERFORMER_NOT_AUTHORISED"),
        ({"performer": [ref("RelatedPerson/nobody")]}, "PERFORMER_NOT_AUTHORISED"),
        ({"performer": GUARDIAN}, "CONSENT_PERMIT"),
        ({"performer": [ref("Organization/jobs"), *GUARDIAN]}, "CONSENT_PERMIT"),
        ({"organization": None}, "CONSENT_PERMIT"),
        ({"organization": [ref("Organization/kela")]}, "CUSTODIAN_NOT_COVERED"),
        ({"organization": [ref("Organization/kela"), ref("Organization/county")]}, "CONSENT_PERMIT"),
        ({"organization": [{"display": "kunta"}]}, "CUSTODIAN_NOT_COVERED"),
    ],
)
def test_a_permit_needs_evidence(changes: dict[str, Any], reason: str) -> None:
    """R11: a document, no failed verification, somebody entitled to agree, the right controller."""
    assert said(consent(**changes)) == reason


def test_a_refusal_needs_no_evidence() -> None:
    """R11: what stops needs no form."""
    bare = {"sourceReference": None, "performer": None, "organization": [ref("Organization/kela")]}
    found = {key: value for key, value in refusal().items() if key not in bare}
    assert said(consent(), found) == "EXPLICIT_DENY"


@pytest.mark.parametrize(
    ("signed", "person", "reason"),
    [
        ("2026-02-01", {}, "CONSENT_PERMIT"),
        ("2025-05-31", {}, "PERFORMER_NOT_AUTHORISED"),
        ("2025-06-01T00:30:00+03:00", {}, "CONSENT_PERMIT"),
        ("2025", {}, "PERFORMER_NOT_AUTHORISED"),
        (None, {}, "PERFORMER_NOT_AUTHORISED"),
        ("2026-02-01", {"period": {"end": "2026-02-01"}}, "CONSENT_PERMIT"),
        ("2026-02-01", {"period": {"end": "2026-01-31"}}, "PERFORMER_NOT_AUTHORISED"),
        ("2026-02-01", {"relationship": [concept(f"{V3}/v3-RoleCode", "FRND")]}, "PERFORMER_NOT_AUTHORISED"),
        ("2026-02-01", {"patient": ref("Patient/p2")}, "PERFORMER_NOT_AUTHORISED"),
        ("2026-02-01", {"active": False}, "PERFORMER_NOT_AUTHORISED"),
    ],
)
def test_a_representative_was_entitled_on_the_day_of_signing(
    signed: str | None, person: dict[str, Any], reason: str
) -> None:
    """R11: the legal relationship holds on that day, for that client; later changes do not matter."""
    guardian = {
        "resourceType": "RelatedPerson",
        "id": "guardian",
        "patient": ref("Patient/p1"),
        "relationship": [concept(f"{V3}/v3-RoleCode", "GUARD")],
        "period": {"start": "2025-06-01", "end": "2026-03-01"},
        **person,
    }
    found = consent(performer=GUARDIAN, dateTime=signed, provision=permit(actor=[actor("Practitioner/coach")]))
    assert said(found, context=[guardian]) == reason


def test_an_oral_permission_counts_where_its_type_allows_it() -> None:
    """BR-055: the team consent is written; other types may be oral when a document records it."""
    form = [{"url": f"{OURS}/StructureDefinition/consent-form", "valueCode": "oral"}]
    types, purpose = f"{OURS}/CodeSystem/consent-type", coding(f"{OURS}/CodeSystem/consent-purpose", "feedback")

    def given(kind: str, **changes: Any) -> str:
        found = consent(category=[concept(types, kind)], provision=permit(purpose=[purpose]), **changes)
        return said(found, purpose=[purpose])

    assert given("feedback-to-referrer", extension=form) == "CONSENT_PERMIT"
    assert given("team-information-sharing", extension=form) == "CONSENT_UNVERIFIED"
    assert given("team-information-sharing") == "CONSENT_PERMIT"
    attached: dict[str, Any] = {"sourceReference": None, "sourceAttachment": {"title": "x"}}
    assert given("feedback-to-referrer", extension=form, **attached) == "CONSENT_UNVERIFIED"
    assert given("unheard-of") == "PURPOSE_NOT_COVERED"
    assert said(consent(category=[concept(ACT, "IDSCL")], extension=form)) == "CONSENT_PERMIT"
