"""Keywords that pydantic-core has no word for, as small functions: which fields are there, how many, items twice.

Each function made here takes a value that already has its type, and returns it or raises `ValueError`, which is what
pydantic-core asks of a validator. They run for every record, so each does its work in one frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapter.source.vocabulary import Node
from adapter.types import Json

Check = Callable[[Any], Any]


def object_check(node: Node) -> Check | None:
    """Return the check of the counting keywords of an object, None when it has none of them."""
    least, most = node.get("minProperties", 0), node.get("maxProperties", float("inf"))
    needed: Mapping[str, Sequence[str]] = node.get("dependentRequired", {})
    if needed:
        return _dependent(needed, least, most)
    return _counted(least, most) if least or most != float("inf") else None


def alternatives_check(node: Node) -> Check | None:
    """Return the check of `oneOf` or `anyOf` whose alternatives only name one required field each, else None."""
    word = next((word for word in ("oneOf", "anyOf") if word in node), "")
    parts: Sequence[Node] = node.get(word, ())
    if not word or any(part.keys() != {"required"} or len(part["required"]) != 1 for part in parts):
        return None
    names = tuple(part["required"][0] for part in parts)
    return _one(names) if word == "oneOf" else _any(frozenset(names))


def _counted(least: int, most: float) -> Check:
    def check(value: dict[str, Json]) -> dict[str, Json]:
        if least <= len(value) <= most:
            return value
        raise ValueError

    return check


def _dependent(needed: Mapping[str, Sequence[str]], least: int, most: float) -> Check:
    pairs = tuple((name, other) for name, others in needed.items() for other in others)

    def check(value: dict[str, Json]) -> dict[str, Json]:
        if not least <= len(value) <= most:
            raise ValueError
        for name, other in pairs:
            if name in value and other not in value:
                raise ValueError
        return value

    return check


def _one(names: Sequence[str]) -> Check:
    def check(value: dict[str, Json]) -> dict[str, Json]:
        if sum([name in value for name in names]) != 1:
            raise ValueError
        return value

    return check


def _any(names: frozenset[str]) -> Check:
    def check(value: dict[str, Json]) -> dict[str, Json]:
        if names.isdisjoint(value):
            raise ValueError
        return value

    return check


def unique_texts(value: list[Json]) -> bool:
    """Tell whether a list holds texts only, none of them twice."""
    return all(type(one) is str for one in value) and len(set(value)) == len(value)
