"""What runs under attack: what each application holds, which good requests it must go on answering, what it may say."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import uvicorn

from adapter.api.app import VendorApi
from adapter.mock.app import MockApp
from tests.api.conftest import record
from tests.conftest import ROOT

CHANGING = {
    "audit_checkpoint": "the log is signed by the clock",
    "audit_person": "a refusal names its client and its caller by pseudonyms",
    "destination": "failures of the repository are counted",
    "review_failure": "wrong passwords are counted",
    "review_sign_in": "a log-in at the organisation's provider was begun",
    "used_assertion": "an assertion is good once",
}
"""Tables that an attack may change, with the reason. They hold no record, and nothing that somebody sent in clear."""

KEPT = {
    "audit_entry": ("SELECT * FROM audit_entry WHERE kind != 'refusal'", "refusals are logged"),
    "review_session": ("SELECT token, account FROM review_session", "a session that is used is prolonged"),
}
"""Tables of which an attack may change a part: what it may not change, and the reason."""

BROUGHT = {
    "audit_entry",
    "client_identity",
    "idempotency",
    "known_resource",
    "outbox",
    "receipt",
    "submission",
    "transition",
}
"""Tables that a record changes when it is taken and delivered."""

OPEN = "SELECT count(*) FROM outbox WHERE NOT final"
INSTANT = re.compile(rb'"20\d\d-\d\d-\d\dT[^"]*"')
GOOD_RECORD = record("client", record_id="well")
PROMPT_SECONDS = 5.0
ELSEWHERE = "vendor API, elsewhere"
"""First column of the table of statuses in docs/security.md."""

Fingerprint = Mapping[str, tuple[int, Hashable]]
"""Of each table: number of rows, and what tells its content from another."""


@dataclass(frozen=True)
class Exchange:
    """A request that an application answered.

    Attributes:
        route: the address as its template.
        where: row of the table of statuses, or empty for a route of the OpenAPI document.
        asked: address, headers and body as they came, as far as they were read.
        headers, body: of the answer.
    """

    method: str
    route: str
    where: str
    status: int
    asked: bytes
    headers: bytes
    body: bytes


@cache
def told_statuses() -> dict[str, frozenset[int]]:
    """The table of docs/security.md: where something answers, and with which statuses."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([0-9, ]+) \|", text, re.MULTILINE)
    return {where: frozenset(map(int, statuses.split(","))) for where, statuses in rows}


class Target:
    """A running application.

    Args:
        server: that serves it; its state tells what is in hand.
    """

    good: tuple[tuple[str, str, bytes], ...] = ()
    """Method, path and body of requests that it answers as always."""

    def __init__(self, server: uvicorn.Server) -> None:
        self.server = server
        self.port: int = server.servers[0].sockets[0].getsockname()[1]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PROMPT_SECONDS)
        self._always: list[tuple[int, bytes]] = []

    def fingerprint(self) -> Fingerprint:
        """What it holds; equal before and after an attack that stores nothing."""
        return {}

    def settle(self) -> None:
        """Wait until what was stored has gone its way."""

    def place(self, scope: Mapping[str, Any]) -> tuple[str, str]:
        """Route and row of the table of statuses for a request that it has answered."""
        raise NotImplementedError

    def documented(self, exchange: Exchange) -> frozenset[int]:
        """Statuses that the documentation names for the request."""
        return told_statuses()[exchange.where]

    def close(self) -> None:
        """It runs no longer."""
        self.http.close()

    def learn(self) -> None:
        """Remember how the good requests are answered, unless that is known."""
        if not self._always:
            self._always = [self._answer(*request) for request in self.good]

    def forget(self) -> None:
        """The good requests may be answered otherwise from now on."""
        self._always = []

    def check_well(self) -> None:
        """The good requests are answered as always, and promptly."""
        for request, always in zip(self.good, self._always, strict=True):
            began = time.monotonic()
            try:
                answer = self._answer(*request)
            except httpx.HTTPError as error:
                raise AssertionError(f"not well: {request[1]}: {type(error).__name__}") from None
            assert answer == always, f"not well: {request[1]} is answered with {answer[0]}, not as always"
            assert time.monotonic() - began < PROMPT_SECONDS, f"not well: {request[1]} is slow"

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        answer = self.http.request(method, path, content=body)
        return answer.status_code, INSTANT.sub(b"", answer.content)


class AdapterTarget(Target):
    """The adapter with its pages and its SQLite file."""

    good = (("GET", "/readyz", b""), ("POST", "/v1/records/preview", GOOD_RECORD), ("GET", "/review/sign-in", b""))

    def __init__(self, server: uvicorn.Server, app: VendorApi) -> None:
        super().__init__(server)
        self.app = app
        file = app.state.line._database.engine.url.database
        self._database = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._seen: tuple[int, Fingerprint] = (-1, {})
        self._documented = {
            (method.upper(), path): frozenset(map(int, act["responses"]))
            for path, acts in app.openapi()["paths"].items()
            for method, act in acts.items()
        }

    def fingerprint(self) -> Fingerprint:
        """Every row of every table but those of `CHANGING`; read again only when somebody committed something."""
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version != self._seen[0]:
            found = {}
            for (table,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if table not in CHANGING:
                    select, _ = KEPT.get(table, (f'SELECT * FROM "{table}"', ""))
                    rows = self._database.execute(select).fetchall()
                    found[table] = (len(rows), hash(tuple(rows)))
            self._seen = (version, found)
        return self._seen[1]

    def settle(self) -> None:
        """Every record has reached its final state, when there is somebody who delivers."""
        until = time.monotonic() + 30
        while self.app.state.wake.__self__._count and self._database.execute(OPEN).fetchone() != (0,):
            assert time.monotonic() < until, "records are still under way"
            time.sleep(0.02)

    def close(self) -> None:
        """It runs no longer."""
        super().close()
        self._database.close()

    def place(self, scope: Mapping[str, Any]) -> tuple[str, str]:
        """Pages are told by where they are mounted."""
        route = getattr(scope.get("route"), "path", "")
        if scope.get("root_path") or route == "/status":
            return f"{scope.get('root_path', '')}{route}", "pages"
        return route, "" if (scope["method"], route) in self._documented else ELSEWHERE

    def documented(self, exchange: Exchange) -> frozenset[int]:
        """Statuses of the route in the OpenAPI document."""
        return super().documented(exchange) if exchange.where else self._documented[exchange.method, exchange.route]


class MockTarget(Target):
    """The mock repository with all its namespaces."""

    good = (("GET", "/fhir/metadata", b""), ("GET", "/fhir/Patient/well", b""))

    def __init__(self, server: uvicorn.Server, app: MockApp) -> None:
        super().__init__(server)
        self.app = app

    def fingerprint(self) -> Fingerprint:
        """Every version of every resource (none is ever changed or taken away), and what the control has set."""
        found: dict[str, tuple[int, Hashable]] = {}
        for name in self.app.worlds.names():
            world = self.app.worlds.get(name)
            select = "SELECT count(*), max(seq), sum(length(body)) FROM version"
            count, *rest = world.store.connection.execute(select).fetchone()
            found[f"{name}.version"] = (count, tuple(rest))
            control = (world.strictness, world.policy.name, tuple(world.snapshots), len(list(world.faults)))
            found[f"{name}.control"] = (0, control)
        return found

    def place(self, scope: Mapping[str, Any]) -> tuple[str, str]:
        """Below the FHIR base, or beside it."""
        below = self.app.endpoint.place(dict(scope))
        return ("", "mock, FHIR base") if below is not None else (scope["path"], "mock, elsewhere")


def target_of(server: uvicorn.Server, app: object) -> Target | None:
    """The target that a server has begun to serve; None for an application of no interest."""
    kinds: dict[type, Callable[..., Target]] = {VendorApi: AdapterTarget, MockApp: MockTarget}
    kind = kinds.get(type(app))
    return kind(server, app) if kind else None
