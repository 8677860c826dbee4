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
from adapter.types import Record, Resource
from tests.delivery.test_faults import SENDER, deliver_all

SCENARIOS = data_root() / "fixtures" / "scenarios"
GUARDED = SCENARIOS / "SCN-4-nuori" / "records" / "14-consent.json"
RECORDS = sorted((SCENARIOS / "SCN-6-tyossa-kayva" / "records").glob("??-*.json"))


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
    early = Worker(line.outbox, line.delivery, threads=0 if beforehand else 6)
    early.start()
    taken = [line.accept(one, sender=SENDER).submission for one in records]
    states = deliver_all(line, taken, threads=6, seconds=60.0)
    early.stop()
    assert Counter(states) == {"delivered": len(records)}
    kinds = Counter(one["resourceType"] for one in held(mock))
    assert (kinds["Patient"], kinds["RelatedPerson"], kinds["CareTeam"]) == (1, 1, 1)


def test_a_guardian_of_two_clients_is_found_beside_each(line: Line, mock: MockClient) -> None:
    """Under one number of the guardian stands a RelatedPerson for each client, and one for all consents of a client."""
    consent = json.loads(GUARDED.read_bytes())
    wards = [consent["client"], {"personal_identity_code": "080885-906S"}, consent["client"]]
    taken = []
    for number, client in enumerate(wards):
        named = {"record_id": f"lupa-{number}", "consent_id": f"lupa-{number}", "client": client}
        taken.append(line.accept(json.dumps(consent | named).encode(), sender=SENDER).submission)
    assert Counter(deliver_all(line, taken, threads=1)) == {"delivered": 3}
    guardians = [one for one in held(mock) if one["resourceType"] == "RelatedPerson"]
    assert {one["identifier"][0]["value"] for one in guardians} == {"edustaja-20905-1"}
    assert len(guardians) == len({one["patient"]["reference"] for one in guardians}) == 2


def held(mock: MockClient) -> list[Resource]:
    """What the repository holds."""
    return [json.loads(row) for row in mock.export().splitlines()]
