"""Two descriptions of the same person or organisation become one when they agree."""

from __future__ import annotations

from typing import Any

from adapter.fhir.canonical import canonical
from adapter.types import Json

_NAMES_OF_ITEMS = ("system", "use", "url")
"""Elements that tell two items of a list apart; items alike in them are the same item."""


class Clash(ValueError):  # noqa: N818 - says what happened
    """The two contradict each other; the text is the element, never a value."""


def merged(one: Json, other: Json, path: str = "") -> Any:
    """Return what both say together.

    Raises:
        Clash: an element has two values.
    """
    if one == other:
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            name: merged(one[name], other[name], f"{path}.{name}")
            if name in one and name in other
            else one.get(name, other.get(name))
            for name in {**one, **other}
        }
    if isinstance(one, list) and isinstance(other, list):
        return _merged_lists(one, other, path)
    raise Clash(path.removeprefix("."))


def _merged_lists(one: list[Any], other: list[Any], path: str) -> list[Any]:
    """Join items that are named alike; the order does not depend on which description came first."""
    items: dict[Any, Any] = {}
    for item in (*one, *other):
        name = tuple(item.get(key) for key in _NAMES_OF_ITEMS) if isinstance(item, dict) else item
        items[name] = merged(items[name], item, path) if name in items else item
    return sorted(items.values(), key=canonical)
