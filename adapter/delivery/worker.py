"""Threads that drain the outbox: a clerk takes messages and writes down what comes of them, the others send.

The clerk works in turns, and each turn is one commit: what came of the tries that ended, that the next tries begin, and
which messages it takes in hand. So a commit is shared by as many messages as there are threads, a try begins only when
that is on disk, and a lane goes on only when what came of its head is. When nothing is due, all threads sleep.

On SQLite the clerk takes messages of any lane. On PostgreSQL it takes those of the lanes that are dealt out to this
process (`adapter.delivery.spreading`), and gives a lane back when nothing of it is due.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from queue import SimpleQueue
from typing import ParamSpec, Protocol, TypeVar
from uuid import uuid4

from adapter.delivery.failures import Failures
from adapter.delivery.messages import Lease, LeaseLost, Message, Outcome
from adapter.delivery.outbox import Outbox
from adapter.delivery.sending import Try
from adapter.events import Event, log

IDLE_SECONDS = 0.5
ALONE_SECONDS = 0.1
"""Pause of a worker that nobody wakes, because others accept."""

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Steps(Protocol):
    """What a worker does with a message; see `adapter.delivery.sending.Delivery`."""

    def ready(self) -> bool:
        """Say whether the destination takes messages; asked before each claim, when there is something to deliver."""

    def prepare(self, message: Message) -> Try | Outcome:
        """Make a message ready, without asking anybody."""

    def send(self, prepared: Try) -> Outcome | None:
        """Send it; None when there is nothing to write down."""

    def tell(self, outcome: Outcome) -> None:
        """Log what was committed."""


class Worker:
    """Delivers, with `threads` messages on their way at once and as many ready to follow, until stopped.

    Args:
        idle: seconds between looks when nothing is due and nobody calls `wake`.
    """

    def __init__(
        self,
        outbox: Outbox,
        steps: Steps,
        *,
        threads: int = 2,
        idle: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._steps = steps
        self._clock = clock
        self._count = threads
        self._share = outbox.share(2 * threads, clock) if threads else None
        self._idle = idle
        self._failures = Failures()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._in_hand: dict[Lease, Message] = {}
        self._prepared: deque[Try] = deque()
        self._going: SimpleQueue[Try | None] = SimpleQueue()
        self._under_way = 0
        self._ended: SimpleQueue[tuple[Message, Outcome | None]] = SimpleQueue()
        self._hopeless: list[Outcome] = []
        self._shut = False
        senders = [
            threading.Thread(target=self._send, name=f"kykysilta-worker-{number}", daemon=True)
            for number in range(threads)
        ]
        clerk = threading.Thread(target=self._work, name="kykysilta-clerk", daemon=True)
        keeper = threading.Thread(target=self._hold, name="kykysilta-leases", daemon=True)
        self._threads = [clerk, *senders, keeper] if threads else []

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        if self._share:
            self._share.start(self.wake)

    def wake(self) -> None:
        """Tell that something was queued."""
        self._wake.set()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish what is under way and stop; a message in hand after `timeout` seconds is found again by its lease."""
        self._stopping.set()
        self._wake.set()
        if self._share:
            self._share.finish()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if self._share:
            self._share.close(max(1.0, until - time.monotonic()))

    def _work(self) -> None:
        """Take turns until told to stop and nothing is under way."""
        while not self._stopping.is_set() or self._under_way or self._hopeless:
            self._wake.clear()
            if not self._turn():
                self._pause()
        for _ in range(self._count):
            self._going.put(None)

    def _pause(self) -> None:
        """Wait until there may be something to do; what is queued while the destination is down is not that."""
        asleep = self._shut and not self._under_way and not self._stopping.is_set()
        (self._stopping if asleep else self._wake).wait(self._idle)

    def _turn(self) -> bool:
        """Take one turn; True when there is more to do at once."""
        if self._stopping.is_set():
            self._give_back()
        outcomes = self._collected()
        begin = [self._prepared.popleft() for _ in range(min(len(self._prepared), self._free()))]
        lanes = self._lanes_to_claim(outcomes)
        limit = self._room(lanes, busy=bool(begin or outcomes))
        if not (begin or outcomes or limit):
            return False
        try:
            self._commit(outcomes, begin, limit, lanes)
        except LeaseLost:
            self._commit_each(outcomes, begin)
        except Exception as error:  # the next turn may find the database again
            self._failures.tell(error)
            self._commit_each(outcomes, begin)
            return False
        return bool(self._hopeless or (self._prepared and self._free()))

    def _lanes_to_claim(self, outcomes: Sequence[Outcome]) -> frozenset[str] | None:
        """Return our lanes of which nothing is in hand when these outcomes are written; None when any lane is ours."""
        if not self._share:
            return None
        ended = {one.message.lease for one in outcomes}
        return self._share.lanes - {message.lane for lease, message in self._in_hand.items() if lease not in ended}

    def _free(self) -> int:
        """Return how many threads have nothing to send."""
        return self._count - self._under_way

    def _collected(self) -> list[Outcome]:
        """Return what is to be written down."""
        outcomes, self._hopeless = self._hopeless, []
        while not self._ended.empty():
            message, outcome = self._ended.get()
            self._under_way -= 1
            if outcome is None:
                self._let_go(message)
            else:
                outcomes.append(outcome)
        return outcomes

    def _room(self, lanes: Collection[str] | None, *, busy: bool) -> int:
        """Return how many messages to claim: none while the destination is down, or when none is due."""
        room = self._count - len(self._prepared)
        if self._stopping.is_set() or 2 * room < self._count or (lanes is not None and not lanes):
            return 0
        due = busy or lanes or self._trying(self._outbox.any_due, self._clock())
        self._shut = bool(due) and not self._trying(self._steps.ready)
        return room if due and not self._shut else 0

    def _commit(
        self, outcomes: Sequence[Outcome], begin: Sequence[Try], limit: int = 0, lanes: frozenset[str] | None = None
    ) -> None:
        """Commit, and only then act on it.

        Raises:
            LeaseLost: another worker has one of the messages; nothing was committed.
        """
        # What is doubtful does not begin yet: the repository is asked about it first.
        begun = [one.message for one in begin if not one.message.doubtful]
        # Each claim has a name of its own: who lost a lease and took it again is somebody else.
        name = uuid4().hex
        now = self._clock()
        claimed = self._outbox.turn(now, outcomes=outcomes, begin=begun, worker=name, limit=limit, lanes=lanes)
        for outcome in outcomes:
            self._let_go(outcome.message)
            self._steps.tell(outcome)
        for one in begin:
            self._under_way += 1
            self._going.put(one)
        self._prepare(claimed)
        if self._share and lanes and len(claimed) < limit:
            self._share.drained(self._trying(self._outbox.waits, lanes - {one.lane for one in claimed}, now) or {})

    def _commit_each(self, outcomes: Iterable[Outcome], begin: Iterable[Try]) -> None:
        """Commit one by one, so that what cannot be written takes nothing else with it.

        The repository is asked about an outcome that is not written when its lease has ended.
        """
        for outcome in outcomes:
            if not self._settled(outcome.message, [outcome], []):
                self._let_go(outcome.message)
        again = [one for one in begin if not self._settled(one.message, [], [one])]
        self._prepared.extendleft(reversed(again))

    def _settled(self, message: Message, outcomes: Sequence[Outcome], begin: Sequence[Try]) -> bool:
        """Commit what concerns one message; False when the database or a bug did not let it."""
        try:
            self._commit(outcomes, begin)
        except LeaseLost:
            self._let_go(message)
            log(Event.LEASE_LOST, submission=message.submission)
        except Exception as error:  # the others are committed all the same
            self._failures.tell(error)
            return False
        return True

    def _prepare(self, claimed: Iterable[Message]) -> None:
        for message in claimed:
            self._in_hand[message.lease] = message
        for message in claimed:
            prepared = self._trying(self._steps.prepare, message)
            if prepared is None:
                self._let_go(message)
            elif isinstance(prepared, Try):
                self._prepared.append(prepared)
            else:
                self._hopeless.append(prepared)

    def _give_back(self) -> None:
        """Let somebody else take at once what was not begun."""
        messages = [one.message for one in self._prepared]
        self._prepared.clear()
        if messages:
            self._trying(self._outbox.release, messages)

    def _let_go(self, message: Message) -> None:
        del self._in_hand[message.lease]

    def _send(self) -> None:
        while (prepared := self._going.get()) is not None:
            outcome = self._trying(self._steps.send, prepared)
            self._ended.put((prepared.message, outcome))
            self._wake.set()

    def _hold(self) -> None:
        """Renew the leases of what is in hand, so that a slow repository does not look like a dead worker."""
        while not self._stopping.wait(self._outbox.lease / 3):
            workers = {lease.worker for lease in tuple(self._in_hand)}
            if workers:
                self._trying(self._outbox.renew, workers, self._clock())

    def _trying(self, act: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result | None:
        """Act; a worker outlives whatever a database or a bug throws at it."""
        try:
            return act(*args, **kwargs)
        except Exception as error:  # the next round may find the database again
            self._failures.tell(error)
            return None
