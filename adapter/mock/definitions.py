"""What R4 4.0.1 says about REST beside structures, read from `profiles/r4/rest.json`.

Search parameters stand there resolved to concrete JSON paths, so that nothing is interpreted at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from adapter.data import data_root


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a resource that a search parameter looks at.

    Attributes:
        path: JSON names from the start of the resource (of the context for a component).
        leaf: FHIR type found there.
        system: code system of a `code`, implied by its required binding.
        only: resource type that a reference must point to (`resolve() is Patient`).
        where: (position in path, element, value) that the element at that position must have.
        deceased: the value becomes true/false as Patient.deceased[x] demands.
        whole: the path starts at the resource even inside a composite's context.
        first: only the first repetition of the first element counts.
    """

    path: tuple[str, ...]
    leaf: str
    system: str | None = None
    only: str | None = None
    where: tuple[int, str, str] | None = None
    deceased: bool = False
    whole: bool = False
    first: bool = False


@dataclass(frozen=True, slots=True)
class Component:
    """One half of a composite parameter."""

    type: str
    places: tuple[Place, ...]

    @property
    def table(self) -> str:
        """Name of the index table that holds its values."""
        return _index_table(self.type, self.places)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    Attributes:
        type: number, date, string, token, reference, composite, quantity, uri or special.
        targets: resource types a reference may point to; empty means any.
        contexts: paths of the elements in which the parts of a composite meet.
        url: tail of the canonical URL of the SearchParameter.
    """

    name: str
    type: str
    places: tuple[Place, ...]
    targets: tuple[str, ...] = ()
    contexts: tuple[tuple[str, ...], ...] = ()
    components: tuple[Component, ...] = ()
    url: str = ""

    @property
    def table(self) -> str:
        """Name of the index table that holds its values."""
        return _index_table(self.type, self.places)


def _index_table(kind: str, places: tuple[Place, ...]) -> str:
    """Each type has a table; identifiers have one of their own, because conditional creates ask for them alone."""
    if kind == "token" and places and all(place.leaf == "Identifier" for place in places):
        return "index_identifier"
    return "index_number" if kind == "quantity" else f"index_{kind}"


@dataclass(frozen=True, slots=True)
class Shape:
    """Element names for `_summary` and `_elements`: paths below the type."""

    summary: frozenset[str]
    mandatory: frozenset[str]
    backbones: frozenset[str]


@cache
def _table() -> dict[str, Any]:
    path = data_root() / "profiles" / "r4" / "rest.json"
    table: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return table


@cache
def resource_types() -> frozenset[str]:
    """Return the names of all concrete R4 resource types."""
    return frozenset(_table()["types"])


@cache
def uri_elements() -> frozenset[str]:
    """Return JSON names of elements that hold a URL or URI: references inside a transaction are rewritten there."""
    return frozenset(one for one in _table()["uri_elements"] if not one.endswith(("Uuid", "Oid")))


@cache
def patient_compartment() -> dict[str, tuple[str, ...]]:
    """Return for each type the search parameters that put a resource into a Patient's compartment."""
    return {name: tuple(codes) for name, codes in _table()["patient_compartment"].items()}


@cache
def parameters(resource_type: str) -> dict[str, Parameter]:
    """Return the search parameters of a type by name, those of every resource included."""
    common = {"Resource"} if resource_type in ("Bundle", "Binary", "Parameters") else {"Resource", "DomainResource"}
    found: dict[str, Parameter] = {}
    for base in (*sorted(common), resource_type):
        for name, entry in _table()["parameters"].get(base, {}).items():
            found[name] = _parameter(name, entry)
    return found


@cache
def shape(resource_type: str) -> Shape:
    """Return the element lists of a type."""
    entry = _table()["shapes"][resource_type]
    return Shape(*(frozenset(entry[key]) for key in ("summary", "mandatory", "backbones")))


def _parameter(name: str, entry: dict[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        type=entry["type"],
        places=tuple(_place(one) for one in entry.get("paths", [])),
        targets=tuple(entry.get("target", [])),
        contexts=tuple(_steps(one) for one in entry.get("contexts", [])),
        components=tuple(
            Component(one["type"], tuple(_place(place) for place in one["paths"]))
            for one in entry.get("components", [])
        ),
        url=entry["url"],
    )


def _place(row: list[Any]) -> Place:
    extras: dict[str, Any] = row[2] if len(row) > 2 else {}
    where = extras.get("where")
    return Place(
        path=_steps(row[0]),
        leaf=row[1],
        system=extras.get("system"),
        only=extras.get("only"),
        where=(where[0], where[1], where[2]) if where else None,
        deceased="deceased" in extras,
        whole="whole" in extras,
        first="first" in extras,
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()
