"""Starts the endpoint: `run` until interrupted, `running_mock` for the time of a with-block.

Over mutual TLS the tester's control and page have a plain HTTP port of their own, on which no FHIR is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from adapter.mock.app import ControlOnly, MockApp, create_app
from adapter.mock.settings import MockSettings
from adapter.mock.tls import CertificateFolder
from adapter.security.connections import GentleServer, OpenProtocol

START_SECONDS = 10.0
HSTS = ("Strict-Transport-Security", "max-age=31536000")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where an endpoint listens.

    Attributes:
        fhir: the FHIR base.
        control: root URL of the control and the page; the same server as `fhir` but under mutual TLS.
    """

    fhir: str
    control: str


class Endpoint:
    """An endpoint whose ports are taken, ready to be served.

    Args:
        settings: port 0 takes a free port.

    Raises:
        OSError: a port is taken.
        DataFileError: the policy is unknown or broken.
        KeyProblem: a client's key set cannot be used.
        StoreProblem: the database cannot be used.
    """

    def __init__(self, settings: MockSettings) -> None:
        with contextlib.ExitStack() as ports:
            listeners = [ports.enter_context(_listening(settings.host, settings.port))]
            folder = (
                CertificateFolder(Path(settings.certificates or "certificates")) if settings.auth == "mtls" else None
            )
            app = create_app(_with_certificates(settings, folder) if folder is not None else settings)
            self.servers = [_server(app, settings.host, folder)]
            app.worlds.get()  # the default namespace: a database that cannot be used is said at the start
            if folder is not None:
                listeners.append(ports.enter_context(_listening(settings.host, _control_port(settings))))
                self.servers.append(_Quiet(_config(ControlOnly(app))))
            self.listeners = listeners
            roots = [_root(one, secure=folder is not None and one is listeners[0]) for one in listeners]
            self.addresses = Addresses(f"{roots[0]}{settings.base_path}", roots[-1])
            ports.pop_all()

    def serve(self) -> None:
        """Serve until interrupted or stopped."""
        loop_factory = self.servers[0].config.get_loop_factory()
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        main, *others = self.servers
        beside = [
            asyncio.create_task(one.serve([listener])) for one, listener in zip(others, self.listeners[1:], strict=True)
        ]
        try:
            await main.serve([self.listeners[0]])
        finally:
            for one in others:
                one.should_exit = True
            await asyncio.gather(*beside)

    def stop(self) -> None:
        """End `serve`, from another thread."""
        for one in self.servers:
            one.should_exit = True

    @property
    def started(self) -> bool:
        """True when requests are answered."""
        return all(one.started for one in self.servers)


def run(settings: MockSettings | None = None, ready: Callable[[Addresses], object] | None = None) -> None:
    """Serve until interrupted.

    Args:
        ready: told the addresses when the ports are taken.

    Raises:
        OSError: a port is taken.
        DataFileError, KeyProblem, StoreProblem: see `Endpoint`.
    """
    endpoint = Endpoint(settings or MockSettings())
    if ready is not None:
        ready(endpoint.addresses)
    gc.freeze()  # what the programme itself consists of stays; looking for garbage in it stops requests for long
    endpoint.serve()


@contextmanager
def running_endpoint(settings: MockSettings | None = None) -> Iterator[Addresses]:
    """Serve in a thread and give the addresses; port 0 takes a free port.

    Raises:
        OSError: a port is taken.
    """
    endpoint = Endpoint(settings or MockSettings(port=0))
    thread = threading.Thread(target=endpoint.serve, name="mock", daemon=True)
    thread.start()
    try:
        _wait(endpoint, thread)
        yield endpoint.addresses
    finally:
        endpoint.stop()
        thread.join(START_SECONDS)


@contextmanager
def running_mock(settings: MockSettings | None = None) -> Iterator[str]:
    """Serve in a thread and give the FHIR base URL; see `running_endpoint`."""
    with running_endpoint(settings) as addresses:
        yield addresses.fhir


class _Quiet(uvicorn.Server):
    """A server beside another one, which alone listens to signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the main server."""
        yield


def _control_port(settings: MockSettings) -> int:
    if settings.control_port is not None:
        return settings.control_port
    return settings.port + 1 if settings.port else 0


def _root(listener: socket.socket, *, secure: bool) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY by proto
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(128)
    return listener


def _config(app: MockApp | ControlOnly, *, headers: tuple[tuple[str, str], ...] = ()) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=OpenProtocol,
        lifespan="on" if isinstance(app, MockApp) else "off",
        proxy_headers=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        headers=list(headers),
    )


def _server(app: MockApp, host: str, folder: CertificateFolder | None) -> uvicorn.Server:
    config = _config(app, headers=(HSTS,) if folder is not None else ())
    config.load()
    if folder is not None:
        app.authority = folder
        app.worlds.handshakes = folder.refused
        folder.clock = lambda: app.worlds.get().clock.now()
        config.ssl = folder.server_context(host)
    return GentleServer(config)


def _with_certificates(settings: MockSettings, folder: CertificateFolder) -> MockSettings:
    """Issue a TLS certificate for every client and bind the client to it (RFC 8705)."""
    clients = []
    for client in settings.clients:
        folder.issue(client.id)
        clients.append(replace(client, certificate=folder.thumbprint(client.id)))
    return replace(settings, clients=tuple(clients))


def _wait(endpoint: Endpoint, thread: threading.Thread) -> None:
    until = time.monotonic() + START_SECONDS
    while not endpoint.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise RuntimeError("the mock endpoint did not start")
        time.sleep(0.005)
