"""Opens the database and brings it to the present version by numbered migrations.

SQLite runs with WAL and `synchronous=FULL`: what is committed survives `kill -9` and a power cut.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, InterfaceError, InternalError, OperationalError, TimeoutError
from sqlalchemy.pool import StaticPool

from adapter.events import Event, log
from adapter.store import prepared
from adapter.store.migrations import migrate
from adapter.store.together import Together

T = TypeVar("T")

# One connection for all threads: a database in memory belongs to its connection.
_MEMORY: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}

SQLITE_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
FROZEN_SECONDS = 60.0
"""A program that stands still in a transaction for so long loses it: nobody else could write meanwhile."""

POSTGRESQL_DAMAGED = ("XX001", "XX002")
"""`data_corrupted`, `index_corrupted`."""


class DamagedError(Exception):
    """What the disk gives back is not what was written. Nothing more is written until a backup is restored."""

    def __init__(self) -> None:
        super().__init__("the database is damaged: stop every process that uses it and restore the newest backup")


DATABASE_PROBLEMS = (OperationalError, InternalError, InterfaceError, TimeoutError, DamagedError)
"""What a database throws that is full, locked, read-only, busy, gone or damaged."""


LOCK_SECONDS = 30.0
"""How long a transaction waits for SQLite's write lock while another process holds it."""

HURRY_SECONDS = 3.0
"""How long all transactions together still wait for it once the process is to stop."""

LOOK_MILLISECONDS = 250
"""SQLite waits so long by itself; then we look whether to go on waiting."""


def is_locked(error: object) -> bool:
    """Say whether another process held SQLite's write lock for too long: true for everybody, whatever they write."""
    code: int = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY


class _Own(threading.local):
    """What a thread has of a database.

    Attributes:
        keeps: it goes on with the connection that it had.
        connection: that one, while it is not in use.
    """

    keeps: bool = False
    connection: Connection | None = None


class Database:
    """One SQLAlchemy engine with our pragmas and migrations.

    Attributes:
        damaged: True from the first damaged page on; then reading goes on where it can, and nothing is written.

    Args:
        url: `sqlite:///file.sqlite`, `sqlite://` (memory, one process), `postgresql+psycopg://…`.

    Raises:
        DamagedError: the file is damaged, or is no database.
    """

    def __init__(self, url: str) -> None:
        in_memory = url in ("sqlite://", "sqlite:///:memory:")
        # The connection used last is used next: it still has in its cache what it wrote.
        pool: dict[str, Any] = _MEMORY if in_memory else {"pool_use_lifo": True}
        # An error of the database must not carry what was to be stored into a log.
        self.engine: Engine = create_engine(_not_for_ever(make_url(url)), hide_parameters=True, **pool)
        self.damaged = False
        self._patient_until = math.inf
        self._sqlite = self.engine.dialect.name == "sqlite"
        if self._sqlite:
            event.listen(self.engine, "connect", _sqlite_pragmas)
        self._own = _Own()
        self._together = Together(self.transaction)
        with self.transaction() as connection:
            migrate(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection in one transaction: commit at the end, roll back on any error.

        Raises:
            DamagedError: a page is damaged, this time or before.
        """
        self.refuse_damaged()
        with self._watching(), self._connected() as connection, connection.begin():
            self._lock(connection)
            yield connection

    def together(self, act: Callable[[Connection], T]) -> T:
        """Run `act` in a transaction shared with whoever writes at the same time; see `adapter.store.together`."""
        result: T = self._together.run(act)
        return result

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for reading only; on SQLite it never waits for a writer."""
        with self._watching(), self._connected() as connection, connection.begin() as begun:
            self._begin(connection, "BEGIN")
            yield connection
            begun.rollback()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Let the calling thread use one connection for all that it does in the block, not another one each time."""
        self._own.keeps = True
        try:
            yield
        finally:
            self._own.keeps = False
            if self._own.connection is not None:
                self._own.connection.close()
                self._own.connection = None

    def hurry(self) -> None:
        """Tell that the process is to stop: who waits for the lock of another process waits no longer."""
        self._patient_until = time.monotonic() + HURRY_SECONDS

    def check(self) -> None:
        """Read every page of a SQLite file; PostgreSQL has checksums of its own.

        Raises:
            DamagedError: a page is damaged.
        """
        if self._sqlite:
            with self.reading() as connection:
                if connection.execute(text("PRAGMA quick_check(1)")).scalar() != "ok":
                    self._note_damage()
        self.refuse_damaged()

    def refuse_damaged(self) -> None:
        """Raise when a damaged page was met.

        Raises:
            DamagedError: one was.
        """
        if self.damaged:
            raise DamagedError

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        own = self._own
        # Who needs another one meanwhile gets one of the pool.
        connection, own.connection = own.connection or self.engine.connect(), None
        try:
            yield connection
        finally:
            if own.keeps and own.connection is None and not connection.invalidated:
                own.connection = connection
            else:
                connection.close()

    def _begin(self, connection: Connection, statement: str) -> None:
        # pysqlite is told to begin nothing by itself; an event of SQLAlchemy would slow every statement down.
        if self._sqlite:
            prepared.run(connection, statement)

    def _lock(self, connection: Connection) -> None:
        # One that will write takes the write lock at once: upgrading a read lock can fail half-way.
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                self._begin(connection, "BEGIN IMMEDIATE")
            except OperationalError as error:
                if not is_locked(error) or time.monotonic() > min(until, self._patient_until):
                    raise
            else:
                return

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Tell damage from what passes."""
        try:
            yield
        except DatabaseError as error:
            sqlite = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in SQLITE_DAMAGED
            if sqlite or getattr(error.orig, "sqlstate", "") in POSTGRESQL_DAMAGED:
                self._note_damage()
                raise DamagedError from error
            raise

    def _note_damage(self) -> None:
        if not self.damaged:
            log(Event.DATABASE_DAMAGED)
        self.damaged = True


def _not_for_ever(url: URL) -> URL:
    """Return a URL under which PostgreSQL ends transactions in which nothing happens."""
    if url.get_backend_name() != "postgresql":
        return url
    limit = f"-c idle_in_transaction_session_timeout={FROZEN_SECONDS * 1000:.0f}"
    return url.update_query_dict({"options": " ".join((*url.normalized_query.get("options", ()), limit))})


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={LOOK_MILLISECONDS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
