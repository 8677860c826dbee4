"""Workers of one or several processes drain the outbox together: each message once, each lane in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from adapter.delivery import Outbox, Worker
from adapter.delivery.outbox import Message
from adapter.delivery.states import State
from tests.delivery.conftest import Put


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something holds; False when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_several_workers_share_the_lanes_and_keep_their_order(outbox: Outbox, put: Put) -> None:
    """Two workers with three threads each: 40 messages of 8 clients are handled once, each client's in order."""
    lanes = {put(f"lane-{number % 8}"): number for number in range(40)}
    handled: list[int] = []

    def handle(message: Message) -> None:
        handled.append(lanes[message.submission])
        outbox.delivered(message, time.time(), "r", {}, set(), "receipt")

    workers = [Worker(outbox, handle, threads=3) for _ in range(2)]
    for worker in workers:
        worker.start()
    assert until(lambda: outbox.stock().get(State.DELIVERED, (0, 0))[0] == 40)
    for worker in workers:
        worker.stop()
    assert sorted(handled) == list(range(40))
    for lane in range(8):
        mine = [number for number in handled if number % 8 == lane]
        assert mine == sorted(mine)


def test_a_worker_that_stops_gives_back_what_it_did_not_begin(outbox: Outbox, put: Put) -> None:
    """With one thread held up, the second message in hand is free again at once, not after its lease."""
    names = [put("moona"), put("matti")]
    begun, go_on = threading.Event(), threading.Event()

    def handle(message: Message) -> None:
        begun.set()
        go_on.wait(10)
        outbox.delivered(message, time.time(), "r", {}, set(), "receipt")

    worker = Worker(outbox, handle, threads=1)
    worker.start()
    assert begun.wait(10)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    free: list[Message] = []
    assert until(lambda: bool(free.extend(outbox.claim("next", time.time())) or free))
    go_on.set()
    stopping.join(10)
    assert [message.submission for message in free] == names[1:]
    assert outbox.stock()[State.DELIVERED][0] == 1


def test_a_worker_outlives_what_goes_wrong(outbox: Outbox, put: Put) -> None:
    """A bug or a lost database in one message stops no thread."""
    bad = put("moona")
    put("matti")

    def handle(message: Message) -> None:
        if message.submission == bad:
            raise OSError("the disk")
        outbox.delivered(message, time.time(), "r", {}, set(), "receipt")

    worker = Worker(outbox, handle, threads=1)
    worker.start()
    assert until(lambda: State.DELIVERED in outbox.stock())
    worker.stop()


def test_nothing_is_claimed_while_the_destination_is_down(outbox: Outbox, put: Put) -> None:
    """Messages wait in the queue until somebody is there."""
    put("moona")
    there = threading.Event()
    handled: list[str] = []
    worker = Worker(outbox, lambda message: handled.append(message.submission), ready=there.is_set, threads=1)
    worker.start()
    time.sleep(0.7)
    assert (handled, outbox.stock()[State.QUEUED][0]) == ([], 1)
    there.set()
    worker.wake()
    assert until(lambda: bool(handled))
    worker.stop()
