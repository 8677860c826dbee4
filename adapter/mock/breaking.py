"""What a fault does to the answer and to the connection, inside the process: no proxy needed."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import timedelta
from typing import Any

from adapter.mock.access import unauthorised
from adapter.mock.clock import http_date
from adapter.mock.exchange import Answer, Request, Wire
from adapter.mock.faults import Effect
from adapter.mock.respond import refused, render_outcome
from adapter.mock.world import World
from adapter.security.connections import TRANSPORT

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
BREAKING = frozenset(("drop", "reset", "half-body", "wrong-length", "certificate-revoked"))
"""Kinds after which the connection is gone."""

CLOSING_SECONDS = 0.01
_RESET = struct.pack("ii", 1, 0)
_PROXY_PAGE = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body><h1>nginx</h1></body></html>"


def delay(effect: Effect, rng: random.Random) -> float:
    """Return the seconds to wait: fixed, or lognormal around the median."""
    if effect.kind != "latency":
        return 0.0
    return effect.seconds * math.exp(rng.gauss(0, effect.sigma)) if effect.sigma else effect.seconds


def status_answer(request: Request, effect: Effect) -> Wire:
    """Return the answer of a repository in trouble: an OperationOutcome, or a proxy's page in HTML."""
    if effect.kind == "token-expired":
        return refused(request, unauthorised("invalid_token"))
    headers = dict(effect.headers)
    if effect.retry_after:
        headers["Retry-After"] = _retry_after(request.world, effect.retry_after)
    if effect.status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer error="invalid_token"')
    if effect.kind == "html":
        headers |= {"Content-Type": "text/html", "Content-Length": str(len(_PROXY_PAGE))}
        return Wire(effect.status, headers, _PROXY_PAGE)
    return render_outcome(request, Answer(effect.status, headers=headers), "mock.fault")


def _retry_after(world: World, text: str) -> str:
    kind, _, seconds = text.partition(":")
    return http_date(world.clock.now() + timedelta(seconds=float(seconds or 0))) if kind == "date" else text


def damaged(request: Request, wire: Wire, effect: Effect) -> Wire:
    """Return the answer with what the effect changes in it."""
    headers, body = dict(wire.headers), wire.body
    if effect.kind == "malformed-json":
        body = body[: len(body) * 2 // 3] + b'"}}'
        headers["Content-Length"] = str(len(body))
    elif effect.kind == "wrong-length":
        headers["Content-Length"] = str(len(body) + 64)
    elif effect.kind == "wrong-etag":
        headers["ETag"] = 'W/"999"'
    elif effect.kind == "clock-skew":
        headers["Date"] = http_date(request.world.clock.now() + timedelta(seconds=effect.seconds))
    return Wire(wire.status, headers, body, wire.refusal)


async def send_broken(scope: MutableMapping[str, Any], wire: Wire, effect: Effect) -> None:
    """Send what the effect leaves of the answer, then break the connection.

    Raises:
        ConnectionResetError: there is no connection to break (in-process transport).
    """
    transport: asyncio.Transport | None = scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("the fault breaks the connection")
    if effect.kind == "reset":
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    elif effect.kind in ("half-body", "wrong-length"):
        transport.write(_raw(wire, len(wire.body) // 2 if effect.kind == "half-body" else len(wire.body)))
        await asyncio.sleep(0.02)
    transport.abort() if effect.kind == "reset" else transport.close()
    await asyncio.sleep(CLOSING_SECONDS)  # the server has seen the end by then and does not miss an answer


async def send_slowly(send: Send, wire: Wire, bytes_per_second: int) -> None:
    """Send the body in dribbles."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in wire.headers.items()]
    await send({"type": "http.response.start", "status": wire.status, "headers": headers})
    step = max(1, bytes_per_second // 10)
    for start in range(0, len(wire.body), step):
        await send({"type": "http.response.body", "body": wire.body[start : start + step], "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": b""})


def _raw(wire: Wire, length: int) -> bytes:
    lines = [f"HTTP/1.1 {wire.status} OK", *(f"{name}: {value}" for name, value in wire.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + wire.body[:length]
