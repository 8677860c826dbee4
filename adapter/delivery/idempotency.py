"""`Idempotency-Key` of callers: what was answered under a key is answered again, also after a crash.

A key belongs to one caller and one body; only records that were taken keep their key, so a refused record can be
mended and sent again under the same one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from adapter.delivery import warnings
from adapter.errors import KeyReused, SourceError
from adapter.fhir.canonical import canonical
from adapter.source.json import read_json
from adapter.store.among import among
from adapter.store.cipher import keyed_hash
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import idempotency
from adapter.types import Issue

# Statements that are built once: to build one takes longer than to run it.
_FIND = Selection(select(idempotency).where(idempotency.c.sender == bindparam("of"), among(idempotency.c.key, "keys")))
_KEEP = Insertion(insert(idempotency))


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was given under a key.

    Attributes:
        submission: opaque id.
        record_type, resources, warnings: as in the answer.
    """

    submission: str
    record_type: str
    resources: int
    warnings: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A key with what it stands for.

    Attributes:
        sender: whose key it is.
        text: as the caller wrote it.
        digest: keyed hash of the body and of how it was to be read.
    """

    sender: str
    text: str
    digest: str

    @classmethod
    def of(
        cls, id_key: bytes, sender: str, text: str, data: bytes, *, record_type: str | None, vendor: str | None
    ) -> Key | None:
        """Return the key of a request, None without one; blanks and the order of JSON names make no difference."""
        if not text:
            return None
        try:
            body = canonical(read_json(data))
        except SourceError:
            body = data
        return cls(sender, text, keyed_hash(id_key, record_type or "", vendor or "", body.hex()))


class Answered:
    """What was answered under some keys."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = {(row.sender, row.key): row for row in rows}

    def under(self, key: Key | None) -> Kept | None:
        """Return what was answered under a key, or None when it is new or there is none.

        Raises:
            KeyReused: the key came before with another body (422).
        """
        row = self._rows.get((key.sender, key.text)) if key else None
        if key is None or row is None:
            return None
        if row.digest != key.digest:
            raise KeyReused(Issue("error", "api.key-reused"))
        answer = json.loads(row.answer)
        told = warnings.issues(answer["warnings"])
        return Kept(row.submission, answer["record_type"], answer["resources"], told)


def find(connection: Connection, keys: Iterable[Key | None]) -> Answered:
    """Return what was answered under keys of one sender."""
    asked = [key for key in keys if key]
    if not asked:
        return Answered(())
    return Answered(_FIND(connection, of=asked[0].sender, keys=[key.text for key in asked]))


def keep(connection: Connection, answers: Iterable[tuple[Key, Kept]], now: float) -> None:
    """Remember answers in the transaction that stores their submissions."""
    rows = [
        {"sender": key.sender, "key": key.text, "digest": key.digest, "at": now, "submission": kept.submission}
        | {"answer": _answer(kept)}
        for key, kept in answers
    ]
    _KEEP(connection, rows)


def _answer(kept: Kept) -> str:
    told = {"record_type": kept.record_type, "resources": kept.resources, "warnings": warnings.plain(kept.warnings)}
    return json.dumps(told, ensure_ascii=False)
