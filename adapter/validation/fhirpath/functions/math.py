"""Mathematics of FHIRPath N1 §5.7 in Decimal; what has no result (√−1, overflow) is empty."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException
from typing import Any

from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.functions.signature import INTEGER, Function
from adapter.validation.fhirpath.nodes import EMPTY, Context, Items
from adapter.validation.fhirpath.operators import is_number, single
from adapter.validation.fhirpath.values import NUMBERS, Quantity, int_of


def _numeric(name: str, calculate: Callable[[Any, Any], Any], arguments: int = 0, optional: bool = False) -> Function:
    """Make a function of one number and at most one argument."""

    def body(items: Items, given: list[Items], _context: Context) -> Items:
        value = single(items, f"{name}()")
        argument = single(given[0], f"{name}()") if given else None
        if value is None or (given and argument is None):
            return EMPTY
        if not is_number(value) and not (name == "abs" and type(value) is Quantity):
            raise FhirPathError(f"{name}() takes a number")
        try:
            result = calculate(value, argument)
        except (DecimalException, OverflowError):
            return EMPTY
        return EMPTY if result is None else [result]

    return Function(body, 0 if optional else arguments, arguments)


def _absolute(value: Any, _argument: Any) -> Any:
    return Quantity(abs(value.value), value.unit) if type(value) is Quantity else abs(value)


def _whole(rounding: str) -> Callable[[Any, Any], int]:
    return lambda value, _argument: int_of(Decimal(value).to_integral_value(rounding, context=NUMBERS))


def _round(value: Any, places: Any) -> Decimal | None:
    places = 0 if places is None else places
    if type(places) is not int or not 0 <= places <= 30:
        raise FhirPathError("round() takes a number of places from 0 to 30")
    return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, context=NUMBERS)


def _logarithm(value: Any, base: Any) -> Decimal | None:
    if value <= 0 or base <= 0 or base == 1:
        return None
    exact = NUMBERS.divide(NUMBERS.ln(Decimal(value)), NUMBERS.ln(Decimal(base)))
    nearest = exact.to_integral_value()
    return nearest if abs(exact - nearest) < Decimal("1E-30") else exact


def _power(value: Any, exponent: Any) -> Any:
    if value < 0 and exponent != int_of(Decimal(exponent)):
        return None
    result = NUMBERS.power(Decimal(value), Decimal(exponent))
    return int_of(result) if type(value) is int and type(exponent) is int and exponent >= 0 else result


FUNCTIONS = {
    "abs": _numeric("abs", _absolute),
    "ceiling": _numeric("ceiling", _whole(ROUND_CEILING))._replace(result=INTEGER),
    "floor": _numeric("floor", _whole(ROUND_FLOOR))._replace(result=INTEGER),
    "truncate": _numeric("truncate", _whole(ROUND_DOWN))._replace(result=INTEGER),
    "round": _numeric("round", _round, 1, optional=True),
    "exp": _numeric("exp", lambda value, _: NUMBERS.exp(Decimal(value)) if abs(value) < 10_000 else None),
    "ln": _numeric("ln", lambda value, _: NUMBERS.ln(Decimal(value)) if value > 0 else None),
    "log": _numeric("log", _logarithm, 1),
    "power": _numeric("power", _power, 1),
    "sqrt": _numeric("sqrt", lambda value, _: NUMBERS.sqrt(Decimal(value)) if value >= 0 else None),
}
