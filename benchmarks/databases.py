"""Databases for benchmarks and tests, made for one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, event, text

from adapter.store import prepared


@contextmanager
def postgresql(server: str) -> Iterator[str]:
    """A fresh database on a PostgreSQL server; yields its URL."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"crash{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield admin.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Sized]]]:
    """Yield a list that grows while the block runs: each statement with the parameters of its first row."""
    heard: list[tuple[str, Sized]] = []
    run = prepared.run

    def usual(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        heard.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    def beside(connection: Connection, statement: str, rows: Sequence[Any] = ((),)) -> Any:
        """SQLAlchemy does not tell of prepared statements; those of other databases run in threads of others."""
        if connection.engine is engine:
            heard.append((statement, rows[0]))
        return run(connection, statement, rows)

    event.listen(engine, "before_cursor_execute", usual)
    with patch.object(prepared, "run", beside):
        yield heard
    event.remove(engine, "before_cursor_execute", usual)
