"""Arithmetic and text of System values: numbers, dates with durations, quantities. Overflow is empty."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any

from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.nodes import EMPTY, Items
from adapter.validation.fhirpath.operators import in_same_kind, is_number, single
from adapter.validation.fhirpath.values import (
    CALENDAR_UNITS,
    NUMBERS,
    Quantity,
    Temporal,
    add_duration,
    in_common_unit,
    int_of,
    parse_temporal,
)

_LARGEST_INTEGER = 2**63

LONGEST_TEXT = 1_048_576
"""Longest text in characters that an expression may make, as of a string of R4."""


def concatenate(left: Items, right: Items) -> Items:
    """`&`: text of both sides joined, empty counts as empty text."""
    one, other = single(left, "'&'"), single(right, "'&'")
    texts = (to_text(one) or "", to_text(other) or "")
    require_length(sum(map(len, texts)))
    return ["".join(texts)]


def require_length(length: int) -> None:
    """Raise FhirPathError when a text that is to be made would be longer than `LONGEST_TEXT`."""
    if length > LONGEST_TEXT:
        raise FhirPathError(f"a text would be longer than {LONGEST_TEXT} characters")


def to_text(value: Any) -> str | None:
    """Return a System value as text, None for what has none (a complex element)."""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is Decimal:
        return format(value, "f") if abs(value.adjusted()) < 100 else str(value)
    if type(value) is Temporal:
        return value.text
    if type(value) is Quantity:
        word = value.unit if value.unit in CALENDAR_UNITS else f"'{value.unit}'"
        return f"{to_text(value.value)} {word}"
    return value if type(value) is str else None


def arithmetic(operator: str, left: Items, right: Items) -> Items:
    """`+ - * / div mod`: empty when a side is empty, on division by zero and on overflow.

    Raises:
        FhirPathError: several items, or values that the operator does not take.
    """
    if not left or not right:
        return EMPTY
    one, other = single(left, f"'{operator}'"), single(right, f"'{operator}'")
    if one is None or other is None:
        return EMPTY
    try:
        result = _calculated(operator, one, other)
    except (DecimalException, OverflowError):
        return EMPTY
    return EMPTY if result is None else [result]


def _calculated(operator: str, one: Any, other: Any) -> Any:
    if operator == "+" and type(one) is str and type(other) is str:
        require_length(len(one) + len(other))
        return one + other
    if is_number(one) and is_number(other):
        return _NUMERIC[operator](one, other)
    if operator in "+-" and type(other) is Quantity:
        if type(one) is str:
            one = parse_temporal(one)
        if type(one) is Temporal:
            return add_duration(one, other, 1 if operator == "+" else -1)
    if type(one) is Quantity or type(other) is Quantity:
        return _quantities(operator, *in_same_kind(one, other))
    raise FhirPathError(f"'{operator}' does not take these values")


def _quantities(operator: str, one: Any, other: Any) -> Quantity | None:
    if type(one) is not Quantity or type(other) is not Quantity:
        raise FhirPathError(f"'{operator}' does not take these values")
    if operator in "+-":
        common = in_common_unit(one, other)
        if common is None:
            return None
        return Quantity(Decimal(_NUMERIC[operator](*common)), one.unit)
    if operator == "/" and one.unit == other.unit:
        value = _divide(one.value, other.value)
        return None if value is None else Quantity(value, "1")
    if operator in "*/" and "1" in (one.unit, other.unit) and (operator == "*" or other.unit == "1"):
        value = _NUMERIC[operator](one.value, other.value)
        return None if value is None else Quantity(Decimal(value), one.unit if other.unit == "1" else other.unit)
    raise FhirPathError(f"'{operator}' cannot combine these units")


def _bounded(number: int) -> int:
    if abs(number) >= _LARGEST_INTEGER:
        raise OverflowError
    return number


def _numeric(
    on_integers: Callable[[int, int], int], on_decimals: Callable[[Decimal, Decimal], Decimal]
) -> Callable[[Any, Any], Any]:
    def calculate(one: Any, other: Any) -> Any:
        if type(one) is int and type(other) is int:
            return _bounded(on_integers(_bounded(one), _bounded(other)))
        return on_decimals(Decimal(one), Decimal(other))

    return calculate


def _divide(one: Any, other: Any) -> Decimal | None:
    return NUMBERS.divide(Decimal(one), Decimal(other)).normalize(NUMBERS) if other else None


def _div(one: Any, other: Any) -> int | None:
    return int_of(NUMBERS.divide_int(Decimal(one), Decimal(other))) if other else None


def _mod(one: Any, other: Any) -> Any:
    if not other:
        return None
    rest = NUMBERS.remainder(Decimal(one), Decimal(other))
    return int_of(rest) if type(one) is int and type(other) is int else rest


_NUMERIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": _numeric(lambda one, other: one + other, NUMBERS.add),
    "-": _numeric(lambda one, other: one - other, NUMBERS.subtract),
    "*": _numeric(lambda one, other: one * other, NUMBERS.multiply),
    "/": _divide,
    "div": _div,
    "mod": _mod,
}
