"""Conversion between System types (FHIRPath N1 §5.5), and the caller's instant (§5.9)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any

from adapter.validation.fhirpath.arithmetic import to_text
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.functions.signature import BOOLEAN, INTEGER, STRING, Function
from adapter.validation.fhirpath.nodes import EMPTY, Context, Items
from adapter.validation.fhirpath.operators import is_number, single
from adapter.validation.fhirpath.values import (
    CALENDAR_UNITS,
    Quantity,
    Temporal,
    in_common_unit,
    parse_temporal,
    parse_time,
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,64}(\.[0-9]{1,64})?")
_QUANTITY = re.compile(r"([+-]?[0-9]{1,64}(?:\.[0-9]{1,64})?)\s{0,8}(?:'([^']{1,200})'|([a-z]{1,12}))?")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def _to_boolean(value: Any) -> bool | None:
    if type(value) is bool:
        return value
    if is_number(value):
        return {0: False, 1: True}.get(value)
    text = value.lower() if type(value) is str else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _to_integer(value: Any) -> int | None:
    if type(value) is str and _INTEGER.fullmatch(value):
        return int(value)
    return int(value) if type(value) in (int, bool) else None


def _to_decimal(value: Any) -> Decimal | None:
    if type(value) is str and _DECIMAL.fullmatch(value):
        return Decimal(value)
    return Decimal(value) if is_number(value) or type(value) is bool else None


def _to_date(value: Any) -> Temporal | None:
    found = parse_temporal(value) if type(value) is str else value
    if type(found) is not Temporal or found.kind == "Time":
        return None
    return Temporal("Date", found.parts[:3], None, found.text.partition("T")[0])


def _to_date_time(value: Any) -> Temporal | None:
    found = parse_temporal(value) if type(value) is str else value
    if type(found) is not Temporal or found.kind == "Time":
        return None
    return Temporal("DateTime", found.parts, found.offset, found.text)


def _to_time(value: Any) -> Temporal | None:
    found = parse_time(value.removeprefix("T")) if type(value) is str else value
    return found if type(found) is Temporal and found.kind == "Time" else None


def _to_quantity(value: Any) -> Quantity | None:
    if type(value) is Quantity:
        return value
    if is_number(value) or type(value) is bool:
        return Quantity(Decimal(value), "1")
    match = _QUANTITY.fullmatch(value) if type(value) is str else None
    if match is None or (match.group(3) and match.group(3) not in CALENDAR_UNITS):
        return None
    return Quantity(Decimal(match.group(1)), match.group(2) or CALENDAR_UNITS.get(match.group(3) or "", "1"))


def _conversions(name: str, convert: Callable[[Any], Any], result: str) -> dict[str, Function]:
    """Make `toX()` and `convertsToX()`."""

    def to(items: Items, _arguments: list[Items], _context: Context) -> Items:
        value = single(items, f"to{name}()")
        converted = None if value is None else convert(value)
        return EMPTY if converted is None else [converted]

    def converts_to(items: Items, _arguments: list[Items], _context: Context) -> Items:
        value = single(items, f"convertsTo{name}()")
        return EMPTY if value is None else [convert(value) is not None]

    return {f"to{name}": Function(to, result=result), f"convertsTo{name}": Function(converts_to, result=BOOLEAN)}


def _quantity(items: Items, arguments: list[Items], _context: Context) -> Items:
    """`toQuantity(unit)`: also brought to the unit, empty when that cannot be done."""
    value = single(items, "toQuantity()")
    quantity = None if value is None else _to_quantity(value)
    if quantity is None or not arguments:
        return EMPTY if quantity is None else [quantity]
    unit = single(arguments[0], "toQuantity()")
    if type(unit) is not str:
        return EMPTY
    try:
        common = in_common_unit(Quantity(Decimal(1), CALENDAR_UNITS.get(unit, unit)), quantity)
    except DecimalException:
        return EMPTY
    return EMPTY if common is None else [Quantity(common[1], CALENDAR_UNITS.get(unit, unit))]


def _instant(part: Callable[[Temporal], Temporal]) -> Function:
    def body(_items: Items, _arguments: list[Items], context: Context) -> Items:
        if context.now is None:
            raise FhirPathError("the expression asks for the present instant, which the caller did not give")
        return [part(context.now)]

    return Function(body)


def _date_of(now: Temporal) -> Temporal:
    return Temporal("Date", now.parts[:3], None, now.text[:10])


def _time_of(now: Temporal) -> Temporal:
    text = now.text[11:].rstrip("Z").partition("+")[0].partition("-")[0]
    return Temporal("Time", now.parts[3:], None, text)


FUNCTIONS = {
    **_conversions("Boolean", _to_boolean, BOOLEAN),
    **_conversions("Integer", _to_integer, INTEGER),
    **_conversions("Decimal", _to_decimal, "System.Decimal"),
    **_conversions("Date", _to_date, "System.Date"),
    **_conversions("DateTime", _to_date_time, "System.DateTime"),
    **_conversions("Time", _to_time, "System.Time"),
    **_conversions("String", to_text, STRING),
    **_conversions("Quantity", _to_quantity, "System.Quantity"),
    "toQuantity": Function(_quantity, 0, 1, "System.Quantity"),
    "now": _instant(lambda now: now)._replace(result="System.DateTime"),
    "today": _instant(_date_of)._replace(result="System.Date"),
    "timeOfDay": _instant(_time_of)._replace(result="System.Time"),
}
