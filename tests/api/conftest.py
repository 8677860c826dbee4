"""A running adapter in front of a running mock repository, over real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapter.data import data_root
from adapter.fhir.canonical import dumps
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.json import read_json

EXAMPLES = data_root() / "mappings" / "records"


def example(record: str, name: str = "complete") -> bytes:
    """Bytes of an example record."""
    return (EXAMPLES / record / "examples" / f"{name}.source.json").read_bytes()


def record(name: str, **changes: Any) -> bytes:
    """An example record with a record id of its own and changes."""
    content = read_json(example(name))
    content.pop("release", None)
    content["record_id"] = f"{name}-{uuid4().hex[:12]}"
    return dumps({**content, **changes})


@pytest.fixture(scope="session")
def repository() -> Iterator[str]:
    """FHIR base URL of a mock repository."""
    with running_mock(MockSettings(port=0)) as base_url:
        yield base_url


@pytest.fixture
def adapter_url(repository: str, tmp_path: Path) -> Iterator[str]:
    """Base URL of an adapter with a database of its own."""
    settings = load_settings(database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url=repository, demo=True)
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
def client(adapter_url: str) -> Iterator[httpx.Client]:
    """A vendor's HTTP client."""
    with httpx.Client(base_url=adapter_url, headers={"Accept-Language": "en"}, timeout=30) as opened:
        yield opened


Wait = Callable[[str], dict[str, Any]]


@pytest.fixture
def wait(client: httpx.Client) -> Wait:
    """Ask until a submission is final."""

    def until_final(submission: str) -> dict[str, Any]:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            status: dict[str, Any] = client.get(f"/v1/records/{submission}").json()
            if status["state"] in ("delivered", "rejected", "dead"):
                return status
            time.sleep(0.05)
        raise AssertionError(f"not final: {status['state']}")

    return until_final
