"""Values of a resource that searches look at, as rows of the index tables.

Every row is (parameter, group, …), the parameter written `Type.name`: the group numbers the element in which the
parts of a composite meet.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from adapter.mock.definitions import Parameter, Place, parameters
from adapter.mock.search.dates import EARLIEST, LATEST, date_range
from adapter.types import Resource

Row = tuple[Any, ...]


Rows = dict[str, list[Row]]
"""Rows of one resource by table (`index_token`, …); see `adapter/mock/schema.sql` for the columns."""

_OF_TOKENS = ("index_token", "index_identifier")


def fold(text: str) -> str:
    """Return the text for comparison of strings: lower case, no accents, å ä ö as a a o (R4 search, "string")."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in decomposed if not unicodedata.combining(one)).split())


@dataclass(frozen=True, slots=True)
class Reading:
    """One place of a type, and the rows that its values give: for all parameters of one table that look at it."""

    table: str
    place: Place
    names: tuple[str, ...]


@cache
def _readings(resource_type: str, table: str) -> dict[str, tuple[Reading, ...]]:
    """Return what is read below each element of a type, so that only elements that are there cost anything."""
    names: dict[Place, list[str]] = {}
    for parameter in parameters(resource_type).values():
        if parameter.table == table and parameter.name not in ("_id", "_lastUpdated"):
            for place in parameter.places:
                names.setdefault(place, []).append(f"{resource_type}.{parameter.name}")
    found: dict[str, list[Reading]] = {}
    for place, called in names.items():
        found.setdefault(place.path[0], []).append(Reading(table, place, tuple(called)))
    return {element: tuple(readings) for element, readings in found.items()}


@cache
def _composites(resource_type: str) -> tuple[Parameter, ...]:
    return tuple(one for one in parameters(resource_type).values() if one.type == "composite")


@cache
def _alive(resource_type: str) -> tuple[Row, ...]:
    """Rows of `deceased` of somebody about whom nothing is said."""
    found = [one for one in parameters(resource_type).values() if one.places and one.places[0].deceased]
    return tuple((f"{resource_type}.{one.name}", 0, None, "false", None) for one in found)


def rows_of(resource: Resource, tables: Collection[str], base: str = "") -> Rows:
    """Return the rows of a resource for some tables; `base` is the FHIR base whose absolute references are local."""
    rows: Rows = {name: [] for name in tables}
    kind = resource["resourceType"]
    for name, found in rows.items():
        for element, readings in _readings(kind, name).items():
            if element in resource:
                for reading in readings:
                    for value in _values(resource, reading.place):
                        _add(found, reading, 0, value, base)
    for parameter in _composites(kind):
        _composite(rows, parameter, resource, base)
    if "index_token" in rows and _alive(kind) and not any(name.startswith("deceased") for name in resource):
        rows["index_token"] += _alive(kind)
    return rows


def _composite(rows: Rows, parameter: Parameter, resource: Resource, base: str) -> None:
    group = 0
    for context in parameter.contexts:
        for node in _walk(resource, context, None):
            group += 1
            for number, component in enumerate(parameter.components):
                table = component.table
                if table not in rows:
                    continue
                name = f"{resource['resourceType']}.{parameter.name}.{number}"
                for place in component.places:
                    reading = Reading(table, place, (name,))
                    for value in _values(resource if place.whole else node, place):
                        _add(rows[table], reading, group, value, base)


def _values(node: Any, place: Place) -> list[Any]:
    found = _walk(node, place.path, place.where)
    return found[:1] if place.first else found


def _walk(node: Any, path: tuple[str, ...], where: tuple[int, str, str] | None) -> list[Any]:
    """Return what stands at the end of a path, every repetition of every element on the way followed."""
    nodes = [node]
    for at, name in enumerate(path):
        found: list[Any] = []
        for one in nodes:
            child = one.get(name) if isinstance(one, dict) else None
            if isinstance(child, list):
                found += child
            elif child is not None:
                found.append(child)
        if where is not None and where[0] == at:
            _, key, value = where
            found = [one for one in found if isinstance(one, dict) and one.get(key) == value]
        nodes = found
    return nodes


def _add(rows: list[Row], reading: Reading, group: int, value: Any, base: str) -> None:
    place, names = reading.place, reading.names
    tails = list(_tails(reading.table, place, value, base))
    rows += [(name, group, *tail) for name in names for tail in tails]
    if place.leaf == "Identifier" and reading.table in _OF_TOKENS:
        types = list(_identifier_types(value))
        rows += [(f"{name}:of-type", group, *tail) for name in names for tail in types]


def _tails(table: str, place: Place, value: Any, base: str) -> Iterable[Row]:
    """Return what a value puts into the columns behind parameter and group."""
    if table in _OF_TOKENS:
        return _tokens(place, value)
    if table == "index_reference":
        return _references(place, value, base)
    if table == "index_date":
        span = _span(value)
        return [span] if span is not None else []
    if table == "index_number":
        return _numbers(value)
    if table == "index_string":
        return [(fold(text), text) for text in _strings(place.leaf, value)]
    return [(value,)] if table == "index_uri" and isinstance(value, str) else []


def _tokens(place: Place, value: Any) -> Iterator[tuple[str | None, str | None, str | None]]:
    """Yield (system, code, folded text)."""
    if place.deceased:
        yield None, "false" if value is False else "true", None
    elif isinstance(value, bool):
        yield None, "true" if value else "false", None
    elif isinstance(value, dict):
        if "coding" in value or place.leaf == "CodeableConcept":
            text = value.get("text")
            yield from _codings(value.get("coding") or [], fold(text) if isinstance(text, str) else None)
        elif place.leaf == "Coding":
            yield from _codings([value], None)
        elif place.leaf == "Identifier":
            kind = value.get("type", {}).get("text")
            yield value.get("system"), value.get("value"), fold(kind) if isinstance(kind, str) else None
        elif "value" in value:
            yield value.get("system"), str(value["value"]), None
    elif value is not None:
        yield place.system, str(value), None


def _codings(codings: list[Any], text: str | None) -> Iterator[tuple[str | None, str | None, str | None]]:
    for coding in codings:
        display = coding.get("display")
        shown = fold(display) if isinstance(display, str) else None
        yield coding.get("system"), coding.get("code"), shown
    if text is not None:
        yield None, None, text


def _identifier_types(value: Any) -> Iterator[tuple[str | None, str | None, None]]:
    for coding in value.get("type", {}).get("coding", []):
        yield coding.get("system"), f"{coding.get('code')}|{value.get('value')}", None


def local_reference(text: str, base: str) -> tuple[str, str, str | None] | None:
    """Return (type, id, version) of a relative reference or one below `base`; None for any other."""
    relative = text[len(base) + 1 :] if text.startswith(base + "/") else text
    parts = relative.split("/")
    if ":" in relative or len(parts) not in (2, 4) or not parts[0][:1].isupper():
        return None
    if len(parts) == 4 and parts[2] != "_history":
        return None
    return parts[0], parts[1], parts[3] if len(parts) == 4 else None


def _references(place: Place, value: Any, base: str) -> Iterator[Row]:
    """Yield (type, id, uri, version, identifier system, identifier value)."""
    if isinstance(value, str):
        url, _, version = value.partition("|")
        yield None, None, url, version or None, None, None
        return
    if not isinstance(value, dict):
        return
    if "resourceType" in value:
        yield value["resourceType"], value.get("id"), None, None, None, None
        return
    identifier = value.get("identifier") or {}
    system, code = identifier.get("system"), identifier.get("value")
    text = value.get("reference")
    local = local_reference(text, base) if isinstance(text, str) else None
    kind = local[0] if local else value.get("type")
    if place.only is not None and kind != place.only:
        return
    if local is not None:
        yield local[0], local[1], None, local[2], system, code
    elif isinstance(text, str) and not text.startswith("#"):
        yield kind, None, text, None, system, code
    else:
        yield kind, None, None, None, system, code


def _span(value: Any) -> tuple[int, int] | None:
    try:
        if isinstance(value, str):
            return date_range(value)
        if not isinstance(value, dict):
            return None
        if "event" in value or "repeat" in value:
            return _timing(value)
        low = date_range(value["start"])[0] if "start" in value else EARLIEST
        high = date_range(value["end"])[1] if "end" in value else LATEST
    except (ValueError, OverflowError):
        return None
    return (low, high) if "start" in value or "end" in value else None


def _timing(value: dict[str, Any]) -> tuple[int, int] | None:
    spans = [date_range(one) for one in value.get("event", []) if isinstance(one, str)]
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds and (span := _span(bounds)):
        spans.append(span)
    if not spans:
        return None
    return min(low for low, _ in spans), max(high for _, high in spans)


def _numbers(value: Any) -> Iterator[Row]:
    """Yield (low, high, system, code, unit); a plain number is a range of one point."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        yield float(value), float(value), None, None, None
    elif isinstance(value, dict):
        if "currency" in value:
            number = float(value.get("value", 0))
            yield number, number, "urn:iso:std:iso:4217", value["currency"], None
        elif "value" in value:
            number = float(value["value"])
            comparator = value.get("comparator", "")
            low = float("-inf") if comparator.startswith("<") else number
            high = float("inf") if comparator.startswith(">") else number
            yield low, high, value.get("system"), value.get("code"), value.get("unit")
        elif "low" in value or "high" in value:
            low_quantity, high_quantity = value.get("low", {}), value.get("high", {})
            unit = low_quantity or high_quantity
            yield (
                float(low_quantity.get("value", "-inf")),
                float(high_quantity.get("value", "inf")),
                unit.get("system"),
                unit.get("code"),
                unit.get("unit"),
            )


_NAME_PARTS = frozenset(
    ("text", "family", "given", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country")
)
"""Elements of HumanName and Address that a search by string looks at (R4 search, "string")."""


def _strings(leaf: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and leaf in ("HumanName", "Address"):
        for name, part in value.items():
            if name in _NAME_PARTS:
                yield from part if isinstance(part, list) else [part]
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        yield value["text"]
