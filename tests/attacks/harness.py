"""What must hold after every attack, in one place, so that no attack can forget it.

Every server that is started in this process is seen. After an attack
- nothing is stored, but what the attack's `stores` marker names;
- every status is one that the documentation names for the address, and no 5xx;
- no answer and no line of the log holds an identity code, a name, a token, a stack trace, a path or SQL;
- nobody beyond this machine was called, nor the canary;
- no request, thread, file or memory is left over, and good requests are answered as always.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvicorn

from adapter.events import configure_logging
from adapter.review.web import COOKIE
from adapter.source.identity_code import is_inside
from tests.attacks.targets import BROUGHT, Exchange, Fingerprint, Target, target_of
from tests.conftest import ROOT

HANG_SECONDS = 10.0
"""After this long a request in hand or a new thread counts as hanging."""

POOLS = ("AnyIO worker thread", "asyncio_")
"""Threads that wait for the next request; whether one of them hangs is told by the request in hand."""

MEGABYTE = 1 << 20
MOST_MEMORY = (150 * MEGABYTE, 1000 * MEGABYTE)
MOST_FILES = (80, 1000)
"""How much one attack, and all of them together, may leave behind: buffers that are used again, kept-alive lines."""

NONE = (0,)
SHOWN = 2 * MEGABYTE
"""So many bytes of a request and of its answer are looked at."""

TECHNICAL = re.compile(
    rb"Traceback \(most recent call last\)|File \"[^\"\n]+\", line \d+|root:x?:0:0|/site-packages/"
    rb"|\b(?:sqlalchemy|sqlite3|psycopg)\.\w|\b(?:INSERT INTO|DELETE FROM|CREATE TABLE|DROP TABLE) \w+"
    rb"|\bUPDATE \w+ SET\b|\bSELECT [^<>{}]{1,200}? FROM \w+|"
    + b"|".join(re.escape(f"{folder}/".encode()) for folder in (ROOT, tempfile.gettempdir(), Path.home()))
)
PERSONAL = re.compile("Tuulispää|Kaarina|eyJ[A-Za-z0-9_-]{10,}\\.[A-Za-z0-9_-]+\\.?".encode())
"""Names of the examples, and tokens."""

HANDS_OUT = {
    ("POST", "/v1/records/preview"): "the record as a Bundle, to who sent it",
    ("POST", "/v1/token"): "a token, to who asked for it",
    ("POST", "/v1/clients/_fetch"): "records, to who may see them",
    ("GET", "/v1/openapi.json"): "examples of records",
    ("GET", "/v1/schemas/{record}"): "examples of records",
}
"""Routes of the adapter whose good answers hold what others never say."""


@dataclass(frozen=True)
class Stores:
    """What an attack stores on purpose.

    Attributes:
        reason: why.
        records: how many records the adapters under attack take.
        versions: how many versions of resources the mock takes; what an adapter delivers is not counted.
        rows: how many rows more other tables get.
    """

    reason: str
    records: Container[int] = NONE
    versions: Container[int] = NONE
    rows: Mapping[str, Container[int]] = field(default_factory=dict)


class Observed:
    """An application whose exchanges are heard while an attack goes on.

    Args:
        server: that serves it.
    """

    def __init__(self, harness: Harness, server: uvicorn.Server) -> None:
        self.app: Any = server.config.loaded_app
        self._harness, self._server = harness, server

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer as the application does."""
        target, watch = self._harness.targets.get(self._server), self._harness.watch
        if scope["type"] != "http" or target is None or watch is None:
            await self.app(scope, receive, send)
            return
        asked = bytearray(scope["raw_path"] + b"?" + scope["query_string"] + b"\n" + _lines(scope["headers"]))
        started: dict[str, Any] = {"status": 0, "headers": ()}
        body = bytearray()

        async def hearing() -> Any:
            message = await receive()
            asked.extend(message.get("body", b"") if len(asked) < SHOWN else b"")
            return message

        async def telling(message: Any) -> None:
            started.update(message if message["type"] == "http.response.start" else {})
            body.extend(message.get("body", b"") if len(body) < SHOWN else b"")
            await send(message)

        try:
            await self.app(scope, hearing, telling)
        finally:
            headers = _lines(started["headers"])
            told = (*target.place(scope), started["status"], bytes(asked), headers, bytes(body))
            watch.exchanges.append((target, Exchange(scope["method"], *told)))


def _lines(headers: Any) -> bytes:
    return b"\n".join(b": ".join(map(bytes, pair)) for pair in headers)


class Watch(logging.Handler):
    """What happens in this process while an attack lasts.

    Attributes:
        lines: of the log.
        exchanges: every request that was answered, and by whom.
        outside: addresses beyond this machine that somebody tried.
        ports: of this machine that somebody called.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.exchanges: list[tuple[Target, Exchange]] = []
        self.outside: list[Any] = []
        self.ports: set[int] = set()

    def write(self, line: str) -> None:
        """Take a line of the catalogue."""
        self.lines.append(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a library logs."""
        self.lines.append(self.format(record))


@dataclass(frozen=True)
class Left:
    """What a process holds of its machine."""

    threads: frozenset[threading.Thread]
    files: int
    memory: int

    @classmethod
    def now(cls) -> Left:
        """At this instant."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        threads = frozenset(each for each in threading.enumerate() if not each.name.startswith(POOLS))
        files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        return cls(threads, files, pages * os.sysconf("SC_PAGE_SIZE"))


class Harness:
    """Sees every server of this process, and judges each attack on them.

    Attributes:
        targets: applications that run now.
        watch: of the attack that goes on, if one does.
    """

    def __init__(self) -> None:
        self.targets: dict[uvicorn.Server, Target] = {}
        self.watch: Watch | None = None
        self._starting: set[uvicorn.Server] = set()
        self._grown = Counter[str]()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """See from now on what is served and called."""
        connect, startup, shutdown = socket.socket.connect, uvicorn.Server.startup, uvicorn.Server.shutdown

        def noting(line: socket.socket, address: Any) -> None:
            if self.watch is not None and line.family != socket.AF_UNIX:
                host = str(address[0])
                here = host in ("localhost", "::1") or host.startswith("127.")
                self.watch.ports.add(address[1]) if here else self.watch.outside.append(address)
            connect(line, address)

        async def starting(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
            self._starting.add(server)
            app = server.config.loaded_app
            server.config.loaded_app = Observed(self, server)
            await startup(server, sockets)
            if (target := target_of(server, app)) is not None:
                self.targets[server] = target
            self._starting.discard(server)

        async def stopping(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
            if (target := self.targets.pop(server, None)) is not None:
                target.close()
            await shutdown(server, sockets)

        patch.setattr(socket.socket, "connect", noting)
        patch.setattr(uvicorn.Server, "startup", starting)
        patch.setattr(uvicorn.Server, "shutdown", stopping)

    @contextmanager
    def attack(self, stores: Stores | None = None, *, answers: Container[int] = ()) -> Iterator[Watch]:
        """Watch an attack and judge it.

        Args:
            stores: what it stores on purpose.
            answers: statuses of servers' trouble that it brings about itself.

        Raises:
            AssertionError: something does not hold; the text says what.
        """
        while self._starting:
            time.sleep(0.005)
        running = tuple(self.targets.values())
        for target in running:
            target.learn()
        left, held = Left.now(), {target: target.fingerprint() for target in running}
        with self._watching() as watch:
            yield watch
            self._wait_until_idle(running, left)
            if stores is not None:
                for target in running:
                    target.settle()
        _check_calls(watch)
        _check_statuses(watch, answers)
        _check_leaks(watch)
        _check_stored(held, stores)
        for target in running:
            if target.port in watch.ports or any(target is asked for asked, _ in watch.exchanges):
                target.check_well()
            if stores is not None:
                target.forget()
        self._check_left(left)

    @contextmanager
    def _watching(self) -> Iterator[Watch]:
        watch, settings, loggers = Watch(), structlog.get_config(), [logging.getLogger(), logging.getLogger("uvicorn")]
        configure_logging()
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=watch))  # type: ignore[arg-type]
        for each in loggers:
            each.addHandler(watch)
        self.watch = watch
        try:
            yield watch
        finally:
            self.watch = None
            for each in loggers:
                each.removeHandler(watch)
            structlog.configure(**settings)

    def _wait_until_idle(self, running: tuple[Target, ...], before: Left) -> None:
        """No request is in hand, and no thread of the attack lives."""
        until, hanging = time.monotonic() + HANG_SECONDS, [""]
        while hanging and time.monotonic() < until:
            tasks = sum(len(each.server.server_state.tasks) for each in running)
            hanging = [f"{tasks} requests"] if tasks else []
            hanging += [each.name for each in Left.now().threads - before.threads]
            time.sleep(0.005 if hanging else 0)
        assert not hanging, f"still in hand: {', '.join(hanging)}"

    def _check_left(self, before: Left) -> None:
        """What this attack left is little, and so is what all have left until now."""
        after = Left.now()
        for name, (one, together) in (("memory", MOST_MEMORY), ("files", MOST_FILES)):
            grown = getattr(after, name) - getattr(before, name)
            self._grown[name] += grown
            assert grown <= one, f"left over: {grown} {name}"
            assert self._grown[name] <= together, f"left over: {self._grown[name]} {name} of all attacks together"


def _check_calls(watch: Watch) -> None:
    assert watch.outside == [], f"called beyond this machine: {watch.outside}"


def _check_statuses(watch: Watch, answers: Container[int]) -> None:
    for target, each in watch.exchanges:
        if each.status in answers:
            continue
        assert each.status < 500, f"{each.method} {each.route} was answered with {each.status}"
        # 0: the caller went away before anything was said.
        documented = target.documented(each) | {0}
        assert each.status in documented, f"{each.method} {each.where}{each.route}: {each.status} is not documented"


def _check_leaks(watch: Watch) -> None:
    for _, each in watch.exchanges:
        told = each.headers + b"\n\n" + each.body
        leaks = [found for found in TECHNICAL.findall(told) if each.status >= 400 or found not in each.asked]
        secret = each.headers if _hands_out(each) else told
        leaks += PERSONAL.findall(secret)
        assert not leaks, f"{each.method} {each.route} leaks {leaks[0]!r}"
        assert not is_inside(secret.decode("utf-8", "replace")), f"{each.method} {each.route} leaks an identity code"
    for line in watch.lines:
        leaks = TECHNICAL.findall(line.encode()) + PERSONAL.findall(line.encode())
        assert not leaks, f"the log leaks {leaks[0]!r}"
        assert not is_inside(line), "the log leaks an identity code"


def _hands_out(exchange: Exchange) -> bool:
    """The answer's body may hold what others never say: records from a repository, or to who has signed in."""
    if exchange.status >= 400:
        return False
    if exchange.where == "pages":
        return COOKIE.encode() in exchange.asked
    return exchange.where != "" or (exchange.method, exchange.route) in HANDS_OUT


def _check_stored(held: Mapping[Target, Fingerprint], stores: Stores | None) -> None:
    allowed, grown = stores or Stores(""), Counter[str]()
    changing = {*allowed.rows, *(BROUGHT if allowed.records != NONE else ())}
    changing |= {"version"} if stores is not None else set()
    for target, before in held.items():
        after = target.fingerprint()
        for table in sorted(before.keys() | after.keys()):
            if (was := before.get(table, (0, None))) != (now := after.get(table, (0, None))):
                kind = table.rpartition(".")[2]
                assert kind in changing, f"stored: {table} has changed, {was[0]} rows before and {now[0]} after"
                grown[kind] += now[0] - was[0]
    for kind in ("submission", "outbox"):
        assert grown[kind] in allowed.records, f"stored: {grown[kind]} rows more in {kind}"
    for kind, rows in allowed.rows.items():
        assert grown[kind] in rows, f"stored: {grown[kind]} rows more in {kind}"
    if not grown["submission"]:
        assert grown["version"] in allowed.versions, f"stored: {grown['version']} versions more at the mock"
