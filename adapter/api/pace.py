"""How fast somebody may call: a bucket of tokens for each, refilled at a steady rate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapter.errors import AdapterError
from adapter.types import Issue

MOST_BUCKETS = 10_000


class TooFast(AdapterError):  # noqa: N818
    """The caller calls faster than it may.

    Attributes:
        seconds: when it may call again.
    """

    stage = "access"
    http_status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(Issue("error", "api.too-many-requests", {"seconds": str(seconds)}))
        self.seconds = seconds


@dataclass(slots=True)
class Bucket:
    """Tokens of one caller, at the instant `at`."""

    level: float
    at: float


class Pace:
    """Holds every caller to a number of requests a second.

    Args:
        rate: requests a second.
        burst: requests that may come at once.
        clock: steady seconds.
        rates: other rates, by caller.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float], *, rates: Mapping[str, float] | None = None
    ) -> None:
        self._rate, self._burst, self._clock, self._rates = rate, burst, clock, dict(rates or {})
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def check(self, caller: str) -> None:
        """Take one token.

        Raises:
            TooFast: there is none.
        """
        rate = self._rates.get(caller, self._rate)
        with self._lock:
            now = self._clock()
            if len(self._buckets) > MOST_BUCKETS:
                self._forget_full(now)
            bucket = self._buckets.setdefault(caller, Bucket(self._burst, now))
            bucket.level = min(self._burst, bucket.level + (now - bucket.at) * rate)
            bucket.at = now
            if bucket.level < 1:
                raise TooFast(max(1, round((1 - bucket.level) / rate)))
            bucket.level -= 1

    def _forget_full(self, now: float) -> None:
        """Drop the buckets of those who have not called for so long that theirs are full again."""
        full = self._burst / self._rate
        self._buckets = {caller: bucket for caller, bucket in self._buckets.items() if now - bucket.at < full}
