"""What people and invalidations do to messages: send again, take back. What a worker has in hand is left alone.

Each function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, case, exists, literal, or_, select, update

from adapter import audit
from adapter.delivery import changes
from adapter.delivery.jobs import spread
from adapter.delivery.leases import UNLEASED, instants
from adapter.delivery.states import INVALIDATED, MAYBE_DONE, State
from adapter.store.tables import outbox, submission, transition

REPLAYABLE = (State.REJECTED, State.DEAD, State.CANCELLED)
_UNTOUCHED = or_(outbox.c.http_status.is_(None), outbox.c.http_status.not_in(MAYBE_DONE))
_TAKEABLE = or_(outbox.c.state == State.QUEUED, (outbox.c.state == State.WAITING) & _UNTOUCHED)
"""Surely not in the repository."""

_MARKING = exists().where(
    transition.c.submission == outbox.c.submission,
    transition.c.cause == INVALIDATED,
    transition.c.state == State.QUEUED,
)
"""The message itself marks an invalidated record; it is not taken back."""

_OTHER = submission.alias("other")
_TAKEN_BACK = select(submission.c.id).where(
    exists().where(
        transition.c.cause == INVALIDATED,
        transition.c.submission == _OTHER.c.id,
        _OTHER.c.sender == submission.c.sender,
        _OTHER.c.record_key == submission.c.record_key,
        or_(
            _OTHER.c.record_version > submission.c.record_version,
            (_OTHER.c.id == submission.c.id) & (transition.c.state == State.CANCELLED),
        ),
    )
)
"""Messages of an invalidated record, but for the one that marks it."""


def replay(connection: Connection, submission_ids: Sequence[str], now: float, lease: float) -> int:
    """Take up final but undelivered messages again, with fresh attempts; returns how many were.

    What was ever sent is looked up in the repository first.
    """
    ever_sent = case((outbox.c.attempts > 0, State.UNKNOWN), else_=State.QUEUED)
    allowed = outbox.c.state.in_(REPLAYABLE) & outbox.c.submission.not_in(_TAKEN_BACK)
    return _steer(connection, allowed & outbox.c.submission.in_(submission_ids), ever_sent, now, lease, "replayed")


def cancel(connection: Connection, submission_ids: Sequence[str], now: float, lease: float) -> int:
    """Take back messages that surely were not sent; returns how many were."""
    allowed = _TAKEABLE & ~_MARKING & outbox.c.submission.in_(submission_ids)
    return _steer(connection, allowed, literal(State.CANCELLED), now, lease, "cancelled")


def take_back(connection: Connection, submission_ids: Sequence[str], now: float, lease: float) -> list[str]:
    """Cancel for good what no worker has in hand and what is surely not there or was given up; returns which.

    For an invalidation, in its transaction.
    """
    stopped = (
        update(outbox)
        .where(outbox.c.submission.in_(submission_ids), or_(_TAKEABLE, outbox.c.state.in_(REPLAYABLE)), UNLEASED)
        .values(state=State.CANCELLED, final=True, updated_at=now)
        .returning(outbox.c.submission, outbox.c.lane)
    )
    taken = connection.execute(stopped, instants(now, lease)).all()
    changes.record(connection, [(row.submission, State.CANCELLED, 0, INVALIDATED) for row in taken], now)
    spread(connection, [row.lane for row in taken])
    return [row.submission for row in taken]


def _steer(
    connection: Connection,
    allowed: ColumnElement[bool],
    state: ColumnElement[State] | ColumnElement[str],
    now: float,
    lease: float,
    cause: str,
) -> int:
    changed = {"state": state, "final": state == State.CANCELLED, "due": now, "attempts": 0, "http_status": None}
    steered = update(outbox).where(allowed, UNLEASED).values(**changed, updated_at=now)
    moved = connection.execute(
        steered.returning(outbox.c.submission, outbox.c.state, outbox.c.lane), instants(now, lease)
    ).all()
    changes.record(connection, [(row.submission, State(row.state), 0, cause) for row in moved], now)
    spread(connection, [row.lane for row in moved])
    if moved:
        audit.append(connection, now, "admin", {"act": cause, "count": len(moved)})
    return len(moved)
