"""Traces: read from the notes of the mapping, joined over two hops, completed with what the envelope wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from adapter.mapping.model import Element, Items, Mapping, Object, Value
from adapter.mapping.registry import LoadedMapping
from adapter.mapping.replay import Reading
from adapter.mapping.resources import record_type_of
from adapter.mapping.run import Note
from adapter.types import Json, Record, Resource, TraceRow

_CHOICES = frozenset({"deceased", "due", "effective", "occurred", "onset", "scheduled", "source", "start", "value"})
"""Elements of a choice of types, as FHIRPath names them: `value` stands for `valueQuantity` and the like."""

_STEP = re.compile(r"\.?[^.\[]+|\[[^\]]*\]")


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
        if element.rpartition(".")[2] in _CHOICES:
            for path, source in (*self._rows.items(), *self._below.items()):
                if path.startswith(element) and path[len(element)].isupper():
                    return source
        for top in _tops(element):
            if top in self._rows:
                return self._rows[top]
            if top in self._below and "." in top:
                return self._below[top]
        return ""

    def origin(self, element: str) -> str:
        """Return the source of an element, else what all its parts come from, else that of the nearest around it.

        So a thing that is absent is shown at what should hold it, never at a neighbour; empty is the whole record.
        """
        if element.rpartition(".")[2] in _CHOICES:
            return self.nearest(element)
        for top in (element, *_tops(element)):
            if top in self._rows:
                return self._rows[top]
            if top in self._below:
                return _common(
                    [source for path, source in self._rows.items() if path.startswith((f"{top}.", f"{top}["))]
                )
        return ""


def _common(paths: list[str]) -> str:
    """Return the path that all paths begin with: `services[0].a`, `services[0].b` → `services[0]`."""
    columns = zip(*(_STEP.findall(path) for path in paths), strict=False)
    return "".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))


def field_of(made: Element, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys from which a vendor's mapping makes a field of ours; empty when it makes none."""
    if isinstance(made, Items) and made.kinds:
        kind = made.kinds[0]
        keys = tuple(key for step in kind.steps for key in step.source.keys)
        return (*keys, *(field_of(kind.content, names) if names or not keys else ()))
    if isinstance(made, Object) and names:
        child = dict(made.fields).get(names[0])
        return () if child is None else field_of(child, names[1:])
    return made.sources[0].keys if isinstance(made, Value) and made.sources else ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a compiled mapping noted of one record."""

    loaded: LoadedMapping
    notes: Sequence[Note]

    def rows(self, bundle: Resource) -> list[TraceRow]:
        """Return the rows of the Bundle that the record became, entry by entry."""
        tops = {entry["fullUrl"]: f"Bundle.entry[{number}].resource" for number, entry in enumerate(bundle["entry"])}
        reading = Reading(self.notes, tops)
        self.loaded.read_resources(reading, ("",))
        return [row for urn in tops for row in reading.found[urn]]

    def places(self) -> Places:
        """Return which field of a vendor's record made which canonical one."""
        reading = Reading(self.notes)
        self.loaded.read_record(reading, "", ("",))
        return Places.of((row.element.removeprefix("."), row.source) for row in reading.rows)


def joined(rows: list[TraceRow], places: Places) -> list[TraceRow]:
    """Return trace rows with the vendor's paths in place of the canonical ones."""
    return [TraceRow(row.element, places.nearest(row.source) if row.source else "", row.row, row.via) for row in rows]


def envelope_rows(bundle: Resource, record: Record, mapping: Mapping) -> Iterator[TraceRow]:
    """Yield the rows of what the engine itself writes from the envelope: part identifier, meta, language."""
    name = f"{mapping.id}:envelope"
    labels = record.get("security_labels", [])
    for position in range(len(labels)):
        yield TraceRow(f"Bundle.meta.security[{position}]", f"security_labels[{position}]", name)
    for number, entry in enumerate(bundle["entry"]):
        if record_type_of(entry["resource"]) is not None:
            for element, source in _written(entry["resource"], labels):
                yield TraceRow(f"Bundle.entry[{number}].resource.{element}", source, name)


def _written(resource: Resource, labels: list[str]) -> Iterator[tuple[str, str]]:
    identifiers: Json = resource.get("identifier")
    if isinstance(identifiers, list):
        yield f"identifier[{len(identifiers) - 1}]", "record_id"
    elif identifiers is not None:
        yield "identifier", "record_id"
    yield "language", "language"
    yield "meta.source", "source_system"
    tags = resource["meta"]["tag"]
    for position, source in enumerate(("register", "record_version", "record_type", "record_id")[: len(tags)]):
        yield f"meta.tag[{position}]", source
    for position, label in enumerate(resource["meta"]["security"]):
        if label["code"] in labels:
            yield f"meta.security[{position}]", f"security_labels[{labels.index(label['code'])}]"


def _tops(path: str) -> Iterator[str]:
    """Yield the paths around a path, nearest first: `a[0].b` → `a[0]`, `a`."""
    for position in range(len(path) - 1, 0, -1):
        if path[position] in ".[":
            yield path[:position]
