"""Traces show the stages of accepting and delivering, and say nothing that the log may not say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter import tracing
from adapter.delivery import Repository, Worker
from adapter.delivery.states import State
from adapter.delivery.submissions import Wanted
from adapter.errors import AdapterError
from adapter.pipeline import Line, Sender
from adapter.store import Cipher, Database
from tests.api.conftest import record

memory: Any = pytest.importorskip(
    "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="the extra otel is not installed"
)


@pytest.fixture
def spans() -> Iterator[Any]:
    """An exporter that keeps finished spans."""
    exporter = memory.InMemorySpanExporter()
    tracing.start(exporter=exporter)
    yield exporter
    tracing.stop()


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """A line in front of a repository that refuses everything."""
    refusing = httpx.MockTransport(lambda _request: httpx.Response(422, json={"resourceType": "OperationOutcome"}))
    return Line(
        Database(f"sqlite:///{tmp_path / 'k.sqlite'}"),
        Cipher({"1": bytes(range(32))}),
        id_key=bytes(range(32)),
        repository=Repository("https://repository.example/fhir", transport=refusing),
    )


def test_accepting_and_delivering_are_spans(spans: Any, line: Line) -> None:
    """Each stage is an event of its span, with the fields of the log and no value of the record."""
    taken = line.accept(record("client"), sender=Sender("local"))
    worker = Worker(line.outbox, line.delivery, threads=1)
    worker.start()
    until = time.monotonic() + 20
    while line.search("local", Wanted())[0].state != State.REJECTED and time.monotonic() < until:
        time.sleep(0.01)
    worker.stop()
    with pytest.raises(AdapterError):
        line.accept(b'{"record_type": "client", "family_name": "Testinen"}', sender=Sender("local"))
    tracing.flush()
    found = spans.get_finished_spans()
    assert {"accept", "prepare", "send", "tell"} <= {span.name for span in found}
    told = {event.name: dict(event.attributes) for span in found for event in span.events}
    assert told["ACCEPTED"]["submission"] == taken.submission
    assert {"READ", "MAPPED", "VALIDATED", "SIGNED", "SENDING", "REJECTED", "REFUSED"} <= told.keys()
    everything = json.dumps([json.loads(span.to_json()) for span in found])
    for secret in ("080885", "906S", "Asiakas", "Testinen"):
        assert secret not in everything


def test_without_a_collector_nothing_is_traced(line: Line) -> None:
    """Off by default; the line works as ever."""
    assert line.accept(record("client"), sender=Sender("local")).submission
    tracing.flush()
