"""`Idempotency-Key` of callers: what was answered under a key is answered again, also after a crash.

A key belongs to one caller and one body; only records that were taken keep their key, so a refused record can be
mended and sent again under the same one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from adapter.errors import KeyReused, SourceError
from adapter.fhir.canonical import canonical
from adapter.source.json import read_json
from adapter.store.cipher import keyed_hash
from adapter.store.tables import idempotency
from adapter.types import Issue, SourcePlace


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


def find(connection: Connection, key: Key) -> Kept | None:
    """Return what was answered under a key, or None when the key is new.

    Raises:
        KeyReused: the key came before with another body (422).
    """
    same = (idempotency.c.sender == key.sender) & (idempotency.c.key == key.text)
    row = connection.execute(select(idempotency).where(same)).first()
    if row is None:
        return None
    if row.digest != key.digest:
        raise KeyReused(Issue("error", "api.key-reused"))
    answer = json.loads(row.answer)
    warnings = tuple(_issue(each) for each in answer["warnings"])
    return Kept(row.submission, answer["record_type"], answer["resources"], warnings)


def keep(connection: Connection, key: Key, kept: Kept, now: float) -> None:
    """Remember an answer in the transaction that stores its submission."""
    row = {"sender": key.sender, "key": key.text, "digest": key.digest, "at": now, "submission": kept.submission}
    connection.execute(insert(idempotency).values(**row, answer=_answer(kept)))


def _answer(kept: Kept) -> str:
    warnings = [asdict(warning) for warning in kept.warnings]
    told = {"record_type": kept.record_type, "resources": kept.resources, "warnings": warnings}
    return json.dumps(told, ensure_ascii=False)


def _issue(plain: dict[str, Any]) -> Issue:
    source = plain.pop("source")
    return Issue(**plain, source=SourcePlace(**source) if source else None)
