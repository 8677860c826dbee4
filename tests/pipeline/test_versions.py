"""The version of a record is judged before its content: a repeat and an outdated version are told as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapter.delivery.submissions import Wanted
from adapter.errors import AdapterError, ChangedContent, ConsentRefused, OutdatedVersion
from adapter.fhir.canonical import dumps
from adapter.lifecycle.consents import SecondConsent
from adapter.lifecycle.invalidation import Invalid
from adapter.pipeline import Accepted, Foreseen, Line, Sender
from tests.pipeline.conftest import EHR, Send, record
from tests.pipeline.test_races import WITHDRAWN

PLAN = record("12-work-ability-plan", record_version=2)


@pytest.fixture
def withdrawn(send: Send, agreed: None) -> Accepted:
    """A plan that was taken with a consent that is withdrawn now."""
    taken = send(PLAN)
    send(record("10-consent", **WITHDRAWN))
    return taken


def test_an_equal_repeat_is_answered_as_before_when_the_world_moved_on(send: Send, withdrawn: Accepted) -> None:
    """A repeat releases nothing new: submission, size and warnings are those that were told, with and without a key."""
    told = (withdrawn.submission, withdrawn.resources, withdrawn.warnings)
    for key in ("", "a-key", "a-key"):
        again = send(PLAN, idempotency_key=key)
        assert (again.submission, again.resources, again.warnings, again.repeated) == (*told, True)


@pytest.mark.parametrize(
    ("changes", "error", "status", "field"),
    [
        ({"record_version": 1}, OutdatedVersion, 409, "record_version"),
        ({"title": "Toinen"}, ChangedContent, 422, "record_version"),
        ({"record_version": 3}, ConsentRefused, 403, "release.recipients[0]"),
    ],
)
def test_the_version_is_judged_before_consent(
    send: Send, withdrawn: Accepted, changes: dict[str, Any], error: type[AdapterError], status: int, field: str
) -> None:
    """Only a new version is refused for the missing consent; each refusal is told at its field, with its line."""
    with pytest.raises(error) as refused:
        send(PLAN | changes)
    (issue,) = refused.value.issues
    assert refused.value.http_status == status
    assert issue.source is not None
    assert (issue.source.path, bool(issue.source.line)) == (field, True)


def answer_to(asked: Callable[[], object]) -> tuple[object, ...]:
    """What is told: the warnings, or the kind of refusal with its rules and places."""
    try:
        told = asked()
    except AdapterError as refused:
        return type(refused), refused.http_status, refused.issues
    assert isinstance(told, Accepted | Foreseen)
    return told.warnings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"record_version": 1},
        {"title": "Toinen"},
        {"record_version": 3},
        {"record_version": 3, "release": None},
        {"record_version": 3, "start_date": "2031-01-01"},
    ],
    ids=str,
)
def test_a_preview_says_what_handing_over_would(
    line: Line, send: Send, withdrawn: Accepted, changes: dict[str, Any]
) -> None:
    """Repeat, outdated, changed, without consent, good, against a rule: the same words, and nothing is stored."""
    content = {field: value for field, value in (PLAN | changes).items() if value is not None}
    before = line.search(EHR.id, Wanted())
    foreseen = answer_to(lambda: line.check(dumps(content), sender=EHR))
    assert line.search(EHR.id, Wanted()) == before
    assert foreseen == answer_to(lambda: send(content))


def test_a_preview_says_that_a_record_was_invalidated(line: Line, send: Send) -> None:
    """No further version of it would be taken; the place is the sender's."""
    line.afterwards.invalidate(send(record("01-client")).submission, "väärä")
    with pytest.raises(Invalid) as refused:
        line.check(dumps(record("01-client", record_version=2)), sender=EHR)
    (issue,) = refused.value.issues
    assert issue.source is not None
    assert (issue.source.path, bool(issue.source.line)) == ("record_id", True)


@pytest.mark.usefixtures("agreed")
def test_a_preview_says_that_a_consent_is_active_already(line: Line) -> None:
    """Under another record id; the versions of another sender are none of one's own."""
    with pytest.raises(SecondConsent):
        line.check(dumps(record("10-consent", record_id="kopio")), sender=EHR)
    assert line.check(dumps(record("01-client", record_version=1)), sender=Sender("other")).arrived.bundle


def test_one_batch_judges_versions_before_rules(line: Line, withdrawn: Accepted) -> None:
    """In one commit, what breaks a rule today is a repeat, outdated or refused by its version."""
    records = [(dumps(PLAN | {"record_version": version}), "") for version in (1, 2, 3)]
    outdated, repeat, refused = line.accept_many(records, sender=EHR)
    assert isinstance(outdated, OutdatedVersion)
    assert isinstance(repeat, Accepted)
    assert repeat.submission == withdrawn.submission
    assert isinstance(refused, ConsentRefused)
