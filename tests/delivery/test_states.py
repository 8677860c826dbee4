"""Every answer of a repository has exactly one consequence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.delivery.states import ATTEMPTS_AFTER_500, ATTEMPTS_IN_ALL, LONGEST_DELAY, State, delay, judge


@pytest.mark.parametrize("status", [0, 401, 408, 425, 429, 500, 502, 503, 504])
def test_passing_faults_are_tried_again(status: int) -> None:
    """What may get better by itself waits."""
    assert judge(status, 1, None).state is State.WAITING


@pytest.mark.parametrize("status", [301, 302, 307, 400, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422])
def test_final_answers_go_to_the_sender(status: int) -> None:
    """What only the sender can mend is rejected at once; a redirect is never followed."""
    assert judge(status, 1, None).state is State.REJECTED


def test_an_unknown_outcome_is_reconciled_first() -> None:
    """A broken line after sending is never a plain retry."""
    assert judge(-1, 1, None).state is State.UNKNOWN


def test_limits_end_in_dead() -> None:
    """Nothing is tried for ever."""
    assert judge(500, ATTEMPTS_AFTER_500, None).state is State.DEAD
    assert judge(503, ATTEMPTS_IN_ALL, None).state is State.DEAD


def test_what_was_never_sent_waits_as_long_as_it_takes() -> None:
    """Nobody there, however often: nothing is given up, nothing needs a person."""
    assert judge(0, 10 * ATTEMPTS_IN_ALL, None).state is State.WAITING


def test_refused_credentials_make_no_message_dead() -> None:
    """However long nobody renews them: the destination pauses, and the messages stay."""
    assert judge(401, ATTEMPTS_IN_ALL, None).state is State.WAITING
    assert judge(401, 10 * ATTEMPTS_IN_ALL, 5.0).retry_after == 5.0


@given(st.integers(min_value=1, max_value=10_000), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_delays_are_positive_and_bounded(attempt: int, chance: float) -> None:
    """However many tries: never no pause, never longer than the longest."""
    assert 0 < delay(attempt, chance) <= LONGEST_DELAY
