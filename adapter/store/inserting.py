"""Rows are added by a statement whose text is made once for each database.

SQLAlchemy works out for every row anew what its statement binds, which takes longer than to store the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert

_COUNTED = {"preserve_rowcount": True}


class Insertion:
    """Adds rows to a table.

    Values are handed to the driver as they are: texts, numbers, bytes, truth values, None.

    Args:
        statement: an `INSERT` that names no values; it may say what happens on a conflict.
    """

    def __init__(self, statement: Insert) -> None:
        # Inline: nobody asks for the keys that the database gives.
        self._statement = statement.inline()
        self._made: dict[tuple[str, ...], SQLCompiler] = {}

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Add rows, all with the same columns; returns how many were added."""
        if not rows:
            return 0
        made = self._compiled(connection, tuple(rows[0]))
        names = made.positiontup
        # SQLite takes values in their order, PostgreSQL takes them by name.
        values = rows if names is None else [tuple(map(row.__getitem__, names)) for row in rows]
        return connection.exec_driver_sql(made.string, cast(Any, values), _COUNTED).rowcount

    def _compiled(self, connection: Connection, columns: tuple[str, ...]) -> SQLCompiler:
        key = (connection.dialect.name, *columns)
        made = self._made.get(key)
        if made is None:
            made = self._statement.compile(dialect=connection.dialect, column_keys=columns)
            self._made[key] = made
        return made
