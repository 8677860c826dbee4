"""The FHIR base as an ASGI application: reads the request, lets `respond` answer it, sends the bytes."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from traceback import format_tb
from typing import Any
from urllib.parse import unquote

from adapter.mock.breaking import BREAKING, damaged, delay, send_broken, send_slowly, status_answer
from adapter.mock.exchange import Answer, Request, Wire, parse_query
from adapter.mock.fault_kinds import AT_TOKEN_ENDPOINT
from adapter.mock.faults import Effect
from adapter.mock.journal import Entry
from adapter.mock.outside import outside
from adapter.mock.recording import NoAnswer
from adapter.mock.respond import failure, render_outcome, respond
from adapter.mock.storage import Stored
from adapter.mock.token_endpoint import INTROSPECT, token_answer, token_fault
from adapter.mock.world import DEFAULT, World, Worlds
from adapter.security.connections import peer_thumbprint

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Place = tuple[str, str]
"""Namespace, and path below its FHIR base."""

TOKEN_PATHS = ("/oauth/token", "/oauth/introspect")
"""The token endpoints lie beside the FHIR base; a second slash before them stands for that."""

REPLACING = frozenset(("status", "html", "token-expired"))
"""Kinds whose answer stands in for the one of the request, done or not."""

TOKEN_SEGMENTS = (("oauth", "token"), INTROSPECT)

log = logging.getLogger("adapter.mock")


class FhirEndpoint:
    """Serves every FHIR base: `/fhir` for the default namespace, `/t/{namespace}/fhir` for the others."""

    def __init__(self, worlds: Worlds) -> None:
        self.worlds = worlds
        self.random = random.Random(worlds.settings.seed)  # noqa: S311 - wanted repeatable
        self.base_path = worlds.settings.base_path.rstrip("/")

    def place(self, scope: Scope) -> Place | None:
        """Return where below a FHIR base a request goes, or None when it lies outside."""
        raw_path = scope.get("raw_path", b"").partition(b"?")[0].decode("ascii")
        return self._split(raw_path) or self._split(scope["path"])

    def _split(self, path: str) -> Place | None:
        namespace = DEFAULT
        if path.startswith("/t/"):
            namespace, _, rest = path[3:].partition("/")
            path = f"/{rest}"
        if path == self.base_path or path.startswith(self.base_path + "/"):
            return namespace, path[len(self.base_path) :]
        return (namespace, f"/{path}") if path in TOKEN_PATHS else None

    async def serve(self, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request below a FHIR base."""
        namespace, relative = place
        try:
            world = self.worlds.get(namespace)
        except LookupError:
            await _send(send, outside(_headers(scope), "bad-namespace"))
            return
        request = self._request(world, scope, relative)
        request.body = await _body(receive)
        await self._answer(world, request, scope, send)

    async def _answer(self, world: World, request: Request, scope: Scope, send: Send) -> None:
        begun = time.monotonic()
        rule = world.faults.choose(request)
        effect = rule.effect if rule is not None else None
        if effect is not None:
            await asyncio.sleep(delay(effect, self.random))
        for _ in range(2 if effect is not None and effect.kind == "duplicate" else 1):
            wire, changes = await _done(world, request, scope, effect)
            broken = effect is not None and effect.kind in BREAKING
            lasted = world.clock.lasted(time.monotonic() - begun)
            entry = Entry(0, world.clock.now(), begun, request, _target(scope), wire, lasted, changes)
            entry.fault, entry.broken = (rule.name if rule is not None else ""), broken
            world.journal.add(entry)
        if effect is not None and broken:
            await send_broken(scope, wire, effect)
        elif effect is not None and effect.kind == "slow":
            await send_slowly(send, wire, effect.bytes_per_second)
        else:
            await _send(send, wire)

    def _request(self, world: World, scope: Scope, relative: str) -> Request:
        headers = _headers(scope)
        return Request(
            world=world,
            method=scope["method"],
            path=tuple(unquote(one) for one in relative.split("/") if one),
            query=parse_query(scope["query_string"].decode("latin-1")),
            headers=headers,
            certificate=peer_thumbprint(scope),
            base=world.base(f"{scope['scheme']}://{headers.get('host', '127.0.0.1')}"),
        )


async def _done(world: World, request: Request, scope: Scope, effect: Effect | None) -> tuple[Wire, list[Stored]]:
    if effect is not None and effect.kind in AT_TOKEN_ENDPOINT:
        return token_fault(request, effect), []
    done = effect is None or effect.commits
    if request.path in TOKEN_SEGMENTS and done:
        return await token_answer(request), []
    if world.recording.mode != "off" and done:
        return _altered(request, await _passed_on(request, _below(scope, request)), effect), []
    return _work(world, request, effect)


def _work(world: World, request: Request, effect: Effect | None) -> tuple[Wire, list[Stored]]:
    """Do the request unless the fault forbids it; return the answer and the versions written."""
    world.store.written.clear()
    if effect is not None and not effect.commits:
        return status_answer(request, effect), []
    if effect is not None and effect.kind == "stale-search":
        request.as_of = int((world.clock.now().timestamp() - effect.seconds) * 1_000_000)
    try:
        wire = respond(request)
        if world.policy.audited:
            world.audit.record(request, wire, world.store.written)
    except Exception as error:
        # The text of an exception may quote a record: type and place tell enough.
        log.error("a request failed: %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))  # noqa: TRY400
        wire = failure(request)
    return _altered(request, wire, effect), list(world.store.written)


async def _passed_on(request: Request, target: str) -> Wire:
    """The answer of the sandbox that is recorded, or of the recording."""
    try:
        return await request.world.recording.answer(request, target)
    except NoAnswer as problem:
        return render_outcome(request, Answer(problem.status), problem.key)


def _altered(request: Request, wire: Wire, effect: Effect | None) -> Wire:
    """The answer as the fault lets it out."""
    if effect is None:
        return wire
    return status_answer(request, effect) if effect.kind in REPLACING else damaged(request, wire, effect)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _below(scope: Scope, request: Request) -> str:
    """Path below the FHIR base with its query, as it came."""
    query = scope["query_string"].decode("latin-1")
    path = "".join(f"/{one}" for one in request.path)
    return f"{path}?{query}" if query else path


def _target(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{scope['path']}?{query}" if query else str(scope["path"])


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(send: Send, wire: Wire) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in wire.headers.items()]
    await send({"type": "http.response.start", "status": wire.status, "headers": headers})
    await send({"type": "http.response.body", "body": wire.body})
