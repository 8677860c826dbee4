"""The FHIR base as an ASGI application: reads the request, lets `respond` answer it, sends the bytes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from adapter.mock.exchange import Request, parse_query
from adapter.mock.respond import Wire, failure, respond
from adapter.mock.world import DEFAULT, World, Worlds

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger("adapter.mock")


class FhirEndpoint:
    """Serves every FHIR base: `/fhir` for the default namespace, `/t/{namespace}/fhir` for the others."""

    def __init__(self, worlds: Worlds) -> None:
        self.worlds = worlds
        self.base_path = worlds.settings.base_path.rstrip("/")

    def split(self, path: str) -> tuple[str, str] | None:
        """Return (namespace, path below the FHIR base), or None when the path lies outside."""
        namespace = DEFAULT
        if path.startswith("/t/"):
            namespace, _, rest = path[3:].partition("/")
            path = f"/{rest}"
        if path == self.base_path or path.startswith(self.base_path + "/"):
            return namespace, path[len(self.base_path) :]
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request below a FHIR base."""
        raw_path = scope.get("raw_path", b"").decode("ascii") or scope["path"]
        found = self.split(raw_path.partition("?")[0])
        assert found is not None
        namespace, relative = found
        try:
            world = self.worlds.get(namespace)
        except LookupError:
            await _send(send, Wire(404, {}, b""))
            return
        request = self._request(world, scope, relative)
        request.body = await _body(receive)
        try:
            wire = respond(request)
        except Exception:
            log.exception("request %s failed", request.headers.get("x-request-id", ""))
            wire = failure(request)
        await _send(send, wire)

    def _request(self, world: World, scope: Scope, relative: str) -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        prefix = "" if world.name == DEFAULT else f"/t/{world.name}"
        root = self.worlds.settings.public_url or f"{scope['scheme']}://{headers.get('host', '127.0.0.1')}"
        return Request(
            world=world,
            method=scope["method"],
            path=tuple(unquote(one) for one in relative.split("/") if one),
            query=parse_query(scope["query_string"].decode("latin-1")),
            headers=headers,
            base=f"{root}{prefix}{self.base_path}",
        )


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
