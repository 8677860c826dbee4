"""A worker of another process hears on PostgreSQL what is queued; what it does not hear it finds when it looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Semaphore

import pytest
from sqlalchemy import text

from adapter.delivery import Outbox, Worker, listening
from adapter.store import Database
from tests.databases import KINDS, empty_database
from tests.delivery.conftest import CIPHER, Put
from tests.delivery.test_worker import Steps, delivered, until

NEVER = 3600.0
"""Pause of what is not to act by itself while a test runs."""

Listeners = Callable[[], list[int]]


@pytest.fixture(params=KINDS[1:])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty PostgreSQL database is."""
    with empty_database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The database as the process that accepts has it."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def other(url: str, database: Database) -> Iterator[Database]:
    """The database as the process that delivers has it; they share the server alone."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def listeners(database: Database) -> Listeners:
    """Gives the connections that listen, as the server knows them."""
    listening_ones = text(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND datname = current_database()"
    )

    def find() -> list[int]:
        with database.reading() as connection:
            return list(connection.execute(listening_ones).scalars())

    return find


@pytest.fixture
def cut(database: Database, listeners: Listeners) -> Callable[[], None]:
    """Ends the connection that listens, as a restart of the server does."""

    def end() -> None:
        with database.transaction() as connection:
            for pid in listeners():
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    return end


def test_a_worker_of_another_process_starts_when_a_message_is_queued(other: Database, outbox: Outbox, put: Put) -> None:
    """It looks once an hour by itself; both messages, the one that was there before it listened too, go out at once."""
    names = [put("moona")]
    steps = Steps()
    worker = Worker(Outbox(other, CIPHER), steps, threads=1, idle=NEVER)
    worker.start()
    with listening.listening(other, worker.wake):
        assert until(lambda: delivered(outbox) == 1)
        names.append(put("matti"))
        assert until(lambda: delivered(outbox) == 2)
    worker.stop()
    assert steps.handled == names


def test_it_is_told_once_for_a_transaction_and_only_when_it_is_committed(database: Database, other: Database) -> None:
    """A transaction that is rolled back tells nobody, and one that queues often tells once."""
    heard = Semaphore(0)
    with listening.listening(other, lambda: heard.release()):
        assert heard.acquire(timeout=20)
        with database.reading() as connection:  # is rolled back
            listening.tell(connection)
        with database.transaction() as connection:
            for _ in range(3):
                listening.tell(connection)
        assert heard.acquire(timeout=20)
    assert not heard.acquire(blocking=False)


def test_a_lost_connection_is_made_again(
    other: Database, put: Put, cut: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of the server it hears again, first of all that it may have missed something."""
    monkeypatch.setattr(listening, "AGAIN_SECONDS", 0.01)
    heard = Semaphore(0)
    with listening.listening(other, lambda: heard.release()):
        assert heard.acquire(timeout=20)
        cut()
        assert heard.acquire(timeout=20)
        put("moona")
        assert heard.acquire(timeout=20)


def test_who_hears_nothing_finds_the_message_when_it_looks(
    other: Database,
    outbox: Outbox,
    put: Put,
    listeners: Listeners,
    cut: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost connection costs the time until the next look alone."""
    monkeypatch.setattr(listening, "AGAIN_SECONDS", NEVER)
    worker = Worker(Outbox(other, CIPHER), Steps(), threads=1, idle=0.05)
    worker.start()
    with listening.listening(other, worker.wake):
        assert until(lambda: len(listeners()) == 1)
        cut()
        assert until(lambda: not listeners())
        put("moona")
        assert until(lambda: delivered(outbox) == 1)
        assert not listeners()
    worker.stop()


@pytest.mark.parametrize("lost", [False, True], ids=["connected", "lost"])
def test_a_gentle_stop_ends_it(
    other: Database, listeners: Listeners, cut: Callable[[], None], monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    """When the block ends, neither the thread nor its connection is left, also while it waits to connect again."""
    monkeypatch.setattr(listening, "AGAIN_SECONDS", NEVER)
    with listening.listening(other, lambda: None):
        assert until(lambda: len(listeners()) == 1)
        if lost:
            cut()
            assert until(lambda: not listeners())
    assert "kykysilta-listener" not in {thread.name for thread in threading.enumerate()}
    assert until(lambda: not listeners())


def test_on_sqlite_nobody_listens() -> None:
    """Nothing is told and nothing is started there: its workers look."""
    database, woken = Database("sqlite://"), list[float]()
    with listening.listening(database, lambda: woken.append(time.time())), database.transaction() as connection:
        listening.tell(connection)
        assert "kykysilta-listener" not in {thread.name for thread in threading.enumerate()}
    database.close()
    assert woken == []
