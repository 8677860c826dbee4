"""Records of many requests are taken in turns: together, in their order, and each answered for itself."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from adapter.api.turns import AT_ONCE, MUCH, Turns, Way
from adapter.errors import SourceError
from adapter.pipeline import Accepted, Sender
from adapter.types import Issue

HERE, THERE = Sender("here"), Sender("there")


class Slow:
    """A line whose first turn waits until it may go on; it notes who came with whom."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, list[str]]] = []
        self.bug: Exception = ZeroDivisionError()
        self.begun, self.go = threading.Event(), threading.Event()
        self.keeping = nullcontext

    def accept_many(self, records: Iterable[tuple[bytes, str]], *, sender: Sender, **_: Any) -> list[Any]:
        """Answer with the body as id; refuse what says so, fail at what no line expects."""
        bodies = [data.decode() for data, _ in records]
        self.turns.append((sender.id, bodies))
        self.begun.set()
        assert self.go.wait(10)
        if "bug" in bodies:
            raise self.bug
        refused = SourceError(Issue("error", "api.bad-request"))
        return [refused if body == "bad" else Accepted(body, "client", 1, ()) for body in bodies]


async def taken(turns: Turns, line: Slow, *handed: tuple[Sender, str]) -> list[Any]:
    """Hand over one record, and the others while it is being taken; returns all answers."""
    first = asyncio.create_task(turns.accept(Way(HERE, None, None), b"first", ""))
    assert await asyncio.to_thread(line.begun.wait, 10)
    others = [asyncio.create_task(turns.accept(Way(sender, None, None), data.encode(), "")) for sender, data in handed]
    await asyncio.sleep(0)
    line.go.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


def answers(line: Slow, *handed: tuple[Sender, str]) -> list[Any]:
    """See `taken`; each answer as the id it was given, or the type of the error."""
    woken: list[int] = []
    turns = Turns(line, lambda: woken.append(1))  # type: ignore[arg-type]
    turns.start()
    found = asyncio.run(taken(turns, line, *handed))
    turns.stop()
    assert woken
    return [one.submission if isinstance(one, Accepted) else type(one) for one in found]


def test_what_came_meanwhile_is_taken_together() -> None:
    """Records that arrive during a turn share the next one, in the order in which they came."""
    line = Slow()
    assert answers(line, *[(HERE, str(number)) for number in range(5)]) == ["first", "0", "1", "2", "3", "4"]
    assert line.turns == [("here", ["first"]), ("here", ["0", "1", "2", "3", "4"])]


def test_senders_are_kept_apart() -> None:
    """Each sender's records are handed to the line in its own name."""
    line = Slow()
    assert answers(line, (HERE, "a"), (THERE, "b"), (HERE, "c")) == ["first", "a", "b", "c"]
    assert line.turns[1:] == [("here", ["a", "c"]), ("there", ["b"])]


def test_a_turn_has_an_end() -> None:
    """No turn takes more than its share, however many wait."""
    line = Slow()
    many = [(HERE, str(number)) for number in range(2 * AT_ONCE)]
    assert answers(line, *many)[1:] == [data for _, data in many]
    assert [len(bodies) for _, bodies in line.turns] == [1, AT_ONCE, AT_ONCE]


def test_senders_follow_one_another() -> None:
    """However many records one sender hands over, the first one of another is in the next turn."""
    line = Slow()
    many = [(HERE, str(number)) for number in range(3 * AT_ONCE)]
    assert answers(line, *many, (THERE, "b"))[-1] == "b"
    assert [sender for sender, _ in line.turns] == ["here", "here", "there", "here", "here", "here"]
    assert [data for sender, bodies in line.turns[1:] if sender == "here" for data in bodies] == [
        data for _, data in many
    ]


def test_what_is_large_has_a_turn_of_its_own() -> None:
    """Records that take long to judge are not judged one after the other while everybody waits."""
    line = Slow()
    large = "x" * MUCH
    assert answers(line, (HERE, large), (HERE, large), (THERE, "b")) == ["first", large, large, "b"]
    assert [sender for sender, _ in line.turns] == ["here", "here", "there", "here"]


def test_a_refusal_is_told_to_its_sender_alone() -> None:
    """One refused record takes nobody with it."""
    assert answers(Slow(), (HERE, "a"), (HERE, "bad"), (HERE, "b")) == ["first", "a", SourceError, "b"]


def test_a_locked_database_is_asked_once_a_turn() -> None:
    """Who is behind the first sender of a turn does not wait for the lock as well; any other problem is its own."""
    cause = sqlite3.OperationalError("database is locked")
    for code, senders in ((sqlite3.SQLITE_BUSY, ["here"]), (sqlite3.SQLITE_FULL, ["here", "there"])):
        line = Slow()
        cause.sqlite_errorcode = code
        line.bug = OperationalError("BEGIN IMMEDIATE", {}, cause)
        assert answers(line, (HERE, "bug"), (THERE, "bug"))[1:] == [OperationalError, OperationalError]
        assert [sender for sender, _ in line.turns[1:]] == senders


def test_nothing_is_held_between_turns() -> None:
    """While nobody hands over, what the last records were and became is forgotten, however large it was."""
    line = Slow()
    line.go.set()
    turns = Turns(line, lambda: None)  # type: ignore[arg-type]
    turns.start()

    async def refused() -> weakref.ref[SourceError]:
        with pytest.raises(SourceError) as caught:
            await turns.accept(Way(HERE, None, None), b"bad", "")
        return weakref.ref(caught.value)

    told = asyncio.run(refused())
    until = time.monotonic() + 5
    while told() is not None and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    assert told() is None
    turns.stop()


@pytest.mark.parametrize(("bug", "told"), [(ZeroDivisionError(), ZeroDivisionError), (StopIteration(), RuntimeError)])
def test_turns_go_on_after_a_bug(bug: Exception, told: type[Exception]) -> None:
    """Who shared the turn with a fault of ours, of whatever kind, is told so, and the other sender's are taken."""
    line = Slow()
    line.bug = bug
    assert answers(line, (HERE, "bug"), (THERE, "a")) == ["first", told, "a"]


def test_who_goes_away_holds_nobody_up() -> None:
    """A caller that hung up is not answered, and the others are."""
    line = Slow()
    turns = Turns(line, lambda: None)  # type: ignore[arg-type]
    turns.start()

    async def one_leaves() -> list[Any]:
        leaving = asyncio.create_task(turns.accept(Way(HERE, None, None), b"leaves", ""))
        assert await asyncio.to_thread(line.begun.wait, 10)
        leaving.cancel()
        staying = asyncio.create_task(turns.accept(Way(HERE, None, None), b"stays", ""))
        await asyncio.sleep(0)
        line.go.set()
        return list(await asyncio.gather(leaving, staying, return_exceptions=True))

    left, stayed = asyncio.run(one_leaves())
    turns.stop()
    assert isinstance(left, asyncio.CancelledError)
    assert stayed.submission == "stays"


def test_what_waits_is_taken_before_the_end() -> None:
    """`stop` returns when everything that was handed over before it is answered."""
    line = Slow()
    line.go.set()
    turns = Turns(line, lambda: None)  # type: ignore[arg-type]

    async def ended() -> Accepted:
        waiting = asyncio.create_task(turns.accept(Way(HERE, None, None), b"last", ""))
        await asyncio.sleep(0)
        turns.start()
        await asyncio.to_thread(turns.stop)
        return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(ended()).submission == "last"


@pytest.mark.parametrize("way", [Way(HERE, "client", None), Way(HERE, None, "esimerkki-ehr")])
def test_ways_of_reading_are_kept_apart(way: Way) -> None:
    """Records that are to be read differently are never judged together."""
    line = Slow()
    line.go.set()
    turns = Turns(line, lambda: None)  # type: ignore[arg-type]

    async def both() -> None:
        waiting = [asyncio.create_task(turns.accept(one, b"a", "")) for one in (Way(HERE, None, None), way)]
        await asyncio.sleep(0)
        turns.start()
        await asyncio.gather(*waiting)

    asyncio.run(both())
    turns.stop()
    assert [len(bodies) for _, bodies in line.turns] == [1, 1]
