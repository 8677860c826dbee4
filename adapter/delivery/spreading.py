"""On PostgreSQL procrastinate spreads the lanes: a job `drain(lane)` says which process works on a lane (design §8).

The outbox stays the one truth of what is sent, in which order, and who has it in hand; a job only says where. It is
added in the transaction that makes a message due, so each message has a job that begins when the message is there to
be seen. The lane is the lock of the job: two processes do not wait for each other's messages. SQLite has no jobs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from adapter.events import Event, log

if TYPE_CHECKING:
    from procrastinate import App, JobContext
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

QUEUE = "kykysilta"
TASK = "drain"

LOOK_SECONDS = 0.5
"""How often a job is looked for that begins by the clock; of others the database tells at once."""

CONNECTION = (
    "synchronous_commit=off",
    "enable_sort=off",
    "enable_bitmapscan=off",
    "enable_seqscan=off",
    "plan_cache_mode=force_generic_plan",
)
"""How jobs are fetched. A lost one is found again, so no disk is waited for; the oldest one is read from its index also
when the table was empty when the server last counted it: 0.2 ms instead of 12 ms with 6,000 of them."""

AGAIN_SECONDS = 1.0
"""Pause before a lost database is asked again."""

CLEAR = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT id FROM procrastinate_jobs AS job
    WHERE status = 'todo' AND lock IS NOT NULL AND NOT EXISTS (SELECT FROM outbox WHERE lane = job.lock AND NOT final)
    FOR UPDATE SKIP LOCKED
)"""
"""A job is added with its message: who sees it and no open message of its lane sees one that has nothing to do."""

BUSY_SECONDS = 10.0
"""So long a statement waits for one of our connections before the database counts as lost."""


def spread(connection: Connection, lanes: Iterable[str]) -> None:
    """Have these lanes drained by some process when this transaction is committed.

    Raises:
        OperationalError: the database did not take it.
    """
    wanted = [_job(lane, lock=lane) for lane in dict.fromkeys(lanes)] if _has_jobs(connection.engine) else []
    if not wanted:
        return
    from procrastinate.exceptions import ConnectorException

    try:
        _manager().batch_defer_jobs(wanted, connection=connection.connection.driver_connection)
    except ConnectorException as error:
        raise OperationalError("spread", None, error.__cause__ or error) from error


class Share:
    """The lanes that are this process's to drain, as procrastinate deals them out.

    Args:
        engine: of a PostgreSQL database.
        lanes: at most so many at once.
        lease: seconds of silence after which the jobs of a worker are dealt out again.
        lost: finds lanes that are due and have been for long, for what has no job.
    """

    def __init__(self, engine: Engine, *, lanes: int, lease: float, lost: Callable[[], Collection[str]]) -> None:
        self._engine = engine
        self._count = lanes
        self._lease = lease
        self._lost = lost
        self._wake: Callable[[], None] = lambda: None
        self._open: dict[str, asyncio.Future[float | None]] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._working: asyncio.Task[None] | None = None
        self._worker: int | None = None
        self._under_way: set[int | None] = set()
        self._done: set[int | None] = set()
        self._closing: asyncio.Task[None] | None = None
        self._database_ahead = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kykysilta-share", daemon=True)

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to take lanes; `wake` is called when there is one more."""
        self._wake = wake
        self._thread.start()

    @property
    def lanes(self) -> frozenset[str]:
        """The lanes that are ours now."""
        with self._lock:
            return frozenset(self._open)

    def drained(self, lanes: Mapping[str, float | None]) -> None:
        """Give back lanes of which nothing is due.

        Args:
            lanes: in how many seconds the next message of each is due; None when it has no other.
        """
        with self._lock:
            for lane, seconds in lanes.items():
                if one := self._open.pop(lane, None):
                    self._in_loop(_settle, one, seconds)

    def finish(self) -> None:
        """Take no more lanes."""
        with self._lock:
            # Told twice, it would not wait for the lanes that are given back.
            if self._working and not self._ending.is_set():
                self._in_loop(self._working.cancel)
            self._ending.set()

    def close(self, timeout: float) -> None:
        """Give all lanes back at once, so that another process goes on with them."""
        self.finish()
        self.drained(dict.fromkeys(self.lanes, 0.0))
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _in_loop(self, act: Callable[..., object], *given: object) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(act, *given)

    def _run(self) -> None:
        # What they say names lanes and the server; the log has lines of its own.
        for name in ("procrastinate", "psycopg"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        while not self._ending.is_set():
            try:
                asyncio.run(self._work())
            except Exception as error:  # a database that is gone may come back
                _failed(error)
            self._ending.wait(AGAIN_SECONDS)

    async def _work(self) -> None:
        """Take jobs until told to stop or the database is gone."""
        asyncio.get_running_loop().set_exception_handler(lambda _, context: _failed(context.get("exception")))
        given: dict[str, Any] = dict(self._engine.dialect.create_connect_args(self._engine.url)[1])
        given["options"] = " ".join([given.get("options", ""), *(f"-c {one}" for one in CONNECTION)]).strip()
        # The pool would try for half a minute, at longer and longer intervals.
        self._database_ahead = await _database_now(given) - time.monotonic()
        app = self._app(given)
        async with app.open_async():
            working = asyncio.create_task(
                app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=self._count,
                    delete_jobs="always",
                    install_signal_handlers=False,
                    fetch_job_polling_interval=LOOK_SECONDS,
                    update_heartbeat_interval=self._lease / 6,
                    stalled_worker_timeout=self._lease,
                    shutdown_graceful_timeout=self._lease,
                )
            )
            with self._lock:
                self._loop, self._working = asyncio.get_running_loop(), working
                if self._ending.is_set():
                    working.cancel()
            beside = asyncio.create_task(self._look_after(app))
            try:
                with suppress(asyncio.CancelledError):
                    await working
            finally:
                beside.cancel()
                with self._lock:
                    self._loop = self._working = self._worker = None
                    self._open.clear()

    def _app(self, given: dict[str, Any]) -> App:
        from procrastinate import App, PsycopgConnector

        pool = partial(_pool, kwargs=given, reconnect_failed=self._lose)
        app = App(connector=PsycopgConnector(pool_factory=pool))

        @app.task(name=TASK, queue=QUEUE, retry=True, pass_context=True)
        async def drain(context: JobContext, lane: str) -> None:
            self._worker, job = context.job.worker_id, context.job.id
            self._under_way.add(job)
            try:
                seconds = await self._dealt(lane)
            finally:
                self._under_way.discard(job)
            if seconds is not None:
                # What somebody else has locked looks as if it were due; it is not asked for again and again.
                seconds = seconds if self._ending.is_set() else max(seconds, LOOK_SECONDS)
                at = datetime.fromtimestamp(self._database_ahead + time.monotonic() + seconds, UTC)
                # Without the lock: what waits must not hold up what a person has sent again meanwhile.
                await _add(app, _job(lane, at=at, queueing_lock=f"{lane} {at:%Y%m%d%H%M%S}"))

        return app

    async def _dealt(self, lane: str) -> float | None:
        """Return when nothing of the lane is due; see `drained`."""
        while not self._ending.is_set():
            mine = asyncio.get_running_loop().create_future()
            with self._lock:
                open_one = self._open.setdefault(lane, mine)
            if open_one is mine:
                return await self._drained(lane, mine)
            # What came with this job may be younger than the answer that the other one gets.
            await asyncio.wait([open_one])
        return 0.0

    async def _drained(self, lane: str, mine: asyncio.Future[float | None]) -> float | None:
        self._wake()
        try:
            return await mine
        finally:
            with self._lock:
                if self._open.get(lane) is mine:
                    del self._open[lane]

    async def _lose(self, pool: AsyncConnectionPool) -> None:
        """Let go of everything at once: without a database no job can be ended."""
        with self._lock:
            for one in self._open.values():
                one.cancel()
        self._closing = asyncio.create_task(pool.close(0))

    async def _look_after(self, app: App) -> None:
        """Put right what has gone wrong with jobs, and take away those that nobody needs."""
        while True:
            await asyncio.sleep(self._lease / 3)
            for act in (self._deal_again, self._find, _clear):
                try:
                    await act(app)
                except Exception as error:  # another process was faster, or the database is gone
                    _failed(error)

    async def _deal_again(self, app: App) -> None:
        """Deal out again what a silent worker had, and what we are done with and could not end."""
        silent = await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._lease)
        begun = await app.job_manager.list_jobs_async(status="doing", worker_id=self._worker) if self._worker else []
        ours = [job for job in begun if job.id not in self._under_way]
        # Some are just being begun or ended; those that were so at the last look are not.
        stuck = [job for job in ours if job.id in self._done]
        self._done = {job.id for job in ours}
        for job in [*silent, *stuck]:
            await app.job_manager.retry_job(job)

    async def _find(self, app: App) -> None:
        """Add jobs for what has none: it was queued by an older program, or they were lost."""
        for lane in await asyncio.to_thread(self._lost):
            await _add(app, _job(lane, lock=lane, queueing_lock=lane))


def _has_jobs(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


def share_of(engine: Engine, *, lanes: int, lease: float, lost: Callable[[], Collection[str]]) -> Share | None:
    """Return the share of a worker, or None where one process has all lanes: on SQLite."""
    return Share(engine, lanes=lanes, lease=lease, lost=lost) if _has_jobs(engine) else None


def _job(lane: str, *, lock: str | None = None, queueing_lock: str | None = None, at: datetime | None = None) -> Job:
    from procrastinate.jobs import Job

    return Job(
        id=None,
        queue=QUEUE,
        task_name=TASK,
        task_kwargs={"lane": lane},
        lock=lock,
        queueing_lock=queueing_lock,
        scheduled_at=at,
    )


async def _database_now(given: dict[str, Any]) -> float:
    """Return UTC seconds as the database has them: by its clock jobs begin, ours may be another."""
    from psycopg import AsyncConnection

    async with await AsyncConnection.connect(**given) as connection:
        found = await (await connection.execute("SELECT extract(epoch FROM now())::float8")).fetchone()
    return float(found[0]) if found else time.time()


def _failed(error: BaseException | None) -> None:
    log(Event.WORKER_FAILED, error_type=type(error).__name__)


async def _clear(app: App) -> None:
    """Take away the jobs of empty lanes: where many messages were queued, the first job has drained all."""
    await app.connector.execute_query_async(CLEAR)


async def _add(app: App, job: Job) -> None:
    """Add a job unless such a one waits."""
    from procrastinate.exceptions import AlreadyEnqueued

    with suppress(AlreadyEnqueued):
        await app.job_manager.defer_job_async(job)


@cache
def _manager() -> JobManager:
    """Adds jobs in transactions of ours."""
    from procrastinate import SyncPsycopgConnector
    from procrastinate.manager import JobManager

    return JobManager(SyncPsycopgConnector())


def _pool(**given: Any) -> AsyncConnectionPool:
    """Return connections that are not tried before each use: when one is lost, all are made anew."""
    from psycopg_pool import AsyncConnectionPool

    ours = {"check": None, "configure": _one_by_one, "timeout": BUSY_SECONDS, "reconnect_timeout": AGAIN_SECONDS}
    return AsyncConnectionPool(min_size=1, max_size=4, **given | ours)


async def _one_by_one(connection: AsyncConnection[Any]) -> None:
    """Let each statement be a transaction: one way to the database instead of three."""
    await connection.set_autocommit(True)


def _settle(future: asyncio.Future[float | None], seconds: float | None) -> None:
    if not future.done():
        future.set_result(seconds)
