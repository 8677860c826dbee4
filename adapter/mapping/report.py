"""What became of every field of a record: written, ignored with a reason, one-way, completed, or unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

from adapter.mapping.checks import rows_of
from adapter.mapping.model import Mapping, Value
from adapter.mapping.shape import Shape
from adapter.types import Issue, Json, Record, TraceRow


class Report:
    """The loss report of one record; paths are the sender's own. Only `unknown` and `issues` are looked at at once.

    Args:
        record: as the sender gave it.
        mapping: the mapping that read it.
        trace: gives the rows of the record.
        warnings: what the caller should know beside lost fields.
    """

    def __init__(
        self,
        record: Record,
        mapping: Mapping,
        trace: Callable[[], list[TraceRow]],
        warnings: tuple[Issue, ...] = (),
        inner: Report | None = None,
    ) -> None:
        self._record = record
        self._mapping = mapping
        self._trace = trace
        self._inner = inner
        self.unknown: tuple[str, ...] = ()
        """Fields that the record's schema does not have."""
        if not mapping.shape.closed and has_unknown_fields(mapping.shape)(record):  # closed: reading has looked
            self.unknown = tuple(unknown_fields(record, mapping.shape))
            warnings = (*warnings, Issue("warning", "mapping.unknown-fields", {"fields": ", ".join(self.unknown)}))
        self.issues: tuple[Issue, ...] = warnings
        """What the caller should know: unknown fields, a published demo key."""

    @cached_property
    def mapped(self) -> int:
        """How many values of the record stand in the Bundle."""
        return len({row.source for row in self._trace() if row.source})

    @cached_property
    def ignored(self) -> dict[str, str]:
        """Path → reason, for ignored fields that this record has."""
        found = {
            path: reason
            for path in leaves_of(self._record)
            for top, reason in self._mapping.ignored.items()
            if _is_below(path, top)
        }
        return {**self._inner.ignored, **found} if self._inner else found

    @cached_property
    def one_way(self) -> dict[str, str]:
        """Path → reason, for fields that are written but do not come back."""
        reasons = {row.row.name: row.one_way for row in self._rows() if row.one_way}
        return {row.source: reasons[row.row] for row in self._trace() if row.source and row.row in reasons}

    @cached_property
    def completed(self) -> dict[str, str]:
        """Element → reason, for what was written though the record does not say it."""
        reasons = {row.row.name: row.because for row in self._rows() if row.because}
        wanted = {row.row.name: len(row.sources) if row.is_call else 1 for row in self._rows()}
        said = Counter(row.element for row in self._trace() if row.source)
        return {
            row.element: reasons[row.row]
            for row in self._trace()
            if row.row in reasons and said[row.element] < wanted[row.row]
        }

    def _rows(self) -> Iterator[Value]:
        yield from rows_of(self._mapping)
        if self._inner is not None:
            yield from rows_of(self._inner._mapping)


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


@cache
def has_unknown_fields(shape: Shape) -> Callable[[Json], bool]:
    """Return a fast test, generated from the shape: does a record have fields that the shape does not know?"""
    names: dict[str, Any] = {}
    lines = ["def has_unknown(s0):"]
    _look_at(shape, "s0", 1, lines, names)
    lines.append("    return False")
    exec(compile("\n".join(lines), "<unknown fields>", "exec"), names)  # noqa: S102 - generated from a schema
    found: Callable[[Json], bool] = names["has_unknown"]
    return found


def _look_at(shape: Shape, name: str, depth: int, lines: list[str], names: dict[str, Any]) -> None:
    pad = "    " * depth
    if shape.items is not None:
        if shape.items.fields or shape.items.items is not None:
            lines.append(f"{pad}for s{depth} in {name}:")
            _look_at(shape.items, f"s{depth}", depth + 1, lines, names)
        return
    if not shape.fields:
        return
    known = f"K{len(names)}"
    names[known] = frozenset(shape.fields)
    lines.append(f"{pad}if not {name}.keys() <= {known}: return True")
    for key, child in shape.fields.items():
        if child.fields or (child.items is not None and child.items.fields):
            lines.append(f"{pad}s{depth} = {name}.get({key!r})")
            lines.append(f"{pad}if s{depth} is not None:")
            _look_at(child, f"s{depth}", depth + 1, lines, names)


def _is_below(path: str, top: str) -> bool:
    """True for a path with positions that is `top` or stands under it."""
    plain = "".join(part.partition("]")[2] if number else part for number, part in enumerate(path.split("[")))
    return plain == top or plain.startswith(f"{top}.")
