"""Values of a resource that searches look at, as rows of the index tables.

Every row is (parameter, group, …), the parameter written `Type.name`: the group numbers the element in which the
parts of a composite meet.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from adapter.mock.definitions import Parameter, Place, parameters
from adapter.mock.search.dates import EARLIEST, LATEST, date_range
from adapter.types import Resource

Row = tuple[Any, ...]


@dataclass(slots=True)
class IndexRows:
    """Rows of one resource, by table: see `adapter.mock.schema` for the columns."""

    token: list[Row] = field(default_factory=list)
    reference: list[Row] = field(default_factory=list)
    date: list[Row] = field(default_factory=list)
    number: list[Row] = field(default_factory=list)
    string: list[Row] = field(default_factory=list)
    uri: list[Row] = field(default_factory=list)


def fold(text: str) -> str:
    """Return the text for comparison of strings: lower case, no accents, å ä ö as a a o (R4 search, "string")."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(one for one in decomposed if not unicodedata.combining(one)).split())


def index_rows(resource: Resource, base: str) -> IndexRows:
    """Return the index rows of a resource; `base` is the FHIR base whose absolute references are local."""
    rows = IndexRows()
    kind = resource["resourceType"]
    for parameter in parameters(kind).values():
        if parameter.name in ("_id", "_lastUpdated"):
            continue
        if parameter.type == "composite":
            _composite(rows, parameter, resource, base)
            continue
        name = f"{kind}.{parameter.name}"
        present = [one for one in parameter.places if not one.path or one.path[0] in resource]
        values = [(place, value) for place in present for value in _values(resource, place)]
        for place, value in values:
            _add(rows, name, 0, parameter.type, place, value, base)
        if not values and parameter.places and parameter.places[0].deceased:
            rows.token.append((name, 0, None, "false", None))
    return rows


def _composite(rows: IndexRows, parameter: Parameter, resource: Resource, base: str) -> None:
    group = 0
    for context in parameter.contexts:
        for node in _walk(resource, context, None):
            group += 1
            for number, component in enumerate(parameter.components):
                name = f"{resource['resourceType']}.{parameter.name}.{number}"
                for place in component.places:
                    for value in _values(resource if place.whole else node, place):
                        _add(rows, name, group, component.type, place, value, base)


def _values(node: Any, place: Place) -> Iterator[Any]:
    found = _walk(node, place.path, place)
    if place.first:
        first = next(found, None)
        if first is not None:
            yield first
    else:
        yield from found


def _walk(node: Any, path: tuple[str, ...], place: Place | None, at: int = 0) -> Iterator[Any]:
    if at == len(path):
        if isinstance(node, list):
            yield from node
        elif node is not None:
            yield node
        return
    if isinstance(node, list):
        for one in node:
            yield from _walk(one, path, place, at)
        return
    if not isinstance(node, dict):
        return
    child = node.get(path[at])
    if child is None:
        return
    if place is not None and place.where is not None and place.where[0] == at:
        _, name, value = place.where
        kept = child if isinstance(child, list) else [child]
        child = [one for one in kept if isinstance(one, dict) and one.get(name) == value]
    yield from _walk(child, path, place, at + 1)


def _add(rows: IndexRows, name: str, group: int, kind: str, place: Place, value: Any, base: str) -> None:
    if kind == "token":
        rows.token.extend((name, group, *one) for one in _tokens(place, value))
        if place.leaf == "Identifier":
            rows.token.extend((f"{name}:of-type", group, *one) for one in _identifier_types(value))
    elif kind == "reference":
        rows.reference.extend((name, group, *one) for one in _references(place, value, base))
    elif kind == "date":
        span = _span(value)
        if span is not None:
            rows.date.append((name, group, *span))
    elif kind in ("quantity", "number"):
        rows.number.extend((name, group, *one) for one in _numbers(value))
    elif kind == "string":
        rows.string.extend((name, group, fold(text), text) for text in _strings(place.leaf, value))
    elif kind == "uri" and isinstance(value, str):
        rows.uri.append((name, group, value))


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


def _strings(leaf: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and leaf in ("HumanName", "Address"):
        for name in ("text", "family", "given", "prefix", "suffix", "line", "city", "district", "state"):
            part = value.get(name)
            yield from part if isinstance(part, list) else [part] if isinstance(part, str) else []
        for name in ("postalCode", "country"):
            if isinstance(value.get(name), str):
                yield value[name]
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        yield value["text"]
