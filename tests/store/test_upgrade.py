"""A database of the first version is brought up: it gets the tables of today, and everything in it stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from adapter import audit
from adapter.delivery import Outbox, submissions
from adapter.store import Cipher, Database, clients
from tests.databases import KINDS, empty_database

DUMPS = Path(__file__).parent / "version-1"
"""Made by the program of version 1: one record delivered under an Idempotency-Key, one in the queue."""

CIPHER = Cipher({"test": bytes(range(32))})


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def first(kind: str, tmp_path: Path) -> Iterator[str]:
    """URL of a database of version 1."""
    script = (DUMPS / f"{kind}.sql").read_text(encoding="utf-8")
    with empty_database(kind, tmp_path) as url:
        if kind == "sqlite":
            with sqlite3.connect(make_url(url).database or "") as connection:
                connection.executescript(script)
            connection.close()
        else:
            engine = create_engine(url)
            with engine.begin() as transaction:
                transaction.exec_driver_sql(script.replace("%", "%%"))
            engine.dispose()
        yield url


def shape(database: Database) -> dict[str, Any]:
    """What the tables look like: columns with nullability, primary keys, indexes and unique constraints."""
    found = {}
    inspector = inspect(database.engine)
    for table in inspector.get_table_names():
        columns = {column["name"]: column["nullable"] for column in inspector.get_columns(table)}
        key = inspector.get_pk_constraint(table)["constrained_columns"]
        indexes = {str(index["name"]): index["column_names"] for index in inspector.get_indexes(table)}
        unique = sorted(each["column_names"] for each in inspector.get_unique_constraints(table))
        found[table] = (columns, key, indexes, unique)
    return found


def test_an_upgraded_database_looks_like_a_new_one(first: str, kind: str, tmp_path: Path) -> None:
    """Tables, columns, keys and indexes are those that a new database has."""
    folder = tmp_path / "new"
    folder.mkdir()
    with empty_database(kind, folder) as url:
        upgraded, new = Database(first), Database(url)
        assert shape(upgraded) == shape(new)
        upgraded.close()
        new.close()


def test_what_was_accepted_before_the_upgrade_is_delivered_after_it(first: str) -> None:
    """The message in the queue opens and can be claimed; the receipt and the audit chain are whole."""
    database = Database(first)
    (message,) = Outbox(database, CIPHER).claim("worker", 2e9, limit=10)
    assert b'"resourceType":"Bundle"' in message.body
    with database.reading() as connection:
        assert audit.verify(connection) is None
        delivered = connection.execute(text("SELECT submission FROM receipt")).scalar_one()
        status = submissions.status(connection, delivered, "ehr")
    database.close()
    assert status is not None
    assert status.state == "delivered"
    assert len(status.receipts) == 8


def test_an_upgrade_is_made_once(first: str) -> None:
    """Opened again, the database is left as it is."""
    Database(first).close()
    again = Database(first)
    before = shape(again)
    again.close()
    once_more = Database(first)
    assert shape(once_more) == before
    once_more.close()


def test_a_client_of_an_older_program_is_joined_with_a_code_that_becomes_known(first: str) -> None:
    """Its records have a lane and its code has no row: another code leads to that lane, not to a new one."""
    database = Database(first)
    with database.transaction() as connection:
        lane = connection.execute(text("SELECT lane FROM outbox ORDER BY seq LIMIT 1")).scalar_one()
        assert clients.bind(connection, ["another code", lane]) == (lane, 0)
        assert clients.lane_of(connection, ["another code"]) == lane
    database.close()
