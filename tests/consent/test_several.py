"""Several resources, cutting out elements, and what a requester is told (R3, R28, R33)."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.consent import Decision, Reason, outward, packaged_configuration
from tests.consent.world import (
    LOINC,
    REASON,
    Json,
    action,
    ask,
    coding,
    concept,
    configuration,
    consent,
    observation,
    permit,
    plan,
    ref,
    refusal,
    requester,
    resource_class,
    several,
    with_nested,
)

SNOMED = "http://snomed.info/sct"
SECRET = concept(SNOMED, "74732009")
REFUSED = {"type": "deny", "code": [SECRET]}
PARTS = observation(component=[{"code": concept(LOINC, "1")}, {"code": SECRET}])
PLANS_ONLY = consent(provision=permit(**{"class": [resource_class("CarePlan")]}))
GONE = {"resourceType": "Goal", "id": "goal", "subject": ref("Patient/p1")}


@pytest.mark.parametrize(
    ("resources", "decision", "reason", "entries"),
    [
        ([plan()], "permit", "CONSENT_PERMIT", {"CarePlan/plan": "permit"}),
        (
            [plan(), observation()],
            "partial",
            "PARTIAL_WITHHELD",
            {"CarePlan/plan": "permit", "Observation/obs": "deny"},
        ),
        ([observation()], "deny", "ALL_WITHHELD", {"Observation/obs": "deny"}),
        ([], "deny", "ALL_WITHHELD", {}),
        ([plan(subject=ref("Patient/p2"))], "deny", "ALL_WITHHELD", {"CarePlan/plan": "deny"}),
    ],
)
def test_a_search_leaves_out_what_is_withheld(
    resources: list[Json], decision: str, reason: str, entries: dict[str, str]
) -> None:
    """R28: the rest is released; nothing left is a deny."""
    found = ask(PLANS_ONLY, asked=several(*resources))
    assert (found.decision, found.reason) == (decision, reason)
    assert {key: entry.decision for key, entry in found.entries.items()} == entries


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        ([plan()], "CONSENT_PERMIT"),
        ([plan(), observation()], "SUBMIT_NOT_FULLY_PERMITTED"),
        ([plan(), plan(id="two", subject=ref("Patient/p2"))], "SUBMIT_NOT_FULLY_PERMITTED"),
        ([], "SUBMIT_NOT_FULLY_PERMITTED"),
    ],
)
def test_a_submission_is_all_or_nothing(resources: list[Json], reason: str) -> None:
    """R28: one entry that is not covered stops them all."""
    assert ask(PLANS_ONLY, asked=several(*resources, interaction="submit")).reason == reason


def test_an_entry_says_why_it_is_withheld() -> None:
    """Each entry has its own reason for the reviewer."""
    found = ask(PLANS_ONLY, asked=several(plan(), observation()))
    assert found.entries["Observation/obs"].reason is Reason.CLASS_NOT_COVERED
    assert [by.path for by in found.decided_by] == ["Consent.provision"]


def test_entries_without_a_name_of_their_own_have_a_position() -> None:
    """Two versions of one resource, and resources without id, stay apart."""
    nameless = plan(id=None)
    found = ask(consent(), asked=several(plan(), plan(), nameless, {"fullUrl": "urn:x", "resource": nameless}))
    assert list(found.entries) == ["CarePlan/plan", "CarePlan/plan#1", "CarePlan#2", "CarePlan#3"]


def test_a_bundle_is_opened() -> None:
    """The entries of a Bundle are decided one by one."""
    bundle = {"resourceType": "Bundle", "entry": [{"resource": plan()}, {"resource": observation()}]}
    assert set(ask(consent(), asked=several(bundle)).entries) == {"CarePlan/plan", "Observation/obs"}


def test_only_components_and_activities_are_cut_out() -> None:
    """R28: a refused code inside one of them is cut on a read; anywhere else it refuses the whole."""
    found = ask(with_nested(REFUSED), resource=PARTS)
    assert (found.decision, found.reason) == ("partial", "PARTIAL_REDACTED")
    assert [duty.as_json() for duty in found.obligations] == [
        {"code": "REDACT", "resource": "Observation/obs", "paths": ["Observation.component[1]"]}
    ]
    elsewhere = observation(component=PARTS["component"], interpretation=[SECRET])
    assert ask(with_nested(REFUSED), resource=elsewhere).reason == "EXPLICIT_DENY"
    detail = {"status": "scheduled", "code": SECRET}
    planned = plan(activity=[{"detail": detail}, {"reference": ref("Task/1")}, {"detail": detail}])
    (duty,) = ask(with_nested(REFUSED), resource=planned).obligations
    assert duty.paths == ("CarePlan.activity[0]", "CarePlan.activity[2]")


def test_a_refused_element_is_cut_whoever_refuses_it() -> None:
    """R10, R28: a refusal in another record reaches the element too; a statute or an exception lifts it."""
    assert ask(consent(), refusal(code=[SECRET]), resource=PARTS).reason == "PARTIAL_REDACTED"
    exception = REFUSED | {"provision": [permit()]}
    assert ask(with_nested(exception), resource=PARTS).reason == "CONSENT_PERMIT"


def test_an_element_coded_in_words_only_is_cut_with_the_refused_ones() -> None:
    """R16, R25: nobody can tell it from what is refused; without a refusal by code it stays."""
    found = observation(component=[{"code": {"text": "sanoin"}}, {"code": concept(LOINC, "1-1")}])
    refused = refusal(code=[concept(LOINC, "9-9")])
    cut = ask(consent(), refused, resource=found)
    assert [duty.paths for duty in cut.obligations] == [("Observation.component[0]",)]
    assert ask(consent(), resource=found).decision == "permit"


def test_a_submission_with_a_refused_element_is_refused() -> None:
    """R28: nothing is cut out of what is submitted."""
    store = with_nested(REFUSED)
    assert ask(store, resource=PARTS, interaction="submit").reason == "SUBMIT_NOT_FULLY_PERMITTED"
    asked = several(PARTS, interaction="submit")
    found = ask(store, asked=asked)
    assert (found.reason, found.obligations) == ("SUBMIT_NOT_FULLY_PERMITTED", ())


def test_a_search_carries_the_cuts_of_its_entries() -> None:
    """R28: obligations name the resource; what is withheld has none."""
    found = ask(with_nested(REFUSED), asked=several(plan(), PARTS))
    assert (found.decision, found.reason) == ("partial", "PARTIAL_REDACTED")
    assert [duty.resource for duty in found.obligations] == ["Observation/obs"]
    withheld = ask(with_nested(REFUSED), asked=several(PARTS, GONE))
    assert withheld.reason == "PARTIAL_WITHHELD"
    assert len(withheld.obligations) == 1


def test_released_data_carry_handling_labels() -> None:
    """§3.2: no redisclosure, no reuse; nothing to handle when nothing is released."""
    assert [label.code for label in ask(consent()).handling] == ["NORDSCLCD", "NOREUSE"]
    assert ask().handling == ()


TEAM_MISS: dict[str, Any] = {"purpose": [coding(REASON, "HPAYMT")]}


@pytest.mark.parametrize(
    ("store", "changes", "expected"),
    [
        ([consent()], {}, (True, "", 200)),
        ([with_nested(REFUSED)], {"resource": PARTS}, (True, "", 200)),
        ([], {"requester": requester("stranger")}, (False, "NOT_AVAILABLE", 404)),
        ([], {}, (False, "NOT_AVAILABLE", 403)),
        ([refusal()], {}, (False, "NOT_AVAILABLE", 403)),
        ([refusal()], {"requester": requester("stranger")}, (False, "NOT_AVAILABLE", 404)),
        ([consent(status="inactive")], {"requester": requester("stranger")}, (False, "NOT_AVAILABLE", 404)),
        ([consent()], TEAM_MISS, (False, "PURPOSE_NOT_COVERED", 403)),
        ([consent()], {"action": "use"}, (False, "ACTION_NOT_COVERED", 403)),
        ([consent()], TEAM_MISS | {"requester": requester("rehab")}, (False, "NOT_AVAILABLE", 404)),
        ([consent()], {"action": "read"}, (False, "REQUEST_INVALID", 400)),
        ([consent()], {"requester": requester("coach", "kela")}, (False, "REQUESTER_ROLE_INACTIVE", 403)),
        ([consent()], {"legalBasis": coding("urn:x", "y")}, (False, "LEGAL_BASIS_UNKNOWN", 403)),
    ],
)
def test_a_requester_learns_only_what_it_can_mend(
    store: list[Json], changes: Json, expected: tuple[bool, str, int]
) -> None:
    """R33: "no consent" and "refused" look the same outside."""
    told = outward(ask(*store, **changes), config=configuration())
    assert (told.released, told.reason, told.status) == expected


def test_a_stranger_is_not_told_what_the_consent_lacks() -> None:
    """R33: purpose and action are named to current team members only."""
    open_to_kela = consent(provision=permit(actor=[{**permit()["actor"][0], "reference": ref("Organization/kela")}]))
    found = ask(open_to_kela, requester=requester(None, "kela"), action="use")
    assert found.reason == "ACTION_NOT_COVERED"
    assert outward(found).reason == "NOT_AVAILABLE"


def test_every_reason_has_an_outward_form() -> None:
    """R33: the outward list is closed."""
    rules = packaged_configuration().outward
    allowed = {*map(str, rules.named), *map(str, rules.named_for_members), rules.otherwise}
    told = {outward(Decision("deny", reason)).reason for reason in Reason}
    assert told == allowed - set(map(str, rules.named_for_members))


def test_a_single_request_has_no_entries() -> None:
    """Only several resources have entries."""
    assert ask(consent()).entries == {}
    assert ask(consent(provision=permit(action=[action("use")]))).as_json() == {
        "decision": "deny",
        "reason": "ACTION_NOT_COVERED",
    }
