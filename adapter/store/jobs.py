"""Tables of procrastinate, which spreads the lanes of the outbox on PostgreSQL (`adapter.delivery.spreading`)."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

_LOCKS = text(
    "CREATE INDEX IF NOT EXISTS kykysilta_jobs_lock ON procrastinate_jobs (lock) WHERE status IN ('todo', 'doing')"
)
"""Without it each job that is fetched compares its lock with those of all that wait."""


def create_job_tables(connection: Connection) -> None:
    """Make what is missing, in the caller's transaction. SQLite needs none."""
    if connection.dialect.name != "postgresql":
        return
    if not inspect(connection).has_table("procrastinate_jobs"):
        from procrastinate.schema import SchemaManager

        # Many statements at once: only the driver takes them.
        connection.connection.cursor().execute(SchemaManager.get_schema())
    connection.execute(_LOCKS)
