"""Equality, equivalence, order and sets of FHIRPath N1 on evaluated collections. Three-valued: None is empty."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from decimal import Decimal
from typing import Any

from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.nodes import Items, Node, scalar
from adapter.validation.fhirpath.values import (
    NUMBERS,
    Quantity,
    Temporal,
    add_duration,
    compare_temporals,
    equal_temporals,
    equivalent_temporals,
    in_common_unit,
    parse_temporal,
)


def single(items: Items, what: str) -> Any:
    """Return the System value of the only item, or None when empty or without value.

    Raises:
        FhirPathError: there are several items.
    """
    if not items:
        return None
    if len(items) > 1:
        raise FhirPathError(f"{what} takes one item, not {len(items)}")
    return scalar(items[0])


def truth_of(items: Items) -> bool | None:
    """Return a collection as Boolean by singleton evaluation: one item that is no Boolean counts as true.

    Raises:
        FhirPathError: there are several items.
    """
    if not items:
        return None
    if len(items) > 1:
        raise FhirPathError("a Boolean is expected, not several items")
    value = items[0]
    if type(value) is Node:
        value = value.value
        if value is None:
            return True
    return value if type(value) is bool else True


def is_number(value: Any) -> bool:
    """True for Integer and Decimal; a Boolean is neither."""
    return type(value) is int or type(value) is Decimal


def equal(left: Items, right: Items) -> bool | None:
    """`=`: same number of items, pairwise equal in order; None when one side is empty or a pair is undecidable."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    result: bool | None = True
    for one, other in zip(left, right, strict=True):
        pair = equal_items(one, other)
        if pair is False:
            return False
        if pair is None:
            result = None
    return result


def equal_items(left: Any, right: Any) -> bool | None:
    """Return whether two items are equal; None when that is open (dates of different precision, other units)."""
    if type(left) is str and type(right) is str:
        return left == right
    one, other = scalar(left), scalar(right)
    if one is None or other is None:
        return None
    one, other = in_same_kind(one, other)
    if is_number(one) and is_number(other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if type(one) is Temporal:
        return equal_temporals(one, other)
    if type(one) is Quantity:
        common = in_common_unit(one, other)
        return None if common is None else common[0] == common[1]
    return bool(one == other)


def in_same_kind(one: Any, other: Any) -> tuple[Any, Any]:
    """Return both values after implicit conversion: text beside a date, a number beside a quantity."""
    if type(one) is Temporal and type(other) is str:
        return one, parse_temporal(other) or other
    if type(other) is Temporal and type(one) is str:
        return parse_temporal(one) or one, other
    if type(one) is Quantity and is_number(other):
        return one, Quantity(Decimal(other), "1")
    if type(other) is Quantity and is_number(one):
        return Quantity(Decimal(one), "1"), other
    return one, other


def equivalent(left: Items, right: Items) -> bool:
    """`~`: order does not matter, text by letters and single spaces, numbers by the coarser precision."""
    if len(left) != len(right):
        return False
    if len(left) > 1_000:
        raise FhirPathError("'~' compares at most 1000 items")
    rest = list(right)
    for one in left:
        for position, other in enumerate(rest):
            if equivalent_items(one, other):
                del rest[position]
                break
        else:
            return False
    return True


def equivalent_items(left: Any, right: Any) -> bool:
    """Return whether two items are equivalent."""
    one, other = in_same_kind(scalar(left), scalar(right))
    if is_number(one) and is_number(other):
        return _equivalent_numbers(Decimal(one), Decimal(other))
    if type(one) is not type(other):
        return False
    if type(one) is str:
        return " ".join(one.casefold().split()) == " ".join(other.casefold().split())
    if type(one) is Temporal:
        return equivalent_temporals(one, other)
    if type(one) is Quantity:
        common = in_common_unit(_definite(one), _definite(other))
        return common is not None and _equivalent_numbers(*common)
    return bool(one == other)


def _definite(quantity: Quantity) -> Quantity:
    """For `~` a calendar word and the UCUM code of the same length are one."""
    units = {"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute"}
    return Quantity(quantity.value, units.get(quantity.unit, quantity.unit))


def _equivalent_numbers(one: Decimal, other: Decimal) -> bool:
    places = max(0, min(-int(one.as_tuple().exponent), -int(other.as_tuple().exponent)))
    if places > 40 or one.adjusted() > 40 or other.adjusted() > 40:
        return one == other
    step = Decimal(1).scaleb(-places)
    return one.quantize(step, context=NUMBERS) == other.quantize(step, context=NUMBERS)


def order(left: Items, right: Items) -> int | None:
    """Return -1, 0 or 1 for `<`, `=`, `>`; None when a side is empty or the order is open.

    Raises:
        FhirPathError: several items, or values that have no order among each other.
    """
    if not left or not right:
        return None
    one, other = single(left, "a comparison"), single(right, "a comparison")
    if one is None or other is None:
        return None
    one, other = in_same_kind(one, other)
    if type(one) is Temporal and type(other) is Temporal and (one.kind == "Time") == (other.kind == "Time"):
        return compare_temporals(one, other)
    if type(one) is Quantity and type(other) is Quantity:
        common = in_common_unit(one, other)
        if common is None:
            return None
        one, other = common
    elif not (is_number(one) and is_number(other)) and not (type(one) is str and type(other) is str):
        raise FhirPathError("these two kinds of values have no order")
    return int(one > other) - int(one < other)


def key_of(item: Any) -> Hashable:
    """Return a key that is the same for equal items, so that sets of items need no pairwise comparison."""
    value = scalar(item)
    if type(value) is str:
        return value
    if type(value) is Temporal:
        if value.offset is not None and value.has_time():
            moved = add_duration(value, Quantity(Decimal(-value.offset), "minute"), 1)
            return ("instant", moved.parts if moved else value.parts)
        return (value.kind == "Time", value.parts)
    if type(value) is Quantity:
        return ("quantity", value.value, value.unit)
    if type(value) is dict:
        return ("{", frozenset((name, key_of(inner)) for name, inner in value.items()))
    if type(value) is list:
        return ("[", tuple(key_of(inner) for inner in value))
    return (type(value) is bool, value)


def distinct(items: Iterable[Any]) -> Items:
    """Return the items without repetitions, the first of each kept."""
    seen: dict[Hashable, Any] = {}
    for item in items:
        seen.setdefault(key_of(item), item)
    return list(seen.values())


def member_of_collection(item: Items, collection: Items) -> bool | None:
    """`item in collection`; None when the left side is empty."""
    if not item:
        return None
    if len(item) > 1:
        raise FhirPathError("'in' and 'contains' look for one item")
    key = key_of(item[0])
    return any(key_of(other) == key for other in collection)
