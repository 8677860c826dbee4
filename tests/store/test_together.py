"""Writers that come together share a commit; one that fails takes nobody with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from adapter.store import Database, is_locked


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


def test_a_database_that_stays_locked_is_asked_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers that came meanwhile wait together for a lock that is not to be had, not one after the other."""
    monkeypatch.setattr("adapter.store.database.LOCK_SECONDS", 0.5)
    with database.transaction(), ThreadPoolExecutor(8) as threads:
        began = time.monotonic()
        asked = [threads.submit(database.together, lambda connection: write(connection, 1)) for _ in range(8)]
        problems = [one.exception() for one in asked]
        assert time.monotonic() - began < 4
    assert all(is_locked(problem) for problem in problems)
    assert numbers(database) == []


def test_nobody_is_patient_when_the_process_stops(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the lock already, and who comes later, is told soon after the stop that it is not to be had."""
    monkeypatch.setattr("adapter.store.database.HURRY_SECONDS", 0.1)
    with database.transaction(), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(database.together, lambda connection: write(connection, 1))
        time.sleep(0.6)
        assert not waiting.done()
        database.hurry()
        assert is_locked(waiting.exception(5))
        assert is_locked(threads.submit(database.together, lambda connection: write(connection, 2)).exception(5))
    assert database.together(lambda connection: write(connection, 3)) == 3
    assert numbers(database) == [3]
