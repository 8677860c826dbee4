"""A client who is known by a temporary id, then by a code, then by another: all records arrive, of one Patient."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pytest

from adapter.data import data_root
from adapter.delivery import Repository, Worker
from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.pipeline import Line
from adapter.store import Cipher, Database
from adapter.types import Record
from tests.delivery.test_faults import SENDER, deliver_all

RECORDS = sorted((data_root() / "fixtures/scenarios/SCN-6-tyossa-kayva/records").glob("??-*.json"))


@pytest.fixture
def mock() -> Iterator[MockClient]:
    """A running repository."""
    with running_mock(MockSettings(port=0)) as base, MockClient(base.removesuffix("/fhir"), "one-client") as client:
        yield client


@pytest.fixture
def line(database: Database, mock: MockClient) -> Iterator[Line]:
    """A line to it that judges each record as on the day when it was recorded."""
    repository = Repository(mock.fhir_url, timeout=20)
    yield Line(
        database, Cipher({"t": bytes(range(32))}), id_key=bytes(range(32)), repository=repository, judged_at=recorded
    )
    repository.close()


def recorded(record: Record) -> float:
    """When a record was recorded, UTC seconds."""
    return datetime.fromisoformat(record["recorded_at"]).timestamp()


@pytest.mark.parametrize("beforehand", [True, False])
def test_whoever_delivers_first_all_records_are_of_one_patient(line: Line, mock: MockClient, beforehand: bool) -> None:
    """Six workers find everything in the queue, or begin while it comes in: nothing is rejected, nobody is doubled."""
    records = [path.read_bytes() for path in RECORDS if path.name.count(".") == 1]
    early = Worker(line.outbox, line.deliver, ready=line.ready, threads=0 if beforehand else 6)
    early.start()
    taken = [line.accept(one, sender=SENDER).submission for one in records]
    states = deliver_all(line, taken, threads=6, seconds=60.0)
    early.stop()
    assert Counter(states) == {"delivered": len(records)}
    kinds = Counter(json.loads(row)["resourceType"] for row in mock.export().splitlines())
    assert (kinds["Patient"], kinds["CareTeam"]) == (1, 1)
