"""Existence, subsetting and combining (FHIRPath N1 §5.1, §5.3, §5.4), and `not()`."""

from __future__ import annotations

from collections.abc import Callable

from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.functions.signature import BOOLEAN, INTEGER, Body, Function
from adapter.validation.fhirpath.nodes import EMPTY, Context, Items, scalar
from adapter.validation.fhirpath.operators import distinct, key_of, single, truth_of


def _on_input(function: Callable[[Items], object]) -> Body:
    """Make a function of the input alone that always has a result."""
    return lambda items, _arguments, _context: [function(items)]


def _all_are(wanted: bool) -> Callable[[Items], bool]:
    return lambda items: all(_boolean(item) is wanted for item in items)


def _any_is(wanted: bool) -> Callable[[Items], bool]:
    return lambda items: any(_boolean(item) is wanted for item in items)


def _boolean(item: object) -> bool:
    value = scalar(item)
    if type(value) is not bool:
        raise FhirPathError("Booleans are expected")
    return value


def _whole_number(argument: Items) -> int | None:
    number = single(argument, "a count or position")
    if number is not None and type(number) is not int:
        raise FhirPathError("a whole number is expected")
    return number


def _single(items: Items, _arguments: list[Items], _context: Context) -> Items:
    if len(items) > 1:
        raise FhirPathError("single() found several items")
    return items


def _skip(items: Items, arguments: list[Items], _context: Context) -> Items:
    number = _whole_number(arguments[0])
    return EMPTY if number is None else items[max(number, 0) :]


def _take(items: Items, arguments: list[Items], _context: Context) -> Items:
    number = _whole_number(arguments[0])
    return EMPTY if number is None else items[: max(number, 0)]


def at(items: Items, arguments: list[Items], _context: Context) -> Items:
    """Return the item at a position counted from 0, empty when there is none (`items[index]`)."""
    number = _whole_number(arguments[0])
    return EMPTY if number is None or not 0 <= number < len(items) else [items[number]]


def _keys(items: Items) -> set[object]:
    return {key_of(item) for item in items}


def _intersect(items: Items, arguments: list[Items], _context: Context) -> Items:
    wanted = _keys(arguments[0])
    return distinct(item for item in items if key_of(item) in wanted)


def _exclude(items: Items, arguments: list[Items], _context: Context) -> Items:
    unwanted = _keys(arguments[0])
    return [item for item in items if key_of(item) not in unwanted]


def _combine(items: Items, arguments: list[Items], context: Context) -> Items:
    context.spend(len(items) + len(arguments[0]))
    return [*items, *arguments[0]]


def union(items: Items, arguments: list[Items], context: Context) -> Items:
    """Return all items of both sides without repetitions (`|`)."""
    context.spend(len(items) + len(arguments[0]))
    return distinct([*items, *arguments[0]])


def _not(items: Items, _arguments: list[Items], _context: Context) -> Items:
    value = truth_of(items)
    return EMPTY if value is None else [not value]


def is_distinct(items: Items) -> bool:
    """Return whether no item occurs twice."""
    return len(items) < 2 or len(_keys(items)) == len(items)


FUNCTIONS = {
    "empty": Function(_on_input(lambda items: not items), result=BOOLEAN),
    "count": Function(_on_input(len), result=INTEGER),
    "not": Function(_not, result=BOOLEAN),
    "allTrue": Function(_on_input(_all_are(True)), result=BOOLEAN),
    "allFalse": Function(_on_input(_all_are(False)), result=BOOLEAN),
    "anyTrue": Function(_on_input(_any_is(True)), result=BOOLEAN),
    "anyFalse": Function(_on_input(_any_is(False)), result=BOOLEAN),
    "subsetOf": Function(lambda items, given, _: [_keys(items) <= _keys(given[0])], 1, 1, BOOLEAN),
    "supersetOf": Function(lambda items, given, _: [_keys(items) >= _keys(given[0])], 1, 1, BOOLEAN),
    "distinct": Function(lambda items, _given, _: distinct(items), result="same", single=False),
    "isDistinct": Function(_on_input(is_distinct), result=BOOLEAN),
    "single": Function(_single, result="same"),
    "first": Function(lambda items, _given, _: items[:1], result="same"),
    "last": Function(lambda items, _given, _: items[-1:], result="same"),
    "tail": Function(lambda items, _given, _: items[1:], result="same", single=False),
    "skip": Function(_skip, 1, 1, "same", single=False),
    "take": Function(_take, 1, 1, "same", single=False),
    "intersect": Function(_intersect, 1, 1, "same", single=False),
    "exclude": Function(_exclude, 1, 1, "same", single=False),
    "combine": Function(_combine, 1, 1, single=False),
    "union": Function(union, 1, 1, single=False),
}
