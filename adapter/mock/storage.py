"""Every version of every resource of one namespace, in SQLite, with the search index written beside it.

A write and its index rows are one transaction, so a search that begins after the answer sees the write. All
work of a request happens in one thread without a break, and the file is locked against other processes: search
and insert of a conditional create cannot be separated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jiter
import msgspec

from adapter.mock.clock import fhir_instant
from adapter.mock.search.indexing import LATER, SearchIndex
from adapter.mock.search.whole import resource_fits
from adapter.types import Issue, Resource

FORM = 1
"""Version of `schema.sql`, written into the file: a file of another one is refused."""

REMEMBERED = 2000
"""Present versions that are kept in memory: a read of one asks no database."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
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


@cache
def _schema() -> str:
    return (resources.files("adapter.mock") / "schema.sql").read_text(encoding="utf-8")


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.executescript(_schema())
    connection.execute(f"PRAGMA user_version = {FORM}")


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


class StoreProblem(Exception):  # noqa: N818
    """A database file cannot be used.

    Attributes:
        issue: why, and what to do.
    """

    def __init__(self, key: str, path: Path | str) -> None:
        self.issue = Issue("error", key, {"path": str(path)})
        super().__init__(self.issue.text("en"))


class Store:
    """The database of one namespace.

    Args:
        path: file, or `:memory:`.

    Raises:
        StoreProblem: another endpoint has the file, or it is none of this version.
    """

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.connection = sqlite3.connect(str(path), timeout=1.0, isolation_level=None, check_same_thread=False)
        self.connection.create_function("resource_fits", 3, resource_fits, deterministic=True)
        try:
            fits = self._prepare()
        except sqlite3.DatabaseError:
            self.connection.close()
            raise StoreProblem("mock.store-in-use", path) from None
        if not fits:
            self.connection.close()
            raise StoreProblem("mock.store-of-another-version", path)
        self._begin()
        self._depth = 0
        self.written: list[Stored] = []
        """Versions written since the list was last emptied; the journal tells them."""

    def _prepare(self) -> bool:
        """Lock the file and make its tables; False when another version has made them."""
        self.connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=FULL")
        used = self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if used and self.connection.execute("PRAGMA user_version").fetchone()[0] != FORM:
            return False
        _create_tables(self.connection)
        return True

    def _begin(self) -> None:
        """Know nothing of what the database held before."""
        self._index = SearchIndex(self.connection, from_json)
        self._newest: dict[tuple[str, str], Stored] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner transaction is part of the outer one."""
        if self._depth == 0:
            self.connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
            if self._depth == 1 and self._index.lags:
                self._index.catch_up(self._index.behind(LATER))
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self.connection.execute("ROLLBACK")
                self.written.clear()
                self._newest.clear()
            raise
        self._depth -= 1
        if self._depth == 0:
            self.connection.execute("COMMIT")

    def current(self, resource_type: str, resource_id: str) -> Stored | None:
        """Return the present version, a deletion included; None when the id was never used."""
        found = self._newest.get((resource_type, resource_id))
        if found is None:
            newest = "WHERE v.type = ? AND v.id = ? ORDER BY v.version DESC LIMIT 1"
            found = next(self._select(newest, resource_type, resource_id), None)
            if found is not None:
                self._remember(found)
        return found

    def version(self, resource_type: str, resource_id: str, version: str) -> Stored | None:
        """Return one version, or None."""
        wanted = "WHERE v.type = ? AND v.id = ? AND v.version = ?"
        return next(self._select(wanted, resource_type, resource_id, version), None)

    def by_sequence(self, numbers: list[int]) -> list[Stored]:
        """Return versions by their sequence numbers, in the order asked for."""
        found: dict[int, Stored] = {}
        for start in range(0, len(numbers), 500):
            part = numbers[start : start + 500]
            marks = ",".join("?" * len(part))
            found.update((one.seq, one) for one in self._select(f"WHERE v.seq IN ({marks})", *part))
        return [found[number] for number in numbers if number in found]

    def rows(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        """Run a select of the search, which sees every version written until now, and return its rows."""
        behind = self._index.behind([name for name in LATER if name in sql])
        if behind:
            with self.transaction():
                self._index.catch_up(behind)
        return self.connection.execute(sql, values).fetchall()

    def put(self, resource: Resource, method: str, updated: datetime, base: str) -> Stored:
        """Store a resource (its `id` set) as the next version; `base` is the FHIR base of its absolute references.

        `meta.versionId` and `meta.lastUpdated` are set here; the rest of `meta` is kept.
        """
        kind, identity = resource["resourceType"], resource["id"]
        with self.transaction():
            before = self._before(kind, identity)
            number = before[1] + 1
            meta = {"versionId": str(number), "lastUpdated": fhir_instant(updated)}
            meta |= {name: one for name, one in resource.get("meta", {}).items() if name not in meta}
            rest = {name: one for name, one in resource.items() if name not in ("resourceType", "id", "meta")}
            body = to_json({"resourceType": kind, "id": identity, "meta": meta, **rest})
            stored, key = self._append(kind, identity, before, method, updated, body)
            self._index.write(key, resource, base, fresh=not before[0])
        return stored

    def delete(self, resource_type: str, resource_id: str, updated: datetime) -> Stored:
        """Store the deletion as the next version; history stays."""
        with self.transaction():
            before = self._before(resource_type, resource_id)
            stored, key = self._append(resource_type, resource_id, before, "DELETE", updated, None)
            self._index.write(key, None, "", fresh=False)
        return stored

    def replace(self, stored: Stored, resource: Resource, base: str) -> Stored:
        """Change the references in the newest version inside the transaction that wrote it."""
        self.connection.execute("UPDATE version SET body = ? WHERE seq = ?", (to_json(resource), stored.seq))
        key, _ = self._before(stored.type, stored.id)
        self._index.write(key, resource, base, fresh=False)
        fresh = self.by_sequence([stored.seq])[0]
        self._remember(fresh)
        return fresh

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
        """Forget everything, in a time that does not depend on how much there is: an empty database takes its place."""
        with closing(sqlite3.connect(":memory:")) as empty:
            _create_tables(empty)
            empty.backup(self.connection)
        self._begin()

    def snapshot(self) -> bytes:
        """Return the whole database as bytes."""
        return self.connection.serialize()

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot."""
        with closing(sqlite3.connect(":memory:")) as source:
            source.deserialize(snapshot)
            source.backup(self.connection)
        self._begin()

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def _remember(self, newest: Stored) -> None:
        if len(self._newest) >= REMEMBERED:
            self._newest.clear()
        self._newest[newest.type, newest.id] = newest

    def _select(self, condition: str, *values: Any) -> Iterator[Stored]:
        sql = f"SELECT v.seq, v.type, v.id, v.version, v.updated, v.method, v.body FROM version v {condition}"
        for seq, kind, identity, number, updated, method, body in self.connection.execute(sql, values).fetchall():
            yield Stored(seq, kind, identity, number, _EPOCH + timedelta(microseconds=updated), method, body)

    def _before(self, kind: str, identity: str) -> tuple[int, int]:
        """Return (primary key, number of the present version), zeros when the id was never used."""
        sql = "SELECT pk, version FROM resource WHERE type = ? AND id = ?"
        return self.connection.execute(sql, (kind, identity)).fetchone() or (0, 0)

    def _append(
        self,
        kind: str,
        identity: str,
        before: tuple[int, int],
        method: str,
        updated: datetime,
        body: bytes | None,
    ) -> tuple[Stored, int]:
        """Write the version behind `before`; return it and the primary key of its resource."""
        key, number = before[0], before[1] + 1
        micro = (updated - _EPOCH) // _MICROSECOND
        execute = self.connection.execute
        sql = "INSERT INTO version (type, id, version, updated, method, body) VALUES (?, ?, ?, ?, ?, ?)"
        seq = execute(sql, (kind, identity, number, micro, method, body)).lastrowid
        assert seq is not None
        if key:
            sql = "UPDATE resource SET seq = ?, version = ?, updated = ?, deleted = ? WHERE pk = ?"
            execute(sql, (seq, number, micro, body is None, key))
        else:
            sql = "INSERT INTO resource (type, id, seq, version, updated, deleted) VALUES (?, ?, ?, ?, ?, ?)"
            key = execute(sql, (kind, identity, seq, number, micro, body is None)).lastrowid or 0
        stored = Stored(seq, kind, identity, number, updated, method, body)
        self.written.append(stored)
        self._remember(stored)
        return stored, key
