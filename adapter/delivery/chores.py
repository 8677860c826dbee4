"""What has to be done now and then beside delivering: retention, audit checkpoints, certificates that end.

A chore runs in one thread, one after the other; what fails is logged and tried again in its next turn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete

from adapter import audit
from adapter.delivery.keeping import forget_bodies
from adapter.events import Event, log
from adapter.security.certificates import days_left
from adapter.store import Cipher, Database
from adapter.store.tables import idempotency

HOUR = 3600.0
DAY = 24 * HOUR
WARNING_DAYS = 30.0
KEYS_KEPT = 2 * DAY
"""How long an `Idempotency-Key` is remembered unless told otherwise; at least a day is promised."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done again and again.

    Attributes:
        name: for the log.
        every: seconds from one start to the next; the first is at the start of the service.
        act: does it, given the present instant in UTC seconds.
        at_end: done once more when the service stops.
    """

    name: str
    every: float
    act: Callable[[float], None]
    at_end: bool = False


def retention(database: Database, cipher: Cipher, days: int, keys_kept: float = KEYS_KEPT) -> Chore:
    """Delete bodies `days` after their receipt, and idempotency keys that nobody needs any more (design §8)."""

    def act(now: float) -> None:
        forget_bodies(database, cipher, now - days * DAY, now)
        with database.transaction() as connection:
            connection.execute(delete(idempotency).where(idempotency.c.at < now - keys_kept))

    return Chore("retention", HOUR, act)


def checkpoints(database: Database, key: Ed25519PrivateKey) -> Chore:
    """Sign the state of the audit log every hour and at the end, when it has grown."""

    def act(now: float) -> None:
        with database.transaction() as connection:
            size = audit.size(connection)
            if size > audit.checkpointed(connection):
                audit.checkpoint(connection, now, key)
                log(Event.CHECKPOINT, size=size)

    return Chore("checkpoint", HOUR, act, at_end=True)


def integrity(database: Database) -> Chore:
    """Read the whole database every day, so that damage is known before somebody needs what it hit."""
    return Chore("integrity", DAY, lambda _now: database.check())


def expiry(certificates: Callable[[], Mapping[str, x509.Certificate]]) -> Chore:
    """Announce every day each certificate in use that ends within 30 days, or has ended."""

    def act(now: float) -> None:
        for name, certificate in certificates().items():
            days = days_left(certificate, now)
            if days <= WARNING_DAYS:
                log(Event.CERTIFICATE_EXPIRES, name=name, days=int(days))

    return Chore("certificates", DAY, act)


class Chores:
    """Runs chores in a thread until stopped.

    Args:
        clock: UTC seconds, handed to the chores; waiting goes by a steady clock.
    """

    def __init__(self, chores: Sequence[Chore], *, clock: Callable[[], float] = time.time) -> None:
        self._chores = tuple(chores)
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kykysilta-chores", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Stop, and do what belongs to the end."""
        self._stopping.set()
        self._thread.join(timeout)
        for chore in self._chores:
            if chore.at_end:
                self._do(chore)

    def _run(self) -> None:
        due = dict.fromkeys(self._chores, 0.0)
        while not self._stopping.is_set():
            now = time.monotonic()
            for chore in self._chores:
                if due[chore] <= now:
                    self._do(chore)
                    due[chore] = now + chore.every
            self._stopping.wait(max(0.0, min(due.values(), default=HOUR + now) - time.monotonic()))

    def _do(self, chore: Chore) -> None:
        try:
            chore.act(self._clock())
        except Exception as error:  # whatever a database throws, the next turn may go well
            log(Event.CHORE_FAILED, name=chore.name, error_type=type(error).__name__)
