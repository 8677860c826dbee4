"""Operators as closures: Boolean logic with short circuits, equality and order specialised for plain values."""

from __future__ import annotations

from typing import Any

from adapter.validation.fhirpath import model, operators
from adapter.validation.fhirpath.code import Code, NeedsNodes, Run, Truth, from_truth, truth
from adapter.validation.fhirpath.nodes import Context, Node, as_temporal
from adapter.validation.fhirpath.values import same_form

_PLAIN_SYSTEM = frozenset({"System.Boolean", "System.String", "System.Integer", "System.Decimal"})


def all_of(parts: list[Code]) -> Code:
    """Make `a and b and …`: false as soon as one is false."""
    truths = [truth(part) for part in parts]
    if len(truths) == 2:
        first, second = truths

        def both(this: Any, context: Context) -> bool | None:
            left = first(this, context)
            if left is False:
                return False
            right = second(this, context)
            if right is False:
                return False
            return None if left is None or right is None else True

        return from_truth(both)

    def every(this: Any, context: Context) -> bool | None:
        result: bool | None = True
        for part in truths:
            value = part(this, context)
            if value is False:
                return False
            if value is None:
                result = None
        return result

    return from_truth(every)


def any_of(parts: list[Code]) -> Code:
    """Make `a or b or …`: true as soon as one is true."""
    truths = [truth(part) for part in parts]

    def some(this: Any, context: Context) -> bool | None:
        result: bool | None = False
        for part in truths:
            value = part(this, context)
            if value is True:
                return True
            if value is None:
                result = None
        return result

    return from_truth(some)


def exclusive(left: Code, right: Code) -> Code:
    """Make `a xor b`."""
    return from_truth(_differ(truth(left), truth(right)))


def _differ(first: Truth, second: Truth) -> Truth:
    def differ(this: Any, context: Context) -> bool | None:
        one = first(this, context)
        other = second(this, context)
        return None if one is None or other is None else one is not other

    return differ


def implication(left: Code, right: Code) -> Code:
    """Make `a implies b`."""
    first, second = truth(left), truth(right)

    def implies(this: Any, context: Context) -> bool | None:
        premise = first(this, context)
        if premise is False:
            return True
        conclusion = second(this, context)
        return conclusion if premise or conclusion else None

    return from_truth(implies)


def operand(code: Code, exact: bool) -> Run:
    """Return the closure that reads code for a comparison: dates of plain JSON become `Temporal`.

    Raises:
        NeedsNodes: on plain JSON it is not known whether a text is a date.
    """
    if exact or code.constant is not None:
        return code.run
    dated = [type_path for type_path in code.types if type_path in model.TEMPORAL_TYPES]
    if not code.types or 0 < len(dated) < len(code.types):
        raise NeedsNodes
    run = code.run
    if not dated:
        return run
    type_path = dated[0] if len(dated) == 1 else "dateTime"
    return lambda this, context: [as_temporal(item, type_path) for item in run(this, context)]


def equality(left: Code, right: Code, exact: bool) -> Truth:
    """Make `left = right`."""
    fast = None if exact else (_equals_literal(left, right) or _equals_literal(right, left))
    if fast is not None:
        return fast
    if left.truth is not None and right.truth is not None:
        return negated(_differ(left.truth, right.truth))
    one, other = operand(left, exact), operand(right, exact)
    return lambda this, context: operators.equal(one(this, context), other(this, context))


def _equals_literal(code: Code, literal: Code) -> Truth | None:
    """Make the comparison of plain values with one text or Boolean of the expression; several never equal one."""
    if literal.constant is None or len(literal.constant) != 1 or not _is_plain(code):
        return None
    wanted = literal.constant[0]
    if type(wanted) not in (str, bool):
        return None
    one, run, kind = code.one, code.run, type(wanted)

    def equals(this: Any, context: Context) -> bool | None:
        if one is not None:
            value = one(this, context)
        else:
            items = run(this, context)
            if len(items) > 1:
                return False
            value = items[0] if items else None
        if value is None or type(value) is Node:
            return None
        return type(value) is kind and value == wanted

    return equals


def _is_plain(code: Code) -> bool:
    """True when all values are texts, numbers or Booleans that are compared as they stand."""
    return bool(code.types) and all(
        type_path in _PLAIN_SYSTEM or (model.is_primitive(type_path) and type_path not in model.TEMPORAL_TYPES)
        for type_path in code.types
    )


def negated(test: Truth) -> Truth:
    """Make the opposite of a test; empty stays empty."""

    def opposite(this: Any, context: Context) -> bool | None:
        value = test(this, context)
        return None if value is None else not value

    return opposite


def membership(item: Code, collection: Code, exact: bool) -> Truth:
    """Make `item in collection`."""
    texts = collection.constant
    one = item.one
    if not exact and texts and one is not None and _is_plain(item) and all(type(text) is str for text in texts):
        allowed = frozenset(texts)

        def is_allowed(this: Any, context: Context) -> bool | None:
            value = one(this, context)
            return None if value is None or type(value) is Node else value in allowed

        return is_allowed
    left, right = operand(item, exact), operand(collection, exact)
    return lambda this, context: operators.member_of_collection(left(this, context), right(this, context))


def comparison(operator: str, left: Code, right: Code, exact: bool) -> Truth:
    """Make `<`, `<=`, `>` or `>=`."""
    accepted = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (1, 0)}[operator]
    one, other = operand(left, exact), operand(right, exact)

    def compare(this: Any, context: Context) -> bool | None:
        order = operators.order(one(this, context), other(this, context))
        return None if order is None else order in accepted

    first, second = left.one, right.one
    if exact or first is None or second is None or not (_is_temporal(left) and _is_temporal(right)):
        return compare

    def compare_texts(this: Any, context: Context) -> bool | None:
        start, end = first(this, context), second(this, context)
        if type(start) is str and type(end) is str and same_form(start, end):
            return ((start > end) - (start < end)) in accepted
        return compare(this, context)

    return compare_texts


def _is_temporal(code: Code) -> bool:
    return bool(code.types) and all(type_path in model.TEMPORAL_TYPES for type_path in code.types)
