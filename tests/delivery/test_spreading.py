"""On PostgreSQL procrastinate deals lanes out to workers; what it loses is found, and the outbox alone is the truth."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from procrastinate import sql
from sqlalchemy import create_engine, text

from adapter.delivery import Outbox, Worker, jobs, spreading
from adapter.delivery.messages import Delivered, Failed, Message, Outcome
from adapter.delivery.sending import Try
from adapter.delivery.states import State
from adapter.store import Database
from tests.databases import KINDS, empty_database
from tests.delivery.conftest import CIPHER, Put
from tests.delivery.test_worker import Steps, delivered, until

SHORT = 0.9
"""Seconds of a lease: whoever is silent for so long is dead."""

Ask = Callable[[str], list[tuple[object, ...]]]


@dataclass
class Held(Steps):
    """Holds up what it sends of one client, and goes on with the others.

    Attributes:
        going: something of that client is being sent.
        end: it may end.
    """

    going: threading.Event = field(default_factory=threading.Event)
    end: threading.Event = field(default_factory=threading.Event)

    def send(self, prepared: Try) -> Outcome | None:
        """Note it, when it may end."""
        if prepared.message.lane == "moona":
            self.going.set()
            self.end.wait(30)
        return super().send(prepared)


@pytest.fixture(params=KINDS[1:])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty PostgreSQL database."""
    with empty_database(request.param, tmp_path) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """The outbox on it."""
    return Outbox(database, CIPHER, lease=SHORT)


@pytest.fixture
def ask(database: Database) -> Ask:
    """Runs a statement and returns its rows, if it has any."""

    def run(statement: str) -> list[tuple[object, ...]]:
        with database.transaction() as connection:
            found = connection.execute(text(statement))
            return [tuple(row) for row in found] if found.returns_rows else []

    return run


@pytest.fixture
def start(outbox: Outbox) -> Iterator[Callable[..., Worker]]:
    """Starts workers; they are stopped at the end."""
    started: list[Worker] = []

    def begin(steps: Steps, threads: int = 2) -> Worker:
        worker = Worker(outbox, steps, threads=threads)
        worker.start()
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        worker.stop()


def rows(ask: Ask, columns: str = "lock, status") -> list[tuple[object, ...]]:
    """The jobs that there are."""
    return ask(f"SELECT {columns} FROM procrastinate_jobs ORDER BY id")


def test_a_job_is_added_with_its_messages_or_not_at_all(database: Database, outbox: Outbox, put: Put, ask: Ask) -> None:
    """One for each lane of a transaction, with the lane as lock; a transaction that is rolled back adds none."""
    put("moona")
    with database.reading() as connection:  # is rolled back
        jobs.spread(connection, ["matti"])
    assert rows(ask) == [("moona", "todo")]
    with database.transaction() as connection:
        jobs.spread(connection, ["matti", "maija", "matti"])
    assert rows(ask)[1:] == [("matti", "todo"), ("maija", "todo")]
    assert outbox.stock()[State.QUEUED][0] == 1


def test_nothing_is_left_when_everything_is_delivered(
    put: Put, ask: Ask, start: Callable[..., Worker], outbox: Outbox
) -> None:
    """A job ends when its lane is empty, and its row goes."""
    for number in range(12):
        put(f"lane-{number % 5}")
    start(Steps())
    assert until(lambda: delivered(outbox) == 12)
    assert until(lambda: rows(ask) == [])


def test_a_worker_starts_at_once(outbox: Outbox, put: Put, start: Callable[..., Worker]) -> None:
    """It is told of a message by the database, long before it would look by itself."""
    steps = Steps()
    start(steps)
    put("moona")
    assert until(lambda: delivered(outbox) == 1)
    begun = time.monotonic()
    put("matti")
    assert until(lambda: len(steps.handled) == 2)
    assert time.monotonic() - begun < spreading.LOOK_SECONDS + 1


def test_a_message_that_waits_is_tried_again_when_it_is_due(
    put: Put, ask: Ask, outbox: Outbox, start: Callable[..., Worker]
) -> None:
    """Its lane is given back meanwhile, under a job that begins by the clock: no more than one a second."""
    tries: list[float] = []

    def send(message: Message) -> Outcome:
        tries.append(time.time())
        if len(tries) == 1:
            return Failed(message, State.WAITING, time.time() + 2.5, 1, "HTTP 503", 503)
        return Delivered(message, "r", {}, set(), "receipt", attempts=2)

    for _ in range(3):
        put("moona")
    start(Steps(send))
    assert until(lambda: {one for one, *_ in rows(ask, "scheduled_at IS NOT NULL")} == {True})
    assert len(rows(ask)) <= 2
    assert until(lambda: delivered(outbox) == 3)
    assert tries[1] - tries[0] >= 2.5
    assert until(lambda: rows(ask) == [])


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_worker_whose_clock_is_an_hour_off_waits_as_long_as_it_was_told(
    ahead: float, put: Put, ask: Ask, outbox: Outbox
) -> None:
    """A job begins by the clock of the database: in a second, not at once, again and again, nor in an hour."""
    count = "SELECT nextval('procrastinate_jobs_id_seq')"

    def send(message: Message) -> Outcome:
        if not message.attempt:
            return Failed(message, State.WAITING, time.time() + ahead + 1.0, 1, "HTTP 503", 503)
        return Delivered(message, "r", {}, set(), "receipt", attempts=2)

    worker = Worker(outbox, Steps(send), threads=1, clock=lambda: time.time() + ahead)
    worker.start()
    begun = time.time()
    put("moona", at=begun + ahead)
    assert until(lambda: delivered(outbox) == 1)
    assert 1.0 <= time.time() - begun < 10
    worker.stop()
    assert ask(count) == [(3,)]


@pytest.mark.parametrize("act", ["cancel", "take back"])
def test_what_stood_behind_a_cancelled_message_goes_at_once(
    act: str, put: Put, database: Database, outbox: Outbox, start: Callable[..., Worker]
) -> None:
    """The lane is not held up until the message that is gone would have been tried again."""
    outbox.lease = 60.0

    def send(message: Message) -> Outcome:
        if message.submission == first:
            return Failed(message, State.WAITING, time.time() + 1000, 1, "HTTP 429", 429)
        return Delivered(message, "r", {}, set(), "receipt", attempts=1)

    first = put("moona")
    put("moona")
    start(Steps(send))
    assert until(lambda: State.WAITING in outbox.stock())
    if act == "cancel":
        assert outbox.cancel([first], time.time()) == {}
    else:
        with database.transaction() as connection:
            assert outbox.take_back(connection, [first], time.time()) == [first]
    assert until(lambda: delivered(outbox) == 1)


def test_what_is_sent_again_goes_at_once(put: Put, outbox: Outbox, start: Callable[..., Worker]) -> None:
    """A person who replays a dead message need not wait for anything."""
    outbox.lease = 60.0
    dead = [True]

    def send(message: Message) -> Outcome:
        if dead.pop():
            return Failed(message, State.DEAD, 0.0, 1, "gave up", 0)
        return Delivered(message, "r", {}, set(), "receipt", attempts=1)

    name = put("moona")
    start(Steps(send))
    assert until(lambda: State.DEAD in outbox.stock())
    dead.append(False)
    assert outbox.replay([name], time.time()) == {}
    assert until(lambda: delivered(outbox) == 1)


def test_the_lanes_of_a_dead_worker_go_on(put: Put, ask: Ask, outbox: Outbox, start: Callable[..., Worker]) -> None:
    """A job whose worker is silent is dealt out again, with what waits behind it."""
    put("moona")
    ask("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')")
    ask("UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)")
    put("moona")
    start(Steps())
    assert until(lambda: delivered(outbox) == 2)
    assert until(lambda: rows(ask) == [])


@pytest.mark.parametrize("held", [False, True], ids=["free", "held"])
def test_a_message_without_a_job_is_found(
    put: Put, ask: Ask, outbox: Outbox, start: Callable[..., Worker], *, held: bool
) -> None:
    """Jobs may be lost: with a restored table, by a person's hand, or because an older program queued the message."""
    put("moona", at=time.time() - 10 * SHORT)
    if held:
        outbox.claim("dead", time.time() - 2 * SHORT)
    ask("DELETE FROM procrastinate_jobs")
    start(Steps())
    assert until(lambda: delivered(outbox) == 1)


def test_lanes_that_wait_for_the_destination_get_no_more_jobs(put: Put, ask: Ask, start: Callable[..., Worker]) -> None:
    """An outage of days must not fill the table: who is idle beside a busy worker adds at most one for each lane."""
    steps = Steps()
    steps.there.clear()
    for number in range(3):
        put(f"lane-{number}", at=time.time() - 10 * SHORT)
    start(steps)
    assert until(lambda: {status for _, status in rows(ask)} == {"doing"})
    start(Steps())
    time.sleep(4 * SHORT)
    assert len(rows(ask)) <= 6
    assert steps.handled == []


def test_a_worker_that_stops_gives_its_lanes_back(put: Put, outbox: Outbox, start: Callable[..., Worker]) -> None:
    """Another goes on with them within seconds, not when a lease ends."""
    outbox.lease = 60.0
    away, there = Steps(), Steps()
    away.there.clear()
    stopped = start(away)
    for number in range(3):
        put(f"lane-{number}")
    time.sleep(0.3)
    stopped.stop()
    start(there)
    assert until(lambda: delivered(outbox) == 3)
    assert away.handled == []


def test_a_stop_waits_for_what_is_under_way(put: Put, outbox: Outbox, start: Callable[..., Worker]) -> None:
    """Its outcome is written, the rest of its lane is another's, and no thread stays."""
    steps = Held()
    worker = start(steps)
    put("moona")
    put("moona")
    assert steps.going.wait(20)
    threading.Timer(0.3, steps.end.set).start()
    worker.stop()
    assert delivered(outbox) == 1
    assert "kykysilta-share" not in {thread.name for thread in threading.enumerate()}
    start(Steps())
    assert until(lambda: delivered(outbox) == 2)


def test_who_is_stopping_takes_no_more_lanes(put: Put, ask: Ask, outbox: Outbox, start: Callable[..., Worker]) -> None:
    """While it waits for what is under way, what comes in is left to others."""
    outbox.lease = 60.0
    steps = Held()
    worker = start(steps)
    put("moona")
    assert steps.going.wait(20)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    time.sleep(1.0)
    put("matti")
    time.sleep(0.5)
    assert rows(ask) == [("moona", "doing"), ("matti", "todo")]
    steps.end.set()
    stopping.join()


def test_a_lost_database_is_asked_again(put: Put, ask: Ask, outbox: Outbox, start: Callable[..., Worker]) -> None:
    """After the server ended the connections that fetch jobs, as at its restart, the worker takes lanes as before."""
    start(Steps())
    put("moona")
    assert until(lambda: delivered(outbox) == 1)
    theirs = "datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%procrastinate%'"
    assert len(ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {theirs}")) >= 2
    put("matti")
    assert until(lambda: delivered(outbox) == 2)


def test_a_job_that_could_not_be_ended_holds_nothing_up(
    put: Put, ask: Ask, database: Database, outbox: Outbox, start: Callable[..., Worker]
) -> None:
    """Its statement was ended by somebody: the row says that a worker is at it, and none is."""
    steps = Steps()
    steps.there.clear()
    start(steps)
    put("moona")
    assert until(lambda: rows(ask) == [("moona", "doing")])
    with database.engine.connect() as other:
        other.execute(text("SELECT FROM procrastinate_jobs FOR UPDATE"))
        steps.there.set()
        blocked = "datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        assert until(lambda: bool(ask(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {blocked}")))
        time.sleep(0.2)
    assert rows(ask) == [("moona", "doing")]
    put("moona")
    assert until(lambda: delivered(outbox) == 2)


def test_what_somebody_has_locked_is_asked_for_now_and_then(
    put: Put, ask: Ask, database: Database, outbox: Outbox, start: Callable[..., Worker]
) -> None:
    """A message that is due and cannot be claimed does not keep the database busy."""
    put("moona", at=time.time())
    with database.engine.connect() as other:
        other.execute(text("SELECT FROM outbox FOR UPDATE"))
        start(Steps())
        time.sleep(2.0)
        ((made,),) = ask("SELECT nextval('procrastinate_jobs_id_seq')")
    assert isinstance(made, int)
    assert made < 30
    assert until(lambda: delivered(outbox) == 1)


def test_jobs_of_an_empty_lane_are_taken_away(put: Put, ask: Ask, start: Callable[..., Worker]) -> None:
    """The first of many jobs drains the lane; the others do not each take a turn. One with a message stays."""
    steps = Steps()
    steps.there.clear()
    put("moona")
    ask(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args) "
        "SELECT 'other', 'drain', lane, '{}' FROM (VALUES ('empty'), ('moona')) AS jobs (lane)"
    )
    start(steps)
    assert until(lambda: [lock for lock, _ in rows(ask)] == ["moona", "moona"])


def test_a_message_without_a_job_is_found_by_a_busy_worker(
    put: Put, outbox: Outbox, start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that always has something to do would never look."""
    steps = Held()
    start(steps)
    put("moona")
    assert steps.going.wait(20)
    monkeypatch.setattr(jobs, "spread", lambda *_: None)
    put("matti", at=time.time() - 10 * SHORT)
    found = until(lambda: delivered(outbox) == 1)
    steps.end.set()
    assert found


def test_an_answer_is_for_the_jobs_that_were_there_when_it_was_asked_for(database: Database, outbox: Outbox) -> None:
    """A second job of a lane is dealt when the first one is ended: its message may be younger than what was read."""
    share = outbox.share(4, time.time)
    assert share

    async def two() -> list[float | None]:
        share._loop = asyncio.get_running_loop()
        first = asyncio.create_task(share._dealt("moona"))
        await asyncio.sleep(0)
        asked = share.lanes
        second = asyncio.create_task(share._dealt("moona"))
        await asyncio.sleep(0)
        share.drained(dict.fromkeys(asked))
        await first
        await asyncio.sleep(0.01)
        assert not second.done()
        share.drained(dict.fromkeys(share.lanes, 7.0))
        return [await first, await second]

    assert asyncio.run(asyncio.wait_for(two(), 10)) == [None, 7.0]


def test_who_is_stopping_gives_back_what_came_in_meanwhile(outbox: Outbox) -> None:
    """A job that was on its way when the worker was told to stop is not waited for until its lease ends."""
    share = outbox.share(4, time.time)
    assert share
    share.finish()
    assert asyncio.run(asyncio.wait_for(share._dealt("moona"), 10)) == 0.0


def test_a_database_that_is_away_is_found_again_at_once(database: Database, outbox: Outbox) -> None:
    """Who asks while nobody listens is told so, and does not wait for a pool that asks ever more rarely."""
    away = create_engine("postgresql+psycopg://kykysilta@/nothing?host=/nowhere")
    share = spreading.Share(away, lanes=2, lease=30.0, lost=list)
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        asyncio.run(asyncio.wait_for(share._work(), 10))
    assert time.monotonic() - begun < 5.0


def test_nothing_of_a_lane_is_logged(
    put: Put, outbox: Outbox, start: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    """The library would name lanes in lines of its own; the log has only those of the catalogue."""
    caplog.set_level(logging.DEBUG)
    start(Steps())
    put("lane-of-moona")
    assert until(lambda: delivered(outbox) == 1)
    assert "moona" not in caplog.text
    assert not [
        one for one in caplog.records if one.name.startswith("procrastinate") and one.levelno < logging.CRITICAL
    ]


def test_the_tables_are_those_that_the_library_knows() -> None:
    """A newer one may bring changes of its tables: then a migration of ours must make them (`adapter.store.jobs`)."""
    folder = Path(sql.__file__).parent / "migrations"
    newest = max(one.name for one in folder.glob("*.sql"))
    assert newest == "03.04.00_50_post_add_retry_failed_job_procedure.sql"


def test_sqlite_has_no_jobs() -> None:
    """There the library is not even loaded: its workers take any lane."""
    program = (
        "import sys\n"
        "from adapter.delivery import Outbox, jobs\n"
        "from adapter.store import Cipher, Database\n"
        "database = Database('sqlite://')\n"
        "with database.transaction() as connection: jobs.spread(connection, ['moona'])\n"
        "assert Outbox(database, Cipher({'1': bytes(32)})).share(2, lambda: 0.0) is None\n"
        "assert 'procrastinate' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
