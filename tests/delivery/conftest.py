"""An outbox on each database that it must work on, and messages to put into it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text

from adapter.delivery import Outbox, submissions
from adapter.store import Cipher, Database

CIPHER = Cipher({"test": bytes(range(32))})
Put = Callable[..., str]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
        yield opened
        opened.close()
        return
    server = os.environ.get("KYKYSILTA_TEST_POSTGRESQL")
    if not server:
        pytest.skip("no PostgreSQL: run with scripts/with_postgresql.sh")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"k{uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    opened = Database(admin.url.set(database=name).render_as_string(hide_password=False))
    yield opened
    opened.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """The outbox on it."""
    return Outbox(database, CIPHER)


@pytest.fixture
def put(database: Database, outbox: Outbox) -> Put:
    """Queue a message; returns its submission id."""
    count = iter(range(1000))

    def queue(lane: str, body: bytes = b"{}", *, at: float = 0.0, record: str | None = None, version: int = 1) -> str:
        number = next(count)
        arrival = submissions.Arrival(
            id=f"{number:032x}",
            sender="ehr",
            record_type="client",
            record_key=record or f"record-{number}",
            record_version=version,
            digest=f"digest-{number}",
            custodian="1.2.246.10.90000011.19.0",
            mapping="client 1.0.0",
            warnings="[]",
            source=b"{}",
            body=body,
        )
        with database.transaction() as connection:
            submissions.store(connection, CIPHER, arrival, at)
            outbox.put(connection, arrival.id, lane, at)
        return arrival.id

    return queue
