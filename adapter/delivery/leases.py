"""Who has which message in hand: only the head of a lane can be claimed, under a lease that a dead worker cannot keep.

The head is the oldest message of a lane that is not final. Each function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Float, Integer, Select, bindparam, exists, or_, select, text, update
from sqlalchemy.sql.dml import ReturningUpdate

from adapter.delivery import known
from adapter.delivery.messages import Lease, Message
from adapter.delivery.states import State
from adapter.store import Cipher
from adapter.store.among import among
from adapter.store.prepared import Selection
from adapter.store.tables import outbox, submission

LONGEST_WAIT = 3600.0
"""No pause is longer; a time further ahead was written before the clock was set back, and is not waited for."""

AT_ONCE = 1000
"""So many lanes without a job are found at once; the others at the next look."""

# Statements are built once: to build one takes longer than to run it.
_NOW = bindparam("now", type_=Float)
UNLEASED = or_(outbox.c.leased_until <= _NOW, outbox.c.leased_until > bindparam("no_lease_after"))
"""Nobody holds it; a lease that ends later than any can was given before the clock was set back. See `instants`."""

_EARLIER = outbox.alias("earlier")
_IS_HEAD = ~exists().where(_EARLIER.c.lane == outbox.c.lane, ~_EARLIER.c.final, _EARLIER.c.seq < outbox.c.seq)
_FREE = (
    ~outbox.c.final,
    or_(outbox.c.due <= _NOW, outbox.c.due > bindparam("no_pause_after"), outbox.c.state == State.QUEUED),
    UNLEASED,
)
_DUE = select(outbox.c.seq).where(*_FREE, _IS_HEAD)
_ANY_DUE = _DUE.limit(1)
# SKIP LOCKED: on PostgreSQL many workers claim at once; SQLite has one writer and ignores it.
_HEADS = _DUE.order_by(outbox.c.seq).limit(bindparam("at_once", type_=Integer)).with_for_update(skip_locked=True)
_OF_LANES = among(outbox.c.lane, "lanes")


def _lease(heads: Select[tuple[int]]) -> ReturningUpdate[tuple[int]]:
    return (
        update(outbox)
        .where(outbox.c.seq.in_(heads.scalar_subquery()), *_FREE)
        .values(leased_until=bindparam("until"), leased_by=bindparam("worker"))
        .returning(outbox.c.seq)
    )


_LEASE = _lease(_HEADS)
_LEASE_OF_LANES = _lease(_HEADS.where(_OF_LANES))
_HEADS_OF_LANES = select(outbox.c.lane, outbox.c.due, outbox.c.state, outbox.c.leased_until).where(
    ~outbox.c.final, _IS_HEAD, _OF_LANES
)
_NO_JOB = text("NOT EXISTS (SELECT FROM procrastinate_jobs WHERE lock = outbox.lane AND status IN ('todo', 'doing'))")
_FORGOTTEN = select(outbox.c.lane).where(*_FREE, _IS_HEAD, outbox.c.due <= bindparam("before"), _NO_JOB).limit(AT_ONCE)
_CLAIMED = Selection(
    select(
        outbox.c.submission,
        outbox.c.lane,
        outbox.c.state,
        outbox.c.attempts,
        outbox.c.http_status,
        submission.c.body,
        submission.c.record_key,
    )
    .join(submission, submission.c.id == outbox.c.submission)
    .where(among(outbox.c.seq, "seqs"))
    .order_by(outbox.c.seq)
)
_RENEW = (
    update(outbox)
    .where(among(outbox.c.leased_by, "workers"), outbox.c.leased_until > _NOW)
    .values(leased_until=bindparam("until"))
)
_RELEASE = (
    update(outbox)
    .where(
        among(outbox.c.submission, "messages"),
        among(outbox.c.leased_by, "workers"),
    )
    .values(leased_until=0.0, leased_by=None)
)


def instants(now: float, lease: float) -> dict[str, float]:
    """Return what a statement with `UNLEASED` is given."""
    return {"now": now, "no_lease_after": now + 2 * lease}


def any_due(connection: Connection, now: float, lease: float) -> bool:
    """Say whether there is something to claim; it only reads."""
    return connection.execute(_ANY_DUE, _when(now, lease)).first() is not None


def waits(connection: Connection, lanes: Collection[str], now: float, lease: float) -> dict[str, float | None]:
    """Return in how many seconds each of these lanes has something to claim; None for a lane that is empty."""
    found: dict[str, float | None] = dict.fromkeys(lanes)
    for lane, due, state, leased_until in connection.execute(_HEADS_OF_LANES, {"lanes": list(lanes)}):
        pause = 0.0 if state == State.QUEUED or due > now + LONGEST_WAIT else due - now
        held = 0.0 if leased_until > now + 2 * lease else leased_until - now
        found[lane] = max(pause, held, 0.0)
    return found


def forgotten(connection: Connection, now: float, lease: float) -> list[str]:
    """Return lanes that have no job though something has been due for longer than a lease. On PostgreSQL only."""
    return list(connection.execute(_FORGOTTEN, _when(now, lease) | {"before": now - lease}).scalars())


def claim(
    connection: Connection,
    cipher: Cipher,
    worker: str,
    now: float,
    lease: float,
    limit: int,
    lanes: Collection[str] | None = None,
) -> list[Message]:
    """Lease up to `limit` due lane heads to `worker`, oldest first.

    Args:
        lanes: only of these; None for all.
    """
    given: dict[str, object] = _when(now, lease) | {"until": now + lease, "worker": worker, "at_once": limit}
    if lanes is None:
        seqs = connection.execute(_LEASE, given).scalars().all()
    else:
        seqs = connection.execute(_LEASE_OF_LANES, given | {"lanes": list(lanes)}).scalars().all()
    rows = _CLAIMED(connection, seqs=seqs) if seqs else ()
    places = known.parts(connection, [row.record_key for row in rows])
    return [
        Message(name, lane, body, record, attempts, State(state), worker, status, cipher, places.get(record, {}))
        for name, lane, state, attempts, status, body, record in rows
    ]


def renew(connection: Connection, workers: Collection[str], now: float, until: float) -> None:
    """Hold on to what these workers have in hand."""
    connection.execute(_RENEW, {"workers": list(workers), "now": now, "until": until})


def release(connection: Connection, held: Collection[Lease]) -> None:
    """Give back what was claimed and not begun."""
    messages, workers = {one.submission for one in held}, {one.worker for one in held}
    connection.execute(_RELEASE, {"messages": list(messages), "workers": list(workers)})


def _when(now: float, lease: float) -> dict[str, float]:
    return instants(now, lease) | {"no_pause_after": now + LONGEST_WAIT}
