"""Writes what happened to messages: new states with their transitions, receipts, and what the repository holds now.

Each function works inside the caller's transaction, and takes many messages: one statement writes a change of all.
Whoever lost a lease changes nothing: then the whole transaction is rolled back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Update, bindparam, insert, update

from adapter import audit
from adapter.delivery import known
from adapter.delivery.messages import Delivered, Failed, LeaseLost, Message, Outcome
from adapter.delivery.states import State
from adapter.store.prepared import Insertion
from adapter.store.tables import outbox, receipt, transition

# Statements are built once: to build one takes longer than to run it.
_HELD = update(outbox).where(outbox.c.submission == bindparam("message"), outbox.c.leased_by == bindparam("worker"))
_BEGIN = _HELD.values(state=State.SENDING, attempts=outbox.c.attempts + 1)
_CONCLUDE = _HELD.values(leased_until=0.0, leased_by=None)
_DELIVER = _CONCLUDE.values(state=State.DELIVERED, final=True, http_status=200, issues=None)
_RECORD = Insertion(insert(transition))
_RECEIPT = Insertion(insert(receipt))


def record(connection: Connection, rows: Iterable[tuple[str, State, int, str]], now: float) -> None:
    """Write transitions: submission, new state, tries so far, cause."""
    written = [
        {"submission": name, "at": now, "state": state, "attempt": attempt, "cause": cause[:200]}
        for name, state, attempt, cause in rows
    ]
    _RECORD(connection, written)


def begin(connection: Connection, messages: Sequence[Message], now: float, until: float) -> None:
    """Write that tries begin: after a crash their outcome counts as unknown.

    Args:
        until: when the lease ends.

    Raises:
        LeaseLost: another worker has one of them.
    """
    _change(connection, _BEGIN, [_held(one) | {"updated_at": now, "leased_until": until} for one in messages])
    record(connection, ((one.submission, State.SENDING, one.attempt + 1, "try begins") for one in messages), now)


def conclude(connection: Connection, outcomes: Sequence[Outcome], now: float) -> None:
    """Write what came of tries. The audit of deliveries is written by `attest`.

    Raises:
        LeaseLost: another worker has one of the messages.
    """
    delivered = [one for one in outcomes if isinstance(one, Delivered)]
    failed = [one for one in outcomes if isinstance(one, Failed)]
    if delivered:
        _change(connection, _DELIVER, [_held(one.message) | {"updated_at": now} for one in delivered])
        _RECEIPT(connection, [_receipt(one, now) for one in delivered])
        known.remember(connection, delivered)
    if failed:
        _change(connection, _CONCLUDE, [_failure(one, now) for one in failed])
    record(connection, map(_transition, outcomes), now)


def attest(connection: Connection, outcomes: Iterable[Outcome], now: float) -> None:
    """Write the audit entries of deliveries; last in a transaction, because the log is locked from here on."""
    delivered = [one for one in outcomes if isinstance(one, Delivered)]
    if delivered:
        audit.append(connection, now, "outcome", *map(_entry, delivered))


def _change(connection: Connection, statement: Update, rows: list[dict[str, Any]]) -> None:
    if connection.execute(statement, rows).rowcount != len(rows):
        raise LeaseLost


def _held(message: Message) -> dict[str, Any]:
    return {"message": message.submission, "worker": message.worker}


def _failure(failed: Failed, now: float) -> dict[str, Any]:
    return _held(failed.message) | {
        "state": failed.state,
        "final": failed.state.final,
        "due": failed.due,
        "attempts": failed.attempts,
        "http_status": failed.http_status,
        "issues": failed.issues or None,
        "updated_at": now,
    }


def _transition(outcome: Outcome) -> tuple[str, State, int, str]:
    state = State.DELIVERED if isinstance(outcome, Delivered) else outcome.state
    return outcome.message.submission, state, outcome.attempts, outcome.cause


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
