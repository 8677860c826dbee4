"""Forgetting a client: nothing in the store can be led back to the person afterwards, whatever key somebody has."""

from __future__ import annotations

import json
import secrets

from sqlalchemy import Connection, delete, func, select, update

from adapter.store.review_tables import review_note, review_permission
from adapter.store.tables import client_identity, idempotency, known_resource, outbox, receipt, submission


class StillOpenError(Exception):
    """Records of the client are still on their way; deliver or cancel them first."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} submissions of the client are not finished")
        self.count = count


def forget_client(connection: Connection, lane: str) -> int:
    """Delete what the store holds of a client and cut what is left from the person; returns how many records.

    Bodies, receipts' addresses, what the repository said, notes of reviewers, idempotency keys and what codes the
    client is known by go. Rows that
    count acts stay under random names: the log refers to them.

    Args:
        lane: keyed hash of the client.

    Raises:
        StillOpenError: a record is not delivered, rejected or cancelled yet.
    """
    theirs = outbox.c.lane == lane
    open_ = connection.execute(select(func.count()).select_from(outbox).where(theirs, ~outbox.c.final)).scalar_one()
    if open_:
        raise StillOpenError(open_)
    ids = list(connection.execute(select(outbox.c.submission).where(theirs)).scalars())
    _forget_places(connection, ids)
    for one in ids:
        cut = {"source": None, "body": None, "digest": "", "record_key": secrets.token_hex(16)}
        connection.execute(update(submission).where(submission.c.id == one).values(cut))
    connection.execute(update(receipt).where(receipt.c.submission.in_(ids)).values(resources="{}"))
    connection.execute(delete(idempotency).where(idempotency.c.submission.in_(ids)))
    connection.execute(update(outbox).where(theirs).values(lane=secrets.token_hex(16), issues=None))
    for table in (review_note, review_permission, client_identity):
        connection.execute(delete(table).where(table.c.lane == lane))
    return len(ids)


def _forget_places(connection: Connection, submissions: list[str]) -> None:
    """Forget where the repository keeps what these records made."""
    told = connection.execute(select(receipt.c.resources).where(receipt.c.submission.in_(submissions))).scalars()
    urls = {url for resources in told for url in json.loads(resources)}
    connection.execute(delete(known_resource).where(known_resource.c.full_url.in_(urls)))
