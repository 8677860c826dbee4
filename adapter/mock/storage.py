"""Every version of every resource of one namespace, in SQLite, with the search index written beside it.

A write and its index rows are one transaction, so a search that begins after the answer sees the write. All
work of a request happens in one thread without a break, and `BEGIN IMMEDIATE` keeps other processes out: search
and insert of a conditional create cannot be separated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import jiter
import msgspec

from adapter.mock.clock import fhir_instant
from adapter.mock.search.extract import IndexRows
from adapter.types import Resource

TABLES = ("token", "reference", "date", "number", "string", "uri")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder(decimal_format="number").encode


def to_json(value: Any) -> bytes:
    """Write JSON with decimals as they are: `Decimal("5.10")` gives `5.10`."""
    return _encode(value)


def from_json(body: bytes) -> Any:
    """Read JSON with decimals as `Decimal`; duplicate keys, NaN and infinities are refused.

    Raises:
        ValueError: not such JSON; the text names line and column and no value.
    """
    return jiter.from_json(body, float_mode="decimal", catch_duplicate_keys=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource as it lies in the store; `body` is None for a deletion."""

    seq: int
    type: str
    id: str
    version: int
    updated: datetime
    method: str
    body: bytes | None

    @property
    def resource(self) -> Resource:
        """The resource, read from its JSON."""
        assert self.body is not None
        resource: Resource = from_json(self.body)
        return resource

    @property
    def etag(self) -> str:
        """Weak ETag of this version."""
        return f'W/"{self.version}"'

    @property
    def path(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"


class Store:
    """The database of one namespace.

    Args:
        path: file, or `:memory:`.
    """

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.path = path
        self.connection = self._open()
        self._depth = 0
        self.written: list[Stored] = []
        """Versions written since the list was last emptied; the journal tells them."""

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self.path), isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript((resources.files("adapter.mock") / "schema.sql").read_text(encoding="utf-8"))
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction is part of the outer one."""
        if self._depth == 0:
            self.connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("ROLLBACK")
                self.written.clear()
            raise
        self._depth -= 1
        if self._depth == 0:
            self.connection.execute("COMMIT")

    def current(self, resource_type: str, resource_id: str) -> Stored | None:
        """Return the present version, a deletion included; None when the id was never used."""
        rows = self._select(
            "JOIN resource r ON r.seq = v.seq WHERE r.type = ? AND r.id = ?", resource_type, resource_id
        )
        return rows[0] if rows else None

    def version(self, resource_type: str, resource_id: str, version: str) -> Stored | None:
        """Return one version, or None."""
        rows = self._select("WHERE v.type = ? AND v.id = ? AND v.version = ?", resource_type, resource_id, version)
        return rows[0] if rows else None

    def by_sequence(self, numbers: list[int]) -> list[Stored]:
        """Return versions by their sequence numbers, in the order asked for."""
        found: dict[int, Stored] = {}
        for start in range(0, len(numbers), 500):
            part = numbers[start : start + 500]
            marks = ",".join("?" * len(part))
            found.update((one.seq, one) for one in self._select(f"WHERE v.seq IN ({marks})", *part))
        return [found[number] for number in numbers if number in found]

    def rows(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """Run a select of the search and return its rows."""
        return self.connection.execute(sql, values).fetchall()

    def put(self, resource: Resource, method: str, updated: datetime, rows: IndexRows) -> Stored:
        """Store a resource (its `id` set) as the next version, with its index rows.

        `meta.versionId` and `meta.lastUpdated` are set here; the rest of `meta` is kept.
        """
        kind, identity = resource["resourceType"], resource["id"]
        with self.transaction():
            number = self._next_version(kind, identity)
            meta = {"versionId": str(number), "lastUpdated": fhir_instant(updated)}
            meta |= {name: one for name, one in resource.get("meta", {}).items() if name not in meta}
            rest = {name: one for name, one in resource.items() if name not in ("resourceType", "id", "meta")}
            body = to_json({"resourceType": kind, "id": identity, "meta": meta, **rest})
            stored = self._append(kind, identity, number, method, updated, body)
            self._index(self._primary_key(stored), rows)
        return stored

    def delete(self, resource_type: str, resource_id: str, updated: datetime) -> Stored:
        """Store the deletion as the next version; history stays."""
        with self.transaction():
            number = self._next_version(resource_type, resource_id)
            stored = self._append(resource_type, resource_id, number, "DELETE", updated, None)
            self._index(self._primary_key(stored), IndexRows())
        return stored

    def replace(self, stored: Stored, resource: Resource, rows: IndexRows) -> Stored:
        """Change the body of the newest version inside the transaction that wrote it (conditional references)."""
        self.connection.execute("UPDATE version SET body = ? WHERE seq = ?", (to_json(resource), stored.seq))
        self._index(self._primary_key(stored), rows)
        return self.by_sequence([stored.seq])[0]

    def history(self, resource_type: str = "", resource_id: str = "") -> list[tuple[int, int]]:
        """Return (sequence number, updated in microseconds) of versions, newest first."""
        where, values = [], []
        if resource_type:
            where, values = ["type = ?"], [resource_type]
        if resource_id:
            where, values = [*where, "id = ?"], [*values, resource_id]
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        return self.connection.execute(
            f"SELECT seq, updated FROM version {condition} ORDER BY seq DESC", values
        ).fetchall()

    def export(self) -> bytes:
        """Return all present resources as NDJSON, in the order of their creation."""
        rows = self.connection.execute(
            "SELECT v.body FROM resource r JOIN version v ON v.seq = r.seq WHERE r.deleted = 0 ORDER BY r.pk"
        )
        return b"".join(body + b"\n" for (body,) in rows)

    def clear(self) -> None:
        """Forget everything, in a time that does not depend on how much there is: the database begins anew."""
        self.connection.close()
        if self.path != ":memory:":
            for ending in ("", "-wal", "-shm"):
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
        self.connection = self._open()

    def snapshot(self) -> bytes:
        """Return the whole database as bytes."""
        return self.connection.serialize()

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot."""
        source = sqlite3.connect(":memory:")
        source.deserialize(snapshot)
        source.backup(self.connection)
        source.close()

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def _select(self, condition: str, *values: Any) -> list[Stored]:
        sql = f"SELECT v.seq, v.type, v.id, v.version, v.updated, v.method, v.body FROM version v {condition}"
        return [
            Stored(seq, kind, identity, number, _EPOCH + timedelta(microseconds=updated), method, body)
            for seq, kind, identity, number, updated, method, body in self.connection.execute(sql, values)
        ]

    def _next_version(self, kind: str, identity: str) -> int:
        (number,) = self.connection.execute(
            "SELECT coalesce(max(version), 0) + 1 FROM version WHERE type = ? AND id = ?", (kind, identity)
        ).fetchone()
        return int(number)

    def _append(
        self, kind: str, identity: str, number: int, method: str, updated: datetime, body: bytes | None
    ) -> Stored:
        micro = (updated - _EPOCH) // timedelta(microseconds=1)
        cursor = self.connection.execute(
            "INSERT INTO version (type, id, version, updated, method, body) VALUES (?, ?, ?, ?, ?, ?)",
            (kind, identity, number, micro, method, body),
        )
        seq = cursor.lastrowid
        assert seq is not None
        self.connection.execute(
            "INSERT INTO resource (type, id, seq, updated, deleted) VALUES (?, ?, ?, ?, ?) ON CONFLICT (type, id) "
            "DO UPDATE SET seq = excluded.seq, updated = excluded.updated, deleted = excluded.deleted",
            (kind, identity, seq, micro, body is None),
        )
        stored = Stored(seq, kind, identity, number, updated, method, body)
        self.written.append(stored)
        return stored

    def _primary_key(self, stored: Stored) -> int:
        (key,) = self.connection.execute(
            "SELECT pk FROM resource WHERE type = ? AND id = ?", (stored.type, stored.id)
        ).fetchone()
        return int(key)

    def _index(self, key: int, rows: IndexRows) -> None:
        for name in TABLES:
            self.connection.execute(f"DELETE FROM index_{name} WHERE pk = ?", (key,))
            found = getattr(rows, name)
            if found:
                marks = ", ".join("?" * (len(found[0]) + 1))
                self.connection.executemany(
                    f"INSERT INTO index_{name} VALUES ({marks})", [(key, *row) for row in found]
                )
