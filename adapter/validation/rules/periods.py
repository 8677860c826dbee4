"""Periods of responsibility: half-open [start, end), with dates and instants side by side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cmp_to_key
from typing import Any, NamedTuple

from adapter.types import Json
from adapter.validation.fhirpath.values import Temporal, compare_temporals
from adapter.validation.rules.scope import moment


class Span(NamedTuple):
    """A period; None is open."""

    start: Temporal | None
    end: Temporal | None


def span(period: Json) -> Span:
    """Return a FHIR Period."""
    if not isinstance(period, dict):
        return Span(None, None)
    return Span(moment(period.get("start")), moment(period.get("end")))


def order(left: Temporal, right: Temporal) -> int:
    """Return -1, 0 or 1; what is the same as far as it is known counts as the same."""
    return compare_temporals(left, right) or 0


def covers(period: Span, at: Temporal) -> bool:
    """True when the moment lies in the period; the day of an end that is only a date still belongs to it."""
    if period.start is not None and order(period.start, at) > 0:
        return False
    return period.end is None or order(at, period.end) < (1 if len(period.end.parts) <= 3 else 0)


def overlap(left: Span, right: Span) -> bool:
    """True when two half-open periods have an instant in common."""
    return _before_end(left.start, right.end) and _before_end(right.start, left.end)


def _before_end(start: Temporal | None, end: Temporal | None) -> bool:
    return start is None or end is None or order(start, end) < 0


def gap(end: Temporal | None, start: Temporal | None) -> bool:
    """True when time passes between an end and a start; at the precision of days the next day is no gap."""
    if end is None or start is None or order(start, end) <= 0:
        return False
    if len(end.parts) > 3 and len(start.parts) > 3:
        return True
    first, second = day(end), day(start)
    return first is None or second is None or (second - first).days > 1


def day(at: Temporal) -> date | None:
    """Return the calendar day as written; None for a bare month or year."""
    return date(*(int(part) for part in at.parts[:3])) if len(at.parts) >= 3 else None


def by_start(items: Iterable[tuple[Span, Any]]) -> list[tuple[Span, Any]]:
    """Return pairs in the order in which their periods begin; open ones first."""

    def compare(left: tuple[Span, Any], right: tuple[Span, Any]) -> int:
        one, other = left[0].start, right[0].start
        if one is None or other is None:
            return (one is not None) - (other is not None)
        return order(one, other)

    return sorted(items, key=cmp_to_key(compare))
