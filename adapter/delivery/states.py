"""The states of a message and what an answer of the repository means for it. Pure tables, no database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a message is. Each change is one committed row."""

    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """True when nothing more will happen by itself."""
        return self in (State.DELIVERED, State.REJECTED, State.DEAD, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one try.

    Attributes:
        state: the next state.
        retry_after: seconds that the repository asked for, when it did.
    """

    state: State
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A resource that the repository holds, by the receipt of its delivery: `Type/id` and version id."""

    location: str
    version: str


INVALIDATED = "invalidated"
"""Cause of the transition of every message that an invalidation of its record stopped, or made."""

NOTHING_SENT = 0
OUTCOME_UNKNOWN = -1
RETRY = frozenset({408, 425, 429, 502, 503, 504})
NOBODY_THERE = frozenset({NOTHING_SENT, OUTCOME_UNKNOWN, 502, 503, 504})
RETRY_FEW_TIMES = frozenset({500})
MAYBE_DONE = frozenset({408, 500, 502, 503, 504})
"""Something between us and the repository may say this after the repository has committed."""

CONFLICT = 409
CHANGED = 412
"""A condition of the transaction does not hold: what was to be replaced has another version by now."""

MISSING = frozenset({"not-found", "transient", "lock-error"})
"""Issue codes of a 409 that goes away by itself: what is referred to is not there yet, or somebody holds it."""

CERTIFICATE = "CertificateRefused"
"""Cause of a try that failed because one side does not take the other's certificate."""

UNTIMELY = "CertificateNotValid"
"""Cause of a message that waits because our own signing certificate has ended, or is not valid yet."""

PAUSE = frozenset({401, CERTIFICATE, UNTIMELY})
"""Statuses and causes that are no matter of one message: the destination pauses, and somebody is told."""

NOT_COUNTED = frozenset({NOTHING_SENT, 401})
"""Statuses of tries in which the repository had no say about the message: after them its tries are counted anew."""

ATTEMPTS_AFTER_500 = 5
ATTEMPTS_IN_ALL = 500
"""With the longest delays, tries for more than four days: a repository that is down for a day loses nothing."""

FIRST_DELAY = 1.0
LONGEST_DELAY = 900.0
LONGEST_RETRY_AFTER = 3600.0


def judge(status: int, attempt: int, retry_after: float | None) -> Verdict:
    """Say what an answer other than success means (retry table of the delivery design).

    Status 0: surely nothing was sent, so it is simply tried again, as long as it takes. So is 401: the destination
    pauses until our credentials are taken. -1: not known, so it is reconciled first. 400, 403, 404, 409, 410, 412, 413,
    415, 422 and every redirect are final: they go to the sender with the repository's OperationOutcome; 409, and 412 on
    a replacement, only after the repository was asked what it holds (`Delivery`).
    """
    if retry_after is not None:
        retry_after = min(retry_after, LONGEST_RETRY_AFTER)
    if status == OUTCOME_UNKNOWN:
        return Verdict(State.UNKNOWN)
    if status == NOTHING_SENT:
        return Verdict(State.WAITING)
    if status in PAUSE:
        return Verdict(State.WAITING, retry_after)
    if status in RETRY:
        return Verdict(State.WAITING if attempt < ATTEMPTS_IN_ALL else State.DEAD, retry_after)
    if status in RETRY_FEW_TIMES:
        return Verdict(State.WAITING if attempt < ATTEMPTS_AFTER_500 else State.DEAD, retry_after)
    return Verdict(State.REJECTED)


def judge_conflict(codes: Collection[str], attempt: int, retry_after: float | None) -> Verdict:
    """Say what follows from a 409 or 412 on a record that the repository does not hold in this version.

    Args:
        codes: issue codes of the answer. What goes away by itself is waited for; the rest is the sender's to decide,
            because somebody else has changed what the record replaces.
    """
    return judge(503, attempt, retry_after) if not MISSING.isdisjoint(codes) else Verdict(State.REJECTED)


def judge_lookup(status: int, retry_after: float | None) -> Verdict:
    """Say what follows when the repository could not be asked what it holds: the outcome stays unknown.

    Only a final refusal of the question itself ends in `dead`: a person has to look.
    """
    passing = status in RETRY or status in PAUSE or status in RETRY_FEW_TIMES or status <= NOTHING_SENT
    wait = None if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER)
    return Verdict(State.UNKNOWN if passing else State.DEAD, wait)


def delay(attempt: int, chance: float) -> float:
    """Return the seconds until the next try: exponential, the half of it and up to as much again by chance.

    Args:
        attempt: tries made so far; 0 counts as 1.
        chance: random number in [0, 1).
    """
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(max(attempt, 1) - 1, 30))
    return ceiling * (0.5 + chance / 2)
