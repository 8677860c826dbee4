"""Queues what the adapter itself makes of a version that was taken before: like any submission, to be followed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from adapter.delivery import Outbox, submissions
from adapter.fhir.canonical import canonical
from adapter.store import Cipher
from adapter.types import Resource


def queue_instead(
    connection: Connection,
    messages: Outbox,
    cipher: Cipher,
    row: Any,
    body: Resource,
    *,
    lane: str,
    sender: str,
    version: int,
    cause: str,
    now: float,
) -> str:
    """Store and queue a Bundle in the caller's transaction; returns its submission.

    Args:
        row: the submission that it is made of.
        lane: keyed hash of the client.
        version: record version that it counts as.
        cause: of its first transition.
        now: UTC seconds.
    """
    arrival = submissions.Arrival(
        id=submissions.new_id(now),
        sender=sender,
        record_type=row.record_type,
        record_key=row.record_key,
        record_version=version,
        custodian=row.custodian,
        digest="",
        mapping=row.mapping,
        warnings="[]",
        source=b"",
        body=canonical(body),
    )
    submissions.store(connection, cipher, [arrival], now)
    messages.put(connection, {arrival.id: lane}, now, cause=cause)
    return arrival.id
