"""Writers that come together share a commit; one that fails takes nobody with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from adapter.store import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with a table of numbers."""
    opened = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    with opened.transaction() as connection:
        connection.execute(text("CREATE TABLE number (value INTEGER UNIQUE)"))
    yield opened
    opened.close()


@pytest.fixture
def commits(database: Database) -> list[int]:
    """One entry for every commit."""
    counted: list[int] = []
    event.listen(database.engine, "commit", lambda _connection: counted.append(1))
    return counted


def write(connection: Connection, value: int) -> int:
    """Insert a number and return it."""
    connection.execute(text("INSERT INTO number VALUES (:value)"), {"value": value})
    return value


def numbers(database: Database) -> list[int]:
    """Return what is committed."""
    with database.reading() as connection:
        return list(connection.execute(text("SELECT value FROM number ORDER BY value")).scalars())


def test_who_waits_shares_the_next_commit(database: Database, commits: list[int]) -> None:
    """While one transaction is open, ten more writers come: they need one commit for all of them."""
    open_now, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> int:
        open_now.set()
        go_on.wait(10)
        return write(connection, 0)

    results: list[int] = []
    first = threading.Thread(target=lambda: results.append(database.together(slow)))
    first.start()
    open_now.wait(10)
    acts = [lambda connection, value=value: write(connection, value) for value in range(1, 11)]
    others = [threading.Thread(target=lambda act=act: results.append(database.together(act))) for act in acts]
    for thread in others:
        thread.start()
    while len(database._together._waiting) < len(others):
        time.sleep(0.01)
    go_on.set()
    for thread in (first, *others):
        thread.join(10)
    assert sorted(results) == numbers(database) == list(range(11))
    assert len(commits) == 2


def test_an_act_that_fails_takes_nobody_with_it(database: Database) -> None:
    """The others of its commit are committed all the same, and only its caller sees the error."""

    def broken(connection: Connection) -> int:
        write(connection, 2)
        raise ValueError("no")

    acts = (lambda connection: write(connection, 1), broken, lambda connection: write(connection, 3))
    with ThreadPoolExecutor(len(acts)) as pool, database._together._turn:  # nobody begins before all have come
        answers = [pool.submit(database.together, act) for act in acts]
        while len(database._together._waiting) < len(acts):
            time.sleep(0.01)
    assert [answers[0].result(0), answers[2].result(0)] == [1, 3]
    assert sorted(numbers(database)) == [1, 3]
    assert isinstance(answers[1].exception(0), ValueError)
