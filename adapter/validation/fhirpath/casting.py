"""`is`, `as` and `ofType`: decided beforehand where the types are known, on nodes at run time otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from adapter.validation.fhirpath import model
from adapter.validation.fhirpath.code import Code, NeedsNodes, from_items, from_one, from_truth
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.nodes import Context, Node
from adapter.validation.fhirpath.paths import UNKNOWN
from adapter.validation.fhirpath.values import Quantity, Temporal

_SYSTEM: dict[type, str] = {bool: "Boolean", str: "String", int: "Integer", Decimal: "Decimal", Quantity: "Quantity"}


def as_type(operand: Code, name: str, exact: bool) -> Code:
    """Make `operand as name` and `operand.ofType(name)`: the items of the type.

    `as` filters here as `ofType` does; R4 itself uses `as` on several items (dom-3).
    """
    run = operand.run
    if exact:
        return Code(lambda this, context: [item for item in run(this, context) if is_of(item, name)])
    if operand.narrowed is not None:
        return operand.narrowed(name)
    if all(model.is_of_type(type_path, name) for type_path in _known(operand)):
        return operand
    if not any(model.may_be(type_path, name) for type_path in operand.types):
        return from_items([], UNKNOWN)
    if len(operand.types) > 1 or not model.may_be("Resource", name):
        raise NeedsNodes
    one = operand.one
    if one is not None:

        def cast(this: Any, context: Context) -> Any:
            item = one(this, context)
            return item if item is not None and _is_resource(item, name) else None

        return from_one(cast, (name,))
    return Code(lambda this, context: [item for item in run(this, context) if _is_resource(item, name)], (name,))


def is_type(operand: Code, name: str, exact: bool) -> Code:
    """Make `operand is name`; empty stays empty."""
    selected, run = as_type(operand, name, exact).run, operand.run

    def test(this: Any, context: Context) -> bool | None:
        items = run(this, context)
        if len(items) > 1:
            raise FhirPathError("'is' takes one item")
        return bool(selected(this, context)) if items else None

    return from_truth(test)


def is_of(item: Any, name: str) -> bool:
    """Return whether an item is of a type, at run time."""
    if type(item) is Node:
        return model.is_of_type(item.type, name)
    namespace, _, bare = name.rpartition(".")
    if namespace == "FHIR":
        return False
    return bare == (item.kind if type(item) is Temporal else _SYSTEM.get(type(item)))


def _known(operand: Code) -> tuple[str, ...]:
    if not operand.types or any(type_path.startswith("System.") for type_path in operand.types):
        raise NeedsNodes
    return operand.types


def _is_resource(item: Any, name: str) -> bool:
    return model.is_of_type(model.type_of(item), name)
