"""Whatever the repository or the line to it does wrong: each record has its effect once, and in order."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from adapter.data import data_root
from adapter.delivery import Repository, Worker, circuit, states
from adapter.mock.client import MockClient
from adapter.mock.faults import Match, When
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.pipeline import Line, Sender
from adapter.store import Cipher, Database
from tests.delivery.effects import resent_blindly

EXAMPLE = data_root() / "mappings/records/functional-assessment/examples/not-done.source.json"
SENDER = Sender("ehr")
TRANSACTION = Match(method="POST", path="^$")
FINAL = {state for state in states.State if state.final}
_numbers = itertools.count()

FAULTS: dict[str, dict[str, Any]] = {
    "dropped before commit": {"kind": "drop", "commit": False},
    "dropped after commit": {"kind": "drop", "commit": True},
    "reset after commit": {"kind": "reset", "commit": True},
    "half body": {"kind": "half-body"},
    "wrong length": {"kind": "wrong-length"},
    "malformed JSON": {"kind": "malformed-json"},
    "429": {"kind": "status", "status": 429, "retry_after": "0"},
    "503 before commit": {"kind": "status", "status": 503, "retry_after": "0"},
    "503 after commit": {"kind": "status", "status": 503, "commit": True},
    "500 before commit": {"kind": "status", "status": 500},
    "500 after commit": {"kind": "status", "status": 500, "commit": True},
    "504 after commit": {"kind": "status", "status": 504, "commit": True},
    "expired token": {"kind": "status", "status": 401},
    "page of a proxy": {"kind": "html", "status": 200, "commit": True},
    "page of a proxy, 502": {"kind": "html", "status": 502},
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Root URL of a running repository."""
    with running_mock(MockSettings(port=0)) as base:
        yield base.removesuffix("/fhir")


@pytest.fixture
def mock(endpoint: str) -> Iterator[MockClient]:
    """A repository of its own for each test."""
    with MockClient(endpoint, f"faults-{next(_numbers)}") as client:
        yield client
        client.drop()


@pytest.fixture
def line(database: Database, mock: MockClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to it that does not wait long."""
    monkeypatch.setattr(states, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(circuit, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(circuit, "LONGEST_PAUSE", 0.1)
    repository = Repository(mock.fhir_url, timeout=5)
    yield Line(database, Cipher({"t": bytes(range(32))}), id_key=bytes(range(32)), repository=repository)
    repository.close()


def record(number: int, client: int, version: int = 1) -> bytes:
    """A functional assessment."""
    content = json.loads(EXAMPLE.read_bytes())
    content |= {"record_id": f"m-{number}", "assessment_id": f"a-{number}", "record_version": version}
    content["client"] = {"temporary_id": f"vt-{client}"}
    return json.dumps(content).encode()


def hand_over(line: Line, *records: bytes) -> list[str]:
    """Accept records in this order."""
    return [line.accept(each, sender=SENDER).submission for each in records]


def deliver_all(line: Line, submissions: list[str], *, threads: int = 2, seconds: float = 20.0) -> list[str]:
    """Let workers run until everything is final; return the states."""
    worker = Worker(line.outbox, line.delivery, threads=threads)
    worker.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        worker.wake()
        found = [line.status(each, SENDER.id) for each in submissions]
        if all(one is not None and one.state in FINAL for one in found):
            break
        time.sleep(0.05)
    worker.stop()
    return [one.state for one in found if one is not None]


def observations(mock: MockClient) -> list[tuple[str, str]]:
    """(record id, version id) of every Observation that the repository holds."""
    found = (json.loads(row) for row in mock.export().splitlines())
    return sorted(
        (one["identifier"][-1]["value"], one["meta"]["versionId"])
        for one in found
        if one["resourceType"] == "Observation" and "/" not in one["identifier"][-1]["value"]
    )


def created_and_replaced(fault: str, line: Line, mock: MockClient) -> list[str]:
    """Hand over two versions while the fault hits a try of each; hold that each took effect once."""
    mock.fault(match=TRANSACTION, when=When(nth=1), **FAULTS[fault])
    mock.fault(match=TRANSACTION, when=When(nth=3), **FAULTS[fault])
    submissions = hand_over(line, record(1, 1), record(1, 1, version=2))
    assert deliver_all(line, submissions) == ["delivered", "delivered"]
    assert observations(mock) == [("m-1", "2")]
    assert resent_blindly(mock) == []
    return submissions


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_no_effect_on_the_effect(fault: str, line: Line, mock: MockClient) -> None:
    """Creation and replacement arrive once each, also when one of the first tries of either goes wrong."""
    submissions = created_and_replaced(fault, line, mock)
    status = line.status(submissions[1], SENDER.id)
    assert status is not None
    assert status.receipts


@pytest.mark.parametrize("fault", ["dropped before commit", "dropped after commit", "504 after commit"])
def test_a_kanta_style_repository_is_asked_about_the_client(fault: str, line: Line, mock: MockClient) -> None:
    """It answers no search that names nobody; creation and replacement arrive once each all the same."""
    mock.behave(policy="national", strictness="national")
    created_and_replaced(fault, line, mock)


def test_many_records_of_some_clients_through_every_fault(line: Line, mock: MockClient) -> None:
    """With every fifth request broken: one effect each, and each client's records in the order of acceptance."""
    for number, fault in enumerate(FAULTS.values()):
        mock.fault(match=TRANSACTION, when=When(probability=0.2 / len(FAULTS), seed=number), **fault)
    mock.fault(kind="drop", match=Match(path="_search$"), when=When(probability=0.1, seed=99))
    submissions = hand_over(line, *(record(number, number % 4) for number in range(24)))
    assert set(deliver_all(line, submissions, threads=3, seconds=40)) == {"delivered"}
    assert observations(mock) == sorted((f"m-{number}", "1") for number in range(24))
    assert resent_blindly(mock) == []
    created = [int(name.removeprefix("m-")) for name in effects_in_order(mock)]
    for client in range(4):
        mine = [number for number in created if number % 4 == client]
        assert mine == sorted(mine)


def effects_in_order(mock: MockClient) -> list[str]:
    """Record ids in the order in which the repository stored them."""
    found = (json.loads(row) for row in mock.export().splitlines())
    return [
        one["identifier"][-1]["value"]
        for one in found
        if one["resourceType"] == "Observation" and "/" not in one["identifier"][-1]["value"]
    ]
