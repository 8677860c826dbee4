"""How long bodies are kept: deleted after the receipt, all but what later releases are decided by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, exists, select, update

from adapter import audit
from adapter.delivery import submissions
from adapter.delivery.states import State
from adapter.fhir.canonical import canonical
from adapter.mapping.lifting import lifted
from adapter.release import outline
from adapter.source.json import read_json
from adapter.store import Cipher, Database
from adapter.store.cipher import CipherError
from adapter.store.prepared import Selection
from adapter.store.tables import outbox, receipt, submission
from adapter.types import Resource

KEPT = ("consent", "team")
"""Record types whose bodies stay: every later release is decided by them."""

AT_ONCE = 100
"""Bodies that are deleted in one transaction: few enough that nobody waits long for the lock."""

_LATER = submission.alias("later")
_REPLACED = exists().where(
    _LATER.c.sender == submission.c.sender,
    _LATER.c.record_key == submission.c.record_key,
    _LATER.c.record_version > submission.c.record_version,
    outbox.c.submission == _LATER.c.id,
    outbox.c.state != State.CANCELLED,
)
_LEFT = Selection(
    submissions.newest_with(submission.c.source)
    .join(receipt, receipt.c.submission == submission.c.id)
    .add_columns(receipt.c.resources)
    .where(submission.c.body.is_(None))
)


class Left(NamedTuple):
    """What is left of a client's record whose content was deleted.

    Attributes:
        outline: its Bundle as the gate needs it.
        since: when the content was deleted, UTC seconds.
        location: `Type/id` of its first resource in the repository.
    """

    submission: str
    record_type: str
    outline: Resource
    since: float
    location: str


def forget_bodies(database: Database, cipher: Cipher, before: float, now: float) -> int:
    """Delete source and Bundle of what was delivered before an instant; receipts and audit stay (design §8).

    Of a record's newest version the outline stays in the place of the source, encrypted like it: by it the gate decides
    who may know that the record is there (`left`).

    Args:
        before, now: UTC seconds.

    Returns:
        how many bodies were deleted.
    """
    gone = count = _forget(database, cipher, before, now)
    while count == AT_ONCE:
        count = _forget(database, cipher, before, now)
        gone += count
    with database.transaction() as connection:
        replaced = update(submission).where(submission.c.body.is_(None), submission.c.source.is_not(None), _REPLACED)
        connection.execute(replaced.values(source=None))
    return gone


def left(connection: Connection, cipher: Cipher, lane: str, record_types: Sequence[str]) -> list[Left]:
    """Return what is left of a client's records whose content was deleted: type by type as asked for."""
    rows = _LEFT(connection, clients=[lane], kinds=record_types)
    found = sorted(rows, key=lambda row: record_types.index(row.record_type))
    return [_opened(cipher, name, kind, content, resources) for _, kind, name, content, resources in found]


def _opened(cipher: Cipher, submission_id: str, record_type: str, content: bytes, resources: str) -> Left:
    kept = read_json(cipher.decrypt(_place(submission_id), content))
    core = kept["outline"]["entry"][0]
    location = json.loads(resources).get(core["fullUrl"], core["resource"]["resourceType"])
    return Left(submission_id, record_type, kept["outline"], float(kept["deleted"]), location)


def _forget(database: Database, cipher: Cipher, before: float, now: float) -> int:
    old = (
        select(submission.c.id, submission.c.body)
        .join(receipt, receipt.c.submission == submission.c.id)
        .where(receipt.c.received_at < before, submission.c.body.is_not(None), submission.c.record_type.not_in(KEPT))
        .limit(AT_ONCE)
    )
    with database.transaction() as connection:
        rows = connection.execute(old).all()
        for row in rows:
            outlined = {"source": _outlined(cipher, row.id, row.body, now), "body": None}
            connection.execute(update(submission).where(submission.c.id == row.id).values(outlined))
        if rows:
            audit.append(connection, now, "admin", {"act": "bodies deleted", "count": len(rows)})
    return len(rows)


def _outlined(cipher: Cipher, submission_id: str, body: bytes, now: float) -> bytes | None:
    """Return the sealed outline of a submission; None when its body does not open: it goes all the same."""
    try:
        bundle = read_json(cipher.decrypt(f"submission/body/{submission_id}", body))
    except CipherError:
        return None
    content = {"deleted": int(now), "outline": outline(lifted(bundle))}
    return cipher.encrypt(_place(submission_id), canonical(content))


def _place(submission_id: str) -> str:
    return f"submission/source/{submission_id}"
