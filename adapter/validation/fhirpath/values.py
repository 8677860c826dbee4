"""System values that JSON does not have: dates and times of partial precision, and quantities.

Comparison is three-valued as FHIRPath N1 asks: where two dates differ in precision or a unit cannot be
converted, the answer is None (an empty collection). Nothing here reads a clock.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation, Overflow
from functools import lru_cache
from typing import Final, Literal

NUMBERS: Final = Context(prec=40, Emax=10_000, Emin=-10_000, traps=[InvalidOperation, Overflow])
"""Decimal arithmetic: more digits than FHIR's 18, and an exponent that cannot take the machine down."""

_DATE_TIME = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?"
    r"(T(?:([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,30})?))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?)?"
)
_TIME = re.compile(r"([0-9]{2})(?::([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,30})?))?)?")
_LONGEST = 64
_WIDEST_OFFSET = Decimal(14 * 3600)

TemporalKind = Literal["Date", "DateTime", "Time"]


@dataclass(frozen=True, slots=True)
class Temporal:
    """A Date, DateTime or Time of any precision.

    Attributes:
        kind: its System type.
        parts: year, month, day, hour, minute, second for dates (hour, minute, second for times), as many as are
            known; seconds are Decimal with their fraction.
        offset: minutes east of UTC; None when unknown.
        text: as it was written.
    """

    kind: TemporalKind
    parts: tuple[int | Decimal, ...]
    offset: int | None
    text: str

    def has_time(self) -> bool:
        """True when an hour is known."""
        return self.kind == "Time" or len(self.parts) > 3


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, or a calendar word in the singular (`year` … `millisecond`)."""

    value: Decimal
    unit: str


Value = str | bool | int | Decimal | Temporal | Quantity
"""Any System value."""

CALENDAR_UNITS: Final = {
    form: unit
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for form in (unit, unit + "s")
}
"""Calendar words of the language, singular and plural, to the singular."""

_SECONDS: Final = {
    "week": Decimal(604_800),
    "day": Decimal(86_400),
    "hour": Decimal(3_600),
    "minute": Decimal(60),
    "second": Decimal(1),
    "millisecond": Decimal("0.001"),
}
UCUM_CALENDAR: Final = {
    "a": "year",
    "mo": "month",
    "wk": "week",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
}
"""UCUM codes of time to calendar words, as FHIR R4 §FHIRPath converts its Quantity."""

_MASS_LENGTH_VOLUME: Final = ("g", "m", "L", "l", "mol", "Pa", "J", "V", "W", "Hz", "N")
_PREFIXES: Final = {"": 0, "k": 3, "h": 2, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12}


@lru_cache(maxsize=4_096)
def parse_temporal(text: str) -> Temporal | None:
    """Read a FHIR date, dateTime or instant, or the same of the language (`2015T`); None when it is none."""
    match = _DATE_TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    year, month, day, time, hour, minute, second, zone = match.groups()
    if hour is not None and day is None:
        return None
    parts: list[int | Decimal] = [int(part) for part in (year, month, day, hour, minute) if part is not None]
    if second is not None:
        parts.append(Decimal(second))
    offset = None if zone is None else _offset(zone)
    if not _possible(parts) or (offset is not None and abs(offset) > 14 * 60):
        return None
    return Temporal("Date" if time is None else "DateTime", tuple(parts), offset, text)


def parse_time(text: str) -> Temporal | None:
    """Read a time of day without offset; None when it is none."""
    match = _TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    hour, minute, second = match.groups()
    parts: list[int | Decimal] = [int(part) for part in (hour, minute) if part is not None]
    if second is not None:
        parts.append(Decimal(second))
    return Temporal("Time", tuple(parts), None, text) if _possible([2000, 1, 1, *parts]) else None


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _possible(parts: list[int | Decimal]) -> bool:
    """Check the calendar: years 1–9999, real days, hours below 24, a leap second allowed."""
    year, month, day, hour, minute, second = _filled(parts)
    if not (1 <= year <= 9999 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 61):
        return False
    return 1 <= day <= calendar.monthrange(int(year), int(month))[1]


def _filled(parts: Sequence[int | Decimal]) -> list[int | Decimal]:
    """Return all six parts of a date and time, the unknown ones at their first value."""
    return [*parts, *(1, 1, 1, 0, 0, 0)[len(parts) :]]


def same_form(left: str, right: str) -> bool:
    """True when two texts are ordered as they stand: two days, or two instants to the second with one offset."""
    length = len(left)
    return length == len(right) and (length == 10 or (length >= 20 and left[19:] == right[19:] and left[19] != "."))


def compare_temporals(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1; None where the precision or a missing offset leaves it open.

    A date without time is compared by the calendar of the other side as written. An unknown offset may be any
    of the offsets in use (−14:00 … +14:00), so instants further apart are ordered all the same.
    """
    if (left.kind == "Time") != (right.kind == "Time"):
        return None
    if left.kind != "Time" and left.has_time() and right.has_time() and left.offset != right.offset:
        return _compare_instants(left, right)
    for one, other in zip(left.parts, right.parts, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left.parts) == len(right.parts) else None


def _compare_instants(left: Temporal, right: Temporal) -> int | None:
    difference = _first_second(left) - _first_second(right)
    shortest = min(len(left.parts), len(right.parts))
    slack = {4: Decimal(3600), 5: Decimal(60)}.get(shortest, Decimal(0))
    if len(left.parts) == len(right.parts):
        slack = Decimal(0)
    if left.offset is None or right.offset is None:
        slack += _WIDEST_OFFSET
    if slack and abs(difference) <= slack:
        return None
    return (difference > 0) - (difference < 0)


def _first_second(value: Temporal) -> Decimal:
    """Return seconds since year 1 of the first instant that the value can mean, in UTC when the offset is known."""
    year, month, day, hour, minute, second = _filled(value.parts)
    days = date(int(year), int(month), int(day)).toordinal()
    whole = days * 86_400 + int(hour) * 3_600 + (int(minute) - (value.offset or 0)) * 60
    return whole + Decimal(second)


def equal_temporals(left: Temporal, right: Temporal) -> bool | None:
    """Return whether both are the same date or instant; None where that is open."""
    order = compare_temporals(left, right)
    if order is None and (left.kind == "Time") != (right.kind == "Time"):
        return False
    return None if order is None else order == 0


def equivalent_temporals(left: Temporal, right: Temporal) -> bool:
    """Return whether both have the same precision and value (FHIRPath `~`)."""
    return len(left.parts) == len(right.parts) and compare_temporals(left, right) == 0


def add_duration(start: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    """Return a date or time moved by a calendar duration; None when the unit is no duration or the year leaves 1–9999.

    A partial date keeps its precision: finer units are brought to the precision first, decimals cut off
    (FHIRPath N1 §Date/Time Arithmetic).
    """
    unit = UCUM_CALENDAR.get(duration.unit, duration.unit)
    if unit not in CALENDAR_UNITS or duration.unit in ("a", "mo"):
        return None
    amount = duration.value * sign
    try:
        if start.kind == "Time":
            return _add_to_time(start, unit, amount)
        return _add_to_date(start, unit, amount)
    except (OverflowError, ValueError, InvalidOperation, Overflow):
        return None


def _add_to_time(start: Temporal, unit: str, amount: Decimal) -> Temporal | None:
    if unit not in ("hour", "minute", "second", "millisecond"):
        return None
    seconds = _whole(start, unit, amount, 2)
    hour, minute, whole = (int(part) for part in _filled([2000, 1, 1, *start.parts])[3:])
    clock = datetime(2000, 1, 1, hour, minute, min(whole, 59)) + seconds
    parts: tuple[int | Decimal, ...] = (clock.hour, clock.minute)
    fraction = start.parts[2] % 1 if len(start.parts) == 3 else Decimal(0)
    parts = (*parts, clock.second + Decimal(clock.microsecond) / 1_000_000 + fraction)[: len(start.parts)]
    return Temporal("Time", parts, None, _time_text(parts))


def _add_to_date(start: Temporal, unit: str, amount: Decimal) -> Temporal | None:
    precision = len(start.parts)
    if unit in ("year", "month") or precision < 3:
        return _add_months(start, _months(unit, amount, precision))
    year, month, day, hour, minute, whole = (int(part) for part in _filled(start.parts))
    begin = datetime(year, month, day, hour, minute, min(whole, 59))
    end = begin + _whole(start, unit, amount, 5)
    fraction = start.parts[5] % 1 if precision == 6 else Decimal(0)
    second = end.second + Decimal(end.microsecond) / 1_000_000 + fraction
    parts = (end.year, end.month, end.day, end.hour, end.minute, second)[:precision]
    return _dated(start, parts)


def _whole(start: Temporal, unit: str, amount: Decimal, last: int) -> timedelta:
    """Return the duration cut to the precision of the start; `last` is the position of the seconds in its parts."""
    seconds = NUMBERS.multiply(_SECONDS[unit], amount if unit in ("second", "millisecond") else Decimal(int_of(amount)))
    if abs(seconds) > Decimal(10) ** 12:
        raise OverflowError
    step = {last: Decimal("0.000001"), last - 1: Decimal(60), last - 2: Decimal(3_600), 2: Decimal(86_400)}
    size = step.get(len(start.parts) - 1, Decimal(1))
    return timedelta(microseconds=int((seconds / size).to_integral_value("ROUND_DOWN") * size * 1_000_000))


def _months(unit: str, amount: Decimal, precision: int) -> int:
    """Bring a duration to months (to whole years for a bare year), 30 days a month and 365 days a year."""
    if unit in ("year", "month"):
        months = int_of(amount) * (12 if unit == "year" else 1)
    else:
        days = NUMBERS.divide(NUMBERS.multiply(_SECONDS[unit], amount), _SECONDS["day"])
        months = int_of(days / 30) if precision == 2 else int_of(days / 365) * 12
    return months if precision > 1 else int(months / 12) * 12


def _add_months(start: Temporal, months: int) -> Temporal | None:
    total = int(start.parts[0]) * 12 + (int(start.parts[1]) - 1 if len(start.parts) > 1 else 0) + months
    year, month = total // 12, total % 12 + 1
    if not 1 <= year <= 9999:
        return None
    parts: tuple[int | Decimal, ...] = (year, month, *start.parts[2:])[: len(start.parts)]
    if len(parts) > 2:
        parts = (year, month, min(int(parts[2]), calendar.monthrange(year, month)[1]), *parts[3:])
    return _dated(start, parts)


def _dated(start: Temporal, parts: tuple[int | Decimal, ...]) -> Temporal:
    text = f"{parts[0]:04d}" + "".join(f"-{part:02d}" for part in parts[1:3])
    if len(parts) > 3:
        text += "T" + _time_text(parts[3:])
        if start.offset is not None:
            text += start.text[-1] if start.text.endswith("Z") else start.text[-6:]
    elif start.kind == "DateTime":
        text += "T"
    return Temporal(start.kind, parts, start.offset, text)


def _time_text(parts: tuple[int | Decimal, ...]) -> str:
    text = ":".join(f"{int(part):02d}" for part in parts)
    fraction = format(parts[2] % 1, "f").partition(".")[2].rstrip("0") if len(parts) == 3 else ""
    return text + ("." + fraction.ljust(3, "0") if fraction else "")


def int_of(number: Decimal) -> int:
    """Return the whole part of a number.

    Raises:
        OverflowError: it has more than 20 digits before the point; such a number is never turned into an int.
    """
    if not number.is_finite() or number.adjusted() > 20:
        raise OverflowError
    return int(number)


def in_common_unit(left: Quantity, right: Quantity) -> tuple[Decimal, Decimal] | None:
    """Return both values in the unit of the left one, or None when there is no safe conversion.

    Converted are calendar words among themselves (weeks and shorter, months and years) and UCUM codes of one
    metric base unit. A calendar word longer than a second and a UCUM code have no common unit.
    """
    if left.unit == right.unit:
        return left.value, right.value
    one, other = _scale(left.unit), _scale(right.unit)
    if one is None or other is None or one[0] != other[0]:
        return None
    try:
        return left.value, NUMBERS.divide(NUMBERS.multiply(right.value, other[1]), one[1])
    except (InvalidOperation, Overflow):
        return None


def _scale(unit: str) -> tuple[str, Decimal] | None:
    """Return a base unit and the factor to it."""
    if unit in ("second", "s", "millisecond", "ms"):
        return "second", _SECONDS[UCUM_CALENDAR.get(unit, unit)]
    if unit in _SECONDS:
        return "second", _SECONDS[unit]
    if unit in ("year", "month"):
        return "month", Decimal(12 if unit == "year" else 1)
    if unit in ("min", "h", "d", "wk"):
        return "definite second", _SECONDS[UCUM_CALENDAR[unit]]
    for base in _MASS_LENGTH_VOLUME:
        prefix = unit.removesuffix(base)
        if prefix != unit and prefix in _PREFIXES:
            return base.lower() if base == "L" else base, Decimal(1).scaleb(_PREFIXES[prefix])
    return None
