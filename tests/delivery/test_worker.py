"""Workers of one or several processes drain the outbox together: each message once, each lane in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import OperationalError

from adapter.delivery import Outbox, Worker
from adapter.delivery.messages import Delivered, Failed, LeaseLost, Message, Outcome
from adapter.delivery.sending import Try
from adapter.delivery.states import Known, State
from adapter.store import Database
from tests.delivery.conftest import Put


@dataclass
class Steps:
    """Delivers at once, or as it is told.

    Attributes:
        sending: what becomes of a message; in place of a delivery.
        there: whether the destination takes messages.
        handled, told: submissions in the order in which they were sent, and logged.
    """

    sending: Callable[[Message], Outcome] = lambda message: Delivered(message, "r", {}, set(), "receipt", attempts=1)
    there: threading.Event = field(default_factory=threading.Event)
    handled: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.there.set()

    def ready(self) -> bool:
        """Say whether messages may go out."""
        return self.there.is_set()

    def prepare(self, message: Message) -> Try | Outcome:
        """Nothing is to be prepared."""
        return Try(message, {}, {}, b"")

    def send(self, prepared: Try) -> Outcome | None:
        """Note it."""
        self.handled.append(prepared.message.submission)
        return self.sending(prepared.message)

    def tell(self, outcome: Outcome) -> None:
        """Note it."""
        self.told.append(outcome.message.submission)


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something holds; False when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def delivered(outbox: Outbox) -> int:
    """How many messages are."""
    return outbox.stock().get(State.DELIVERED, (0, 0))[0]


def test_several_workers_share_the_lanes_and_keep_their_order(outbox: Outbox, put: Put) -> None:
    """Two workers with three threads each: 40 messages of 8 clients are handled once, each client's in order."""
    lanes = {put(f"lane-{number % 8}"): number for number in range(40)}
    steps = Steps()
    workers = [Worker(outbox, steps, threads=3) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert until(lambda: delivered(outbox) == 40)
    for worker in workers:
        worker.stop()
    handled = [lanes[name] for name in steps.handled]
    assert sorted(handled) == list(range(40))
    assert sorted(steps.told) == sorted(lanes)
    for lane in range(8):
        mine = [number for number in handled if number % 8 == lane]
        assert mine == sorted(mine)


def test_a_try_is_on_disk_before_it_is_sent(outbox: Outbox, put: Put) -> None:
    """Whatever leaves, the database says already that it is being sent: a crash cannot make it look unsent."""
    names = [put(f"lane-{number}") for number in range(12)]
    seen: list[int] = []

    def send(message: Message) -> Outcome:
        seen.append(outbox.stock().get(State.SENDING, (0, 0))[0])
        return Delivered(message, "r", {}, set(), "receipt", attempts=1)

    worker = Worker(outbox, Steps(send), threads=3)
    worker.start()
    assert until(lambda: delivered(outbox) == len(names))
    worker.stop()
    assert len(seen) == len(names)
    assert all(1 <= count <= 3 for count in seen)


@dataclass
class Down(Steps):
    """Nobody is there; counts how often that was asked."""

    asked: int = 0

    def ready(self) -> bool:
        """Say that no message may go out."""
        self.asked += 1
        return False


def test_what_is_queued_while_nobody_is_there_wakes_no_worker(outbox: Outbox, put: Put) -> None:
    """A destination that is down is asked for when the worker looks, not for every record; told to stop, it stops."""
    put("moona")
    steps = Down()
    worker = Worker(outbox, steps, threads=1, idle=30)
    worker.start()
    assert until(lambda: steps.asked == 1)
    for number in range(5):
        put(f"lane-{number}")
        worker.wake()
        time.sleep(0.05)
    assert steps.asked == 1
    begun = time.monotonic()
    worker.stop()
    assert time.monotonic() - begun < 5


def test_a_worker_that_stops_gives_back_what_it_did_not_begin(outbox: Outbox, put: Put) -> None:
    """With one thread held up, the second message in hand is free again at once, not after its lease."""
    names = [put("moona"), put("matti")]
    begun, go_on = threading.Event(), threading.Event()

    def send(message: Message) -> Outcome:
        begun.set()
        go_on.wait(10)
        return Delivered(message, "r", {}, set(), "receipt", attempts=1)

    worker = Worker(outbox, Steps(send), threads=1)
    worker.start()
    assert begun.wait(10)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    free: list[Message] = []

    def given_back() -> bool:
        free.extend(outbox.claim("next", time.time()))
        return bool(free)

    assert until(given_back)
    go_on.set()
    stopping.join(10)
    assert [message.submission for message in free] == names[1:]
    assert delivered(outbox) == 1


def test_a_worker_outlives_what_goes_wrong(outbox: Outbox, put: Put) -> None:
    """A bug in one message stops no thread and no other message."""
    bad = put("moona")
    put("matti")

    def send(message: Message) -> Outcome:
        if message.submission == bad:
            raise OSError("the disk")
        return Delivered(message, "r", {}, set(), "receipt", attempts=1)

    worker = Worker(outbox, Steps(send), threads=1)
    worker.start()
    assert until(lambda: delivered(outbox) == 1)
    worker.stop()


def test_an_outcome_that_cannot_be_written_takes_no_other_with_it(outbox: Outbox, put: Put) -> None:
    """The others of the same turn are written one by one; what is not will be asked about when its lease ends."""
    names = [put(f"lane-{number}") for number in range(4)]
    together = threading.Barrier(4)

    def send(message: Message) -> Outcome:
        together.wait(10)
        twice = {"urn:uuid:a": Known("Patient/1", "1")} if message.submission == names[0] else {}
        return Delivered(message, "r", twice, {"urn:uuid:nobody"} if twice else set(), "receipt", attempts=1)

    worker = Worker(outbox, Steps(send), threads=4)
    worker.start()
    assert until(lambda: delivered(outbox) == 3)
    worker.stop()
    assert outbox.stock()[State.SENDING][0] == 1


def test_a_database_that_is_gone_for_a_moment_loses_nothing(
    outbox: Outbox, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was to begin waits until it can be written down that it does."""
    names = [put(f"lane-{number}") for number in range(6)]
    turns, real = [0], outbox.turn

    def turn(*args: object, **kwargs: object) -> list[Message]:
        turns[0] += 1
        if turns[0] in (2, 3):
            raise OperationalError("", {}, OSError())
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(outbox, "turn", turn)
    steps = Steps()
    worker = Worker(outbox, steps, threads=2, idle=0.01)
    worker.start()
    assert until(lambda: delivered(outbox) == len(names))
    worker.stop()
    assert sorted(steps.handled) == sorted(names)


def test_who_lost_a_lease_sends_and_writes_nothing(outbox: Outbox, put: Put) -> None:
    """A turn that comes too late for one of its messages changes nothing at all, not even of the others."""
    for lane in ("moona", "matti", "maija"):
        put(lane)
    late = outbox.claim("late", 0.0, 2)
    outbox.turn(0.0, begin=late[:1])
    outbox.claim("next", outbox.lease + 1, 1)
    now = outbox.lease + 2
    failed = Failed(late[0], State.REJECTED, due=0.0, attempts=1, cause="HTTP 422", http_status=422)
    with pytest.raises(LeaseLost):
        outbox.turn(now, outcomes=[failed], begin=late[1:], worker="late again", limit=3)
    stock = {state: count for state, (count, _) in outbox.stock().items()}
    assert stock == {State.SENDING: 1, State.QUEUED: 2}
    outbox.turn(now, begin=late[1:], worker="late again", limit=3)
    assert outbox.stock()[State.SENDING][0] == 2


def test_a_lost_lease_costs_its_own_message_alone(outbox: Outbox, put: Put) -> None:
    """The others of the turn are committed without it; who took the message has it."""
    names = [put(f"lane-{number}") for number in range(3)]
    together, taken = threading.Barrier(3), list[Message]()

    def send(message: Message) -> Outcome:
        if message.submission == names[1]:
            outbox.release([message])
            taken.extend(outbox.claim("thief", time.time()))
        together.wait(10)
        return Delivered(message, "r", {}, set(), "receipt", attempts=1)

    worker = Worker(outbox, Steps(send), threads=3)
    worker.start()
    assert until(lambda: delivered(outbox) == 2)
    worker.stop()
    assert [message.submission for message in taken] == names[1:2]
    outbox.turn(time.time(), outcomes=[Delivered(taken[0], "r", {}, set(), "receipt", attempts=1)])
    assert delivered(outbox) == len(names)


def test_nothing_is_claimed_while_the_destination_is_down(outbox: Outbox, put: Put) -> None:
    """Messages wait in the queue until somebody is there."""
    put("moona")
    steps = Steps()
    steps.there.clear()
    worker = Worker(outbox, steps, threads=1)
    worker.start()
    time.sleep(0.7)
    assert (steps.handled, outbox.stock()[State.QUEUED][0]) == ([], 1)
    steps.there.set()
    worker.wake()
    assert until(lambda: bool(steps.handled))
    worker.stop()


def test_an_idle_worker_writes_nothing(outbox: Outbox, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for work takes no lock of the database; a worker to whom lanes are dealt out does not even look."""
    looks: list[float] = []

    def any_due(now: float) -> bool:
        looks.append(now)
        return False

    monkeypatch.setattr(outbox, "turn", lambda *_, **__: pytest.fail("nothing is due"))
    monkeypatch.setattr(outbox, "any_due", any_due)
    worker = Worker(outbox, Steps(), threads=2, idle=0.01)
    worker.start()
    if database.engine.dialect.name == "sqlite":
        assert until(lambda: len(looks) > 3)
    else:
        time.sleep(0.2)
        assert looks == []
    worker.stop()
