"""The values of an element as a profile sees them: each with its label, its sibling and its type."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, NamedTuple

from adapter.fhir.definitions import ElementDefinition, choice_key


class Item(NamedTuple):
    """One value of an element.

    Attributes:
        label: name for the FHIRPath, with its index: `identifier[0]`, `value`.
        value: JSON value, None for a primitive without one.
        sibling: the `_name` object of a primitive, or None.
        code: its type as far as the definition or the JSON name tells; a resource shows its own.
    """

    label: str
    value: Any
    sibling: Any
    code: str


def items_of(definition: ElementDefinition) -> Callable[[dict[str, Any]], list[Item]]:
    """Return what gathers the values of an element from an object; a choice under any of its types."""
    bare = definition.key.removesuffix("[x]")
    if not definition.is_choice:
        code = definition.types[0].code if definition.types else ""
        return _gather(bare, bare, code)
    keys = {choice_key(bare, type_.code): type_.code for type_ in definition.types}
    of_type = {key: _gather(key, bare, code) for key, code in keys.items()}
    names = frozenset([*of_type, *(f"_{key}" for key in of_type)])

    def gather(owner: dict[str, Any]) -> list[Item]:
        present = names.intersection(owner)
        if not present:
            return []
        return [item for key in sorted({key.removeprefix("_") for key in present}) for item in of_type[key](owner)]

    return gather


def _gather(key: str, label: str, code: str) -> Callable[[dict[str, Any]], list[Item]]:
    """Return what gathers the values under one JSON name; mostly there are none, or values without siblings."""
    beside = f"_{key}"

    def gather(owner: dict[str, Any]) -> list[Item]:
        value = owner.get(key)
        if beside in owner or code == "Resource":
            return _under(owner, key, beside, label, code)
        if value.__class__ is list:
            return [Item(f"{label}[{index}]", one, None, code) for index, one in enumerate(value)]
        return [] if value is None else [Item(label, value, None, code)]

    return gather


def _under(owner: dict[str, Any], key: str, beside: str, label: str, code: str) -> list[Item]:
    value, sibling = owner.get(key), owner.get(beside)
    if sibling is None:
        if value is None:
            return []
        if value.__class__ is not list:
            return [Item(label, value, None, _shown_type(value, code))]
        return [Item(f"{label}[{index}]", one, None, _shown_type(one, code)) for index, one in enumerate(value)]
    if not isinstance(value, list) and not isinstance(sibling, list):
        return [Item(label, value, sibling, code)]
    values = value if isinstance(value, list) else []
    siblings = sibling if isinstance(sibling, list) else []
    pairs = zip_longest(values, siblings)
    return [Item(f"{label}[{index}]", one, other, code) for index, (one, other) in enumerate(pairs)]


def _shown_type(value: Any, code: str) -> str:
    if code == "Resource" and isinstance(value, dict):
        name = value.get("resourceType")
        return name if isinstance(name, str) else code
    return code


def as_object(item: Item) -> dict[str, Any]:
    """Return what holds the children of an item: an object itself, or a primitive's id, extensions and value."""
    if isinstance(item.value, dict):
        return item.value
    below = dict(item.sibling) if isinstance(item.sibling, dict) else {}
    if item.value is not None:
        below["value"] = item.value
    return below
