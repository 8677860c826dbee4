"""Traces: joined over two hops, searched by path, and completed with what the envelope wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapter.mapping.model import Mapping
from adapter.mapping.resources import record_type_of
from adapter.mapping.run import PART_KEY_SYSTEM
from adapter.types import Json, Record, Resource, TraceRow


class Places:
    """Which source path made which element; asked for an element without a row, the nearest around it answers."""

    def __init__(self, rows: dict[str, str]) -> None:
        self._rows = rows
        self._below: dict[str, str] = {}
        for element, source in rows.items():
            for top in _tops(element):
                self._below.setdefault(top, source)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str]]) -> Places:
        """Build from (element, source); the first row of an element counts."""
        found: dict[str, str] = {}
        for element, source in rows:
            if source:
                found.setdefault(element, source)
        return cls(found)

    def nearest(self, element: str) -> str:
        """Return the source of an element, else of the first thing below it, else of the nearest around it."""
        if element in self._rows:
            return self._rows[element]
        if element in self._below:
            return self._below[element]
        for top in _tops(element):
            if top in self._rows:
                return self._rows[top]
            if top in self._below and "." in top:
                return self._below[top]
        return ""


def joined(rows: list[TraceRow], places: Places) -> list[TraceRow]:
    """Return trace rows with the vendor's paths in place of the canonical ones."""
    return [TraceRow(row.element, places.nearest(row.source) if row.source else "", row.row, row.via) for row in rows]


def envelope_rows(bundle: Resource, record: Record, mapping: Mapping) -> Iterator[TraceRow]:
    """Yield the rows of what the engine itself writes from the envelope: part identifier, meta, language."""
    for number, entry in enumerate(bundle["entry"]):
        resource = entry["resource"]
        if record_type_of(resource) is None:
            continue
        top = f"Bundle.entry[{number}].resource"
        for element, source in _written(resource, record):
            yield TraceRow(f"{top}.{element}", source, f"{mapping.id}:envelope")


def _written(resource: Resource, record: Record) -> Iterator[tuple[str, str]]:
    identifiers: Json = resource.get("identifier")
    if isinstance(identifiers, list):
        yield f"identifier[{len(identifiers) - 1}]", "record_id"
    elif identifiers is not None:
        yield "identifier", "record_id"
    yield "language", "language"
    yield "meta.source", "source_system"
    for position, (_, source) in enumerate(
        zip(resource["meta"]["tag"], ("register", "record_version", "record_type"), strict=False)
    ):
        yield f"meta.tag[{position}]", source
    for position, tag in enumerate(resource["meta"]["tag"]):
        if tag["system"] == PART_KEY_SYSTEM:
            yield f"meta.tag[{position}]", "record_id"
    if "security_labels" in record:
        yield "meta.security[0]", "security_labels[0]"


def _tops(path: str) -> Iterator[str]:
    """Yield the paths around a path, nearest first: `a[0].b` → `a[0]`, `a`."""
    for position in range(len(path) - 1, 0, -1):
        if path[position] in ".[":
            yield path[:position]
