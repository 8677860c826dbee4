"""One adapter and one repository under attack for the whole folder; `harness` judges every attack on them."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapter.fhir.canonical import dumps
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.json import read_json
from tests.api.conftest import example
from tests.attacks.harness import Harness, Stores

ANSWER_SECONDS = 10.0
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


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers of attacks that do on purpose what no other may."""
    config.addinivalue_line("markers", "stores(reason, records=, versions=): so many records or versions are stored")
    config.addinivalue_line("markers", "answers(status, reason=): a status of trouble that the test itself makes")


@pytest.fixture(scope="session", autouse=True)
def harness() -> Iterator[Harness]:
    """Sees every server from its start."""
    with pytest.MonkeyPatch.context() as patch:
        seeing = Harness()
        seeing.install(patch)
        yield seeing


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest, harness: Harness, canary: Canary) -> Iterator[None]:
    """What must hold after every attack holds after this one (see `harness`)."""
    stores, answers = (request.node.get_closest_marker(name) for name in ("stores", "answers"))
    called = len(canary.calls)
    with harness.attack(
        Stores(*stores.args, **stores.kwargs) if stores else None, answers=answers.args if answers else ()
    ):
        yield
    assert len(canary.calls) == called


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
    """FHIR base URL of a mock repository, which has one Patient that is to stay well."""
    with running_mock(MockSettings(port=0)) as base_url:
        httpx.put(f"{base_url}/Patient/well", json={"resourceType": "Patient", "id": "well"}).raise_for_status()
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
    # Used by many threads, httpx may take a connection that just got its answer for one that the server has closed.
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=site.url, headers={"Accept-Language": "en"}, timeout=30, limits=once) as opened:
        yield opened


Refused = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(attacker: httpx.Client) -> Refused:
    """Hand a document over and expect a refusal with an OperationOutcome."""

    def hand_over(document: bytes, *, path: str = "/v1/records", status: int = 400) -> Any:
        began = time.monotonic()
        answer = attacker.post(path, content=document)
        assert answer.status_code == status, answer.text[:500]
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
