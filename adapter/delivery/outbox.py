"""The outbox: accepted means committed. One state machine; lanes keep the order of each client.

Only the head of a lane (the oldest message that is not final) can be claimed, under a lease that a dead worker
cannot keep. Every change of state is written as a `transition` row in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from adapter import audit
from adapter.delivery.states import Known, State
from adapter.store import Cipher, Database
from adapter.store.tables import known_resource, outbox, receipt, submission, transition

LEASE_SECONDS = 120.0
REPLAYABLE = (State.REJECTED, State.DEAD, State.CANCELLED)
CANCELLABLE = (State.QUEUED, State.WAITING)


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message.

    Attributes:
        submission: opaque id.
        body: the validated Bundle, JSON bytes as accepted.
        record_key: keyed hash that names the record over its versions.
        attempt: tries before this one.
        state: where it was when claimed; `unknown` and `sending` must be reconciled first.
    """

    submission: str
    body: bytes
    record_key: str
    attempt: int
    state: State


@dataclass(frozen=True, slots=True)
class Failure:
    """What is kept of a try that did not deliver.

    Attributes:
        due: when to try again, UTC seconds.
        attempts: tries made so far.
        cause: name of a network error or `HTTP nnn`.
        issues: the repository's issues as JSON without values, or empty.
    """

    due: float
    attempts: int
    cause: str
    http_status: int
    issues: str


class Outbox:
    """Reads and writes the outbox. `now` is always the caller's: UTC seconds."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    def put(self, connection: Connection, submission_id: str, lane: str, now: float) -> None:
        """Queue an accepted submission inside the transaction that stores it."""
        connection.execute(
            insert(outbox).values(
                submission=submission_id, lane=lane, state=State.QUEUED, final=False, due=now, updated_at=now
            )
        )
        _record(connection, submission_id, State.QUEUED, 0, now, "accepted")

    def claim(self, worker: str, now: float, limit: int = 1) -> list[Message]:
        """Lease up to `limit` due lane heads to `worker`."""
        earlier = outbox.alias("earlier")
        head = ~exists().where(earlier.c.lane == outbox.c.lane, ~earlier.c.final, earlier.c.seq < outbox.c.seq)
        free = (~outbox.c.final, outbox.c.due <= now, outbox.c.leased_until <= now)
        # SKIP LOCKED: on PostgreSQL many workers claim at once; SQLite has one writer and ignores it.
        heads = (
            select(outbox.c.seq)
            .where(*free, head)
            .order_by(outbox.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.transaction() as connection:
            claimed = connection.execute(
                update(outbox)
                .where(outbox.c.seq.in_(heads.scalar_subquery()), *free)
                .values(leased_until=now + LEASE_SECONDS, leased_by=worker)
                .returning(outbox.c.submission, outbox.c.state, outbox.c.attempts)
            ).all()
            return [self._message(connection, row.submission, State(row.state), row.attempts) for row in claimed]

    def sending(self, message: Message, now: float) -> None:
        """Commit that a try begins: after a crash the outcome counts as unknown."""
        self._move(message, State.SENDING, now, "try begins", attempts=message.attempt + 1, lease=now + LEASE_SECONDS)

    def delivered(
        self,
        message: Message,
        now: float,
        request_id: str,
        resources: Mapping[str, Known],
        owned: Collection[str],
        cause: str,
    ) -> None:
        """Commit the receipt and its audit entry together.

        Args:
            resources: what lies where, by full URL of the entry.
            owned: the full URLs that later versions of the record replace.
        """
        with self._database.transaction() as connection:
            self._change(connection, message, State.DELIVERED, now, cause, issues=None, http_status=200)
            text = json.dumps({url: known.location for url, known in resources.items()})
            connection.execute(
                insert(receipt).values(
                    submission=message.submission, received_at=now, request_id=request_id, resources=text
                )
            )
            gone = or_(
                known_resource.c.full_url.in_(list(resources)), known_resource.c.record_key == message.record_key
            )
            connection.execute(delete(known_resource).where(gone))
            connection.execute(
                insert(known_resource),
                [
                    {
                        "full_url": url,
                        "location": known.location,
                        "version": known.version,
                        "record_key": message.record_key if url in owned else "",
                    }
                    for url, known in resources.items()
                ],
            )
            audit.append(
                connection, now, "outcome", {"submission": message.submission, "state": State.DELIVERED, "cause": cause}
            )

    def failed(self, message: Message, state: State, now: float, failure: Failure) -> None:
        """Commit a try that did not deliver."""
        self._move(
            message,
            state,
            now,
            failure.cause,
            due=failure.due,
            attempts=failure.attempts,
            http_status=failure.http_status,
            issues=failure.issues or None,
        )

    def replay(self, submission_ids: Sequence[str], now: float) -> int:
        """Queue final but undelivered messages again, with fresh attempts; returns how many were."""
        return self._steer(submission_ids, REPLAYABLE, State.QUEUED, now, "replayed")

    def cancel(self, submission_ids: Sequence[str], now: float) -> int:
        """Take back messages that surely were not sent; returns how many were."""
        return self._steer(submission_ids, CANCELLABLE, State.CANCELLED, now, "cancelled")

    def _steer(self, ids: Sequence[str], allowed: Collection[State], state: State, now: float, cause: str) -> int:
        with self._database.transaction() as connection:
            moved = connection.execute(
                update(outbox)
                .where(outbox.c.submission.in_(ids), outbox.c.state.in_(allowed), outbox.c.leased_until <= now)
                .values(state=state, final=state.final, due=now, attempts=0, updated_at=now)
                .returning(outbox.c.submission)
            ).all()
            for row in moved:
                _record(connection, row.submission, state, 0, now, cause)
            if moved:
                audit.append(connection, now, "admin", {"act": cause, "count": len(moved)})
            return len(moved)

    def forget_bodies(self, before: float, now: float) -> int:
        """Delete source and Bundle of what was delivered before an instant; receipts and audit stay (design §8)."""
        old = select(receipt.c.submission).where(receipt.c.received_at < before)
        # Consents and teams stay: every later release is decided by them.
        kept = submission.c.record_type.in_(("consent", "team"))
        with self._database.transaction() as connection:
            gone = connection.execute(
                update(submission)
                .where(submission.c.id.in_(old), submission.c.body.is_not(None), ~kept)
                .values(source=None, body=None)
            ).rowcount
            if gone:
                audit.append(connection, now, "admin", {"act": "bodies deleted", "count": gone})
            return gone

    def re_encrypt(self, limit: int) -> int:
        """Write bodies that an older storage key opens anew under the current one; returns how many were left over.

        Run it until it returns 0, then the old key can go. Safe while the service runs.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(select(submission.c.id, submission.c.source, submission.c.body)).all()
            stale = [row for row in rows if row.body and self._cipher.key_id(row.body) != self._cipher.current]
            for row in stale[:limit]:
                connection.execute(
                    update(submission)
                    .where(submission.c.id == row.id)
                    .values(
                        source=self._renew(f"submission/source/{row.id}", row.source),
                        body=self._renew(f"submission/body/{row.id}", row.body),
                    )
                )
            return len(stale)

    def _renew(self, row: str, stored: bytes) -> bytes:
        return self._cipher.encrypt(row, self._cipher.decrypt(row, stored))

    def stock(self) -> dict[State, tuple[int, float]]:
        """Return for each state how many messages there are and since when the oldest one is in it."""
        query = select(outbox.c.state, func.count(), func.min(outbox.c.updated_at)).group_by(outbox.c.state)
        with self._database.reading() as connection:
            return {State(state): (count, oldest) for state, count, oldest in connection.execute(query)}

    def known(self, full_urls: Sequence[str]) -> dict[str, Known]:
        """Return what earlier receipts say about these entries."""
        with self._database.reading() as connection:
            rows = connection.execute(select(known_resource).where(known_resource.c.full_url.in_(full_urls)))
            return {row.full_url: Known(row.location, row.version) for row in rows}

    def parts(self, record_key: str) -> dict[str, Known]:
        """Return the owned resources that the repository holds of a record, by full URL."""
        with self._database.reading() as connection:
            rows = connection.execute(select(known_resource).where(known_resource.c.record_key == record_key))
            return {row.full_url: Known(row.location, row.version) for row in rows}

    def _message(self, connection: Connection, submission_id: str, state: State, attempts: int) -> Message:
        row = connection.execute(
            select(submission.c.body, submission.c.record_key).where(submission.c.id == submission_id)
        ).one()
        body = self._cipher.decrypt(f"submission/body/{submission_id}", row.body)
        return Message(submission_id, body, row.record_key, attempts, state)

    def _move(self, message: Message, state: State, now: float, cause: str, **changes: object) -> None:
        with self._database.transaction() as connection:
            self._change(connection, message, state, now, cause, **changes)

    def _change(
        self, connection: Connection, message: Message, state: State, now: float, cause: str, **changes: object
    ) -> None:
        values = {key: value for key, value in changes.items() if key != "lease"}
        connection.execute(
            update(outbox)
            .where(outbox.c.submission == message.submission)
            .values(
                state=state,
                final=state.final,
                leased_until=changes.get("lease", 0.0),
                updated_at=now,
                **values,
            )
        )
        attempt = int(str(changes.get("attempts", message.attempt)))
        _record(connection, message.submission, state, attempt, now, cause)


def _record(connection: Connection, submission_id: str, state: State, attempt: int, now: float, cause: str) -> None:
    connection.execute(
        insert(transition).values(submission=submission_id, at=now, state=state, attempt=attempt, cause=cause[:200])
    )
