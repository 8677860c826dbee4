"""The server's side of a connection: an answer leaves in one packet, and nothing of it is lost."""

from __future__ import annotations

import asyncio
from typing import cast

from adapter.security.connections import LARGEST_HEAD, GatheringTransport


class _Line:
    """A connection that remembers what was written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"the line's {name}"


async def _gathering() -> tuple[_Line, GatheringTransport]:
    line = _Line()
    return line, GatheringTransport(cast(asyncio.Transport, line), asyncio.get_running_loop())


def test_what_is_written_in_one_turn_is_sent_at_once() -> None:
    """Head and body written one after the other are one write to the socket; the next turn's are another."""

    async def written() -> list[bytes]:
        line, transport = await _gathering()
        transport.write(b"head ")
        transport.write(b"body")
        await asyncio.sleep(0)
        transport.write(b"more")
        await asyncio.sleep(0)
        return line.written

    assert asyncio.run(written()) == [b"head body", b"more"]


def test_a_whole_answer_does_not_wait_for_the_end_of_the_turn() -> None:
    """What was told to go is sent at once, and once."""

    async def written() -> list[bytes]:
        line, transport = await _gathering()
        transport.write(b"head ")
        transport.write(b"body")
        transport.flush()
        line.written.append(b"(the application goes on)")
        await asyncio.sleep(0)
        return line.written

    assert asyncio.run(written()) == [b"head body", b"(the application goes on)"]


def test_what_waits_is_sent_before_the_connection_closes() -> None:
    """A closed connection loses nothing that was written before, and takes nothing after."""

    async def line_after_closing() -> _Line:
        line, transport = await _gathering()
        transport.write(b"last words")
        transport.close()
        transport.write(b"too late")
        await asyncio.sleep(0)
        return line

    line = asyncio.run(line_after_closing())
    assert (line.written, line.closed) == ([b"last words"], True)


def test_much_does_not_wait_in_memory() -> None:
    """More than a head's worth of bytes goes on to the socket, which may then say that it is full."""

    async def written() -> list[bytes]:
        line, transport = await _gathering()
        transport.write(b"x" * (LARGEST_HEAD + 1))
        return line.written

    assert [len(one) for one in asyncio.run(written())] == [LARGEST_HEAD + 1]


def test_everything_else_is_the_connection_s_own() -> None:
    """Facts of the connection, such as the caller's certificate, are found as before."""

    async def found() -> str:
        _, transport = await _gathering()
        return str(transport.get_extra_info("ssl_object"))

    assert asyncio.run(found()) == "the line's ssl_object"
