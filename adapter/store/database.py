"""Opens the database and brings it to the present version by numbered migrations.

SQLite runs with WAL and `synchronous=FULL`: what is committed survives `kill -9` and a power cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Engine, create_engine, delete, event, inspect, text
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateColumn

from adapter.store.review_tables import review_account
from adapter.store.tables import audit_person, idempotency, metadata, outbox_lane, outbox_open, submission
from adapter.store.together import Together

T = TypeVar("T")
Migration = Callable[[Connection], None]

# One connection for all threads: a database in memory belongs to its connection.
_MEMORY: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}


def _create_first_tables(connection: Connection) -> None:
    metadata.create_all(connection)


def _bind_reviewers_to_custodians(connection: Connection) -> None:
    metadata.create_all(connection)
    for column in (submission.c.custodian, *(review_account.c[name] for name in ("title", "locked", "custodians"))):
        _add_column(connection, column)


def _keep_answers(connection: Connection) -> None:
    """Keys kept without their answer are dropped: the version of a record tells a repeat just as well."""
    _add_column(connection, idempotency.c.answer)
    connection.execute(delete(idempotency))


def _index_what_is_open_and_lanes(connection: Connection) -> None:
    connection.execute(text("DROP INDEX IF EXISTS outbox_open_due"))
    for index in (outbox_open, outbox_lane):
        index.create(connection, checkfirst=True)


def _name_clients_in_one_key_table(connection: Connection) -> None:
    """The random ids of the reviewer's pages become pseudonyms of the audit: one name a client."""
    audit_person.create(connection, checkfirst=True)
    if inspect(connection).has_table("review_client"):
        taken = "INSERT INTO audit_person (pseudonym, kind, lookup) SELECT id, 'client', lane FROM review_client"
        connection.execute(text(taken))
        connection.execute(text("DROP TABLE review_client"))


def _add_column(connection: Connection, column: Column[Any]) -> None:
    """Add a column that an older program did not make; a new database has it already."""
    table = column.table.name
    if column.name not in {each["name"] for each in inspect(connection).get_columns(table)}:
        declared = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {declared}")


MIGRATIONS: tuple[Migration, ...] = (
    _create_first_tables,
    _bind_reviewers_to_custodians,
    _keep_answers,
    _index_what_is_open_and_lanes,
    _name_clients_in_one_key_table,
)
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
        self._together = Together(self.transaction)
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one transaction: commit at the end, roll back on any error."""
        with self.engine.begin() as connection:
            yield connection

    def together(self, act: Callable[[Connection], T]) -> T:
        """Run `act` in a transaction shared with whoever writes at the same time; see `adapter.store.together`."""
        result: T = self._together.run(act)
        return result

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
