"""Threads that drain the outbox: claim, hand over, sleep until something is due or somebody wakes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from uuid import uuid4

from adapter.delivery.outbox import Message, Outbox
from adapter.events import Event, log

IDLE_SECONDS = 0.5


class Worker:
    """Runs `handle` for every claimed message, in `threads` threads, until stopped.

    Args:
        handle: delivers one message and commits what came of it; it does not raise for what a repository does.
        ready: asked before each claim; False means that the destination is down and messages wait.
    """

    def __init__(
        self,
        outbox: Outbox,
        handle: Callable[[Message], None],
        *,
        ready: Callable[[], bool] = lambda: True,
        threads: int = 2,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._handle = handle
        self._ready = ready
        self._clock = clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"kykysilta-worker-{number}", daemon=True)
            for number in range(threads)
        ]
        self._names = [uuid4().hex for _ in self._threads]
        self._threads.append(threading.Thread(target=self._hold, name="kykysilta-leases", daemon=True))

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Tell that something was queued."""
        self._wake.set()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish what is in hand and stop; a message in hand after `timeout` seconds is found again by its lease."""
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout)

    def _hold(self) -> None:
        """Renew the leases of what is in hand, so that a slow repository does not look like a dead worker."""
        while not self._stopping.wait(self._outbox.lease / 3):
            try:
                self._outbox.renew(self._names, self._clock())
            except Exception as error:  # the next round may find the database again
                log(Event.WORKER_FAILED, error_type=type(error).__name__)

    def _run(self, number: int) -> None:
        name = self._names[number]
        while not self._stopping.is_set():
            try:
                messages = self._outbox.claim(name, self._clock()) if self._ready() else []
                for message in messages:
                    self._handle(message)
            except Exception as error:  # a worker outlives whatever a database or a bug throws at it
                log(Event.WORKER_FAILED, error_type=type(error).__name__)
                messages = []
            if not messages:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()
