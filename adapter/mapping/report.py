"""What became of every field of a record: written, ignored with a reason, one-way, completed, or unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapter.mapping.checks import rows_of
from adapter.mapping.model import Mapping
from adapter.mapping.shape import Shape
from adapter.types import Issue, Json, Record, TraceRow


@dataclass(frozen=True, slots=True)
class Report:
    """The loss report of one record; paths are the sender's own.

    Attributes:
        issues: what the caller should know (a published demo key was used, fields are unknown).
        mapped: how many values of the record stand in the Bundle.
        ignored: path → reason, for ignored fields that this record has.
        one_way: path → reason, for fields that are written but do not come back.
        completed: path → reason, for missing fields that were written with a default.
        unknown: fields that the record's schema does not have.
    """

    issues: tuple[Issue, ...]
    mapped: int
    ignored: dict[str, str]
    one_way: dict[str, str]
    completed: dict[str, str]
    unknown: tuple[str, ...]


def report_of(record: Record, mapping: Mapping, trace: list[TraceRow], issues: tuple[Issue, ...]) -> Report:
    """Return the loss report of a record from its trace."""
    sources = {row.source for row in trace if row.source}
    reasons = {row.row.name: row for row in rows_of(mapping)}
    unknown = tuple(unknown_fields(record, mapping.shape))
    one_way = {
        row.source: reasons[row.row].one_way
        for row in trace
        if row.source and row.row in reasons and reasons[row.row].one_way
    }
    completed = {
        row.element: reasons[row.row].because
        for row in trace
        if not row.source and row.row in reasons and reasons[row.row].because
    }
    if unknown:
        issues = (*issues, Issue("warning", "mapping.unknown-fields", {"fields": ", ".join(unknown)}))
    ignored = {
        path: reason
        for path in leaves_of(record)
        for top, reason in mapping.ignored.items()
        if _without_positions(path) == top or _without_positions(path).startswith(f"{top}.")
    }
    return Report(issues, len(sources), ignored, one_way, completed, unknown)


def unknown_fields(value: Json, shape: Shape, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that the shape does not have."""
    if isinstance(value, list):
        if shape.items is not None:
            for position, item in enumerate(value):
                yield from unknown_fields(item, shape.items, f"{path}[{position}]")
    elif isinstance(value, dict):
        fields = shape.fields
        for name, child in value.items():
            known = fields.get(name)
            where = f"{path}.{name}" if path else name
            if known is None:
                yield where
            elif isinstance(child, dict | list):
                yield from unknown_fields(child, known, where)


def leaves_of(value: Json, path: str = "") -> Iterator[str]:
    """Yield the path of every plain value of a record: `services[0].organiser.name`."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves_of(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from leaves_of(child, f"{path}[{position}]")
    else:
        yield path


def _without_positions(path: str) -> str:
    return "".join(part.partition("]")[2] if number else part for number, part in enumerate(path.split("[")))
