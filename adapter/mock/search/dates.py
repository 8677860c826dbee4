"""FHIR dates as ranges of instants: `2025-03` is all of March (R4 search, "date").

A range is (first microsecond, last microsecond) since the epoch, both included. A value without zone is read in
Europe/Helsinki.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from adapter.mock.clock import HELSINKI

Range = tuple[int, int]

EARLIEST = -(2**62)
LATEST = 2**62
"""Open ends of a Period."""

_DATE = re.compile(
    r"^(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?$"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def date_range(text: str) -> Range:
    """Return the instants that a FHIR date, dateTime or instant covers.

    Raises:
        ValueError: not a date of FHIR.
    """
    found = _DATE.match(text.replace(" ", "+"))
    if found is None:
        raise ValueError("not a date")
    year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
    if found["hour"] is None:
        start = datetime(year, month, day, tzinfo=HELSINKI)
        return _micro(start), _micro(_next(found, start)) - 1
    zone = found["zone"]
    tz = HELSINKI if zone is None else datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").tzinfo
    fraction = (found["fraction"] or "")[:6]
    start = datetime(
        year, month, day, int(found["hour"]), int(found["minute"]), int(found["second"] or 0), tzinfo=tz
    ) + timedelta(microseconds=int(fraction.ljust(6, "0") or 0))
    width = 10 ** (6 - len(fraction)) if found["second"] else 60_000_000
    return _micro(start), _micro(start) + width - 1


def _next(found: re.Match[str], start: datetime) -> datetime:
    if found["month"] is None:
        return start.replace(year=start.year + 1) if start.year < 9999 else datetime.max.replace(tzinfo=UTC)
    if found["day"] is None:
        year, month = (start.year + 1, 1) if start.month == 12 else (start.year, start.month + 1)
        return start.replace(year=year, month=month)
    return start + timedelta(days=1)


def _micro(instant: datetime) -> int:
    return (instant.astimezone(UTC) - _EPOCH) // _MICROSECOND
