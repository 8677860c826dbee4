"""A signal to stop lets every serving process finish what it has in hand, and end with exit code 0."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import record
from tests.cli.test_demo import free_port

KYKYSILTA = str(Path(sys.executable).parent / "kykysilta")
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@contextmanager
def running(arguments: list[str], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that serves on a port."""
    given = {
        "KYKYSILTA_DEMO": "true",
        "KYKYSILTA_PORT": str(port),
        "KYKYSILTA_REPOSITORY_URL": "http://127.0.0.1:9/fhir",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KYKYSILTA_")} | given
    command = [KYKYSILTA, *arguments]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet) as process:
        try:
            _wait_for(port, process)
            yield process
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the process did not start")


def half_sent(port: int, path: str, body: bytes) -> tuple[socket.socket, bytes]:
    """A connection on which half a request was sent, and the other half."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    middle = len(request) - len(body) // 2
    line = socket.create_connection(("127.0.0.1", port), timeout=30)
    line.sendall(request[:middle])
    return line, request[middle:]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_adapter_takes_what_is_half_sent_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """A record whose first half was there is answered with 202 after the signal, nobody else is let in, and the
    database is one file, nothing beside it."""
    port = free_port()
    with running(["serve"], port, tmp_path) as process:
        line, rest = half_sent(port, "/v1/records", record("client"))
        with line:
            time.sleep(0.2)
            process.send_signal(number)
            time.sleep(0.5)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/healthz")
            line.sendall(rest)
            assert line.recv(65536).startswith(b"HTTP/1.1 202 ")
        assert process.wait(60) == 0
    assert [file.name for file in tmp_path.glob("kykysilta.sqlite*")] == ["kykysilta.sqlite"]


def test_a_database_that_stays_locked_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """While another process keeps the database, requests in hand of whatever kind are answered with 503 soon after the
    signal, lines of a batch too; the process ends with 0, and what was answered with 202 before is there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/records"
    types = ("client", "consent", "team", "health-check", "functional-assessment", "work-ability-plan")
    with running(["serve"], port, tmp_path) as process, ThreadPoolExecutor(len(types) + 1) as threads:
        assert httpx.post(url, content=record("client")).status_code == 202
        with sqlite3.connect(tmp_path / "kykysilta.sqlite", timeout=30) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = [threads.submit(httpx.post, f"{url}?type={one}", content=record(one), timeout=60) for one in types]
            lines = b"\n".join(record("client") for _ in range(100))
            batch = threads.submit(httpx.post, f"{url}/batch", content=lines, timeout=60)
            time.sleep(1)
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            answers = [one.result() for one in asked]
            told = [json.loads(line)["status"] for line in batch.result().text.splitlines()]
            assert process.wait(60) == 0
            assert time.monotonic() - began < 30
            other.rollback()
        assert [(one.status_code, one.headers["Retry-After"]) for one in answers] == [(503, "5")] * len(types)
        assert told == [503] * 100
        assert other.execute("SELECT count(*) FROM submission").fetchone() == (1,)
        other.close()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_mock_answers_what_is_half_sent_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """A create whose first half was there is answered with 201 after the signal."""
    port = free_port()
    with running(["mock", "serve", "--port", str(port)], port, tmp_path) as process:
        line, rest = half_sent(port, "/fhir/Patient", b'{"resourceType":"Patient","active":true}')
        with line:
            time.sleep(0.2)
            process.send_signal(number)
            time.sleep(0.5)
            line.sendall(rest)
            assert line.recv(65536).startswith(b"HTTP/1.1 201 ")
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_worker_without_work_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """`outbox work` stops at once when nothing is to be delivered."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KYKYSILTA_")}
    command = [KYKYSILTA, "outbox", "work", "--threads", "1"]
    given = {"KYKYSILTA_DEMO": "true", "KYKYSILTA_REPOSITORY_URL": "http://127.0.0.1:9/fhir"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment | given, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        started = json.loads(process.stderr.readline())
        process.send_signal(number)
        assert started["part"] == "worker"
        assert process.wait(60) == 0


def test_a_second_ctrl_c_forces_the_end_and_says_so(tmp_path: Path) -> None:
    """Whoever does not want to wait for a request in hand ends the process, which is not reported as well."""
    port = free_port()
    with running(["serve"], port, tmp_path) as process:
        line, _rest = half_sent(port, "/v1/records", record("client"))
        with line:
            time.sleep(0.2)
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
            assert process.wait(20) != 0
