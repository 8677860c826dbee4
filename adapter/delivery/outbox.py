"""The outbox: accepted means committed. One state machine; lanes keep the order of each client.

Only the head of a lane (the oldest message that is not final) can be claimed, under a lease that a dead worker
cannot keep. Every change of state is written as a `transition` row in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapter import audit
from adapter.delivery.states import MAYBE_DONE, Known, State
from adapter.store import Cipher, Database
from adapter.store.tables import known_resource, outbox, receipt, submission, transition

LEASE_SECONDS = 30.0
LONGEST_WAIT = 3600.0
"""No pause is longer; a time further ahead was written before the clock was set back, and is not waited for."""

REPLAYABLE = (State.REJECTED, State.DEAD, State.CANCELLED)


class LeaseLost(Exception):  # noqa: N818
    """Another worker has the message: what this one wanted to commit about it does not count."""


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message.

    Attributes:
        submission: opaque id.
        body: the validated Bundle, JSON bytes as accepted.
        record_key: keyed hash that names the record over its versions.
        attempt: tries before this one.
        state: where it was when claimed.
        worker: who holds the lease.
        http_status: of the latest try, None before the first.
    """

    submission: str
    body: bytes
    record_key: str
    attempt: int
    state: State
    worker: str
    http_status: int | None

    @property
    def doubtful(self) -> bool:
        """True when an earlier try may have had its effect: the repository is asked before anything is sent."""
        return self.state in (State.SENDING, State.UNKNOWN) or self.http_status in MAYBE_DONE


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
    """Reads and writes the outbox. `now` is always the caller's: UTC seconds.

    Args:
        lease: seconds after which the message of a silent worker is free again; a living one renews it.
    """

    def __init__(self, database: Database, cipher: Cipher, *, lease: float = LEASE_SECONDS) -> None:
        self._database = database
        self._cipher = cipher
        self.lease = lease

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
        free = (
            ~outbox.c.final,
            or_(outbox.c.due <= now, outbox.c.due > now + LONGEST_WAIT, outbox.c.state == State.QUEUED),
            self._unleased(now),
        )
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
                .values(leased_until=now + self.lease, leased_by=worker)
                .returning(outbox.c.submission, outbox.c.state, outbox.c.attempts, outbox.c.http_status)
            ).all()
            return [self._message(connection, worker, *row) for row in claimed]

    def renew(self, workers: Collection[str], now: float) -> None:
        """Hold on to what these workers have in hand, however slow the repository is."""
        with self._database.transaction() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.leased_by.in_(workers), outbox.c.leased_until > now)
                .values(leased_until=now + self.lease)
            )

    def _unleased(self, now: float) -> ColumnElement[bool]:
        """Nobody holds it; a lease that ends later than any can was given before the clock was set back."""
        return or_(outbox.c.leased_until <= now, outbox.c.leased_until > now + 2 * self.lease)

    def sending(self, message: Message, now: float) -> None:
        """Commit that a try begins: after a crash the outcome counts as unknown.

        Raises:
            LeaseLost: another worker has the message; nothing may be sent.
        """
        self._move(message, State.SENDING, now, "try begins", attempts=message.attempt + 1, lease=now + self.lease)

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

        Raises:
            LeaseLost: another worker has the message.
        """
        with self._database.transaction() as connection:
            self._change(connection, message, State.DELIVERED, now, cause, issues=None, http_status=200)
            text = json.dumps({url: known.location for url, known in resources.items()})
            connection.execute(
                insert(receipt).values(
                    submission=message.submission, received_at=now, request_id=request_id, resources=text
                )
            )
            _remember(connection, message.record_key, resources, owned)
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
        """Take up final but undelivered messages again, with fresh attempts; returns how many were.

        What was ever sent is looked up in the repository first.
        """
        ever_sent = case((outbox.c.attempts > 0, State.UNKNOWN), else_=State.QUEUED)
        return self._steer(outbox.c.state.in_(REPLAYABLE), submission_ids, ever_sent, now, "replayed")

    def cancel(self, submission_ids: Sequence[str], now: float) -> int:
        """Take back messages that surely were not sent; returns how many were."""
        not_sent = or_(outbox.c.http_status.is_(None), outbox.c.http_status.not_in(MAYBE_DONE))
        waiting = (outbox.c.state == State.WAITING) & not_sent
        takeable = or_(outbox.c.state == State.QUEUED, waiting)
        return self._steer(takeable, submission_ids, literal(State.CANCELLED), now, "cancelled")

    def _steer(
        self,
        allowed: ColumnElement[bool],
        ids: Sequence[str],
        state: ColumnElement[State] | ColumnElement[str],
        now: float,
        cause: str,
    ) -> int:
        with self._database.transaction() as connection:
            moved = connection.execute(
                update(outbox)
                .where(outbox.c.submission.in_(ids), allowed, self._unleased(now))
                .values(
                    state=state, final=state == State.CANCELLED, due=now, attempts=0, http_status=None, updated_at=now
                )
                .returning(outbox.c.submission, outbox.c.state)
            ).all()
            for row in moved:
                _record(connection, row.submission, State(row.state), 0, now, cause)
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

    def _message(
        self,
        connection: Connection,
        worker: str,
        submission_id: str,
        state: str,
        attempts: int,
        http_status: int | None,
    ) -> Message:
        row = connection.execute(
            select(submission.c.body, submission.c.record_key).where(submission.c.id == submission_id)
        ).one()
        body = self._cipher.decrypt(f"submission/body/{submission_id}", row.body)
        return Message(submission_id, body, row.record_key, attempts, State(state), worker, http_status)

    def _move(self, message: Message, state: State, now: float, cause: str, **changes: object) -> None:
        with self._database.transaction() as connection:
            self._change(connection, message, state, now, cause, **changes)

    def _change(
        self, connection: Connection, message: Message, state: State, now: float, cause: str, **changes: object
    ) -> None:
        lease = changes.pop("lease", 0.0)
        changed = connection.execute(
            update(outbox)
            .where(outbox.c.submission == message.submission, outbox.c.leased_by == message.worker)
            .values(
                state=state,
                final=state.final,
                leased_until=lease,
                leased_by=message.worker if lease else None,
                updated_at=now,
                **changes,
            )
        )
        if changed.rowcount != 1:
            raise LeaseLost(message.submission)
        attempt = int(str(changes.get("attempts", message.attempt)))
        _record(connection, message.submission, state, attempt, now, cause)


def _record(connection: Connection, submission_id: str, state: State, attempt: int, now: float, cause: str) -> None:
    connection.execute(
        insert(transition).values(submission=submission_id, at=now, state=state, attempt=attempt, cause=cause[:200])
    )


def _remember(connection: Connection, record_key: str, resources: Mapping[str, Known], owned: Collection[str]) -> None:
    """Write down what lies where; parts that the record no longer has are forgotten."""
    stale = (known_resource.c.record_key == record_key) & known_resource.c.full_url.not_in(list(resources))
    connection.execute(delete(known_resource).where(stale))
    add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # In one order for all workers, so that two of them never wait for each other in a circle.
    for url, known in sorted(resources.items()):
        values = {"location": known.location, "version": known.version}
        if url in owned:
            values["record_key"] = record_key
        row = add(known_resource).values(full_url=url, **{"record_key": ""} | values)
        connection.execute(row.on_conflict_do_update(index_elements=["full_url"], set_=values))
