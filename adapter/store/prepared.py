"""Statements that every record runs: made once for each database, then handed to the driver as text.

What SQLAlchemy does anew for each run of a statement, and for each row that it adds or finds, takes several times as
long as the run itself. Connections, transactions and errors are SQLAlchemy's all the same.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import ClauseElement, Connection, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert


class _Made(NamedTuple):
    """A statement as one database takes it.

    Attributes:
        text: SQL.
        names: parameters in the order in which the driver takes them; None when it takes them by name.
        constants: parameters that the statement gives itself.
        processors: of the parameters that the driver takes in another form than we give them.
    """

    text: str
    names: Sequence[str] | None
    constants: Mapping[str, Any]
    processors: Mapping[str, Callable[[Any], Any]]


class _Prepared:
    """A statement and what it became."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._made: dict[tuple[str, ...], _Made] = {}

    def _for(self, connection: Connection, columns: tuple[str, ...] = ()) -> _Made:
        key = (connection.dialect.name, *columns)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(connection, columns)
        return made

    def _make(self, connection: Connection, columns: tuple[str, ...]) -> _Made:
        dialect = connection.dialect
        compiled = cast(SQLCompiler, self._statement.compile(dialect=dialect, column_keys=columns))
        parameters = {name: each for each, name in compiled.bind_names.items()}
        found = {name: each.type.dialect_impl(dialect).bind_processor(dialect) for name, each in parameters.items()}
        processors = {name: process for name, process in found.items() if process is not None}
        constants = {name: compiled.params[name] for name, each in parameters.items() if not each.required}
        return _Made(compiled.string, compiled.positiontup, constants, processors)


class Selection(_Prepared):
    """Finds rows; their values are as the driver gives them: texts, numbers, bytes.

    Args:
        statement: all its parameters are named; for many values as one see `adapter.store.among`.
    """

    def __init__(self, statement: Select[Any]) -> None:
        super().__init__(statement)
        row: Any = namedtuple("Row", statement.selected_columns.keys())  # type: ignore[misc]
        self._row: Callable[[Sequence[Any]], Any] = row._make

    def __call__(self, connection: Connection, **given: Any) -> list[Any]:
        """Return the rows found with these parameters; a row is a tuple that knows its columns by name."""
        text, names, constants, processors = self._for(connection)
        row = {**constants, **given}
        for name, process in processors.items():
            row[name] = process(row[name])
        values = row if names is None else tuple(map(row.__getitem__, names))
        return list(map(self._row, run(connection, text, [values]).rows))


class Insertion(_Prepared):
    """Adds rows to a table; their values go to the driver as they are: texts, numbers, bytes, truth values, None.

    Args:
        statement: names no values; it may say what happens on a conflict.
    """

    def __init__(self, statement: Insert) -> None:
        # Inline: nobody asks for the keys that the database gives.
        super().__init__(statement.inline())

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Add rows, all with the same columns; returns how many were added."""
        if not rows:
            return 0
        text, names, *_ = self._for(connection, tuple(rows[0]))
        values: Any = rows if names is None else [tuple(map(row.__getitem__, names)) for row in rows]
        return run(connection, text, values).added


class Result(NamedTuple):
    """What the driver says: rows that were found, and how many were added."""

    rows: Sequence[Sequence[Any]]
    added: int


def run(connection: Connection, text: str, values: Sequence[Any] = ((),)) -> Result:
    """Run a statement with the parameters of one row or of each of many.

    Raises:
        sqlalchemy.exc.DBAPIError: what the database says, as of SQLAlchemy's own statements.
    """
    cursor = connection.connection.cursor()
    try:
        if len(values) == 1:
            cursor.execute(text, values[0])
        else:
            cursor.executemany(text, values)
        return Result(cursor.fetchall() if cursor.description else (), cursor.rowcount)
    except connection.dialect.loaded_dbapi.Error as error:
        # As for its own statements: it names the error, and gives up a connection that is lost.
        connection._handle_dbapi_exception(error, text, None, cursor, None)
    finally:
        cursor.close()
