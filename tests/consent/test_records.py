"""Which consents count: client, scope, status, versions, structure, time (R4 – R9)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.consent.world import (
    BASE,
    CLIENT_IDS,
    REASON,
    V3,
    action,
    actor,
    ask,
    coding,
    concept,
    consent,
    permit,
    ref,
    refusal,
    said,
    with_nested,
)


@pytest.mark.parametrize(
    ("patient", "reason"),
    [
        (ref("Patient/p1"), "CONSENT_PERMIT"),
        (ref(f"{BASE}/Patient/p1"), "CONSENT_PERMIT"),
        ({"identifier": {"system": CLIENT_IDS, "value": "P1"}}, "CONSENT_PERMIT"),
        (ref("Patient/p2"), "NO_CONSENT"),
        (ref("patient/p1"), "NO_CONSENT"),
        (ref("https://elsewhere.example/fhir/Patient/p1"), "NO_CONSENT"),
        ({"identifier": {"system": CLIENT_IDS, "value": "P2"}}, "NO_CONSENT"),
        ({"display": "Testi"}, "NO_CONSENT"),
        (None, "NO_CONSENT"),
    ],
)
def test_a_consent_binds_its_own_client(patient: Any, reason: str) -> None:
    """R4: relative, own absolute or identifier reference; nobody else."""
    performer = [patient] if reason == "CONSENT_PERMIT" else [ref("Patient/p1")]
    assert said(consent(patient=patient, performer=performer)) == reason


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (concept(f"{V3}/consentscope", "research"), "NO_CONSENT"),
        (concept(f"{V3}/consentscope", "adr"), "NO_CONSENT"),
        (concept(f"{V3}/consentscope", "treatment"), "NO_CONSENT"),
        (concept(f"{V3}/consentscope", "other"), "CONSENT_NOT_UNDERSTOOD"),
        (concept("urn:example:scopes", "patient-privacy"), "CONSENT_NOT_UNDERSTOOD"),
        ({"text": "tietosuoja"}, "CONSENT_NOT_UNDERSTOOD"),
        (None, "CONSENT_MALFORMED"),
        (
            {"coding": [coding("urn:example:scopes", "1"), coding(f"{V3}/consentscope", "patient-privacy")]},
            "CONSENT_PERMIT",
        ),
    ],
)
def test_only_privacy_consents_count(scope: Any, reason: str) -> None:
    """R4: other known scopes are ignored, unknown ones stop everything."""
    assert said(consent(scope=scope)) == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("draft", "CONSENT_NOT_AGREED"),
        ("proposed", "CONSENT_NOT_AGREED"),
        ("rejected", "CONSENT_REJECTED"),
        ("inactive", "CONSENT_INACTIVE"),
        ("entered-in-error", "CONSENT_ENTERED_IN_ERROR"),
        ("Active", "CONSENT_MALFORMED"),
        (None, "CONSENT_MALFORMED"),
    ],
)
def test_only_active_consents_act(status: str | None, reason: str) -> None:
    """R5: no other status permits, and none refuses; a status outside the list may be active."""
    assert said(consent(status=status)) == reason
    alone = reason == "CONSENT_MALFORMED"
    assert said(consent(), refusal() | {"status": status}) == (reason if alone else "CONSENT_PERMIT")


def _version(number: str | None, recorded: str | None, **changes: Any) -> dict[str, Any]:
    meta = {"versionId": number, "lastUpdated": recorded}
    return consent(meta={key: value for key, value in meta.items() if value}, **changes)


EARLY, LATE = "2026-01-15T07:05:00Z", "2026-03-01T08:00:00Z"


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (("1", EARLY), ("2", LATE), "CONSENT_INACTIVE"),
        (("2", EARLY), ("1", LATE), "CONSENT_INACTIVE"),
        (("9", EARLY), ("10", EARLY), "CONSENT_INACTIVE"),
        (("9", None), ("10", None), "CONSENT_INACTIVE"),
        (("1", EARLY), ("1", EARLY), "VERSION_AMBIGUOUS"),
        (("a", EARLY), ("b", EARLY), "VERSION_AMBIGUOUS"),
        ((None, None), (None, None), "VERSION_AMBIGUOUS"),
        (("1", EARLY), ("2", None), "VERSION_AMBIGUOUS"),
    ],
)
def test_the_newest_version_alone_is_looked_at(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None], reason: str
) -> None:
    """R6: by lastUpdated, then by versionId as a number; what cannot be ordered stops everything."""
    old, new = _version(*first), _version(*second, status="inactive")
    assert said(old, new) == said(new, old) == reason


def test_versions_are_tied_by_identifier_or_id() -> None:
    """R6: another id under one business identifier, or another identifier under one id, is the same record."""
    withdrawn: dict[str, Any] = {"meta": {"versionId": "2", "lastUpdated": LATE}, "status": "inactive"}
    assert said(consent(), consent(id="other", **withdrawn)) == "CONSENT_INACTIVE"
    assert said(consent(), consent(identifier=None, **withdrawn)) == "CONSENT_INACTIVE"
    renamed = consent(identifier=[{"system": "urn:example:consent", "value": "new"}], **withdrawn)
    assert said(consent(), renamed) == "CONSENT_INACTIVE"
    bridge = consent(id="b", identifier=[*consent()["identifier"], {"system": "urn:x", "value": "y"}], **withdrawn)
    oldest = consent(id="c", identifier=[{"system": "urn:x", "value": "y"}])
    assert said(consent(), oldest, bridge) == "CONSENT_INACTIVE"


def test_the_same_version_twice_is_one() -> None:
    """R6: an exact copy contradicts nothing."""
    assert said(consent(), consent()) == "CONSENT_PERMIT"


def test_other_records_do_not_make_versions_ambiguous() -> None:
    """R6: copies of another client's consent that cannot be ordered block nothing here."""
    other = {"patient": ref("Patient/p2"), "identifier": [{"system": "urn:example:consent", "value": "z"}]}
    pair = [consent("z", **other, language=language) for language in ("fi", "sv")]
    assert said(consent(), *pair) == "CONSENT_PERMIT"


def test_live_and_retrospective_modes() -> None:
    """R7: live uses every version whatever time is stated; retrospective those recorded up to that time."""
    withdrawn = _version("2", "2026-04-01T08:00:00Z", status="inactive")
    assert said(consent(), withdrawn) == "CONSENT_INACTIVE"
    assert said(consent(), withdrawn, mode="retrospective") == "CONSENT_PERMIT"
    later = {"mode": "retrospective", "time": "2026-04-01T11:00:00+03:00"}
    assert said(consent(), withdrawn, **later) == "CONSENT_INACTIVE"
    before = {"mode": "retrospective", "time": "2026-01-15T09:05:00+02:00"}
    assert said(consent(meta={"lastUpdated": "2026-01-15T07:05:01Z"}), **before) == "NO_CONSENT"


def test_a_version_without_date_explains_nothing_in_retrospect() -> None:
    """R7: nobody knows whether it was on file then."""
    assert said(consent(meta=None), mode="retrospective") == "VERSION_AMBIGUOUS"
    assert said(consent(meta=None)) == "CONSENT_PERMIT"


Change = Callable[[dict[str, Any]], Any]

DEEP: dict[str, Any] = {"type": "deny", "actor": [actor("Practitioner/doctor")]}
for _level in range(9):
    DEEP = {"type": "permit" if _level % 2 == 0 else "deny", "provision": [DEEP]}
DEEP = {"type": "deny", "actor": [actor("Practitioner/doctor")], "provision": DEEP["provision"]}


@pytest.mark.parametrize(
    "broken",
    [
        {"category": None},
        {"unknown": 1},
        {"provision": [permit()]},
        {"provision": permit(actor=[])},
        {"provision": permit(actor=[{"reference": ref("Practitioner/coach")}])},
        {"provision": permit(type="Permit")},
        {"provision": permit(provision=[{"purpose": [coding(REASON, "COC")]}])},
        {"provision": permit(period={"start": "2026-05-01", "end": "2026-04-30"})},
        {"provision": permit(period={"start": "2026-02-30"})},
        {"provision": permit(dataPeriod={"start": "2026-05-01", "end": "2026"[:3]})},
        {"provision": permit(provision=[{"type": "deny", "period": {"start": "2027", "end": "2026"}}])},
        {"provision": permit(provision=[{"type": "permit", "provision": [DEEP]}])},
        {"provision": permit(**{"class": [None]})},
        {"provision": permit(data=[{"meaning": "all", "reference": ref("CarePlan/plan")}])},
        {"dateTime": "2026-01-15T09:00:00"},
        {"dateTime": "2025-02-29"},
        {"policyRule": None},
        {"policyRule": None, "policy": []},
        {"sourceAttachment": {"title": "lomake"}},
        {"verification": [{"verified": "true"}]},
        {"meta": {"lastUpdated": "eilen"}},
        {"resourceType": "Contract"},
        {"patient": [ref("Patient/p1")]},
        {"patient": "Patient/p1"},
    ],
)
def test_an_unreadable_active_consent_stops_everything(broken: dict[str, Any]) -> None:
    """R8: it may be a refusal, so not even a good consent beside it opens; inactive or another's it blocks nothing."""
    bad = copy.deepcopy(consent("bad", **broken))
    assert said(consent(), bad) == "CONSENT_MALFORMED"
    assert said(consent(), bad | {"status": "inactive"}) == "CONSENT_PERMIT"
    assert said(consent(), bad | {"patient": ref("Patient/p2")}) == "CONSENT_PERMIT"


@pytest.mark.parametrize(
    ("period", "reason"),
    [
        ({"start": "2026-03-10T00:00:00+02:00", "end": "2026-03-10"}, "CONSENT_PERMIT"),
        ({"start": "2026-03-10T08:00:00+02:00", "end": "2026"}, "CONSENT_PERMIT"),
        ({"start": "2026-03", "end": "2026-03-09T22:00:00Z"}, "CONSENT_EXPIRED"),
        ({"start": "2026-03-11", "end": "2026-03-10T12:00:00+02:00"}, "CONSENT_MALFORMED"),
    ],
)
def test_the_ends_of_a_period_may_differ_in_precision(period: dict[str, str], reason: str) -> None:
    """R9: what they cover is compared, so a period from an instant to a day of the same date is sound."""
    assert said(consent(provision=permit(period=period))) == reason


def test_ten_nested_levels_are_read() -> None:
    """R8: the limit itself is allowed."""
    assert said(with_nested(DEEP)) == "CONSENT_PERMIT"


CODED = {"code": {"text": "x"}}
UNKNOWN_MODIFIER = [{"url": "https://example.org/modifier", "valueBoolean": True}]


@pytest.mark.parametrize(
    "strange",
    [
        {"implicitRules": "https://example.org/rules"},
        {"modifierExtension": UNKNOWN_MODIFIER},
        {"provision": permit(modifierExtension=UNKNOWN_MODIFIER)},
        {"provision": permit(actor=[{**actor("CareTeam/team"), "modifierExtension": UNKNOWN_MODIFIER}])},
        {"provision": permit(provision=[{"type": "deny", "modifierExtension": UNKNOWN_MODIFIER}])},
        {"verification": [{"verified": True, "modifierExtension": UNKNOWN_MODIFIER}]},
        {"contained": [{"resourceType": "Basic", "id": "b", "modifierExtension": UNKNOWN_MODIFIER, **CODED}]},
    ],
)
def test_an_unknown_modifier_stops_everything(strange: dict[str, Any]) -> None:
    """R8: what may change the meaning and is not known is not skipped."""
    assert said(consent(), consent("odd", **strange)) == "CONSENT_NOT_UNDERSTOOD"


@pytest.mark.parametrize("version", ["", "|1.0.0"])
def test_a_national_disclosure_permission_is_no_consent_to_a_team(version: str) -> None:
    """A luovutuslupa opens nothing here, refuses nothing here, and broken it blocks nothing."""
    national = "https://gen.kanta.fi/fhir/tahdonilmaisut/StructureDefinition/soteluovutuslupa"
    claimed = {"profile": [f"{national}{version}"], "lastUpdated": "2026-01-10T00:00:00Z"}
    assert said(consent(meta=claimed)) == "NO_CONSENT"
    assert said(consent(), refusal("kanta") | {"meta": claimed}) == "CONSENT_PERMIT"
    assert said(consent(), consent("kanta", meta=claimed, provision=[])) == "CONSENT_PERMIT"


def test_ordinary_extensions_are_ignored() -> None:
    """R8: an extension that cannot modify is no reason to refuse."""
    extension = [{"url": "https://example.org/note", "valueString": "x"}]
    assert said(consent(extension=extension, provision=permit(extension=extension))) == "CONSENT_PERMIT"


def _limited(**period: str) -> dict[str, Any]:
    return consent(provision=permit(period=period), meta={"lastUpdated": "2025-01-01T00:00:00Z"}, dateTime="2026-01-10")


@pytest.mark.parametrize(
    ("period", "time", "reason"),
    [
        ({"end": "2026-12-31"}, "2026-12-31T23:59:59.999+02:00", "CONSENT_PERMIT"),
        ({"end": "2026-12-31"}, "2026-12-31T21:59:59Z", "CONSENT_PERMIT"),
        ({"end": "2026-12-31"}, "2026-12-31T22:00:00Z", "CONSENT_EXPIRED"),
        ({"end": "2026-10-25"}, "2026-10-25T23:30:00+02:00", "CONSENT_PERMIT"),
        ({"end": "2026-03-29"}, "2026-03-29T20:59:59Z", "CONSENT_PERMIT"),
        ({"end": "2026-03-29"}, "2026-03-29T21:00:00Z", "CONSENT_EXPIRED"),
        ({"end": "2026-03"}, "2026-03-31T23:59:59+03:00", "CONSENT_PERMIT"),
        ({"end": "2026-03"}, "2026-04-01T00:00:00+03:00", "CONSENT_EXPIRED"),
        ({"end": "2026"}, "2026-12-31T23:59:59+02:00", "CONSENT_PERMIT"),
        ({"end": "2026-03-10T12:00:00+02:00"}, "2026-03-10T12:00:00.500+02:00", "CONSENT_PERMIT"),
        ({"end": "2026-03-10T12:00:00+02:00"}, "2026-03-10T12:00:01+02:00", "CONSENT_EXPIRED"),
        ({"end": "2026-03-10T12:00:00.250+02:00"}, "2026-03-10T12:00:00.251+02:00", "CONSENT_EXPIRED"),
        ({"start": "2026-03-11"}, "2026-03-10T22:00:00Z", "CONSENT_PERMIT"),
        ({"start": "2026-03-11"}, "2026-03-10T21:59:59.999Z", "CONSENT_NOT_YET_VALID"),
        ({"start": "2027"}, "2026-12-31T23:59:59+02:00", "CONSENT_NOT_YET_VALID"),
        ({}, "2199-01-01T00:00:00Z", "CONSENT_PERMIT"),
    ],
)
def test_periods_are_local_days_with_inclusive_ends(period: dict[str, str], time: str, reason: str) -> None:
    """R9: dates are days in Helsinki, clock changes included; an end covers its whole precision."""
    found = _limited(**period) if period else consent(provision=permit(), dateTime="2026-01-10")
    assert said(found, time=time) == reason


def test_a_refusal_out_of_force_refuses_nothing() -> None:
    """R9: a record outside its period or dated in the future has no effect at all."""
    assert said(consent(), refusal(period={"end": "2026-03-09"})) == "CONSENT_PERMIT"
    future = refusal()
    assert said(consent(), future | {"dateTime": "2026-03-11"}) == "CONSENT_PERMIT"
    assert said(consent(dateTime="2026-03-11")) == "CONSENT_NOT_YET_VALID"
    assert said(
        consent(dateTime="2026-03-10T12:00:00+02:00", provision=permit(actor=[actor("Practitioner/coach")]))
    ) == ("CONSENT_PERMIT")


def test_reasons_of_records_that_do_not_count_have_an_order() -> None:
    """R32: life-cycle reasons are told only when nothing else explains, and in a fixed order."""
    expired = consent("e", permit(period={"end": "2026-02-01"}))
    withdrawn, draft = consent("w", status="inactive"), consent("d", status="draft")
    assert said(draft, withdrawn, expired) == "CONSENT_EXPIRED"
    assert said(draft, withdrawn) == "CONSENT_INACTIVE"
    narrow = consent("n", permit(action=[action("use")]))
    assert said(draft, withdrawn, expired, narrow) == "ACTION_NOT_COVERED"


def test_flaws_come_before_refusals_and_refusals_before_permits() -> None:
    """R32: malformed, not understood, ambiguous, refused, in this order."""
    bad, odd = consent("bad", unknown=1), consent("odd", implicitRules="https://example.org/r")
    pair = [consent("v", language=language) for language in ("fi", "sv")]
    assert said(consent(), refusal(), *pair, odd, bad) == "CONSENT_MALFORMED"
    assert said(consent(), refusal(), *pair, odd) == "CONSENT_NOT_UNDERSTOOD"
    assert said(consent(), refusal(), *pair) == "VERSION_AMBIGUOUS"
    assert said(consent(), refusal()) == "EXPLICIT_DENY"
    unread = refusal("u", purpose=[coding("urn:example:purpose", "x")])
    assert said(consent(), refusal(), unread) == "EXPLICIT_DENY"
    assert said(consent(), unread) == "DENY_NOT_UNDERSTOOD"


def test_documents_that_are_no_objects_are_nobodys_consent() -> None:
    """What is no JSON object cannot be tied to a client and stops nothing."""
    decision = ask(consent(), *[None, 5, "Consent", []])  # type: ignore[arg-type]
    assert decision.reason == "CONSENT_PERMIT"
