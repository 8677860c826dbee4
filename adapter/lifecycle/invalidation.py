"""A record is taken back (mitätöity): what waits is never sent, what was sent is marked as entered in error."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from adapter import audit
from adapter.audit import persons
from adapter.delivery import Outbox
from adapter.delivery.states import INVALIDATED, State
from adapter.errors import AdapterError
from adapter.lifecycle.marking import invalidated
from adapter.lifecycle.queueing import queue_instead
from adapter.lifecycle.recipients import Recipient, recipients_of
from adapter.source.json import read_json
from adapter.store import Cipher
from adapter.store.among import among
from adapter.store.prepared import Selection
from adapter.store.tables import outbox, submission, transition
from adapter.types import Issue


class Invalid(AdapterError):  # noqa: N818
    """The record was invalidated: no further version of it is taken; right data come as a new record."""

    stage = "read"
    http_status = 409


class BodyGone(AdapterError):  # noqa: N818
    """The record's content is not kept any more, so it cannot be marked here."""

    stage = "api"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What became of a record.

    Attributes:
        submission: the message that marks it in the repository; empty when nothing of it can be there.
        record_type, record_version: of the invalidation.
        cancelled: messages that will never be sent.
        recipients: every organisation that got its data from us.
    """

    submission: str
    record_type: str
    record_version: int
    cancelled: tuple[str, ...]
    recipients: tuple[Recipient, ...]


# Built once: every further version that is taken asks.
_INVALIDATED = Selection(
    select(submission.c.record_key)
    .join(transition, transition.c.submission == submission.c.id)
    .where(
        submission.c.sender == bindparam("of"),
        among(submission.c.record_key, "records"),
        transition.c.cause == INVALIDATED,
    )
)


def invalidated_among(connection: Connection, sender: str, record_keys: Collection[str]) -> frozenset[str]:
    """Return which of a sender's records were invalidated."""
    if not record_keys:
        return frozenset()
    return frozenset(row.record_key for row in _INVALIDATED(connection, of=sender, records=record_keys))


def invalidate(
    connection: Connection,
    messages: Outbox,
    cipher: Cipher,
    submission_id: str,
    *,
    reason: str,
    now: float,
    id_key: bytes,
) -> Invalidation:
    """Invalidate the record of a submission, in all its versions; doing it again changes nothing.

    The caller has seen that the submission is the sender's and holds the lock of the log.

    Args:
        reason: the sender's words; they go into the repository's Provenance, never into the log.
        now: UTC seconds.

    Raises:
        BodyGone: something of it may be in the repository, but its content was deleted here.
    """
    versions = _versions(connection, submission_id)
    newest = versions[-1]
    if invalidated_among(connection, newest.sender, [newest.record_key]):
        return _told(connection, versions)
    cancelled = messages.take_back(connection, [one.id for one in versions], now)
    gone = update(submission).where(submission.c.id.in_(cancelled)).values(source=None, body=None)
    connection.execute(gone)
    sent = [one for one in versions if one.id not in cancelled or one.state == State.DEAD]
    made = ""
    if sent:
        # What was sent last; where its content is gone, what its sender sent again to have it invalidated.
        known = next((one for one in (*reversed(sent), *reversed(versions)) if one.body is not None), None)
        made = _mark(connection, messages, cipher, known, newest.record_version + 1, reason, now, id_key)
    facts: dict[str, str | int] = {"act": "invalidate", "sender": newest.sender, "cancelled": len(cancelled)}
    facts |= {"submission": made or newest.id, "record_type": newest.record_type, "custodian": newest.custodian}
    pseudonym = persons.known(connection, newest.lane)
    audit.append(connection, now, "decision", facts | ({"client": pseudonym} if pseudonym else {}))
    return _told(connection, _versions(connection, submission_id))


def _versions(connection: Connection, submission_id: str) -> list[Any]:
    """Return all versions of the record that a submission belongs to, in their order."""
    of = select(submission.c.sender, submission.c.record_key).where(submission.c.id == submission_id).subquery()
    query = (
        select(submission, outbox.c.lane, outbox.c.state)
        .join(outbox, outbox.c.submission == submission.c.id)
        .where(submission.c.sender == of.c.sender, submission.c.record_key == of.c.record_key)
        .order_by(submission.c.record_version)
    )
    return list(connection.execute(query))


def _mark(
    connection: Connection,
    messages: Outbox,
    cipher: Cipher,
    last: Any,
    version: int,
    reason: str,
    now: float,
    id_key: bytes,
) -> str:
    """Queue the Bundle that marks everything of the record as entered in error; returns the submission."""
    if last is None:
        raise BodyGone(Issue("error", "delivery.body-gone"))
    bundle = read_json(cipher.decrypt(f"submission/body/{last.id}", last.body))
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    body = invalidated(bundle, version=version, at=at, reason=reason, id_key=id_key)
    return queue_instead(
        connection,
        messages,
        cipher,
        last,
        body,
        lane=last.lane,
        sender=last.sender,
        version=version,
        cause=INVALIDATED,
        now=now,
    )


def _told(connection: Connection, versions: list[Any]) -> Invalidation:
    newest = versions[-1]
    ids = [one.id for one in versions]
    made = "" if newest.state == State.CANCELLED else newest.id
    cancelled = tuple(one.id for one in versions if one.state == State.CANCELLED)
    recipients = recipients_of(connection, newest.lane, ids)
    return Invalidation(made, newest.record_type, newest.record_version, cancelled, recipients)
