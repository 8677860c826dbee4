"""Whatever happens to the disk, the clock, the keys or the repository: what was accepted arrives once, by itself."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import OperationalError

from adapter import audit
from adapter.delivery import Repository, circuit
from adapter.delivery.states import State
from adapter.mock.client import MockClient
from adapter.pipeline import Line, Sender
from adapter.store import Cipher, Database
from adapter.store.tables import submission
from tests.delivery.test_faults import endpoint, mock, observations, record
from tests.one_try import try_due

__all__ = ["endpoint", "mock"]

KEY = bytes(range(32))
SENDER = Sender("ehr")
Open = Callable[..., Line]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Return UTC seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the line."""
    return Clock()


@pytest.fixture
def opened(mock: MockClient, clock: Clock) -> Iterator[Open]:
    """Opens lines to the repository on a database."""
    repositories = []

    def make(
        database: Database, keys: dict[str, bytes] | None = None, transport: httpx.BaseTransport | None = None
    ) -> Line:
        repositories.append(Repository(mock.fhir_url, timeout=5, transport=transport))
        cipher = Cipher(keys or {"t": KEY})
        return Line(database, cipher, id_key=KEY, repository=repositories[-1], clock=clock, chance=lambda: 0.5)

    yield make
    for repository in repositories:
        repository.close()


def hand_over(line: Line, *numbers: int) -> list[str]:
    """Accept records of clients of their own; returns their submissions."""
    return [line.accept(record(number, number), sender=SENDER).submission for number in numbers]


def deliver(line: Line) -> None:
    """Deliver everything that is due now."""
    while line.delivery.ready() and try_due(line, line._clock()):
        pass


def states(line: Line) -> dict[State, int]:
    """How many messages are in which state."""
    return {state: count for state, (count, _) in line.outbox.stock().items()}


@contextmanager
def with_pragma(database: Database, pragma: str, undo: str) -> Iterator[None]:
    """Open every connection with a pragma while the block runs."""

    def set_it(connection: object, _record: object) -> None:
        connection.execute(pragma)  # type: ignore[attr-defined]

    event.listen(database.engine, "connect", set_it)
    database.engine.dispose()
    yield
    event.remove(database.engine, "connect", set_it)
    database.engine.dispose()
    with database.reading() as connection:
        connection.execute(text(undo))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A SQLite file."""
    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    yield database
    database.close()


def test_a_full_disk_takes_nothing_and_loses_nothing(file: Database, opened: Open, mock: MockClient) -> None:
    """What was accepted before it was full arrives when there is room again; the rest was refused."""
    line = opened(file)
    accepted = hand_over(line, 1, 2)
    with file.reading() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    with with_pragma(file, f"PRAGMA max_page_count = {pages + 8}", "PRAGMA max_page_count = 1000000"):
        numbers = itertools.count(3)
        with suppress(OperationalError):
            while len(accepted) < 20:
                accepted += hand_over(line, next(numbers))
        assert len(accepted) < 20
        assert line.status(accepted[0], SENDER.id) is not None
    deliver(line)
    assert states(line) == {State.DELIVERED: len(accepted)}
    assert len(observations(mock)) == len(accepted)
    with file.reading() as connection:
        assert audit.verify(connection) is None


def test_a_disk_that_becomes_read_only_is_waited_for(file: Database, opened: Open, mock: MockClient) -> None:
    """Nothing is taken and nothing sent, because no try could be written down; states can still be read."""
    line = opened(file)
    (accepted,) = hand_over(line, 1)
    with with_pragma(file, "PRAGMA query_only = ON", "PRAGMA query_only = OFF"):
        with pytest.raises(OperationalError, match="readonly"):
            hand_over(line, 2)
        with pytest.raises(OperationalError, match="readonly"):
            deliver(line)
        status = line.status(accepted, SENDER.id)
        assert status is not None
        assert status.state == State.QUEUED
    assert observations(mock) == []
    deliver(line)
    assert states(line) == {State.DELIVERED: 1}


def test_a_torn_last_page_costs_nothing(file: Database, opened: Open, tmp_path: Path) -> None:
    """The power went while a page was written: the file opens with everything that was accepted."""
    hand_over(opened(file), 1, 2, 3)
    torn = tmp_path / "torn.sqlite"
    shutil.copy(tmp_path / "k.sqlite", torn)
    log = (tmp_path / "k.sqlite-wal").read_bytes()
    (tmp_path / "torn.sqlite-wal").write_bytes(log + log[-4120:-2000] + b"\0" * 500)
    database = Database(f"sqlite:///{torn}")
    line = opened(database)
    deliver(line)
    assert states(line) == {State.DELIVERED: 3}
    with database.reading() as connection:
        assert audit.verify(connection) is None
    database.close()


def test_a_torn_page_of_the_file_is_put_right_from_the_log(file: Database, opened: Open, tmp_path: Path) -> None:
    """The power went while the log was copied into the file: the last page is half written, and nothing is lost."""
    hand_over(opened(file), 1, 2, 3)
    shutil.copy(tmp_path / "k.sqlite-wal", tmp_path / "torn.sqlite-wal")
    with file.reading() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(FULL)"))
    content = (tmp_path / "k.sqlite").read_bytes()
    (tmp_path / "torn.sqlite").write_bytes(content[:-2000] + b"\0" * 2000)
    database = Database(f"sqlite:///{tmp_path / 'torn.sqlite'}")
    line = opened(database)
    deliver(line)
    assert states(line) == {State.DELIVERED: 3}
    database.check()
    database.close()


def test_a_damaged_body_holds_nobody_up(database: Database, opened: Open, mock: MockClient) -> None:
    """It is told as dead, with its cause; the other clients' records arrive."""
    line = opened(database)
    damaged, _whole = hand_over(line, 1, 2)
    with database.transaction() as connection:
        body = connection.execute(select(submission.c.body).where(submission.c.id == damaged)).scalar_one()
        changed = body[:-1] + bytes([body[-1] ^ 1])
        connection.execute(update(submission).where(submission.c.id == damaged).values(body=changed))
    deliver(line)
    assert states(line) == {State.DEAD: 1, State.DELIVERED: 1}
    status = line.status(damaged, SENDER.id)
    assert status is not None
    assert status.history[-1][3] == "BodyUnreadable"
    assert observations(mock) == [("m-2", "1")]


def test_a_missing_storage_key_is_waited_for(database: Database, opened: Open, clock: Clock) -> None:
    """What it encrypted waits, what other keys encrypted goes out; with the key back everything arrives."""
    hand_over(opened(database, {"old": KEY}), 1)
    without = opened(database, {"new": bytes(reversed(KEY))})
    hand_over(without, 2)
    deliver(without)
    assert states(without) == {State.WAITING: 1, State.DELIVERED: 1}
    clock.now += 3600
    both = opened(database, {"new": bytes(reversed(KEY)), "old": KEY})
    deliver(both)
    assert states(both) == {State.DELIVERED: 2}


def test_a_clock_that_jumps_back_a_year_stops_nothing(database: Database, opened: Open, clock: Clock) -> None:
    """Nothing that was written in the future is waited for."""
    line = opened(database)
    hand_over(line, 1)
    line.outbox.claim("dead worker", clock.now, 10)
    clock.now -= 365 * 86400
    hand_over(line, 2)
    deliver(line)
    assert states(line) == {State.DELIVERED: 2}


@pytest.mark.parametrize("status", [0, 503])
def test_a_repository_that_is_down_for_a_day_is_found_again(
    database: Database, opened: Open, mock: MockClient, clock: Clock, status: int
) -> None:
    """Refused connections or 503 for 24 hours: few questions, nothing lost, all delivered soon after."""
    begun, asked = clock.now, []
    real = httpx.HTTPTransport()

    def answer(request: httpx.Request) -> httpx.Response:
        if clock.now >= begun + 86400:
            return real.handle_request(request)
        asked.append(request.method)
        if status == 0:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(status)

    line = opened(database, transport=httpx.MockTransport(answer))
    hand_over(line, *range(6))
    while clock.now < begun + 86400:
        deliver(line)
        clock.now += 300
    assert set(states(line)) <= {State.WAITING, State.QUEUED, State.UNKNOWN}
    assert len(asked) <= 86400 / 300 + circuit.FAILURES_TO_OPEN
    clock.now += 900
    deliver(line)
    clock.now += 900
    deliver(line)
    assert states(line) == {State.DELIVERED: 6}
    assert len(observations(mock)) == 6
    real.close()
