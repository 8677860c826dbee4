"""One adapter under attack for the whole folder, and what must hold after every attack.

Each test, whatever it attacks, is watched (`watched`): no connection leaves this machine, no request of the adapter or
of its pages ends in a 5xx, and no line of the log holds an identity code. `unharmed` adds for the adapter that nothing
is stored and that it is well; `endured` of the mock's tests says the same of the mock.
"""

from __future__ import annotations

import json
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog

from adapter.events import configure_logging
from adapter.fhir.canonical import dumps
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.identity_code import is_inside
from adapter.source.json import read_json
from tests.api.conftest import example

ANSWER_SECONDS = 10.0
MAY_BE_UNAVAILABLE = ("test_a_full_disk_is_said_and_survived",)
"""Tests that make a 503 themselves."""

PATIENCE = 0.3
FINAL = ("delivered", "rejected", "dead")


@dataclass
class Canary:
    """A listener that nobody has a reason to call.

    Attributes:
        url: where it listens; attacks put it into documents.
        calls: addresses that called.
    """

    url: str
    calls: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Site:
    """A running adapter.

    Attributes:
        url: of its vendor API.
        database: its SQLite file.
    """

    url: str
    database: Path

    def stored(self) -> tuple[int, int]:
        """Number of submissions and of outbox messages."""
        with sqlite3.connect(self.database) as connection:
            (submissions,) = connection.execute("SELECT count(*) FROM submission").fetchone()
            (messages,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
        connection.close()
        return submissions, messages

    def exchange(self, request: bytes, *, wait: float = ANSWER_SECONDS) -> bytes:
        """Send raw bytes and return everything that comes back; a silent adapter sees the sending side end."""
        address = httpx.URL(self.url)
        with socket.create_connection((address.host, address.port or 80), timeout=wait) as line:
            received = b""
            try:
                line.sendall(request)
                while True:
                    if not select.select([line], [], [], PATIENCE)[0]:
                        line.shutdown(socket.SHUT_WR)
                    if not (part := line.recv(65536)):
                        break
                    received += part
            except OSError:
                pass
            return received


def record(name: str = "client", **changes: Any) -> dict[str, Any]:
    """An example record with a record id of its own, as a dict."""
    content: dict[str, Any] = read_json(example(name))
    content.pop("release", None)
    content["record_id"] = f"{name}-{uuid4().hex[:12]}"
    return content | changes


def body(name: str = "client", **changes: Any) -> bytes:
    """An example record with a record id of its own, as JSON."""
    return dumps(record(name, **changes))


@dataclass(eq=False)
class Watch:
    """What every server and client of this process does.

    Attributes:
        lines: of the log, as JSON.
        outside: addresses beyond this machine that somebody tried.
    """

    lines: list[str] = field(default_factory=list)
    outside: list[Any] = field(default_factory=list)

    def write(self, line: str) -> None:
        """Take a line of the log."""
        self.lines.append(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def broken(self) -> list[str]:
        """Lines of requests that ended in a 5xx."""
        answered = (json.loads(line) for line in self.lines if '"request answered"' in line)
        return [f"{each['method']} {each['route']}" for each in answered if each["http_status"] >= 500]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Sees every connection and every line of the log of this process, as long as the test lasts."""
    found, connect, settings = Watch(), socket.socket.connect, structlog.get_config()

    def noting(line: socket.socket, address: Any) -> None:
        local = line.family == socket.AF_UNIX or str(address[0]) in ("localhost", "::1")
        if not local and not str(address[0]).startswith("127."):
            found.outside.append(address)
        connect(line, address)

    monkeypatch.setattr(socket.socket, "connect", noting)
    configure_logging()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=found))  # type: ignore[arg-type]
    yield found
    structlog.configure(**settings)


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest, watch: Watch) -> Iterator[None]:
    """Nothing leaves this machine, nothing breaks, nothing personal is logged."""
    yield
    assert watch.outside == []
    if request.node.originalname not in MAY_BE_UNAVAILABLE:
        assert watch.broken() == []
    assert not any(is_inside(line) for line in watch.lines)


@pytest.fixture(scope="session")
def canary() -> Iterator[Canary]:
    """A listener on loopback that remembers who called."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Canary(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def listen() -> None:
            while True:
                try:
                    connection, address = listener.accept()
                except OSError:
                    return
                found.calls.append(address)
                connection.close()

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield found
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(scope="session")
def attacked_repository() -> Iterator[str]:
    """FHIR base URL of a mock repository."""
    with running_mock(MockSettings(port=0)) as base_url:
        yield base_url


@pytest.fixture(scope="session")
def site(attacked_repository: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The adapter under attack."""
    database = tmp_path_factory.mktemp("attacked") / "k.sqlite"
    settings = load_settings(database=f"sqlite:///{database}", repository_url=attacked_repository, demo=True)
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        yield Site(url, database)


@pytest.fixture(scope="session")
def attacker(site: Site) -> Iterator[httpx.Client]:
    """An HTTP client that means no good."""
    with httpx.Client(base_url=site.url, headers={"Accept-Language": "en"}, timeout=30) as opened:
        yield opened


@pytest.fixture
def unharmed(site: Site, attacker: httpx.Client, canary: Canary) -> Iterator[None]:
    """Nothing stored, nobody called, and the process well, after the test."""
    before, called = site.stored(), len(canary.calls)
    yield
    assert site.stored() == before
    assert len(canary.calls) == called
    assert attacker.get("/healthz").status_code == 200
    assert attacker.get("/readyz").status_code == 200


Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(attacker: httpx.Client, unharmed: None) -> Refused:
    """Hand a document over and expect a refusal with an OperationOutcome, without harm."""

    def hand_over(document: bytes, *, path: str = "/v1/records", status: tuple[int, ...] = (400, 413, 422)) -> Any:
        began = time.monotonic()
        answer = attacker.post(path, content=document)
        assert answer.status_code in status, answer.text[:500]
        assert time.monotonic() - began < ANSWER_SECONDS
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"]
        assert len(answer.content) < 200_000
        return outcome

    return hand_over


def until_final(client: httpx.Client, submission: str, wait: float = 20) -> dict[str, Any]:
    """Ask until a submission is final."""
    until = time.monotonic() + wait
    while time.monotonic() < until:
        status: dict[str, Any] = client.get(f"/v1/records/{submission}").json()
        if status["state"] in FINAL:
            return status
        time.sleep(0.05)
    raise AssertionError(f"not final: {status['state']}")
