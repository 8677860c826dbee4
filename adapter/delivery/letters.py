"""Dead letters: what ended without being in the repository, of all senders, as operators see it. It names no person."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from adapter.delivery.states import State
from adapter.store.tables import outbox, submission, transition

GIVEN_UP = (State.REJECTED, State.DEAD)
"""What its sender wanted delivered; what was cancelled is asked for by its state."""


class Sought(NamedTuple):
    """Which letters are meant.

    Attributes:
        state: only this one; None = all that were given up.
        record_type, sender: only these; None = any.
    """

    state: str | None = None
    record_type: str | None = None
    sender: str | None = None


class Letter(NamedTuple):
    """A submission that ended without being in the repository.

    Attributes:
        sender: id of the API client.
        http_status: of the latest try; None when there was none.
        cause: of its latest change.
        since: when that was, UTC seconds.
    """

    submission: str
    sender: str
    record_type: str
    state: str
    attempts: int
    http_status: int | None
    cause: str
    since: float


def newest(connection: Connection, sought: Sought, limit: int) -> list[Letter]:
    """Return the letters that were handed over last."""
    latest = select(transition.c.cause).where(transition.c.submission == outbox.c.submission)
    columns = (
        outbox.c.submission,
        submission.c.sender,
        submission.c.record_type,
        outbox.c.state,
        outbox.c.attempts,
        outbox.c.http_status,
        latest.order_by(transition.c.id.desc()).limit(1).scalar_subquery(),
        outbox.c.updated_at,
    )
    return [
        Letter(*row) for row in connection.execute(_found(sought, *columns).order_by(outbox.c.seq.desc()).limit(limit))
    ]


def names(connection: Connection, sought: Sought) -> list[str]:
    """Return the ids of all letters that are meant, oldest first: a client's records keep their order."""
    return list(connection.execute(_found(sought, outbox.c.submission).order_by(outbox.c.seq)).scalars())


def _found(sought: Sought, *columns: Any) -> Select[Any]:
    query = select(*columns).join_from(outbox, submission, submission.c.id == outbox.c.submission)
    query = query.where(outbox.c.state.in_([sought.state] if sought.state else GIVEN_UP))
    if sought.record_type:
        query = query.where(submission.c.record_type == sought.record_type)
    return query.where(submission.c.sender == sought.sender) if sought.sender else query
