"""The endpoint's own clock: it can run, stand still, be stepped and be wrong on purpose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

HELSINKI = ZoneInfo("Europe/Helsinki")


class Clock:
    """Time of one namespace, always in UTC with millisecond precision.

    A frozen clock stands at `instant` until it is stepped; a running one follows the machine plus `offset`.
    """

    def __init__(self, frozen: datetime | None = None) -> None:
        self.frozen = _utc(frozen) if frozen else None
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the present instant of this clock."""
        if self.frozen is not None:
            return self.frozen
        return _milliseconds(datetime.now(UTC) + self.offset)

    def lasted(self, seconds: float) -> float:
        """Return how long something lasted: no time at all while the clock stands still, so runs can be compared."""
        return 0.0 if self.frozen is not None else seconds

    def freeze(self, instant: datetime | None = None) -> None:
        """Stand still at `instant`, or now."""
        self.frozen = _utc(instant or self.now())

    def step(self, seconds: float) -> None:
        """Move on (or back) by `seconds`, frozen or running."""
        if self.frozen is not None:
            self.frozen = _milliseconds(self.frozen + timedelta(seconds=seconds))
        else:
            self.offset += timedelta(seconds=seconds)

    def run(self) -> None:
        """Follow the machine's clock again, without offset."""
        self.frozen = None
        self.offset = timedelta()


def _milliseconds(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _utc(instant: datetime) -> datetime:
    """An instant without zone is one of Finland."""
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=HELSINKI)
    return _milliseconds(aware.astimezone(UTC))


def fhir_instant(instant: datetime) -> str:
    """Return a FHIR instant such as `2025-03-14T08:00:00.000Z`."""
    return instant.isoformat(timespec="milliseconds")[:23] + "Z"


def http_date(instant: datetime) -> str:
    """Return an HTTP date (whole seconds, GMT; RFC 9110 §5.6.7)."""
    return _http_date(int(instant.timestamp()))


@lru_cache(maxsize=1024)
def _http_date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)
