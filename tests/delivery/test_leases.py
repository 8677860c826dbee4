"""Leases: a slow worker keeps its message, a dead one loses it, and a clock that goes back holds nothing up."""

from __future__ import annotations

import pytest

from adapter.delivery import Outbox
from adapter.delivery.messages import Failed, LeaseLost, Message
from adapter.delivery.states import State
from tests.delivery.conftest import Put


def failed(message: Message, state: State, *, due: float = 5.0, status: int = 503) -> Failed:
    """What came of a try."""
    return Failed(message, state, due=due, attempts=1, cause=f"HTTP {status}", http_status=status)


def test_a_renewed_lease_holds(outbox: Outbox, put: Put) -> None:
    """However long the repository takes, nobody else gets the message."""
    put("moona")
    outbox.claim("slow", 0.0)
    for now in (20.0, 40.0, 60.0):
        outbox.renew(["slow"], now)
        assert outbox.claim("other", now) == []


def test_who_lost_the_lease_commits_nothing(outbox: Outbox, put: Put) -> None:
    """A worker that slept over its lease must not overwrite what the next one found."""
    put("moona")
    slept = outbox.claim("slept", 0.0)[0]
    taken = outbox.claim("next", outbox.lease + 1)[0]
    with pytest.raises(LeaseLost):
        outbox.sending(slept, outbox.lease + 2)
    outbox.sending(taken, outbox.lease + 2)


def test_a_clock_that_is_set_back_holds_nothing_up(outbox: Outbox, put: Put) -> None:
    """Leases and pauses that were written in the future are not waited for."""
    put("moona", at=1e6)
    outbox.claim("before", 1e6)
    message = outbox.claim("after", 10.0)[0]
    outbox.turn(10.0, outcomes=[failed(message, State.WAITING, due=1e6, status=429)])
    assert outbox.claim("after", 11.0)[0].submission == message.submission


@pytest.mark.parametrize(("status", "doubtful"), [(503, True), (500, True), (429, False), (0, False)])
def test_what_may_have_had_its_effect_is_doubtful(outbox: Outbox, put: Put, status: int, doubtful: bool) -> None:
    """Only an answer that surely came before any effect allows a plain second try, and taking the message back."""
    submission = put("moona")
    message = outbox.claim("w", 0.0)[0]
    outbox.turn(0.0, outcomes=[failed(message, State.WAITING, status=status)])
    assert outbox.claim("w", 5.0)[0].doubtful is doubtful
    assert (submission in outbox.cancel([submission], 5.0 + outbox.lease)) is doubtful


def test_a_replayed_message_that_was_ever_sent_is_looked_up_first(outbox: Outbox, put: Put) -> None:
    """A person may replay what is dead; whether it arrived is still not known."""
    submission = put("moona")
    outbox.turn(0.0, outcomes=[failed(outbox.claim("w", 0.0)[0], State.DEAD)])
    assert outbox.replay([submission], 1.0) == {}
    assert outbox.claim("w", 1.0)[0].doubtful
