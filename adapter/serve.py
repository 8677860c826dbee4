"""Puts the running service together from settings: the only place where real parts are chosen."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter import tracing
from adapter.events import Event, log
from adapter.settings import Settings, key_bytes
from adapter.types import Issue, Record

if TYPE_CHECKING:
    import uvicorn

    from adapter.pipeline import Line
    from adapter.store import Database

DEMO_ID_KEY = b"kykysilta-demo-id-key-published!"
DEMO_STORAGE_KEY = b"kykysilta-demo-storage-key-open!"
START_SECONDS = 15.0
SHUTDOWN_SECONDS = 30
"""How long requests in hand may take after a signal to stop."""


class PortTakenError(Exception):
    """Somebody else listens on the port.

    Attributes:
        port: which one.
    """

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is taken")
        self.port = port


class NoAddressError(Exception):
    """The system lets us not listen at an address.

    Attributes:
        address: host and port.
        reason: in the system's words.
    """

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"nobody can listen at {host}:{port}: {reason}")
        self.address = f"{host}:{port}"
        self.reason = reason


class MissingKeyError(Exception):
    """Keys are missing or cannot be used.

    Attributes:
        issues: every problem; each text says which key, and how to make one.
    """

    def __init__(self, *issues: Issue) -> None:
        super().__init__("\n".join(issue.text("en") for issue in issues))
        self.issues = issues

    def text(self, language: str) -> str:
        """Return every problem, one a line."""
        return "\n".join(issue.text(language) for issue in self.issues)


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Return settings from arguments, environment, a folder of secrets and a TOML file, in this order.

    The folder is what systemd and container engines name in `CREDENTIALS_DIRECTORY`: a file for each setting, e.g.
    `kykysilta_id_key`.

    Raises:
        pydantic.ValidationError: a value is wrong; no secret is in its text.
    """
    credentials = Path(os.environ.get("CREDENTIALS_DIRECTORY", ""))
    if credentials.name and credentials.is_dir():
        overrides.setdefault("_secrets_dir", credentials)
    if config is None:
        return Settings(**overrides)
    configured = type("Settings", (Settings,), {"model_config": {**Settings.model_config, "toml_file": config}})
    loaded: Settings = configured(**overrides)
    return loaded


def keys(settings: Settings) -> tuple[bytes, dict[str, bytes]]:
    """Return the id key and the storage keys.

    Raises:
        MissingKeyError: a key is missing and this is not the demo.
    """
    problems = tuple(_key_problems(settings))
    if problems:
        raise MissingKeyError(*problems)
    id_key = key_bytes(settings.id_key) if settings.id_key else DEMO_ID_KEY
    storage = {name: key_bytes(key) for name, key in settings.storage_keys.items()} or {"demo": DEMO_STORAGE_KEY}
    return id_key, storage


def _key_problems(settings: Settings) -> Iterator[Issue]:
    given = [key_bytes(key) for key in (settings.id_key, settings.token_key, *settings.storage_keys.values()) if key]
    if len(set(given)) < len(given):
        yield Issue("error", "cli.key-twice")
    if {DEMO_ID_KEY, DEMO_STORAGE_KEY} & set(given) and not settings.demo:
        yield Issue("error", "cli.key-published")
    if settings.id_key is None and not settings.demo:
        yield Issue("error", "cli.key-no-id")
    if not settings.storage_keys and not settings.demo:
        yield Issue("error", "cli.key-no-storage")


def check_keys(settings: Settings) -> None:
    """Read every key and certificate that the settings name.

    Raises:
        MissingKeyError: some are missing or cannot be used; all of them are told.
    """
    from adapter.api.configured import access, tls
    from adapter.delivery import configured
    from adapter.security.keys import KeyProblem

    def doors() -> None:
        """The clients' keys come before the TLS that trusts their certificates: each is told once."""
        access(settings)
        tls(settings)

    def way_out() -> None:
        configured.signer(settings)
        configured.repository(settings).close()
        configured.certificates(settings)

    problems = list(_key_problems(settings))
    for use in (doors, way_out, partial(configured.audit_key, settings)):
        try:
            use()
        except KeyProblem as problem:
            problems += problem.issues
    if problems:
        raise MissingKeyError(*problems)


def adapter_app(settings: Settings, *, judged_at: Callable[[Record], float] | None = None) -> Any:
    """Return the ASGI application of the vendor API with its store, line and workers.

    Args:
        judged_at: see `adapter.pipeline.Line`.

    Raises:
        MissingKeyError: a key is missing or cannot be used.
    """
    from adapter.api import create_app
    from adapter.api.configured import access
    from adapter.delivery.chores import HOUR, Chore
    from adapter.delivery.configured import certificates, chores, signer
    from adapter.review import review_app
    from adapter.store import Cipher, Database
    from adapter.store.assertions import UsedAssertions

    check_keys(settings)
    id_key, storage_keys = keys(settings)
    database = Database(settings.database)
    cipher = Cipher(storage_keys)
    app = create_app(
        _line(settings, database, judged_at),
        access=access(settings, UsedAssertions(database, clock=time.time).first_use),
        workers=settings.workers,
        chores=[*chores(settings, database, cipher), Chore("traces", HOUR, lambda _now: tracing.flush(), at_end=True)],
        body_seconds=settings.body_seconds,
        certificates=certificates(settings),
    )
    pages = review_app(database, cipher, id_key=id_key, settings=settings, signer=signer(settings))
    app.mount("/review", pages)
    return app


def _line(settings: Settings, database: Database, judged_at: Callable[[Record], float] | None = None) -> Line:
    from adapter.delivery.configured import repository, signer
    from adapter.pipeline import Line
    from adapter.store import Cipher

    id_key, storage_keys = keys(settings)
    return Line(
        database,
        Cipher(storage_keys),
        id_key=id_key,
        repository=repository(settings),
        signer=signer(settings),
        lease=settings.lease_seconds,
        supporting=settings.supporting,
        max_entries=settings.max_entries,
        judged_at=judged_at,
    )


def refuse_taken_port(host: str, port: int) -> None:
    """Raise when somebody listens on the port, or we may not.

    Raises:
        PortTakenError: names the port.
        NoAddressError: the host is not this machine, or the port takes a right that we have not.
    """
    if port == 0:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(port) from None
            raise NoAddressError(host, port, error.strerror or str(error)) from None


def run(settings: Settings) -> None:
    """Serve the vendor API until a signal comes, and return when what was in hand is finished.

    Raises:
        MissingKeyError: a key is missing or cannot be used.
        PortTakenError: the port is taken.
    """
    from adapter.api.configured import tls

    refuse_taken_port(settings.host, settings.port)
    _start_tracing(settings)
    server = _server(adapter_app(settings), settings.host, settings.port, tls(settings))
    log(Event.STARTED, host=settings.host, port=settings.port, part="api")
    if settings.demo:
        log(Event.DEMO_KEY)
    server.run()


def work(settings: Settings, *, threads: int) -> None:
    """Deliver what other processes accept, without an API, until a signal comes, and return when
    what was in hand is finished.

    Raises:
        MissingKeyError: a key is missing or cannot be used.
    """
    from adapter.delivery import Worker
    from adapter.delivery.worker import ALONE_SECONDS
    from adapter.store import Database

    check_keys(settings)
    _start_tracing(settings)
    stopping = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stopping.set())
    database = Database(settings.database)
    line = _line(settings, database)
    worker = Worker(line.outbox, line.delivery, threads=threads, idle=ALONE_SECONDS)
    worker.start()
    log(Event.STARTED, part="worker")
    stopping.wait()
    worker.stop(SHUTDOWN_SECONDS)
    line.close()
    tracing.flush()
    log(Event.STOPPED, part="worker")


def _start_tracing(settings: Settings) -> None:
    if settings.tracing_url:
        try:
            tracing.start(settings.tracing_url)
        except tracing.NoTracingError:
            raise MissingKeyError(Issue("error", "cli.no-tracing")) from None


def _server(app: Any, host: str, port: int, tls: ssl.SSLContext | None) -> uvicorn.Server:
    import uvicorn

    from adapter.security.connections import GentleServer, OpenProtocol

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=OpenProtocol,
        proxy_headers=False,
        server_header=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    config.load()
    config.ssl = tls
    return GentleServer(config)


@contextlib.contextmanager
def in_background(app: Any, host: str, port: int, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve an ASGI application from a thread while the block runs; yields its base URL.

    Raises:
        PortTakenError: the port is taken.
    """
    refuse_taken_port(host, port)
    server = _server(app, host, port, tls)
    thread = threading.Thread(target=server.run, name="kykysilta-serve", daemon=True)
    thread.start()
    try:
        until = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > until:
                raise PortTakenError(port)
            time.sleep(0.01)
        bound = server.servers[0].sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://{host}:{bound}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
