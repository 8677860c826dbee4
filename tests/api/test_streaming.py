"""NDJSON batches are read as fast as they are stored and answered: memory stays bounded, slow senders are cut."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapter.serve import adapter_app, in_background, load_settings
from tests.api.conftest import record

LINES = 2_000
PADDING = b'{"record_type":"nothing","x":"' + b"x" * 4_000 + b'"}\n'
HEAD = b"POST /v1/records/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(content: bytes) -> bytes:
    """A part of a chunked body."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


@pytest.fixture
def line(adapter_url: str) -> Iterator[socket.socket]:
    """A bare connection to the adapter."""
    address = httpx.URL(adapter_url)
    with socket.create_connection((address.host, address.port or 80), timeout=30) as opened:
        yield opened


def test_thousands_of_lines_are_answered_in_order(client: httpx.Client) -> None:
    """A generator of lines goes in while answers come out; every line has its answer."""

    def lines() -> Iterator[bytes]:
        for number in range(LINES):
            yield (record("client") if number % 500 == 0 else b'{"record_type":"nothing"}') + b"\n"

    with client.stream("POST", "/v1/records/batch", content=lines()) as answer:
        judged = [json.loads(text) for text in answer.iter_lines()]
    assert [each["line"] for each in judged] == list(range(1, LINES + 1))
    assert [each["line"] for each in judged if each["status"] == 202] == list(range(1, LINES + 1, 500))
    assert all("issue" in each["outcome"] for each in judged)


def test_answers_come_while_the_batch_is_still_going_in(line: socket.socket) -> None:
    """The first line is answered before the second one is sent."""
    line.sendall(HEAD + chunk(b'{"record_type":"nothing"}\n'))
    received = b""
    while b'"line":1' not in received:
        received += line.recv(65536)
    line.sendall(chunk(b"{}\n") + b"0\r\n\r\n")
    while b'"line":2' not in received:
        received += line.recv(65536)
    assert received.count(b'"status":400') == 2


def test_who_does_not_take_answers_is_not_read_from(line: socket.socket, client: httpx.Client) -> None:
    """Back-pressure: with nobody reading the answers, the adapter stops reading the lines; others are served."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line.sendall(HEAD)
    line.settimeout(2)
    sent = 0
    part = chunk(PADDING * 10)
    try:
        while sent < 200_000_000:
            line.sendall(part)
            sent += len(part)
    except TimeoutError:
        pass
    assert 0 < sent < 60_000_000
    assert client.get("/readyz").status_code == 200


@pytest.fixture
def impatient(repository: str, tmp_path: Path) -> Iterator[str]:
    """An adapter that waits half a second for bodies."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url=repository, demo=True, body_seconds=0.5
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        yield url


@pytest.mark.parametrize("path", ["/v1/records", "/v1/records/preview", "/v1/records/_search", "/v1/token"])
def test_a_body_in_drops_is_cut(impatient: str, path: str) -> None:
    """However steadily the drops fall, the whole body has its time: 408, and the connection is closed."""
    stop = threading.Event()

    def drops() -> Iterator[bytes]:
        while not stop.wait(0.05):
            yield b" "

    began = time.monotonic()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    timer = threading.Timer(10, stop.set)
    timer.start()
    answer = httpx.post(f"{impatient}{path}", content=drops(), headers=kind, timeout=15)
    timer.cancel()
    assert answer.status_code == 408
    assert answer.json()["issue"][0]["code"] == "timeout"
    assert answer.headers["Connection"] == "close"
    assert time.monotonic() - began < 5


def test_a_batch_that_pauses_for_too_long_ends(impatient: str) -> None:
    """What was answered stays answered; the pause is the last line's 408."""
    address = httpx.URL(impatient)
    with socket.create_connection((address.host, address.port or 80), timeout=30) as line:
        line.sendall(HEAD + chunk(record("client") + b"\n"))
        received = b""
        while b"0\r\n\r\n" not in received:
            received += line.recv(65536)
    judged = [json.loads(text) for text in received.split(b"\r\n") if text.startswith(b"{")]
    assert [each["status"] for each in judged] == [202, 408]
