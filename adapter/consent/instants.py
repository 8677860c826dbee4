"""FHIR dates and times as spans of instants: inclusive bounds of any precision, local days (R9).

An instant is a whole number of microseconds since 1970-01-01T00:00:00Z. A span is half-open, so that the
inclusive end 2026-12-31 covers every instant of that local day, whatever the clock does at night.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.(\d{1,9}))?(?:Z|[+-]\d{2}:\d{2})")


class Span(NamedTuple):
    """A stretch of time: `low` belongs to it, `high` does not; ±infinity where FHIR leaves it open."""

    low: float
    high: float

    def holds(self, instant: float) -> bool:
        """Tell whether the instant lies inside."""
        return self.low <= instant < self.high

    def covers(self, other: Span) -> bool:
        """Tell whether the other span lies wholly inside."""
        return self.low <= other.low and other.high <= self.high

    def touches(self, other: Span) -> bool:
        """Tell whether the spans share at least one instant."""
        return self.low < other.high and other.low < self.high


ALWAYS = Span(-inf, inf)


@lru_cache(maxsize=4096)
def instant(text: str) -> int | None:
    """Return a FHIR dateTime with time and offset as an instant; None when it is anything else."""
    if not _TIME.fullmatch(text):
        return None
    leap = text[17:19] == "60"
    try:
        moment = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text)
        return (moment - _EPOCH) // _MICROSECOND + leap * _SECOND
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=4096)
def span(text: str, zone: tzinfo) -> Span | None:
    """Return all instants that a FHIR date, dateTime or instant stands for; None when it is none of them.

    A year, month or day is local time of `zone`; a second covers its fractions.
    """
    parts = _DATE.fullmatch(text)
    if parts is None:
        low = instant(text)
        if low is None:
            return None
        fraction = _TIME.fullmatch(text)[1]  # type: ignore[index]  # instant() has matched it
        width = 1 if fraction and len(fraction) >= 6 else _SECOND // 10 ** len(fraction or "")
        return Span(low, low + width)
    year, month, day = (int(part) if part else 0 for part in parts.groups())
    try:
        first = date(year, month or 1, day or 1)
    except ValueError:
        return None
    return Span(_midnight(first, zone), _midnight(_after(first, month, day), zone))


@lru_cache(maxsize=4096)
def local_day(moment: float, zone: tzinfo) -> Span:
    """Return the local day that an instant belongs to."""
    day = (_EPOCH + timedelta(microseconds=moment)).astimezone(zone).date()
    return Span(_midnight(day, zone), _midnight(_after(day, 1, 1), zone))


def period_span(period: dict[str, Any], zone: tzinfo) -> Span | None:
    """Return the span of a FHIR Period; None when a bound is no date or the end lies before the start."""
    start, end = period.get("start"), period.get("end")
    first = span(start, zone) if isinstance(start, str) else ALWAYS if start is None else None
    last = span(end, zone) if isinstance(end, str) else ALWAYS if end is None else None
    if first is None or last is None or first.low >= last.high:
        return None
    return Span(first.low, last.high)


def _after(first: date, month: int, day: int) -> date | None:
    """Return the day after the year, month or day that begins on `first`; None at the end of the calendar."""
    try:
        if day:
            return first + timedelta(days=1)
        if month:
            return date(first.year + first.month // 12, first.month % 12 + 1, 1)
        return date(first.year + 1, 1, 1)
    except (ValueError, OverflowError):
        return None


def _midnight(day: date | None, zone: tzinfo) -> float:
    """Return local midnight; the first and last days of the calendar stand for what is open."""
    if day is None or day.year >= 9999:
        return inf
    if day.year <= 1:
        return -inf
    return (datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH) // _MICROSECOND
