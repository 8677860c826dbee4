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
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from adapter.delivery import jobs
from adapter.delivery.failures import Failures

if TYPE_CHECKING:
    from procrastinate import App, JobContext
    from psycopg_pool import AsyncConnectionPool

LOOK_SECONDS = 0.5
"""How often a job is looked for that begins by the clock; of others the database tells at once."""


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
        self._failures = Failures()
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
                self._failures.tell(error)
            self._ending.wait(jobs.AGAIN_SECONDS)

    async def _work(self) -> None:
        """Take jobs until told to stop or the database is gone."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._failures.tell(context.get("exception")))
        given = jobs.arguments(self._engine)
        # Asked before the pool is opened, which would try for half a minute, at longer and longer intervals.
        self._database_ahead = await jobs.database_now(given) - time.monotonic()
        app = jobs.app_on(given, self._lose)
        self._add_task(app)
        async with app.open_async():
            working = asyncio.create_task(
                app.run_worker_async(
                    queues=[jobs.QUEUE],
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
                self._loop, self._working = loop, working
                if self._ending.is_set():
                    working.cancel()
            beside = asyncio.create_task(self._look_after(app))
            try:
                with suppress(asyncio.CancelledError):
                    await working
            finally:
                # What could not be ended is found as a dead worker's; nothing is said of it long after.
                loop.set_exception_handler(lambda *_: None)
                beside.cancel()
                with self._lock:
                    self._loop = self._working = self._worker = None
                    self._open.clear()

    def _add_task(self, app: App) -> None:
        @app.task(name=jobs.TASK, queue=jobs.QUEUE, retry=True, pass_context=True)
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
                await jobs.drain_at(app, lane, self._database_ahead + time.monotonic() + seconds)

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
            for act in (self._deal_again, self._find, jobs.clear):
                try:
                    await act(app)
                except Exception as error:  # another process was faster, or the database is gone
                    self._failures.tell(error)

    async def _deal_again(self, app: App) -> None:
        """Deal out again what a silent worker had, and what we are done with and could not end."""
        silent = await app.job_manager.get_stalled_jobs(queue=jobs.QUEUE, seconds_since_heartbeat=self._lease)
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
            await jobs.drain_lost(app, lane)


def share_of(engine: Engine, *, lanes: int, lease: float, lost: Callable[[], Collection[str]]) -> Share | None:
    """Return the share of a worker, or None where one process has all lanes: on SQLite."""
    return Share(engine, lanes=lanes, lease=lease, lost=lost) if jobs.used_on(engine) else None


def _settle(future: asyncio.Future[float | None], seconds: float | None) -> None:
    if not future.done():
        future.set_result(seconds)
