"""What the compiler makes of a piece of syntax: closures, and what is known of their result beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapter.validation.fhirpath.functions.signature import BOOLEAN
from adapter.validation.fhirpath.nodes import EMPTY, Context, Items
from adapter.validation.fhirpath.operators import truth_of

Run = Callable[[Any, Context], Items]
"""`$this` and context → collection. The collection is never changed by anybody."""

One = Callable[[Any, Context], Any]
"""`$this` and context → the only item, or None."""

Truth = Callable[[Any, Context], bool | None]
"""`$this` and context → Boolean, or None for empty."""

TRUE: Items = [True]
FALSE: Items = [False]


class NeedsNodes(Exception):  # noqa: N818 - a signal to the compiler, not a fault
    """The expression cannot be compiled on plain JSON: types must be carried along (see `Compiler`)."""


@dataclass(frozen=True, slots=True)
class Code:
    """A compiled piece of an expression.

    Attributes:
        run: computes the collection.
        types: type paths of the items, as far as they are known; empty when nothing is known.
        one: computes the only item, set when there is never more than one.
        truth: computes the Boolean, set when the result is one.
        narrowed: for a choice element, makes the code that looks at values of one type only.
        constant: the items, when they are always the same.
    """

    run: Run
    types: tuple[str, ...] = ()
    one: One | None = None
    truth: Truth | None = None
    narrowed: Callable[[str], Code] | None = None
    constant: Items | None = None


def from_one(one: One, types: tuple[str, ...], narrowed: Callable[[str], Code] | None = None) -> Code:
    """Make code of a closure for at most one item."""

    def run(this: Any, context: Context) -> Items:
        value = one(this, context)
        return EMPTY if value is None else [value]

    return Code(run, types, one, narrowed=narrowed)


def from_truth(truth: Truth) -> Code:
    """Make code of a closure for a Boolean."""

    def run(this: Any, context: Context) -> Items:
        value = truth(this, context)
        return EMPTY if value is None else TRUE if value else FALSE

    return Code(run, (BOOLEAN,), truth, truth)


def from_items(items: Items, types: tuple[str, ...]) -> Code:
    """Make code of a constant collection."""

    def run(_this: Any, _context: Context) -> Items:
        return items

    only = items[0] if len(items) == 1 else None
    one: One | None = (lambda _this, _context: only) if len(items) < 2 else None
    return Code(run, types, one, constant=items)


def truth(code: Code) -> Truth:
    """Return the closure that reads code as a Boolean by singleton evaluation."""
    if code.truth is not None:
        return code.truth
    run = code.run
    return lambda this, context: truth_of(run(this, context))
