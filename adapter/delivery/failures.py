"""Errors that a worker outlives, in the log: at once when one is new, now and then while it goes on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from adapter.events import Event, log

AGAIN_SECONDS = 30.0
"""So long an error is not told again: of a database that is away, looks fail ten times a second."""


class Failures:
    """Tells what one worker meets.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet_until: dict[str, float] = {}
        self._met: Counter[str] = Counter()

    def tell(self, error: BaseException | None) -> None:
        """Log an error by its type, with how often it was met since it was told last."""
        kind = type(error).__name__
        with self._lock:
            self._met[kind] += 1
            now = self._clock()
            if now < self._quiet_until.get(kind, now):
                return
            self._quiet_until[kind] = now + AGAIN_SECONDS
            count = self._met.pop(kind)
        log(Event.WORKER_FAILED, error_type=kind, count=count)
