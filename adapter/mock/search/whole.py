"""Search parameters that look at a whole resource instead of an index: `_content`, `_text` and `near`.

They are slow on purpose: nothing is kept for them, every resource that the other criteria leave is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import jiter

from adapter.mock.search.extract import fold
from adapter.mock.search.values import split_unescaped

WHOLE = ("_content", "_text", "near")
EARTH_KILOMETRES = 6371.0088
UNITS = {"km": 1.0, "m": 0.001, "[mi_us]": 1.609347, "mi": 1.609344}
DEFAULT_KILOMETRES = 10.0
"""What is near when the request names no distance."""

_TAG = re.compile(r"<[^>]*>")


def checked(name: str, value: str) -> str:
    """Return the value of such a parameter when it can be read.

    Raises:
        ValueError: there is no word, or no position.
    """
    if name == "near":
        _place(value)
    elif not fold(value):
        raise ValueError("no word")
    return value


def resource_fits(body: bytes | None, name: str, value: str) -> bool:
    """Tell whether a resource (its JSON) fits a value; SQLite calls this for every candidate."""
    if body is None:
        return False
    resource = jiter.from_json(body)
    if name == "near":
        return _is_near(resource.get("position"), *_place(value))
    text = resource.get("text", {}).get("div", "") if name == "_text" else " ".join(_texts(resource))
    found = fold(_TAG.sub(" ", text))
    return all(word in found for word in fold(value).split())


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _place(value: str) -> tuple[float, float, float]:
    """Return (latitude, longitude, kilometres) of `latitude|longitude|distance|units` (R4 Location, "near")."""
    latitude, longitude, *rest = split_unescaped(value, "|")
    distance = float(rest[0]) * UNITS[rest[1] if len(rest) > 1 and rest[1] else "km"] if rest and rest[0] else None
    found = (float(latitude), float(longitude), DEFAULT_KILOMETRES if distance is None else distance)
    if not all(map(math.isfinite, found)) or len(rest) > 2:
        raise ValueError("near")
    return found


def _is_near(position: Any, latitude: float, longitude: float, kilometres: float) -> bool:
    if not isinstance(position, dict):
        return False
    there, here = math.radians(float(position["latitude"])), math.radians(latitude)
    across = math.radians(float(position["longitude"]) - longitude)
    half = math.sin((there - here) / 2) ** 2 + math.cos(here) * math.cos(there) * math.sin(across / 2) ** 2
    return 2 * EARTH_KILOMETRES * math.asin(math.sqrt(half)) <= kilometres
