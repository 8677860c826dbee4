"""Starts the endpoint: `run` until interrupted, `running_mock` for the time of a with-block."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn

from adapter.mock.app import create_app
from adapter.mock.breaking import OpenProtocol
from adapter.mock.settings import MockSettings
from adapter.mock.tls import CertificateFolder

START_SECONDS = 10.0


def run(settings: MockSettings | None = None) -> None:
    """Serve until interrupted.

    Raises:
        OSError: the port is taken.
    """
    given = settings or MockSettings()
    with _listening(given) as listener:
        _server(given).run(sockets=[listener])


@contextmanager
def running_mock(settings: MockSettings | None = None) -> Iterator[str]:
    """Serve in a thread and give the FHIR base URL; port 0 takes a free port.

    Raises:
        OSError: the port is taken.
    """
    given = settings or MockSettings(port=0)
    with _listening(given) as listener:
        server = _server(given)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="mock", daemon=True)
        thread.start()
        try:
            _wait(server, thread)
            host, port = listener.getsockname()[:2]
            yield f"{'https' if given.auth == 'mtls' else 'http'}://{host}:{port}{given.base_path}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def _listening(settings: MockSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY by proto
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener


def _server(settings: MockSettings) -> uvicorn.Server:
    authority = CertificateFolder(Path(settings.certificates or "certificates")) if settings.auth == "mtls" else None
    app = create_app(_with_certificates(settings, authority) if authority is not None else settings)
    app.authority = authority
    config = uvicorn.Config(
        app,
        http=OpenProtocol,
        proxy_headers=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    if authority is not None:
        config.ssl = authority.server_context(settings.host)
    return uvicorn.Server(config)


def _with_certificates(settings: MockSettings, authority: CertificateFolder) -> MockSettings:
    """Issue a TLS certificate for every client and bind the client to it (RFC 8705)."""
    clients = []
    for client in settings.clients:
        authority.issue(client.id)
        clients.append(replace(client, certificate=authority.thumbprint(client.id)))
    return replace(settings, clients=tuple(clients))


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("the mock endpoint did not start")
        time.sleep(0.005)
