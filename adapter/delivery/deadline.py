"""A time limit for a whole exchange: a repository that sends a byte now and then keeps nobody busy for ever.

httpx limits each read by itself. Here every read and write of a thread gets at most what is left of its exchange.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

_present = threading.local()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let what this thread reads and writes inside the block take so many seconds in all."""
    _present.until = time.monotonic() + seconds
    try:
        yield
    finally:
        del _present.until


def obey(client: httpx.Client) -> None:
    """Make the connections of a client obey `time_limit`; httpx has no other way to hand a backend through."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend()


def transport_of(client: httpx.Client) -> httpx.BaseTransport:
    """Return what leads to the client's base URL, through a proxy where the environment names one."""
    return client._transport_for_url(client.base_url)


def _left(timeout: float | None) -> float | None:
    until: float | None = getattr(_present, "until", None)
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the exchange takes too long")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, timeout, local_address, socket_options))
