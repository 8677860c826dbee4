"""Fixed values and patterns: what equals, and what holds at least (R4 ElementDefinition.fixed[x], pattern[x])."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def equals(value: Any, fixed: Any) -> bool:
    """Tell whether a value is exactly the fixed one; numbers by value, `id` and order as they stand."""
    if isinstance(fixed, dict):
        return (
            isinstance(value, dict)
            and value.keys() == fixed.keys()
            and all(equals(value[name], fixed[name]) for name in fixed)
        )
    if isinstance(fixed, list):
        return isinstance(value, list) and len(value) == len(fixed) and all(map(equals, value, fixed))
    return same_primitive(value, fixed)


def fits(value: Any, pattern: Any) -> bool:
    """Tell whether a value holds at least what the pattern says; each item of a pattern's list fits some item."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], part) for name, part in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(item, part) for item in value) for part in pattern)
    return same_primitive(value, pattern)


def same_primitive(value: Any, other: Any) -> bool:
    """Compare two primitives without taking True for 1."""
    if type(value) is str:
        return bool(value == other)
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, int | Decimal) and isinstance(other, int | Decimal | float):
        return Decimal(value) == Decimal(str(other))
    return type(value) is type(other) and bool(value == other)


def shown(expected: Any) -> str:
    """Return a fixed value or pattern of a definition in few words, for messages."""
    if isinstance(expected, dict):
        codings = expected.get("coding", [expected])
        codes = [f"{coding.get('system', '')}#{coding['code']}" for coding in codings if "code" in coding]
        if codes:
            return ", ".join(codes)
        return ", ".join(f"{name} = {shown(part)}" for name, part in expected.items())
    if isinstance(expected, list):
        return ", ".join(map(shown, expected))
    return "true" if expected is True else "false" if expected is False else str(expected)
