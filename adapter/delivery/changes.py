"""Writes what happened to messages: new states with their transitions, receipts, and what the repository holds now.

Each function works inside the caller's transaction and changes nothing of a message whose lease was lost.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update
from sqlalchemy.sql.dml import ReturningUpdate

from adapter import audit
from adapter.delivery import known
from adapter.delivery.messages import Delivered, Failed, Lease, Message, Outcome
from adapter.delivery.states import State
from adapter.store.tables import outbox, receipt, transition

# Statements are built once: to build one takes longer than to run it.
_HELD = update(outbox).where(
    outbox.c.submission.in_(bindparam("messages", expanding=True)), outbox.c.leased_by == bindparam("worker")
)
_BEGIN = _HELD.values(
    state=State.SENDING, attempts=outbox.c.attempts + 1, updated_at=bindparam("now"), leased_until=bindparam("until")
).returning(outbox.c.submission)
_DELIVER = _HELD.values(
    state=State.DELIVERED,
    final=True,
    http_status=200,
    issues=None,
    updated_at=bindparam("now"),
    leased_until=0.0,
    leased_by=None,
).returning(outbox.c.submission)
_FAIL = (
    update(outbox)
    .where(outbox.c.submission == bindparam("message"), outbox.c.leased_by == bindparam("worker"))
    .values(leased_until=0.0, leased_by=None)
)
_RECORD = insert(transition).inline()
_RECEIPT = insert(receipt).inline()


def record(connection: Connection, rows: Iterable[tuple[str, State, int, str]], now: float) -> None:
    """Write transitions: submission, new state, tries so far, cause."""
    written = [
        {"submission": name, "at": now, "state": state, "attempt": attempt, "cause": cause[:200]}
        for name, state, attempt, cause in rows
    ]
    if written:
        connection.execute(_RECORD, written)


def begin(connection: Connection, messages: Sequence[Message], now: float, until: float) -> set[Lease]:
    """Write that tries begin: after a crash their outcome counts as unknown.

    Args:
        until: when the lease ends.

    Returns:
        what is still held; nothing else may be sent.
    """
    held = _change(connection, _BEGIN, messages, {"now": now, "until": until})
    begun = (one for one in messages if one.lease in held)
    record(connection, ((one.submission, State.SENDING, one.attempt + 1, "try begins") for one in begun), now)
    return held


def conclude(connection: Connection, outcomes: Sequence[Outcome], now: float) -> set[Lease]:
    """Write what came of tries; returns what was still held. The audit of deliveries is written by `attest`."""
    delivered = [one for one in outcomes if isinstance(one, Delivered)]
    held = _change(connection, _DELIVER, [one.message for one in delivered], {"now": now})
    received = [one for one in delivered if one.message.lease in held]
    if received:
        connection.execute(_RECEIPT, [_receipt(one, now) for one in received])
        places = ((one.message.record_key, {url: one.resources[url] for url in one.owned}) for one in received)
        known.remember(connection, dict(places))
    rows = [(one.message.submission, State.DELIVERED, one.message.attempt, one.cause) for one in received]
    for one in outcomes:
        if isinstance(one, Failed) and _fail(connection, one, now):
            held.add(one.message.lease)
            rows.append((one.message.submission, one.state, one.attempts, one.cause))
    record(connection, rows, now)
    return held


def attest(connection: Connection, outcomes: Iterable[Outcome], held: set[Lease], now: float) -> None:
    """Write the audit entries of deliveries; last in a transaction, because the log is locked from here on."""
    delivered = [one for one in outcomes if isinstance(one, Delivered) and one.message.lease in held]
    if delivered:
        audit.append(connection, now, "outcome", *map(_entry, delivered))


def _change(
    connection: Connection, statement: ReturningUpdate[Any], messages: Sequence[Message], given: dict[str, Any]
) -> set[Lease]:
    """Change what is held of these messages, claim by claim, and return it."""
    claims = defaultdict(list)
    for one in messages:
        claims[one.worker].append(one.submission)
    return {
        Lease(name, worker)
        for worker, names in claims.items()
        for name in connection.execute(statement, given | {"messages": names, "worker": worker}).scalars()
    }


def _fail(connection: Connection, failed: Failed, now: float) -> bool:
    row = {
        "state": failed.state,
        "final": failed.state.final,
        "due": failed.due,
        "attempts": failed.attempts,
        "http_status": failed.http_status,
        "issues": failed.issues or None,
        "updated_at": now,
    }
    lease = {"message": failed.message.submission, "worker": failed.message.worker}
    return connection.execute(_FAIL, row | lease).rowcount == 1


def _receipt(delivered: Delivered, now: float) -> dict[str, Any]:
    places = {url: place.location for url, place in delivered.resources.items()}
    row = {"submission": delivered.message.submission, "received_at": now, "request_id": delivered.request_id}
    return row | {"resources": json.dumps(places)}


def _entry(delivered: Delivered) -> dict[str, str | int]:
    return {
        "submission": delivered.message.submission,
        "state": State.DELIVERED,
        "cause": delivered.cause,
        "request": delivered.request_id,
    }
