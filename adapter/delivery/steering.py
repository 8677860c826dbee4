"""What people and invalidations do to messages: send again, take back. What a worker has in hand is left alone.

Each function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, case, exists, literal, or_, select, update

from adapter import audit
from adapter.delivery import changes
from adapter.delivery.jobs import spread
from adapter.delivery.leases import UNLEASED, instants
from adapter.delivery.states import INVALIDATED, MAYBE_DONE, State
from adapter.store.among import among
from adapter.store.tables import outbox, submission, transition
from adapter.types import Issue

REPLAYABLE = (State.REJECTED, State.DEAD, State.CANCELLED)
_UNTOUCHED = or_(outbox.c.http_status.is_(None), outbox.c.http_status.not_in(MAYBE_DONE))
_TAKEABLE = or_(outbox.c.state == State.QUEUED, (outbox.c.state == State.WAITING) & _UNTOUCHED)
"""Surely not in the repository."""

_NAMED = among(outbox.c.submission, "submissions")
_MARKING = exists().where(
    transition.c.submission == outbox.c.submission,
    transition.c.cause == INVALIDATED,
    transition.c.state == State.QUEUED,
)
"""The message itself marks an invalidated record; it is not taken back."""

_OWN, _OTHER, _LATER = submission.alias("own"), submission.alias("other"), outbox.alias("later")
_TAKEN_BACK = exists().where(
    _OWN.c.id == outbox.c.submission,
    _OTHER.c.sender == _OWN.c.sender,
    _OTHER.c.record_key == _OWN.c.record_key,
    transition.c.submission == _OTHER.c.id,
    transition.c.cause == INVALIDATED,
    or_(
        _OTHER.c.record_version > _OWN.c.record_version,
        (_OTHER.c.id == _OWN.c.id) & (transition.c.state == State.CANCELLED),
    ),
)
"""The message is of an invalidated record, and is not the one that marks it."""

_OUTDATED = exists().where(
    _OWN.c.id == outbox.c.submission,
    _OTHER.c.record_key == _OWN.c.record_key,
    _OTHER.c.record_version >= _OWN.c.record_version,
    _LATER.c.submission == _OTHER.c.id,
    _LATER.c.seq > outbox.c.seq,
    _LATER.c.state.not_in(REPLAYABLE),
)
"""What came later of the record is in the repository or on its way there, whoever sent it: a newer version, or what the
adapter did to this one. Sent after it, the older one would take its place."""


def replay(
    connection: Connection, submission_ids: Sequence[str], now: float, lease: float, operator: str = ""
) -> dict[str, Issue]:
    """Take up final but undelivered messages again, with fresh attempts; returns of those that were not why.

    What was ever sent is looked up in the repository first.

    Args:
        operator: who does it on the command line, for the log.
    """
    # From here on nobody hands a newer version over, or takes one up again.
    audit.lock(connection)
    ever_sent = case((outbox.c.attempts > 0, State.UNKNOWN), else_=State.QUEUED)
    allowed = outbox.c.state.in_(REPLAYABLE) & ~_TAKEN_BACK & ~_OUTDATED
    entry = {"act": "replayed"} | ({"operator": operator} if operator else {})
    left = _steer(connection, submission_ids, allowed, ever_sent, now, lease, entry)
    return _reasons(connection, left, _why_not_replayed, _TAKEN_BACK)


def cancel(connection: Connection, submission_ids: Sequence[str], now: float, lease: float) -> dict[str, Issue]:
    """Take back messages that surely were not sent; returns of those that were not why."""
    allowed = _TAKEABLE & ~_MARKING
    left = _steer(connection, submission_ids, allowed, literal(State.CANCELLED), now, lease, {"act": "cancelled"})
    return _reasons(connection, left, _why_not_cancelled, _MARKING)


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
    submission_ids: Sequence[str],
    allowed: ColumnElement[bool],
    state: ColumnElement[State] | ColumnElement[str],
    now: float,
    lease: float,
    entry: Mapping[str, str],
) -> list[str]:
    """Change the state of those of which it is allowed; returns the others.

    Args:
        entry: facts of the log; the act is the cause of the change.
    """
    changed = {"state": state, "final": state == State.CANCELLED, "due": now, "attempts": 0, "http_status": None}
    steered = update(outbox).where(_NAMED, allowed, UNLEASED).values(**changed, updated_at=now)
    moved = connection.execute(
        steered.returning(outbox.c.submission, outbox.c.state, outbox.c.lane),
        instants(now, lease) | {"submissions": list(submission_ids)},
    ).all()
    changes.record(connection, [(row.submission, State(row.state), 0, entry["act"]) for row in moved], now)
    spread(connection, [row.lane for row in moved])
    if moved:
        audit.append(connection, now, "admin", {**entry, "count": len(moved)})
    done = {row.submission for row in moved}
    return [one for one in submission_ids if one not in done]


def _reasons(
    connection: Connection, left: Sequence[str], why: Callable[[str, bool], Issue], special: ColumnElement[bool]
) -> dict[str, Issue]:
    """Return for each message that was left alone what its sender is told.

    Args:
        why: says it by the state, and by whether the message is special.
    """
    if not left:
        return {}
    query = select(outbox.c.submission, outbox.c.state, special.label("special")).where(_NAMED)
    found = {row.submission: row for row in connection.execute(query, {"submissions": list(left)})}
    unknown = Issue("error", "delivery.no-such-submission")
    return {one: why(found[one].state, found[one].special) if one in found else unknown for one in left}


def _why_not_replayed(state: str, taken_back: bool) -> Issue:
    if taken_back:
        return Issue("error", "delivery.invalidated-not-sent")
    if state in REPLAYABLE:
        return Issue("error", "delivery.newer-handed-over")
    return Issue("error", "delivery.not-replayable", {"state": state})


def _why_not_cancelled(state: str, marking: bool) -> Issue:
    return Issue("error", "delivery.mark-stays" if marking else "delivery.not-cancellable", {"state": state})
