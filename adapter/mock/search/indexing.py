"""The search index beside the resources: references and identifiers are written with one, the rest when a search asks.

A search still sees every write at once, because it catches up first with what lies behind in the tables that it
reads; a write costs little, and many are indexed together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

from adapter.mock.search.extract import Rows, rows_of
from adapter.types import Resource

WIDTHS = {
    "index_token": 7,
    "index_identifier": 7,
    "index_reference": 10,
    "index_date": 6,
    "index_number": 9,
    "index_string": 6,
    "index_uri": 5,
}
"""Columns of the index tables."""

AT_ONCE = ("index_reference", "index_identifier")
LATER = tuple(name for name in WIDTHS if name not in AT_ONCE)
LONGEST_LAG = 1000
"""Versions written after which the index catches up unasked, so that no search has long to wait."""

_INSERT = {name: f"INSERT INTO {name} VALUES ({', '.join('?' * width)})" for name, width in WIDTHS.items()}


class SearchIndex:
    """The index tables of one database.

    Args:
        connection: the database, inside whose transactions everything happens.
        read: reads the body of a version.
    """

    def __init__(self, connection: sqlite3.Connection, read: Callable[[bytes], Resource]) -> None:
        self._connection = connection
        self._read = read
        self._lag = 0

    def write(self, key: int, resource: Resource | None, base: str, *, fresh: bool) -> None:
        """Index what a resource refers to and is called by; the rest of it waits.

        Args:
            key: primary key of the resource.
            resource: None when it is deleted.
            base: FHIR base URL whose absolute references are local.
            fresh: the resource was never indexed before.
        """
        self._lag += 1
        if not fresh:
            self._remove(key, AT_ONCE)
        if resource is not None:
            self._insert(_rows(key, resource, AT_ONCE, base))

    @property
    def lags(self) -> bool:
        """True when it is time to catch up unasked."""
        return self._lag >= LONGEST_LAG

    def behind(self, tables: Collection[str]) -> list[tuple[str, int]]:
        """Return (table, last version indexed) of those of the tables that lie behind."""
        if not tables:
            return []
        sql = "SELECT name, seq FROM indexed WHERE seq < (SELECT max(seq) FROM version)"
        return [row for row in self._connection.execute(sql) if row[0] in tables]

    def catch_up(self, behind: list[tuple[str, int]]) -> None:
        """Index the versions that came after the last one of each table."""
        for mark in {seq for _, seq in behind}:
            self._index_since(mark, [name for name, seq in behind if seq == mark])
        if len(behind) == len(LATER):
            self._lag = 0

    def _index_since(self, mark: int, tables: list[str]) -> None:
        sql = (
            "SELECT r.pk, r.version, v.body FROM version v JOIN resource r "
            "ON r.type = v.type AND r.id = v.id AND r.seq = v.seq WHERE v.seq > ? ORDER BY v.seq"
        )
        rows: Rows = {name: [] for name in tables}
        for key, version, body in self._connection.execute(sql, (mark,)):
            if version > 1:
                self._remove(key, tables)
            if body is not None:
                for name, found in _rows(key, self._read(body), tables).items():
                    rows[name] += found
        self._insert(rows)
        marks = ", ".join("?" * len(tables))
        sql = f"UPDATE indexed SET seq = (SELECT max(seq) FROM version) WHERE name IN ({marks})"
        self._connection.execute(sql, tables)

    def _remove(self, key: int, tables: Collection[str]) -> None:
        for name in tables:
            self._connection.execute(f"DELETE FROM {name} WHERE pk = ?", (key,))

    def _insert(self, rows: Rows) -> None:
        for table, found in rows.items():
            if found:
                self._connection.executemany(_INSERT[table], found)


def _rows(key: int, resource: Resource, tables: Collection[str], base: str = "") -> Rows:
    """Return the rows of a resource, with its primary key and numbers.

    Of one that was seeded against all rules of JSON structure there are none.
    """
    try:
        found = rows_of(resource, tables, base)
    except (AttributeError, TypeError, ValueError, KeyError, ArithmeticError):
        return {}
    return {table: [(key, n, *row) for n, row in enumerate(rows)] for table, rows in found.items()}
