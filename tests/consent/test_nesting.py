"""Reading one consent: base effect, nesting, defaults, specificity, three values (R10, R12 – R16)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.consent.world import (
    ACT,
    LOINC,
    REASON,
    action,
    actor,
    ask,
    coding,
    concept,
    consent,
    frame,
    observation,
    permit,
    refusal,
    resource_class,
    said,
    with_nested,
)

COACH, DOCTOR = {"actor": [actor("Practitioner/coach")]}, {"actor": [actor("Practitioner/doctor")]}
UNREAD = {"purpose": [coding("urn:example:purpose", "x")]}
OBSERVATIONS: dict[str, Any] = {"class": [resource_class("Observation")]}
ABOUT_WORK = {"code": [concept(LOINC, "96760-4")]}


@pytest.mark.parametrize(
    ("kind", "policy", "reason"),
    [
        ("permit", "OPTIN", "CONSENT_PERMIT"),
        ("permit", "OPTINR", "CONSENT_PERMIT"),
        ("permit", "OPTOUT", "EXPLICIT_DENY"),
        ("permit", "OPTOUTE", "EXPLICIT_DENY"),
        ("permit", "EMRGONLY", "EXPLICIT_DENY"),
        ("permit", "IMPLIED", "CONSENT_PERMIT"),
        (None, "OPTIN", "CONSENT_PERMIT"),
        (None, "OPTINR", "CONSENT_PERMIT"),
        (None, "OPTOUT", "EXPLICIT_DENY"),
        (None, "NOCONSENT", "EXPLICIT_DENY"),
        (None, "unheard-of", "EXPLICIT_DENY"),
        ("deny", "OPTIN", "EXPLICIT_DENY"),
    ],
)
def test_the_base_is_the_stricter_of_type_and_policy(kind: str | None, policy: str, reason: str) -> None:
    """R12: root type, else policy; a refusing policy beats a permitting type."""
    assert said(consent(provision=permit(type=kind), policyRule=concept(ACT, policy))) == reason


def test_a_policy_code_counts_in_its_own_system_only() -> None:
    """R12: OPTOUT of another system is an unknown policy, so the root type decides."""
    assert said(consent(policyRule=concept("urn:example:policies", "OPTOUT"))) == "CONSENT_PERMIT"
    assert said(consent(policyRule=None, policy=[{"uri": "urn:example:policy"}])) == "CONSENT_PERMIT"


def test_a_consent_without_rules_is_a_bare_base() -> None:
    """R12, R14, R15: a blanket yes is not specific, a blanket anything else refuses."""
    assert said(consent() | {"policyRule": concept(ACT, "OPTIN"), "provision": {"type": "permit"}}) == (
        "PERMIT_NOT_SPECIFIC"
    )
    bare = {key: value for key, value in consent().items() if key != "provision"}
    assert said(bare) == "PERMIT_NOT_SPECIFIC"
    assert said(consent("ok"), bare | {"policyRule": concept(ACT, "OPTOUT")}) == "EXPLICIT_DENY"


@pytest.mark.parametrize(
    ("nested", "resource", "reason", "path"),
    [
        ([{"type": "deny", **COACH}], None, "EXPLICIT_DENY", ".provision[0]"),
        ([{"type": "deny", **DOCTOR}], None, "CONSENT_PERMIT", ""),
        ([{"type": "permit", **COACH}], None, "CONSENT_PERMIT", ""),
        ([{"type": "permit", **DOCTOR}], None, "CONSENT_PERMIT", ""),
        ([{"type": "deny", **UNREAD}], None, "DENY_NOT_UNDERSTOOD", ".provision[0]"),
        ([{"type": "deny", **UNREAD, **DOCTOR}], None, "CONSENT_PERMIT", ""),
        (
            [{"type": "deny", "provision": [{"type": "permit", **COACH}]}],
            None,
            "CONSENT_PERMIT",
            ".provision[0].provision[0]",
        ),
        ([{"type": "deny", "provision": [{"type": "permit", **DOCTOR}]}], None, "EXPLICIT_DENY", ".provision[0]"),
        ([{"type": "deny", "provision": [{"type": "permit", **UNREAD}]}], None, "EXPLICIT_DENY", ".provision[0]"),
        (
            [{"type": "deny", "provision": [{"type": "deny", "provision": [{"type": "permit", **COACH}]}]}],
            None,
            "CONSENT_PERMIT",
            ".provision[0].provision[0].provision[0]",
        ),
        (
            [{"type": "deny", "provision": [{"type": "deny", **DOCTOR, "provision": [{"type": "permit", **COACH}]}]}],
            None,
            "EXPLICIT_DENY",
            ".provision[0]",
        ),
        (
            [{"type": "deny", "provision": [{"type": "deny", **UNREAD, "provision": [{"type": "permit", **COACH}]}]}],
            None,
            "EXPLICIT_DENY",
            ".provision[0]",
        ),
        (
            [{"type": "deny", **UNREAD, "provision": [{"type": "permit", **COACH}]}],
            None,
            "DENY_NOT_UNDERSTOOD",
            ".provision[0]",
        ),
        (
            [{"type": "deny", **OBSERVATIONS, "provision": [{"type": "permit", **ABOUT_WORK}]}],
            observation(),
            "CONSENT_PERMIT",
            ".provision[0].provision[0]",
        ),
        (
            [{"type": "deny", **OBSERVATIONS, "provision": [{"type": "permit", **ABOUT_WORK}]}],
            observation(code=concept(LOINC, "other")),
            "EXPLICIT_DENY",
            ".provision[0]",
        ),
        (
            [{"type": "deny", "provision": [{"type": "permit", **COACH}, {"type": "deny", **COACH}]}],
            None,
            "EXPLICIT_DENY",
            ".provision[0].provision[1]",
        ),
        (
            [{"type": "permit", "provision": [{"type": "deny", **COACH}]}],
            None,
            "EXPLICIT_DENY",
            ".provision[0].provision[0]",
        ),
        ([{"type": "permit", **DOCTOR, "provision": [{"type": "deny"}]}], None, "CONSENT_PERMIT", ""),
        ([{"type": "deny", **DOCTOR}, {"type": "deny", **COACH}], None, "EXPLICIT_DENY", ".provision[1]"),
    ],
)
def test_the_deepest_rule_that_applies_decides(
    nested: list[dict[str, Any]], resource: dict[str, Any] | None, reason: str, path: str
) -> None:
    """R13: inside all ancestors, deny before permit among siblings, same type below same type changes nothing."""
    asked = {"resource": resource} if resource else {}
    decision = ask(with_nested(*nested), **asked)
    assert decision.reason == reason
    assert [by.path for by in decision.decided_by] == [f"Consent.provision{path}"]


def test_a_rule_reaches_no_further_than_its_ancestors() -> None:
    """R13: a refusal inside a permit for observations says nothing about plans, also against other records."""
    inside = consent("c1", permit(**{"class": [resource_class("Observation")]}, provision=[{"type": "deny", **COACH}]))
    assert said(inside, consent("c2")) == "CONSENT_PERMIT"
    assert said(inside, consent("c2"), resource=observation()) == "EXPLICIT_DENY"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("OPTIN", "CONSENT_PERMIT"),
        ("OPTINR", "CONSENT_PERMIT"),
        ("OPTOUTE", "EXPLICIT_DENY"),
        ("other", "EXPLICIT_DENY"),
    ],
)
def test_an_opt_in_frame_refuses_nothing_elsewhere(policy: str, reason: str) -> None:
    """R14: only OPTIN and OPTINR make a bare base deny a default."""
    other = frame(permit(**DOCTOR), policy=policy, name="frame")
    assert said(consent(), other) == reason


def test_a_base_deny_with_criteria_or_without_nested_permit_is_a_refusal() -> None:
    """R14: a period alone is no criterion."""
    mine = consent("ok")
    nested = [permit(**DOCTOR)]

    def base(**root: Any) -> dict[str, Any]:
        return consent("base", {"type": "deny", **root})

    assert said(mine, base(provision=nested, period={"start": "2026-01-01"})) == "CONSENT_PERMIT"
    assert said(mine, base(provision=nested, purpose=[coding(REASON, "COC")])) == "EXPLICIT_DENY"
    assert said(mine, base(provision=nested, **DOCTOR)) == "CONSENT_PERMIT"
    assert said(mine, base(provision=[{"type": "deny", **DOCTOR}])) == "EXPLICIT_DENY"
    assert said(mine, base()) == "EXPLICIT_DENY"


def test_inside_a_frame_permits_and_refusals_are_siblings() -> None:
    """R13, R14: a matching refusal in a frame refuses, a matching permit permits, else nothing is said."""
    assert said(frame(permit())) == "CONSENT_PERMIT"
    assert said(frame(permit(**DOCTOR))) == "ACTOR_NOT_COVERED"
    assert said(frame(permit(), {"type": "deny", **COACH})) == "EXPLICIT_DENY"
    assert said(frame({"type": "deny", **COACH}, permit())) == "EXPLICIT_DENY"
    assert said(frame(permit(), {"type": "deny", **DOCTOR})) == "CONSENT_PERMIT"


def test_a_permit_names_recipient_and_purpose_on_its_path() -> None:
    """R15: the path counts, not the one rule; a permit of the same type below does not mend the one above."""
    assert said(consent(provision=permit(actor=None))) == "PERMIT_NOT_SPECIFIC"
    assert said(consent(provision=permit(purpose=None))) == "PERMIT_NOT_SPECIFIC"
    exception = {"type": "deny", **OBSERVATIONS, "provision": [{"type": "permit", **ABOUT_WORK}]}
    assert said(with_nested(exception), resource=observation()) == "CONSENT_PERMIT"
    assert said(with_nested(exception, actor=None), resource=observation()) == "EXPLICIT_DENY"
    assert said(with_nested({"type": "permit", **COACH}, actor=None)) == "PERMIT_NOT_SPECIFIC"


def test_a_permit_that_does_not_count_lifts_no_refusal() -> None:
    """R11, R15: an exception to a refusal needs evidence and a named recipient like any other permit."""
    exception = [permit()]
    assert said(refusal(policy="OPTOUTE", provision=exception)) == "CONSENT_PERMIT"
    unsigned = {key: value for key, value in refusal(provision=exception).items() if key != "sourceReference"}
    assert said(unsigned) == "EXPLICIT_DENY"
    assert said(refusal(policy="OPTOUTE", provision=[permit(actor=None)])) == "EXPLICIT_DENY"


def test_any_refusal_beats_every_permit_whatever_its_date() -> None:
    """R10: an old refusal must be lifted first; permits of other records do not outweigh it."""
    old = refusal(**COACH) | {"dateTime": "2020-01-01"}
    assert said(consent(), consent("c2"), old) == "EXPLICIT_DENY"
    assert said(consent(), refusal(**DOCTOR)) == "CONSENT_PERMIT"


def test_permits_are_not_glued_together() -> None:
    """R10: one record must cover the whole request."""
    by_actor = consent("a", permit(**{"class": [resource_class("Observation")]}))
    by_class = consent("b", permit(**DOCTOR))
    assert said(by_actor, by_class) == "CLASS_NOT_COVERED"
    assert said(by_actor, by_class, consent("c")) == "CONSENT_PERMIT"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"actor": [actor("Practitioner/doctor")], "action": [action("use")]}, "ACTOR_NOT_COVERED"),
        ({"purpose": [coding(REASON, "HPAYMT")], "action": [action("use")]}, "PURPOSE_NOT_COVERED"),
        ({"action": [action("use")], "class": [resource_class("Goal")]}, "ACTION_NOT_COVERED"),
        ({"class": [resource_class("Goal")], "code": [concept(LOINC, "x")]}, "CLASS_NOT_COVERED"),
        ({"code": [concept(LOINC, "x")], "dataPeriod": {"end": "2020"}}, "CODE_NOT_COVERED"),
        ({"dataPeriod": {"end": "2020"}, "purpose": None}, "DATA_PERIOD_NOT_COVERED"),
        ({**UNREAD, "action": [action("use")]}, "CRITERION_NOT_UNDERSTOOD"),
        ({"actor": [actor("Practitioner/doctor")], **UNREAD}, "ACTOR_NOT_COVERED"),
    ],
)
def test_the_first_criterion_that_fails_names_the_reason(changes: dict[str, Any], reason: str) -> None:
    """R32: actor, purpose, action, class, code, label, data period, data; then evidence, then specificity."""
    assert said(consent(provision=permit(**changes))) == reason


def test_evidence_is_told_before_specificity_and_after_criteria() -> None:
    """R32: the order of the last stages."""
    no_source = {"sourceReference": None}
    assert said(consent(provision=permit(actor=None), **no_source)) == "CONSENT_UNVERIFIED"
    assert said(consent(provision=permit(action=[action("use")]), **no_source)) == "ACTION_NOT_COVERED"


def test_the_permit_that_failed_latest_is_told() -> None:
    """R32: among several permits the nearest one explains, whatever their order."""
    far = consent("a", permit(**DOCTOR))
    nearer = consent("b", permit(**{"class": [resource_class("Goal")]}))
    unread = consent("c", permit(**{"class": [coding("urn:example:classes", "plan")]}))
    assert said(far, nearer) == said(nearer, far) == "CLASS_NOT_COVERED"
    assert said(far, nearer, unread) == said(unread, nearer, far) == "CRITERION_NOT_UNDERSTOOD"


@pytest.mark.parametrize(
    ("period", "reason"),
    [
        ({"end": "2026-02-28"}, "RULE_EXPIRED"),
        ({"start": "2026-04-01"}, "RULE_NOT_YET_VALID"),
        ({"start": "2026-03-10", "end": "2026-03-10"}, "CONSENT_PERMIT"),
    ],
)
def test_a_nested_rule_has_a_period_of_its_own(period: dict[str, str], reason: str) -> None:
    """R9: nested periods are criteria of the rule."""
    assert said(frame(permit(period=period))) == reason
    stopped = with_nested({"type": "deny", "period": period})
    assert said(stopped) == ("EXPLICIT_DENY" if reason == "CONSENT_PERMIT" else "CONSENT_PERMIT")
