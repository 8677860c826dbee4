"""A thread that keeps its connection gets the same one again and again, and nothing else is different."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from adapter.store import Database
from adapter.store.tables import destination
from tests.databases import KINDS, empty_database

NAMES = select(destination.c.name)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    with empty_database(str(request.param), tmp_path) as url:
        database = Database(url)
        yield database
        database.close()


def taken(database: Database) -> int:
    """How many connections are not in the pool."""
    assert isinstance(database.engine.pool, QueuePool)
    return database.engine.pool.checkedout()


def add(connection: Connection, name: str) -> None:
    """Add a row."""
    connection.execute(insert(destination).values(name=name, failures=0, open_until=0.0))


def test_reading_and_writing_use_one_connection_until_the_block_ends(database: Database) -> None:
    """Afterwards the pool has it again, and the thread gets whichever is free."""
    with database.keeping():
        with database.reading() as first:
            pass
        with database.transaction() as second:
            add(second, "kept")
        assert (first, taken(database)) == (second, 1)
    assert taken(database) == 0
    with database.reading() as other:
        assert other is not first
        assert other.execute(NAMES).scalars().all() == ["kept"]
    assert taken(database) == 0


def test_what_is_needed_at_the_same_time_is_another_connection(database: Database) -> None:
    """A transaction within a reading, and another thread's: neither sees the other's."""
    seen: list[Connection] = []

    def elsewhere() -> None:
        with database.reading() as connection:
            seen.append(connection)

    with database.keeping():
        with database.reading() as outer, database.transaction() as inner:
            add(inner, "new")
            assert outer.execute(NAMES).scalars().all() == []
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len({id(each) for each in (outer, inner, *seen)}) == 3
        assert taken(database) == 1
    assert taken(database) == 0


def test_what_went_wrong_leaves_nothing_behind(database: Database) -> None:
    """The kept connection is rolled back; what is read with it next is what is committed."""
    with database.keeping():
        with suppress(ZeroDivisionError), database.transaction() as connection:
            add(connection, "undone")
            raise ZeroDivisionError
        with database.reading() as connection:
            assert connection.execute(NAMES).scalars().all() == []
        with suppress(ZeroDivisionError), database.reading():
            raise ZeroDivisionError
        with database.transaction() as connection:
            add(connection, "done")
    with database.reading() as connection:
        assert connection.execute(NAMES).scalars().all() == ["done"]


def test_what_others_commit_is_read(database: Database) -> None:
    """A kept connection is at the beginning of a new transaction each time."""
    with database.keeping():
        with database.reading() as connection:
            assert connection.execute(NAMES).scalars().all() == []
        other = Database(database.engine.url.render_as_string(hide_password=False))
        with other.transaction() as connection:
            add(connection, "other")
        other.close()
        with database.reading() as connection:
            assert connection.execute(NAMES).scalars().all() == ["other"]


@pytest.mark.postgresql
def test_a_connection_that_is_lost_is_not_kept(tmp_path: Path) -> None:
    """What follows gets another one."""
    with empty_database("postgresql", tmp_path) as url:
        database = Database(url)
        with database.keeping():
            with database.reading() as connection:
                own = connection.execute(select(func.pg_backend_pid())).scalar_one()
            other = Database(url)
            with other.reading() as connection:
                connection.execute(select(func.pg_terminate_backend(own, 10_000)))
            other.close()
            with pytest.raises(OperationalError), database.reading() as connection:
                connection.execute(NAMES)
            with database.transaction() as connection:
                add(connection, "again")
            assert taken(database) == 1
        assert taken(database) == 0
        database.close()
