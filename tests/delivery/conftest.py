"""An outbox on each database that it must work on, and messages to put into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.delivery import Outbox, submissions
from adapter.store import Cipher, Database
from tests.databases import KINDS, empty_database

CIPHER = Cipher({"test": bytes(range(32))})
BUNDLE = b'{"entry":[{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient"}}],"resourceType":"Bundle"}'
Put = Callable[..., str]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database of each kind."""
    with empty_database(request.param, tmp_path) as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """The outbox on it."""
    return Outbox(database, CIPHER)


@pytest.fixture
def put(database: Database, outbox: Outbox) -> Put:
    """Queue a message; returns its submission id."""
    count = iter(range(1000))

    def queue(
        lane: str,
        body: bytes = b"{}",
        *,
        at: float = 0.0,
        record: str | None = None,
        version: int = 1,
        sender: str = "ehr",
    ) -> str:
        number = next(count)
        arrival = submissions.Arrival(
            id=f"{number:032x}",
            sender=sender,
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
            submissions.store(connection, CIPHER, [arrival], at)
            outbox.put(connection, {arrival.id: lane}, at)
        return arrival.id

    return queue
