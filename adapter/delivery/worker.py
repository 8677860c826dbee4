"""Threads that drain the outbox: one claims for all, the others deliver; when nothing is due they sleep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar
from uuid import uuid4

from adapter.delivery.outbox import Message, Outbox
from adapter.events import Event, log

IDLE_SECONDS = 0.5
ALONE_SECONDS = 0.1
"""Pause of a worker that nobody wakes, because others accept."""

Given = TypeVar("Given")
Result = TypeVar("Result")


class Worker:
    """Runs `handle` for every claimed message, in `threads` threads, until stopped.

    Twice as many messages as threads are in hand at most: enough to claim several at once, few enough that none
    waits long for a slow repository.

    Args:
        handle: delivers one message and commits what came of it; it does not raise for what a repository does.
        ready: asked before each claim; False means that the destination is down and messages wait.
        idle: seconds between looks when nothing is due and nobody calls `wake`.
    """

    def __init__(
        self,
        outbox: Outbox,
        handle: Callable[[Message], None],
        *,
        ready: Callable[[], bool] = lambda: True,
        threads: int = 2,
        idle: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._handle = handle
        self._ready = ready
        self._clock = clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._claimed: SimpleQueue[Message | None] = SimpleQueue()
        self._in_hand: dict[tuple[str, str], Message] = {}
        self._count = threads
        self._idle = idle
        deliverers = [
            threading.Thread(target=self._run, name=f"kykysilta-worker-{number}", daemon=True)
            for number in range(threads)
        ]
        claimer = threading.Thread(target=self._claim, name="kykysilta-claims", daemon=True)
        keeper = threading.Thread(target=self._hold, name="kykysilta-leases", daemon=True)
        # In the order in which they end: nothing new is claimed while what is in hand is finished.
        self._threads = [claimer, *deliverers, keeper] if threads else []

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
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _claim(self) -> None:
        while not self._stopping.is_set():
            messages: list[Message] = []
            room = 2 * self._count - len(self._in_hand)
            if room >= self._count:
                messages = self._trying(self._more, room) or []
            for message in messages:
                self._in_hand[message.worker, message.submission] = message
                self._claimed.put(message)
            if not messages:
                self._wake.wait(self._idle)
                self._wake.clear()
        self._trying(self._give_back, self._not_begun())
        for _ in range(self._count):
            self._claimed.put(None)

    def _more(self, room: int) -> list[Message]:
        # Each claim has a name of its own: who lost a lease and took it again is somebody else.
        return self._outbox.claim(uuid4().hex, self._clock(), room) if self._ready() else []

    def _not_begun(self) -> list[Message]:
        found = []
        try:
            while (message := self._claimed.get_nowait()) is not None:
                found.append(message)
        except Empty:
            pass
        return found

    def _give_back(self, messages: list[Message]) -> None:
        if messages:
            self._outbox.release(messages)

    def _run(self) -> None:
        while (message := self._claimed.get()) is not None:
            self._trying(self._handle, message)
            # By the claim too: a message that failed may have been claimed again before it is struck off here.
            del self._in_hand[message.worker, message.submission]
            if len(self._in_hand) <= self._count:
                self._wake.set()

    def _hold(self) -> None:
        """Renew the leases of what is in hand, so that a slow repository does not look like a dead worker."""
        while not self._stopping.wait(self._outbox.lease / 3):
            self._trying(self._renew, tuple(self._in_hand.values()))

    def _renew(self, messages: tuple[Message, ...]) -> None:
        if messages:
            self._outbox.renew({message.worker for message in messages}, self._clock())

    def _trying(self, act: Callable[[Given], Result], given: Given) -> Result | None:
        """Act; a worker outlives whatever a database or a bug throws at it."""
        try:
            return act(given)
        except Exception as error:  # the next round may find the database again
            log(Event.WORKER_FAILED, error_type=type(error).__name__)
            return None
