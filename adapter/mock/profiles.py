"""Our profiles as they are packaged: which there are, and what each asks of an element, for people to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapter.data import data_root
from adapter.types import CANONICAL_ROOT

PREFIX = f"{CANONICAL_ROOT}/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a profile asks of one element; texts as the definition has them."""

    element: str
    cardinality: str
    types: str
    must_be: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile: its words, its parent, and its demands in the order of the definition."""

    url: str
    version: str
    title: str
    description: str
    parent: str
    demands: tuple[Demand, ...]


@cache
def own_profile(identity: str) -> Profile | None:
    """Return one of our profiles by its id, or None."""
    if not identity.replace("-", "").isalnum():
        return None
    path = data_root() / "profiles" / "package" / f"StructureDefinition-{identity}.json"
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = (_demand(one) for one in found["differential"]["element"])
    return Profile(
        url=found["url"],
        version=found.get("version", ""),
        title=found.get("title", found["name"]),
        description=found.get("description", ""),
        parent=found["baseDefinition"],
        demands=tuple(one for one in rows if one.cardinality or one.types or one.must_be or one.rules),
    )


def profile_id(canonical: str) -> str:
    """Return the id of one of our profiles by its canonical URL; empty for others."""
    url = canonical.partition("|")[0]
    return url.removeprefix(PREFIX) if url.startswith(PREFIX) else ""


def _demand(element: dict[str, Any]) -> Demand:
    minimum, maximum = element.get("min"), element.get("max")
    bounds = f"{'' if minimum is None else minimum}..{maximum or ''}" if (minimum, maximum) != (None, None) else ""
    return Demand(
        element=element["id"],
        cardinality=bounds,
        types=", ".join(_type(one) for one in element.get("type", [])),
        must_be=_must_be(element),
        rules=tuple(f"{one['key']}: {one['human']}" for one in element.get("constraint", [])),
    )


def _type(element_type: dict[str, Any]) -> str:
    targets = [one.rpartition("/")[2] for one in element_type.get("targetProfile", [])]
    return f"{element_type['code'].rpartition('/')[2]}({', '.join(targets)})" if targets else element_type["code"]


def _must_be(element: dict[str, Any]) -> str:
    """The fixed value, the pattern, or the value set."""
    for name, value in element.items():
        if name.startswith(("fixed", "pattern")):
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    binding = element.get("binding", {})
    return f"{binding['valueSet']} ({binding['strength']})" if "valueSet" in binding else ""
