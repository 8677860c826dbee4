"""Reads the bodies of requests: bounded in size and in time, so that nobody holds the API up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request

from adapter.errors import AdapterError
from adapter.types import Issue

LONGEST_BODY = 10_000_000
BODY_SECONDS = 30.0


class TooLarge(AdapterError):  # noqa: N818
    """The body, or one line of a batch, is longer than the API takes."""

    stage = "read"
    http_status = 413


class TooSlow(AdapterError):  # noqa: N818
    """The body did not come in time."""

    stage = "read"
    http_status = 408


async def read_body(request: Request, longest: int = LONGEST_BODY) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: it has more than `longest` bytes.
        TooSlow: it is not complete in time (`body_seconds` of the settings).
    """
    parts, size = [], 0
    try:
        async with asyncio.timeout(_patience(request)):
            async for part in request.stream():
                size += len(part)
                if size > longest:
                    raise _too_large(longest)
                parts.append(part)
    except TimeoutError:
        raise _too_slow(request) from None
    return b"".join(parts)


async def lines(request: Request) -> AsyncIterator[list[bytes]]:
    """Yield the lines of an NDJSON body that are there; the next part is read only when they are used up.

    A body that says that it is small is read whole first: many HTTP clients read no answer before they have sent
    everything, and would wait for us while we wait for them.

    Raises:
        TooLarge: a line has more than 10 MB.
        TooSlow: nothing came for too long.
    """
    if request.headers.get("Content-Length", "").isdigit() and int(request.headers["Content-Length"]) <= LONGEST_BODY:
        yield (await read_body(request)).split(b"\n")
        return
    rest = bytearray()
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_patience(request)):
                part = await anext(stream, None)
        except TimeoutError:
            raise _too_slow(request) from None
        if part is None:
            break
        end = part.rfind(b"\n")
        if end >= 0:
            yield bytes(rest + part[:end]).split(b"\n")
            rest.clear()
        rest += part[end + 1 :]
        if len(rest) > LONGEST_BODY:
            raise _too_large(LONGEST_BODY)
    if rest:
        yield [bytes(rest)]


def _patience(request: Request) -> float:
    seconds: float = getattr(request.app.state, "body_seconds", BODY_SECONDS)
    return seconds


def _too_large(longest: int) -> TooLarge:
    return TooLarge(Issue("error", "api.body-too-large", {"limit": str(longest)}))


def _too_slow(request: Request) -> TooSlow:
    return TooSlow(Issue("error", "api.body-too-slow", {"seconds": f"{_patience(request):g}"}))
