"""The criteria that compare codes and times: purposes, actions, classes, codes, labels (R22 – R29)."""

from __future__ import annotations

import pytest

from tests.consent.world import (
    ACT,
    CONFIDENTIALITY,
    LOINC,
    REASON,
    V3,
    Json,
    action,
    ask,
    both,
    coding,
    concept,
    consent,
    labelled,
    observation,
    permit,
    plan,
    profile_class,
    resource_class,
    said,
)

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


def test_the_nearest_miss_says_what_a_permit_would_need() -> None:
    """Trace: the criteria that fail, with the codes that were compared."""
    decision = ask(consent(provision=permit(purpose=[coding(REASON, "HPAYMT")])))
    near = [step for step in decision.trace if step.outcome == "nearest-miss"]
    assert [(step.path, step.needs) for step in near] == [("Consent.provision", ("purpose",))]
    (asked,) = [step for step in decision.trace if step.rule == "R16"]
    compared = {result.name: (result.result, result.wanted, result.given) for result in asked.criteria}
    assert compared["purpose"] == ("NO", (f"{REASON}|HPAYMT",), (f"{REASON}|COC",))
    assert compared["actor"][0] == "YES"
