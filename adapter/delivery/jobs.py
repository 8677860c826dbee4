"""Jobs of procrastinate on PostgreSQL, `drain(lane)` with the lane as lock: how they are added, fetched, taken away.

What they are for: `adapter.delivery.spreading`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from procrastinate import App
    from procrastinate.jobs import Job
    from procrastinate.manager import JobManager
    from psycopg import AsyncConnection
    from psycopg_pool import AsyncConnectionPool

QUEUE = "kykysilta"
TASK = "drain"

AGAIN_SECONDS = 1.0
"""Pause before a lost database is asked again."""

BUSY_SECONDS = 10.0
"""So long a statement waits for one of our connections before the database counts as lost."""

CONNECTION = (
    "synchronous_commit=off",
    "enable_sort=off",
    "enable_bitmapscan=off",
    "enable_seqscan=off",
    "plan_cache_mode=force_generic_plan",
)
"""How jobs are fetched. A lost one is found again, so no disk is waited for; the oldest one is read from its index also
when the table was empty when the server last counted it: of 6,000 it took 12 ms to sort them, 0.15 ms to read one."""

CLEAR = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT id FROM procrastinate_jobs AS job
    WHERE status = 'todo' AND lock IS NOT NULL AND NOT EXISTS (SELECT FROM outbox WHERE lane = job.lock AND NOT final)
    FOR UPDATE SKIP LOCKED
)"""
"""A job is added with its message: who sees it and no open message of its lane sees one that has nothing to do."""


def used_on(engine: Engine) -> bool:
    """Say whether a database spreads lanes by jobs: SQLite does not."""
    return engine.dialect.name == "postgresql"


def spread(connection: Connection, lanes: Iterable[str]) -> None:
    """Have these lanes drained by some process when this transaction is committed.

    Raises:
        OperationalError: the database did not take it.
    """
    wanted = [_job(lane, lock=lane) for lane in dict.fromkeys(lanes)] if used_on(connection.engine) else []
    if not wanted:
        return
    from procrastinate.exceptions import ConnectorException

    try:
        _manager().batch_defer_jobs(wanted, connection=connection.connection.driver_connection)
    except ConnectorException as error:
        raise OperationalError("spread", None, error.__cause__ or error) from error


async def drain_at(app: App, lane: str, at: float) -> None:
    """Have a lane drained again from an instant on: UTC seconds by the clock of the database, once a second at most."""
    when = datetime.fromtimestamp(at, UTC)
    # Without the lock: what waits must not hold up what a person has sent again meanwhile.
    await _add(app, _job(lane, at=when, queueing_lock=f"{lane} {when:%Y%m%d%H%M%S}"))


async def drain_lost(app: App, lane: str) -> None:
    """Have a lane drained whose jobs are lost, unless somebody else has noticed."""
    await _add(app, _job(lane, lock=lane, queueing_lock=lane))


async def clear(app: App) -> None:
    """Take away the jobs of empty lanes: where many messages were queued, the first job has drained all."""
    await app.connector.execute_query_async(CLEAR)


def arguments(engine: Engine) -> dict[str, Any]:
    """Return what a connection that fetches jobs is made with."""
    given: dict[str, Any] = dict(engine.dialect.create_connect_args(engine.url)[1])
    settings = (f"-c {one}" for one in CONNECTION)
    return given | {"options": " ".join([given.get("options", ""), *settings]).strip()}


async def database_now(given: dict[str, Any]) -> float:
    """Return UTC seconds as the database has them: by its clock jobs begin, ours may be another."""
    from psycopg import AsyncConnection

    async with await AsyncConnection.connect(**given) as connection:
        found = await (await connection.execute("SELECT extract(epoch FROM now())::float8")).fetchone()
    return float(found[0]) if found else 0.0


def app_on(given: dict[str, Any], lost: Callable[[AsyncConnectionPool], Awaitable[None]]) -> App:
    """Return what takes jobs from a database.

    Args:
        given: what its connections are made with.
        lost: called when no connection can be had any more.
    """
    from procrastinate import App, PsycopgConnector

    return App(connector=PsycopgConnector(pool_factory=partial(_pool, kwargs=given, reconnect_failed=lost)))


def _pool(**given: Any) -> AsyncConnectionPool:
    """Return connections that are not tried before each use: when one is lost, all are made anew."""
    from psycopg_pool import AsyncConnectionPool

    ours = {"check": None, "configure": _one_by_one, "timeout": BUSY_SECONDS, "reconnect_timeout": AGAIN_SECONDS}
    return AsyncConnectionPool(min_size=1, max_size=4, **given | ours)


async def _one_by_one(connection: AsyncConnection[Any]) -> None:
    """Let each statement be a transaction: one way to the database instead of three."""
    await connection.set_autocommit(True)


@cache
def _manager() -> JobManager:
    """Adds jobs in transactions of ours."""
    from procrastinate import SyncPsycopgConnector
    from procrastinate.manager import JobManager

    return JobManager(SyncPsycopgConnector())


async def _add(app: App, job: Job) -> None:
    """Add a job unless such a one waits."""
    from procrastinate.exceptions import AlreadyEnqueued

    with suppress(AlreadyEnqueued):
        await app.job_manager.defer_job_async(job)


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
