"""Opens the database and brings it to the present version by numbered migrations.

SQLite runs with WAL and `synchronous=FULL`: what is committed survives `kill -9` and a power cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.pool import StaticPool

from adapter.store.tables import metadata

Migration = Callable[[Connection], None]

# One connection for all threads: a database in memory belongs to its connection.
_MEMORY: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}


def _create_first_tables(connection: Connection) -> None:
    metadata.create_all(connection)


MIGRATIONS: tuple[Migration, ...] = (_create_first_tables,)
"""Position + 1 is the version that the migration leads to. A released migration is never edited."""


class DatabaseTooNewError(Exception):
    """The database was written by a newer Kykysilta; upgrade the program, do not downgrade the data."""


class Database:
    """One SQLAlchemy engine with our pragmas and migrations.

    Args:
        url: `sqlite:///file.sqlite`, `sqlite://` (memory, one process), `postgresql+psycopg://…`.
    """

    def __init__(self, url: str) -> None:
        in_memory = url in ("sqlite://", "sqlite:///:memory:")
        # An error of the database must not carry what was to be stored into a log.
        self.engine: Engine = create_engine(url, hide_parameters=True, **(_MEMORY if in_memory else {}))
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_pragmas)
            event.listen(self.engine, "begin", _sqlite_begin)
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one transaction: commit at the end, roll back on any error."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for reading only; on SQLite it never waits for a writer."""
        with self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _migrate(self) -> None:
        with self.transaction() as connection:
            if not inspect(connection).has_table("store_version"):
                connection.execute(text("CREATE TABLE store_version (version INTEGER NOT NULL)"))
                connection.execute(text("INSERT INTO store_version VALUES (0)"))
            version = connection.execute(text("SELECT version FROM store_version")).scalar_one()
            if version > len(MIGRATIONS):
                raise DatabaseTooNewError(f"the database has version {version}, this program knows {len(MIGRATIONS)}")
            for migration in MIGRATIONS[version:]:
                migration(connection)
            connection.execute(text("UPDATE store_version SET version = :new"), {"new": len(MIGRATIONS)})


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A transaction that will write takes the write lock at once: upgrading a read lock can fail half-way.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
