"""Workers of other processes start at once: on PostgreSQL what is queued is told by NOTIFY, and heard by LISTEN.

Nothing depends on being heard: a worker that hears nothing finds the message when it looks. SQLite tells nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from adapter.events import Event, log
from adapter.store import Database

LOOK_SECONDS = 0.2
"""How often the listening thread looks whether it is to stop."""

STOP_SECONDS = 5.0
"""How long a thread that is just connecting to a silent server is waited for at the end."""

AGAIN_SECONDS = 5.0
"""Pause before a lost connection is made again."""

_TELL = text("NOTIFY kykysilta_outbox")


def tell(connection: Connection) -> None:
    """Tell all who listen when this transaction is committed: once, however often it is called in it."""
    if connection.dialect.name == "postgresql":
        connection.execute(_TELL)


@contextmanager
def listening(database: Database, wake: Callable[[], None]) -> Iterator[None]:
    """Call `wake` whenever somebody has queued something, until the block ends.

    A connection of its own is kept for it, and made again after it was lost. A pooler that shares connections between
    transactions lets nothing through: connect to the server itself, or wait for the next look.
    """
    if database.engine.dialect.name != "postgresql":
        yield
        return
    stopping = threading.Event()
    thread = threading.Thread(
        target=_listen, args=(database.engine, wake, stopping), name="kykysilta-listener", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(STOP_SECONDS)


def _listen(engine: Engine, wake: Callable[[], None], stopping: threading.Event) -> None:
    import psycopg

    where, how = engine.dialect.create_connect_args(engine.url)
    while not stopping.is_set():
        try:
            with psycopg.connect(*where, **how, autocommit=True) as connection:
                connection.execute("LISTEN kykysilta_outbox")
                wake()  # nobody heard what was queued before
                while not stopping.is_set():
                    for _ in connection.notifies(timeout=LOOK_SECONDS):
                        wake()
        except psycopg.Error as error:
            log(Event.WORKER_FAILED, error_type=type(error).__name__)
            stopping.wait(AGAIN_SECONDS)
