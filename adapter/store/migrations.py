"""Numbered migrations: position + 1 is the version that each leads to. A released one is never edited.

A new database is made from the tables as they are now and starts at the newest version. Each migration therefore meets
the tables of an older program; what a table gained since may be there already, because missing tables are made whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Connection, delete, inspect, text
from sqlalchemy.schema import CreateColumn

from adapter.store.jobs import create_job_tables
from adapter.store.review_tables import review_account
from adapter.store.tables import (
    audit_person,
    client_identity,
    decision_trace,
    idempotency,
    metadata,
    outbox_lane,
    outbox_open,
    submission,
    submission_record,
    used_assertion,
)

Migration = Callable[[Connection], None]

POSTGRESQL_LOCK = 0x6B796B7A
"""Advisory lock that makes programs that start at the same time migrate one after the other."""


class DatabaseTooNewError(Exception):
    """The database was written by a newer Kykysilta; upgrade the program, do not downgrade the data."""


def _create_first_tables(connection: Connection) -> None:
    metadata.create_all(connection)


def _bind_reviewers_to_custodians(connection: Connection) -> None:
    metadata.create_all(connection)
    for column in (submission.c.custodian, *(review_account.c[name] for name in ("title", "locked", "custodians"))):
        _add_column(connection, column)


def _keep_answers(connection: Connection) -> None:
    """Keys kept without their answer are dropped: the version of a record tells a repeat just as well."""
    _add_column(connection, idempotency.c.answer)
    connection.execute(delete(idempotency))


def _index_what_is_open_and_lanes(connection: Connection) -> None:
    connection.execute(text("DROP INDEX IF EXISTS outbox_open_due"))
    for index in (outbox_open, outbox_lane):
        index.create(connection, checkfirst=True)


def _name_clients_in_one_key_table(connection: Connection) -> None:
    """The random ids of the reviewer's pages become pseudonyms of the audit: one name a client."""
    audit_person.create(connection, checkfirst=True)
    if inspect(connection).has_table("review_client"):
        taken = "INSERT INTO audit_person (pseudonym, kind, lookup) SELECT id, 'client', lane FROM review_client"
        connection.execute(text(taken))
        connection.execute(text("DROP TABLE review_client"))


def _name_clients_by_all_their_codes(connection: Connection) -> None:
    """A lane is the look-up value of the code that named the client first: until a join nothing need be written."""
    client_identity.create(connection, checkfirst=True)


def _remember_used_assertions(connection: Connection) -> None:
    used_assertion.create(connection, checkfirst=True)


def _keep_traces_of_decisions(connection: Connection) -> None:
    """Entries of an older program name no trace, so there is nothing to take over."""
    decision_trace.create(connection, checkfirst=True)


def _spread_lanes_by_jobs(connection: Connection) -> None:
    """What is queued already has no job: the next look of any worker finds it."""
    create_job_tables(connection)


def _find_records_of_all_senders(connection: Connection) -> None:
    submission_record.create(connection, checkfirst=True)


def _add_column(connection: Connection, column: Column[Any]) -> None:
    """Add a column that an older program did not make; a new database has it already."""
    table = column.table.name
    if column.name not in {each["name"] for each in inspect(connection).get_columns(table)}:
        declared = CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {declared}")


MIGRATIONS: tuple[Migration, ...] = (
    _create_first_tables,
    _bind_reviewers_to_custodians,
    _keep_answers,
    _index_what_is_open_and_lanes,
    _name_clients_in_one_key_table,
    _name_clients_by_all_their_codes,
    _remember_used_assertions,
    _keep_traces_of_decisions,
    _spread_lanes_by_jobs,
    _find_records_of_all_senders,
)
"""The first made the tables of version 1."""


def migrate(connection: Connection) -> None:
    """Bring a database to the present version, in the caller's transaction.

    Raises:
        DatabaseTooNewError: a newer program has written it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})"))
    if not inspect(connection).has_table("store_version"):
        metadata.create_all(connection)
        create_job_tables(connection)
        connection.execute(text("CREATE TABLE store_version (version INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO store_version VALUES (:newest)"), {"newest": len(MIGRATIONS)})
        return
    version = connection.execute(text("SELECT version FROM store_version")).scalar_one()
    if version > len(MIGRATIONS):
        raise DatabaseTooNewError(f"the database has version {version}, this program knows {len(MIGRATIONS)}")
    if version == len(MIGRATIONS):
        return
    for migration in MIGRATIONS[version:]:
        migration(connection)
    connection.execute(text("UPDATE store_version SET version = :newest"), {"newest": len(MIGRATIONS)})
