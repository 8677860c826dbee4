"""The server's side of a connection: a request's head is limited in time and size, the caller's certificate known.

Used by the vendor API and by the mock endpoint, so both bind tokens to certificates the same way (RFC 8705).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapter.security.certificates import thumbprint

TRANSPORT = "kykysilta.transport"
STOPPING = "kykysilta.stopping"
"""Name, in the state of an application's lifespan, of what is called when the server is told to stop."""

HEAD_SECONDS = 20.0
"""A caller that has not sent the whole head of a request by then is hung up on."""

LARGEST_HEAD = 65_536
"""Bytes of request line and headers that may come without the head being complete."""


class GatheringTransport:
    """A connection that sends what is written in one turn of the event loop at once: head and body in one packet.

    uvicorn writes them one after the other, and every write to a socket costs as much as reading a resource.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this turn, or now when much is waiting."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > LARGEST_HEAD:
            self.flush()

    def close(self) -> None:
        """Send what waits, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Everything else is done by the connection itself."""
        return getattr(self._transport, name)

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()
        self._size = 0


class OpenProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the connection itself in the ASGI scope, and limits for the head of a request.

    An answer leaves in one packet.
    """

    _head_late: asyncio.TimerHandle | None = None
    _head_size = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection."""
        super().connection_made(cast(asyncio.Transport, GatheringTransport(transport, self.loop)))
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        if self._head_late is not None:
            self._head_late.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what came; a head that does not end is refused."""
        self._head_size += len(data)
        super().data_received(data)
        if not self._in_head:
            self._head_size = 0
        if self._head_size > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Put the transport into the scope before the application runs."""
        self._in_head = False
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the body; what comes next is another head."""
        super().on_message_complete()
        self._in_head, self._head_size = True, 0

    def on_response_complete(self) -> None:
        """Send the answer, whatever the application does after it, and be ready for the next request."""
        cast(GatheringTransport, self.transport).flush()
        super().on_response_complete()
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self._head_late is not None:
            self._head_late.cancel()
        self._head_late = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class GentleServer(Server):
    """A server whose process goes on after a signal to stop, once all in hand is finished: it ends with exit code 0.

    uvicorn raises the signal once more, so the process would be reported as killed (143).
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen to signals while serving; one that was obeyed is not raised again, unless it had to force the end."""
        with super().capture_signals():
            yield
            if not self.force_exit:
                self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the application before requests in hand are waited for; ASGI tells it only when they are answered."""
        tell: Callable[[], None] | None = self.lifespan.state.get(STOPPING)
        if tell is not None:
            tell()
        await super().shutdown(sockets)


def peer_thumbprint(scope: Mapping[str, Any]) -> str:
    """Return `x5t#S256` of the caller's TLS certificate, or an empty string."""
    transport = scope.get(TRANSPORT) if scope.get("scheme") == "https" else None
    connection = transport.get_extra_info("ssl_object") if transport is not None else None
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    return thumbprint(der) if der else ""


def server_context(certificate: Path, key: Path, callers: Iterable[x509.Certificate] = ()) -> ssl.SSLContext:
    """Return TLS for a server that lets callers show a registered certificate, and no other.

    Each registered certificate is trusted by itself, so it may be self-signed or of any authority; a caller may
    also show none.

    Args:
        certificate: PEM chain of the server, its own certificate first.
        key: PEM of its private key.
        callers: registered certificates of clients.

    Raises:
        OSError, ssl.SSLError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    trusted = b"".join(each.public_bytes(Encoding.DER) for each in callers)
    if trusted:
        context.load_verify_locations(cadata=trusted)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
