"""The outbox: accepted means committed. One state machine; lanes keep the order of each client.

Only the head of a lane (the oldest message that is not final) can be claimed, under a lease that a dead worker
cannot keep. Every change of state is written as a `transition` row in the same transaction. Statements are built
once, because building one takes longer than running it; workers share their commits (`adapter.store.together`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Integer,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from adapter import audit
from adapter.delivery import known
from adapter.delivery.overview import Overview, overview
from adapter.delivery.states import MAYBE_DONE, Known, State
from adapter.store import Cipher, Database
from adapter.store.tables import outbox, receipt, submission, transition

LEASE_SECONDS = 30.0
LONGEST_WAIT = 3600.0
"""No pause is longer; a time further ahead was written before the clock was set back, and is not waited for."""

REPLAYABLE = (State.REJECTED, State.DEAD, State.CANCELLED)
INVALIDATED = "invalidated"
"""Cause of the transition of every message that an invalidation of its record stopped, or made."""

_UNTOUCHED = or_(outbox.c.http_status.is_(None), outbox.c.http_status.not_in(MAYBE_DONE))
_TAKEABLE = or_(outbox.c.state == State.QUEUED, (outbox.c.state == State.WAITING) & _UNTOUCHED)
"""Surely not in the repository."""

_MARKING = exists().where(
    transition.c.submission == outbox.c.submission,
    transition.c.cause == INVALIDATED,
    transition.c.state == State.QUEUED,
)
"""The message itself marks an invalidated record; it is not taken back."""

_OTHER = submission.alias("other")
_TAKEN_BACK = select(submission.c.id).where(
    exists().where(
        transition.c.cause == INVALIDATED,
        transition.c.submission == _OTHER.c.id,
        _OTHER.c.sender == submission.c.sender,
        _OTHER.c.record_key == submission.c.record_key,
        or_(
            _OTHER.c.record_version > submission.c.record_version,
            (_OTHER.c.id == submission.c.id) & (transition.c.state == State.CANCELLED),
        ),
    )
)
"""Messages of an invalidated record, but for the one that marks it."""

_AT_ONCE = bindparam("at_once", type_=Integer)
_NOW = bindparam("now", type_=Float)
_EARLIER = outbox.alias("earlier")
_IS_HEAD = ~exists().where(_EARLIER.c.lane == outbox.c.lane, ~_EARLIER.c.final, _EARLIER.c.seq < outbox.c.seq)
_UNLEASED = or_(outbox.c.leased_until <= _NOW, outbox.c.leased_until > bindparam("no_lease_after"))
"""Nobody holds it; a lease that ends later than any can was given before the clock was set back."""

_FREE = (
    ~outbox.c.final,
    or_(outbox.c.due <= _NOW, outbox.c.due > bindparam("no_pause_after"), outbox.c.state == State.QUEUED),
    _UNLEASED,
)
# SKIP LOCKED: on PostgreSQL many workers claim at once; SQLite has one writer and ignores it.
_HEADS = (
    select(outbox.c.seq)
    .where(*_FREE, _IS_HEAD)
    .order_by(outbox.c.seq)
    .limit(_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_LEASE = (
    update(outbox)
    .where(outbox.c.seq.in_(_HEADS.scalar_subquery()), *_FREE)
    .values(leased_until=bindparam("until"), leased_by=bindparam("worker"))
    .returning(outbox.c.seq)
)
_CLAIMED = (
    select(
        outbox.c.submission,
        outbox.c.state,
        outbox.c.attempts,
        outbox.c.http_status,
        submission.c.body,
        submission.c.record_key,
    )
    .join(submission, submission.c.id == outbox.c.submission)
    .where(outbox.c.seq.in_(bindparam("seqs", expanding=True)))
    .order_by(outbox.c.seq)
)
_RENEW = (
    update(outbox)
    .where(outbox.c.leased_by.in_(bindparam("workers", expanding=True)), outbox.c.leased_until > _NOW)
    .values(leased_until=bindparam("until"))
)
# The columns that change are named when it is executed.
_CHANGE = update(outbox).where(outbox.c.submission == bindparam("message"), outbox.c.leased_by == bindparam("worker"))
_QUEUE = insert(outbox).inline()
_RECORD = insert(transition).inline()
_RECEIPT = insert(receipt).inline()
_RELEASE = (
    update(outbox)
    .where(
        outbox.c.submission.in_(bindparam("messages", expanding=True)),
        outbox.c.leased_by.in_(bindparam("workers", expanding=True)),
    )
    .values(leased_until=0.0, leased_by=None)
)
_ANY = select(outbox.c.seq).limit(1)
_STOCK = select(outbox.c.state, func.count(), func.min(outbox.c.updated_at)).group_by(outbox.c.state)


class LeaseLost(Exception):  # noqa: N818
    """Another worker has the message: what this one wanted to commit about it does not count."""


@dataclass(frozen=True, slots=True)
class Message:
    """A claimed message.

    Attributes:
        submission: opaque id.
        sealed: the validated Bundle as it is stored; None when it was deleted.
        record_key: keyed hash that names the record over its versions.
        attempt: tries before this one.
        state: where it was when claimed.
        worker: who holds the lease.
        http_status: of the latest try, None before the first.
        cipher: opens what is stored.
    """

    submission: str
    sealed: bytes | None = field(repr=False)
    record_key: str
    attempt: int
    state: State
    worker: str
    http_status: int | None
    cipher: Cipher = field(repr=False)

    @property
    def body(self) -> bytes:
        """The validated Bundle, JSON bytes as accepted.

        Raises:
            CipherError: it does not open; `KeyNotConfigured` when only the key is missing.
        """
        return self.cipher.decrypt(f"submission/body/{self.submission}", self.sealed or b"")

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

    def put(self, connection: Connection, lanes: Mapping[str, str], now: float, *, cause: str = "accepted") -> None:
        """Queue accepted submissions inside the transaction that stores them.

        Args:
            lanes: of each submission, by its id, in the order in which they came.
        """
        row = {"state": State.QUEUED, "final": False, "due": now, "updated_at": now}
        connection.execute(_QUEUE, [row | {"submission": one, "lane": lane} for one, lane in lanes.items()])
        connection.execute(_RECORD, [_transition(one, State.QUEUED, 0, now, cause) for one in lanes])

    def claim(self, worker: str, now: float, limit: int = 1) -> list[Message]:
        """Lease up to `limit` due lane heads to `worker`, oldest first."""

        def act(connection: Connection) -> Sequence[Any]:
            when = self._times(now) | {"no_pause_after": now + LONGEST_WAIT}
            given = {"until": now + self.lease, "worker": worker, "at_once": limit}
            seqs = connection.execute(_LEASE, when | given).scalars().all()
            return connection.execute(_CLAIMED, {"seqs": seqs}).all() if seqs else ()

        return [
            Message(name, body, record_key, attempts, State(state), worker, http_status, self._cipher)
            for name, state, attempts, http_status, body, record_key in self._database.together(act)
        ]

    def renew(self, workers: Collection[str], now: float) -> None:
        """Hold on to what these workers have in hand, however slow the repository is."""
        given = {"workers": list(workers), "now": now, "until": now + self.lease}
        self._database.together(lambda connection: connection.execute(_RENEW, given))

    def release(self, messages: Collection[Message]) -> None:
        """Give back what was claimed and not begun, so that somebody else may take it at once."""
        names = [message.submission for message in messages]
        workers = {message.worker for message in messages}
        given = {"messages": names, "workers": list(workers)}
        self._database.together(lambda connection: connection.execute(_RELEASE, given))

    def _times(self, now: float) -> dict[str, float]:
        return {"now": now, "no_lease_after": now + 2 * self.lease}

    def sending(self, message: Message, now: float) -> None:
        """Commit that a try begins: after a crash the outcome counts as unknown.

        Raises:
            LeaseLost: another worker has the message; nothing may be sent.
        """
        self._database.together(
            lambda connection: self._change(
                connection, message, State.SENDING, now, "try begins", attempts=message.attempt + 1, hold=True
            )
        )

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
        text = json.dumps({url: place.location for url, place in resources.items()})
        row = {"submission": message.submission, "received_at": now, "request_id": request_id, "resources": text}
        entry = {"submission": message.submission, "state": State.DELIVERED, "cause": cause, "request": request_id}

        def act(connection: Connection) -> None:
            self._change(connection, message, State.DELIVERED, now, cause, issues=None, http_status=200)
            connection.execute(_RECEIPT, row)
            known.remember(connection, message.record_key, {url: resources[url] for url in owned})
            audit.append(connection, now, "outcome", entry)

        self._database.together(act)

    def failed(self, message: Message, state: State, now: float, failure: Failure) -> None:
        """Commit a try that did not deliver.

        Raises:
            LeaseLost: another worker has the message.
        """
        changes = asdict(failure) | {"issues": failure.issues or None}
        cause = changes.pop("cause")
        self._database.together(lambda connection: self._change(connection, message, state, now, cause, **changes))

    def replay(self, submission_ids: Sequence[str], now: float) -> int:
        """Take up final but undelivered messages again, with fresh attempts; returns how many were.

        What was ever sent is looked up in the repository first.
        """
        ever_sent = case((outbox.c.attempts > 0, State.UNKNOWN), else_=State.QUEUED)
        allowed = outbox.c.state.in_(REPLAYABLE) & outbox.c.submission.not_in(_TAKEN_BACK)
        return self._steer(allowed, submission_ids, ever_sent, now, "replayed")

    def cancel(self, submission_ids: Sequence[str], now: float) -> int:
        """Take back messages that surely were not sent; returns how many were."""
        return self._steer(_TAKEABLE & ~_MARKING, submission_ids, literal(State.CANCELLED), now, "cancelled")

    def take_back(self, connection: Connection, submission_ids: Sequence[str], now: float) -> list[str]:
        """Cancel for good what no worker has in hand and what is surely not there or was given up; returns which.

        For an invalidation, in its transaction.
        """
        stopped = (
            update(outbox)
            .where(outbox.c.submission.in_(submission_ids), or_(_TAKEABLE, outbox.c.state.in_(REPLAYABLE)), _UNLEASED)
            .values(state=State.CANCELLED, final=True, updated_at=now)
            .returning(outbox.c.submission)
        )
        names = list(connection.execute(stopped, self._times(now)).scalars())
        for name in names:
            _record(connection, name, State.CANCELLED, 0, now, INVALIDATED)
        return names

    def _steer(
        self,
        allowed: ColumnElement[bool],
        ids: Sequence[str],
        state: ColumnElement[State] | ColumnElement[str],
        now: float,
        cause: str,
    ) -> int:
        changes = {"state": state, "final": state == State.CANCELLED, "due": now, "attempts": 0, "http_status": None}
        with self._database.transaction() as connection:
            moved = connection.execute(
                update(outbox)
                .where(outbox.c.submission.in_(ids), allowed, _UNLEASED)
                .values(**changes, updated_at=now)
                .returning(outbox.c.submission, outbox.c.state),
                self._times(now),
            ).all()
            for row in moved:
                _record(connection, row.submission, State(row.state), 0, now, cause)
            if moved:
                audit.append(connection, now, "admin", {"act": cause, "count": len(moved)})
            return len(moved)

    def reach(self) -> None:
        """Return when the database answers.

        Raises:
            DamagedError: it is damaged.
            sqlalchemy.exc.DatabaseError: it does not answer.
        """
        self._database.refuse_damaged()
        with self._database.reading() as connection:
            connection.execute(_ANY).first()

    def stock(self) -> dict[State, tuple[int, float]]:
        """Return for each state how many messages there are and since when the oldest one is in it."""
        with self._database.reading() as connection:
            return {State(state): (count, oldest) for state, count, oldest in connection.execute(_STOCK)}

    def overview(self, now: float) -> Overview:
        """Return how the outbox does, for operators."""
        with self._database.reading() as connection:
            return overview(connection, now)

    def known(self, record_key: str) -> dict[str, Known]:
        """Return what earlier receipts say about the resources that a record owns, by full URL."""
        with self._database.reading() as connection:
            return known.parts(connection, record_key)

    def _change(
        self,
        connection: Connection,
        message: Message,
        state: State,
        now: float,
        cause: str,
        *,
        hold: bool = False,
        **changes: Any,
    ) -> None:
        """Write a new state and its transition; the lease is given back unless the worker holds on."""
        lease = {"leased_until": now + self.lease if hold else 0.0, "leased_by": message.worker if hold else None}
        row = {"state": state, "final": state.final, "updated_at": now, **lease, **changes}
        changed = connection.execute(_CHANGE, row | {"message": message.submission, "worker": message.worker})
        if changed.rowcount != 1:
            raise LeaseLost(message.submission)
        _record(connection, message.submission, state, changes.get("attempts", message.attempt), now, cause)


def _record(connection: Connection, submission_id: str, state: State, attempt: int, now: float, cause: str) -> None:
    connection.execute(_RECORD, _transition(submission_id, state, attempt, now, cause))


def _transition(submission_id: str, state: State, attempt: int, now: float, cause: str) -> dict[str, Any]:
    return {"submission": submission_id, "at": now, "state": state, "attempt": attempt, "cause": cause[:200]}
