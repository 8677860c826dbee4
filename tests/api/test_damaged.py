"""A damaged page of the database: a clear state and 503, never a 500, and nothing more is written."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from adapter.client import AdapterClient
from adapter.serve import adapter_app, in_background, load_settings
from adapter.store import DamagedError
from tests.api.conftest import record

PAGE = 4096
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Where in the file a page is damaged; 1 is the last one."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a few records in one file, nothing beside it."""
    file = tmp_path_factory.mktemp("whole") / "k.sqlite"
    settings = load_settings(database=f"sqlite:///{file}", repository_url="http://127.0.0.1:9/", demo=True, workers=0)
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, AdapterClient(url) as client:
        for _ in range(4):
            client.send(record("client"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


def damaged(whole: Path, folder: Path, share: float) -> Path:
    """A copy with one page of other bytes."""
    file = Path(shutil.copy(whole, folder / "k.sqlite"))
    number = round(share * (file.stat().st_size // PAGE - 1))
    with file.open("r+b") as content:
        content.seek(number * PAGE)
        content.write(bytes(range(256)) * (PAGE // 256))
    return file


@pytest.fixture(params=SHARES)
def adapter(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of an adapter on a damaged database."""
    file = damaged(whole, tmp_path, request.param)
    settings = load_settings(database=f"sqlite:///{file}", repository_url="http://127.0.0.1:9/", demo=True)
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, httpx.Client(base_url=url) as client:
        yield client


def test_without_its_first_page_nothing_starts(whole: Path, tmp_path: Path) -> None:
    """The start says what to do, and changes nothing."""
    file = damaged(whole, tmp_path, 0)
    before = file.read_bytes()
    with pytest.raises(DamagedError, match="restore the newest backup"):
        adapter_app(load_settings(database=f"sqlite:///{file}", demo=True))
    assert file.read_bytes() == before


def test_damage_is_said_and_nothing_more_is_written(adapter: httpx.Client) -> None:
    """Found by itself after the start; 503 as problem details says what to do, in one request and in a batch."""
    until = time.monotonic() + 20
    while (answer := adapter.get("/readyz")).status_code == 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert answer.status_code == 503
    assert adapter.get("/healthz").status_code == 200
    problem = {"Accept": "application/problem+json", "Accept-Language": "en"}
    refused = adapter.post("/v1/records", content=record("client"), headers=problem)
    assert (refused.status_code, refused.headers["Content-Type"]) == (503, "application/problem+json")
    assert "restores a backup" in refused.json()["title"]
    assert int(refused.headers["Retry-After"]) > 0
    line = adapter.post("/v1/records/batch", content=record("client")).json()
    assert line["status"] == 503
    for path in ("/v1/records/" + "0" * 32, "/metrics", "/status", "/review/", "/review/sign-in"):
        assert adapter.get(path).status_code != 500
    assert adapter.post("/v1/records/_search", content=b"{}").status_code in (200, 503)
