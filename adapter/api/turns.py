"""Takes the records of many requests in turns: what came during one turn is judged and stored together in the next.

One thread does it. Alone, a record is taken at once; when many callers hand over at the same time, they share commits
as the lines of a batch do. Senders follow one another: however much one of them hands over, another waits for no more
than the turn under way and its own.
"""

from __future__ import annotations

import threading
from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple

from adapter.pipeline import Accepted, Line, Sender
from adapter.store import is_locked

AT_ONCE = 32
"""Records that are judged and stored together, and answered together, at most."""

MUCH = 1_000_000
"""Bytes with which a turn has enough: what is large takes long, and everybody waits for the end of a turn."""


class Way(NamedTuple):
    """Who hands a record over, and how it is to be read: what records that are taken together have in common."""

    sender: Sender
    record_type: str | None
    vendor: str | None


class _Handed(NamedTuple):
    """A record that waits for its turn: the sender's bytes, its idempotency key or empty, and who waits."""

    way: Way
    data: bytes
    key: str
    answer: Future[Accepted | Exception]


class _Waiting:
    """Records that wait, in the order in which they came from each sender; one thread takes them."""

    def __init__(self) -> None:
        self._came: SimpleQueue[_Handed | None] = SimpleQueue()
        self._of_senders: dict[str, deque[_Handed]] = {}

    def put(self, one: _Handed) -> None:
        """Let a record wait."""
        self._came.put(one)

    def end(self) -> None:
        """Tell that no more come."""
        self._came.put(None)

    def next(self) -> list[_Handed]:
        """Return the records of the next turn, from each sender in its turn; waits for one, and is empty at the end."""
        self._sort()
        found: list[_Handed] = []
        size = 0
        while self._of_senders and len(found) < AT_ONCE and size < MUCH:
            sender = next(iter(self._of_senders))
            records = self._of_senders.pop(sender)
            found.append(records.popleft())
            size += len(found[-1].data)
            if records:
                self._of_senders[sender] = records  # behind the others
        return found

    def _sort(self) -> None:
        """Let what came wait behind the sender's own; waits for something to come when nothing else is there."""
        while not (self._of_senders and self._came.empty()):
            one = self._came.get()
            if one is None:
                self._came.put(None)  # the end is met again when nothing waits any more
                return
            self._of_senders.setdefault(one.way.sender.id, deque()).append(one)


class Turns:
    """Takes records for one line.

    Args:
        wake: called when records were stored.
    """

    def __init__(self, line: Line, wake: Callable[[], None]) -> None:
        self._line = line
        self._wake = wake
        self._waiting = _Waiting()
        self._thread = threading.Thread(target=self._work, name="kykysilta-turns", daemon=True)

    def start(self) -> None:
        """Start to take records."""
        self._thread.start()

    def stop(self) -> None:
        """Take what waits, and no more."""
        self._waiting.end()
        self._thread.join()

    async def accept(self, way: Way, data: bytes, key: str) -> Accepted:
        """Take a record; see `Line.accept`.

        Raises:
            AdapterError: nothing was stored.
        """
        waiting: Future[Accepted | Exception] = get_running_loop().create_future()
        self._waiting.put(_Handed(way, data, key, waiting))
        answer = await waiting
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _work(self) -> None:
        with self._line.keeping():
            while handed := self._waiting.next():
                self._turn(handed)
                handed.clear()  # what was read for the last ones is not held until somebody comes

    def _turn(self, handed: Sequence[_Handed]) -> None:
        locked: Accepted | Exception | None = None
        for way in dict.fromkeys(one.way for one in handed):
            group = [one for one in handed if one.way == way]
            # A locked database is asked once: one after the other, each sender would wait for it as long.
            answers = [locked] * len(group) if locked else self._answers(way, group)
            locked = next(filter(is_locked, answers), None)
            for one, answer in zip(group, answers, strict=True):
                with suppress(RuntimeError):  # the caller's event loop has ended: nobody listens
                    one.answer.get_loop().call_soon_threadsafe(_tell, one.answer, answer)
        self._wake()

    def _answers(self, way: Way, group: Sequence[_Handed]) -> Sequence[Accepted | Exception]:
        records = [(one.data, one.key) for one in group]
        try:
            return self._line.accept_many(records, sender=way.sender, record_type=way.record_type, vendor=way.vendor)
        except Exception as error:  # a bug is answered as one, and the next turn comes
            return [error] * len(group)


def _tell(waiting: Future[Accepted | Exception], answer: Accepted | Exception) -> None:
    if not waiting.done():  # else the caller went away
        waiting.set_result(answer)
