"""Submissions: what was accepted, in which version, and where it is now. A sender sees only its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Select, exists, insert, select

from adapter.delivery import warnings
from adapter.delivery.states import INVALIDATED, State
from adapter.errors import ChangedContent, OutdatedVersion
from adapter.mapping.lifting import lifted
from adapter.source.json import read_json
from adapter.store import Cipher
from adapter.store.among import among
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import outbox, receipt, submission, transition
from adapter.types import Issue, Resource

# Statements that are built once: to build one takes longer than to run it.
_LATER = submission.alias("later")
_NEWEST = Selection(
    select(
        submission.c.record_key,
        submission.c.id,
        submission.c.sender,
        submission.c.custodian,
        submission.c.record_version,
        submission.c.digest,
        submission.c.warnings,
    ).where(
        among(submission.c.record_key, "records"),
        ~exists().where(
            _LATER.c.record_key == submission.c.record_key,
            _LATER.c.record_version > submission.c.record_version,
        ),
    )
)
_STORE = Insertion(insert(submission))
_VERSION = submission.alias("version")
_IS_INVALIDATED = exists().where(
    transition.c.cause == INVALIDATED,
    transition.c.submission == _VERSION.c.id,
    _VERSION.c.sender == submission.c.sender,
    _VERSION.c.record_key == submission.c.record_key,
)
_LATER_MESSAGE = outbox.alias("later_message")


def newest_with(content: Column[Any]) -> Select[Any]:
    """Return the statement for `clients`' records of some `kinds`, each in its newest version that has a content."""
    return (
        select(outbox.c.lane, submission.c.record_type, submission.c.id, content)
        .join(outbox, outbox.c.submission == submission.c.id)
        .where(
            among(outbox.c.lane, "clients"),
            among(submission.c.record_type, "kinds"),
            content.is_not(None),
            # What its sender took back before it was sent never was.
            outbox.c.state != State.CANCELLED,
            # A later version counts, also one that moved the record to another client;
            ~exists().where(
                _LATER_MESSAGE.c.submission == _LATER.c.id,
                _LATER_MESSAGE.c.state != State.CANCELLED,
                _LATER.c.sender == submission.c.sender,
                _LATER.c.record_key == submission.c.record_key,
                _LATER.c.record_version > submission.c.record_version,
            ),
            # and what the adapter itself did to a version counts in its stead.
            ~exists().where(
                _LATER_MESSAGE.c.submission == _LATER.c.id,
                _LATER_MESSAGE.c.lane == outbox.c.lane,
                _LATER_MESSAGE.c.seq > outbox.c.seq,
                _LATER_MESSAGE.c.state != State.CANCELLED,
                _LATER.c.record_key == submission.c.record_key,
                _LATER.c.record_version >= submission.c.record_version,
            ),
        )
        .order_by(outbox.c.seq)
    )


_NEWEST_BODIES = Selection(newest_with(submission.c.body))


def new_id(now: float) -> str:
    """Return an id for a submission that nobody can guess: the millisecond, then 80 random bits.

    What comes after one another stands side by side in every index, so that few pages change in a commit.
    """
    return f"{int(now * 1000):012x}{secrets.token_hex(10)}"


class Arrival(NamedTuple):
    """A record that passed every check and is about to be stored.

    Attributes:
        id: opaque id, made by the caller.
        sender: id of the API client.
        record_key: keyed hash of source system and record id.
        record_version: as in the envelope.
        custodian: identifier value of the controller whose record it is.
        digest: keyed hash of the content; tells a repeat from a change.
        mapping: id, version and digest of the mapping.
        warnings: as `adapter.delivery.warnings` writes them.
        source: the sender's bytes.
        body: the validated Bundle, canonical bytes.
    """

    id: str
    sender: str
    record_type: str
    record_key: str
    record_version: int
    digest: str
    custodian: str
    mapping: str
    warnings: str
    source: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """Where a submission is.

    Attributes:
        state, attempts, http_status, due: as in the outbox; times are UTC seconds.
        invalidated: its record was taken back, in all its versions.
        receipts: full URL of the entry to `Type/id` in the repository; empty until delivered.
        warnings: what the sender was told when the record was taken.
        issues: what the repository said, OperationOutcome issues without values.
        history: (instant, state, attempt, cause) of every change.
    """

    id: str
    record_type: str
    record_version: int
    received_at: float
    state: str
    attempts: int
    http_status: int | None
    due: float
    invalidated: bool
    receipts: dict[str, str]
    warnings: tuple[Issue, ...]
    issues: list[dict[str, Any]]
    history: list[tuple[float, str, int, str]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sender looks for among its submissions.

    Attributes:
        state, record_type: only these; None = any.
        ids: only these submissions; empty = any.
        before: only submissions older than this one.
        limit: at most so many.
    """

    state: str | None = None
    record_type: str | None = None
    ids: tuple[str, ...] = ()
    before: str | None = None
    limit: int = 100


def newest_versions(connection: Connection, sender: str, record_keys: Iterable[str]) -> dict[str, Any]:
    """Return the newest version of records by key, whoever handed it over; the sender's own when several did.

    Everything of a record in the repository is named by source system and record id, which a sender writes itself: so
    versions count for all, and whose record it is its newest version says.
    """
    rows = _NEWEST(connection, records=record_keys)
    return {row.record_key: row for row in sorted(rows, key=lambda row: bool(row.sender == sender))}


def repeated(version: int, digest: str, row: Any) -> bool:
    """Judge the version of a record (domain model §2.0): is it equal to the newest one, or new?

    Args:
        version, digest: of the record that is handed over.
        row: the newest version (see `newest_versions`).

    Raises:
        OutdatedVersion: a higher version was accepted (409).
        ChangedContent: the same version was accepted with other content (422).
    """
    if row.record_version < version:
        return False
    if row.record_version > version:
        values = {"accepted": str(row.record_version), "field": "record_version"}
        raise OutdatedVersion(Issue("error", "delivery.outdated-version", values))
    if row.digest != digest:
        values = {"next": str(row.record_version + 1), "field": "record_version"}
        raise ChangedContent(Issue("error", "delivery.changed-content", values))
    return True


def store(connection: Connection, cipher: Cipher, arrivals: Sequence[Arrival], now: float) -> None:
    """Write submissions, their bodies encrypted."""
    rows = [
        one._asdict()
        | {
            "received_at": now,
            "source": cipher.encrypt(f"submission/source/{one.id}", one.source),
            "body": cipher.encrypt(f"submission/body/{one.id}", one.body),
        }
        for one in arrivals
    ]
    _STORE(connection, rows)


class Known(NamedTuple):
    """A client's record in its newest accepted version."""

    lane: str
    record_type: str
    submission: str
    bundle: Resource


def newest(connection: Connection, cipher: Cipher, lanes: Collection[str], record_types: Sequence[str]) -> list[Known]:
    """Return clients' records, each in its newest accepted version: type by type as asked for, the oldest one first.

    Nothing is contained, and a Consent has the id of its submission, so that the log can name what decided.
    """
    found = _NEWEST_BODIES(connection, clients=lanes, kinds=record_types)
    rows = sorted(found, key=lambda row: record_types.index(row.record_type))
    return [Known(lane, kind, name, _opened(cipher, name, body)) for lane, kind, name, body in rows]


def _opened(cipher: Cipher, submission_id: str, body: bytes) -> Resource:
    bundle: Resource = read_json(cipher.decrypt(f"submission/body/{submission_id}", body))
    return _named(lifted(bundle), submission_id)


def _named(bundle: Resource, submission_id: str) -> Resource:
    entries = [
        entry | {"resource": entry["resource"] | {"id": submission_id}}
        if entry["resource"]["resourceType"] == "Consent"
        else entry
        for entry in bundle["entry"]
    ]
    return bundle | {"entry": entries}


def status(connection: Connection, submission_id: str, sender: str) -> Status | None:
    """Return where a submission of this sender is; None when there is none: another's looks the same."""
    query = _statuses().where(submission.c.id == submission_id, submission.c.sender == sender)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    history = connection.execute(
        select(transition.c.at, transition.c.state, transition.c.attempt, transition.c.cause)
        .where(transition.c.submission == submission_id)
        .order_by(transition.c.id)
    )
    return _status(dict(row), [(at, state, attempt, cause) for at, state, attempt, cause in history])


def search(connection: Connection, sender: str, wanted: Wanted) -> list[Status]:
    """Return the newest submissions of this sender that are wanted, without their history."""
    query = _statuses().where(submission.c.sender == sender)
    if wanted.state is not None:
        query = query.where(outbox.c.state == wanted.state)
    if wanted.record_type is not None:
        query = query.where(submission.c.record_type == wanted.record_type)
    if wanted.ids:
        query = query.where(submission.c.id.in_(wanted.ids))
    if wanted.before is not None:
        last = select(outbox.c.seq).join(submission, submission.c.id == outbox.c.submission)
        own = last.where(submission.c.id == wanted.before, submission.c.sender == sender)
        query = query.where(outbox.c.seq < own.scalar_subquery())
    rows: Iterable[Any] = connection.execute(query.order_by(outbox.c.seq.desc()).limit(wanted.limit)).mappings()
    return [_status(dict(row), []) for row in rows]


def _statuses() -> Select[Any]:
    return (
        select(
            submission.c.id,
            submission.c.record_type,
            submission.c.record_version,
            submission.c.received_at,
            submission.c.warnings,
            outbox.c.state,
            outbox.c.attempts,
            outbox.c.http_status,
            outbox.c.due,
            outbox.c.issues,
            _IS_INVALIDATED.label("invalidated"),
            receipt.c.resources,
        )
        .join(outbox, outbox.c.submission == submission.c.id)
        .outerjoin(receipt, receipt.c.submission == submission.c.id)
    )


def _status(row: dict[str, Any], history: list[tuple[float, str, int, str]]) -> Status:
    receipts: dict[str, str] = json.loads(row.pop("resources") or "{}")
    told = warnings.read(row.pop("warnings"))
    issues = json.loads(row.pop("issues") or "[]")
    row["invalidated"] = bool(row["invalidated"])
    return Status(**row, receipts=receipts, warnings=told, issues=issues, history=history)
