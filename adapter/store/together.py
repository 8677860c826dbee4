"""Group commit: whoever writes while a transaction is being committed shares the next one, and its one fsync.

What an act returns is handed to its caller only after the commit. An act that raises takes nobody with it: the
transaction is rolled back, and each act runs again in one of its own. A transaction that cannot even begin is tried
once for all: one after the other, each would wait for the database as long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection

DEADLOCK = "40P01"
"""SQLSTATE of PostgreSQL."""

Act = Callable[[Connection], Any]
"""Writes with the connection that it is given; it may be run twice, and must not wait for another act."""

Job = tuple[Act, "Future[Any]"]


class Together:
    """Runs the acts of many threads in as few transactions as possible.

    Args:
        transaction: opens a transaction that commits at its end.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction
        self._turn = threading.Lock()
        self._arriving = threading.Lock()
        self._waiting: list[Job] = []

    def run(self, act: Act) -> Any:
        """Run an act and return its result when it is committed; raises what the act or the database raised."""
        result: Future[Any] = Future()
        with self._arriving:
            self._waiting.append((act, result))
        with self._turn:
            # Meanwhile another thread may have committed it.
            if not result.done():
                self._commit(self._take())
        return result.result()

    def _take(self) -> list[Job]:
        with self._arriving:
            taken, self._waiting = self._waiting, []
        return taken

    def _commit(self, jobs: list[Job]) -> None:
        begun = False
        try:
            with self._transaction() as connection:
                begun = True
                values = [act(connection) for act, _ in jobs]
        except BaseException as error:
            if not begun or (len(jobs) == 1 and not _is_deadlock(error)):
                for _, result in jobs:
                    result.set_exception(error)
                return
            for job in jobs:
                self._commit([job])
            return
        for (_, result), value in zip(jobs, values, strict=True):
            result.set_result(value)


def _is_deadlock(error: BaseException) -> bool:
    """Say whether this was one of two that waited for each other: the other is done now, so it may run again."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == DEADLOCK
