"""The trace of a record, read from what the compiled mapping noted while it worked.

A note is a number (a row that was written, one more turn of a loop, a condition that was met), a count, the `fullUrl`s
that a rule has given, or, below zero, the place of earlier notes that hold here too. Which element that is, from which
field and by which row, the trees know. So a note costs next to nothing, and only who asks for the trace pays for its
rows. Neither record nor Bundle is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapter.mapping.model import (
    Condition,
    Constant,
    Convert,
    Element,
    EmbeddedType,
    Items,
    Kind,
    Link,
    Object,
    Producer,
    Row,
    Rule,
    SourcePath,
    Step,
    Translate,
    UseType,
    Value,
    is_static,
)
from adapter.mapping.run import Note
from adapter.mapping.signature import is_mixed, makes_several
from adapter.mapping.writer import Numbers
from adapter.types import TraceRow

Paths = tuple[str, ...]
"""Where the open scopes stand in the record: the record itself (or the value of a type), then the item of each loop."""

Place = Callable[[Paths], str]
"""Gives a field's place in the record."""


@dataclass(slots=True)
class Reading:
    """One reading of the notes, in the order in which they were written.

    Attributes:
        notes: from `Run.notes` or `Hop.notes`.
        tops: by `fullUrl`, where the resource stands, e.g. `Bundle.entry[2].resource`.
        rows: of the resource (or of the vendor's record) that is being read.
        found: the rows of each resource by `fullUrl`.
    """

    notes: Sequence[Note]
    tops: Mapping[str, str] = field(default_factory=dict)
    rows: list[TraceRow] = field(default_factory=list)
    found: dict[str, list[TraceRow]] = field(default_factory=dict)
    at: int = 0

    def noted(self, number: int | None) -> bool:
        """Tell whether the next note is this one, and step over it; None is never noted."""
        if number is None or self.at == len(self.notes) or self.notes[self.at] != number:
            return False
        self.at += 1
        return True

    def taken(self) -> Any:
        """Return the next note and step over it."""
        self.at += 1
        return self.notes[self.at - 1]

    def turns(self, steps: Sequence[_Loop], paths: Paths) -> Iterator[Paths]:
        """Yield the open scopes of every turn of loops in loops."""
        if not steps:
            yield paths
            return
        (number, place, is_list), turn = steps[0], 0
        around = place(paths)
        while self.noted(number):
            yield from self.turns(steps[1:], (*paths, f"{around}[{turn}]" if is_list else around))
            turn += 1


_Loop = tuple[int | None, Place, bool]
_Read = Callable[[Reading, str, Paths], bool]
"""Reads an element that stands at a path, and tells whether the record had a say in it."""

_ReadItems = Callable[[Reading, str, int, Paths], tuple[int, bool]]
"""Reads the items of one turn, behind as many as there are; returns how many, and whether the record had a say."""


class Readers:
    """Makes the functions that read what was noted at the nodes of the trees; made once for a mapping.

    Args:
        numbers: from `adapter.mapping.compile.Compiled`.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._types: dict[str, Callable[[Reading, str, str], bool]] = {}

    def resources(self, rules: tuple[Rule, ...]) -> Callable[[Reading, Paths], None]:
        """Return what reads the resources of rules."""
        each = [self._resource(rule) for rule in rules]

        def read(reading: Reading, paths: Paths) -> None:
            for resource in each:
                resource(reading, paths)

        return read

    def whole(self, node: Object, *, root: bool = False) -> _Read:
        """Return what reads an object; constants alone count for nothing, unless it is the root."""
        fields = [(f".{name}", self._element(child)) for name, child in node.fields]
        stays = root or is_static(node) or is_mixed(node)

        def read(reading: Reading, at: str, paths: Paths) -> bool:
            start, live = len(reading.rows), False
            for name, child in fields:
                if child(reading, at + name, paths):
                    live = True
            if not (live or stays):
                del reading.rows[start:]
            return live

        return read

    def _resource(self, rule: Rule) -> Callable[[Reading, Paths], None]:
        """Return what reads the resources of a rule.

        Noted is the `fullUrl`, None when none was made; in lists for loops, and then again before each resource.
        """
        loops = [(_place(step.source), step.is_list) for step in rule.steps]
        in_turns = any(is_list for _, is_list in loops)
        tree, said = self.whole(rule.tree, root=True), _said_by(rule.when, rule.row)

        def read(reading: Reading, paths: Paths) -> None:
            for urn, inner in _told(reading.taken(), loops, paths):
                around, reading.rows = reading.rows, reading.found.setdefault(urn, [])
                reading.at += in_turns
                tree(reading, reading.tops[urn], inner)
                said(reading, reading.tops[urn], inner)
                reading.rows = around

        return read

    def _number(self, thing: Any, part: str = "") -> int | None:
        """Return the number that a thing notes, None for what is always done and so never noted."""
        return self._numbers.get((id(thing), part))

    def _loops(self, steps: tuple[Step, ...]) -> list[_Loop]:
        return [(self._number(step), _place(step.source), step.is_list) for step in steps]

    def _element(self, element: Element) -> _Read:
        if isinstance(element, Object):
            return self.whole(element)
        return self._items(element) if isinstance(element, Items) else self._row(element)

    def _items(self, node: Items) -> _Read:
        """Return what reads a list, or the first alternative that is there."""
        kinds = [self._kind(kind, node.many) for kind in node.kinds]

        def read(reading: Reading, at: str, paths: Paths) -> bool:
            count, live = 0, False
            for kind in kinds:
                made, alive = kind(reading, at, count, paths)
                count, live = count + made, live or alive
                if count and not node.many:
                    break
            return live

        return read

    def _kind(self, kind: Kind, many: bool) -> _ReadItems:
        steps, met = self._loops(kind.steps), self._number(kind)
        items = self._several(kind) if makes_several(kind.content) else self._item(kind, many)

        def read(reading: Reading, at: str, count: int, paths: Paths) -> tuple[int, bool]:
            made, live = 0, False
            for inner in reading.turns(steps, paths) if steps else (paths,):
                if met is None or reading.noted(met):
                    more, alive = items(reading, at, count + made, inner)
                    made, live = made + more, live or alive
            return made, live

        return read

    def _item(self, kind: Kind, many: bool) -> _ReadItems:
        content, said = kind.content, _said_by(kind.when, kind.row)
        whole = isinstance(content, Object) and bool(kind.steps)
        inside = self.whole(content, root=True) if isinstance(content, Object) and whole else self._element(content)
        stays = is_static(content)

        def read(reading: Reading, at: str, count: int, paths: Paths) -> tuple[int, bool]:
            start, place = len(reading.rows), f"{at}[{count}]" if many else at
            live = inside(reading, place, paths) or (whole and len(reading.rows) > start)
            if not (live or stays):
                del reading.rows[start:]
                return 0, False
            said(reading, place, paths)
            return 1, live

        return read

    def _several(self, kind: Kind) -> _ReadItems:
        """Return what reads a row that makes several items at once: their count is noted."""
        row = kind.content
        assert isinstance(row, Value | Link)
        sources, said, name, via = self._sources(row), _said_by(kind.when, kind.row), row.row.name, _via(row)

        def read(reading: Reading, at: str, count: int, paths: Paths) -> tuple[int, bool]:
            found = sources(reading, paths)
            made: int = reading.taken() if found else 0
            for position in range(count, count + made):
                place = f"{at}[{position}]"
                reading.rows += [TraceRow(place, source, name, via) for source in found]
                said(reading, place, paths)
            return made, made > 0

        return read

    def _row(self, row: Producer) -> _Read:
        """Return what reads a row, and all that a value of a type brings along."""
        sources, name, via = self._sources(row), row.row.name, _via(row)
        live = not isinstance(row, Constant) or row.when is not None
        said = _said_by(row.when if isinstance(row, Value) else None, row.row)
        inner = self._type(row.how.type) if isinstance(row, Value) and isinstance(row.how, UseType) else None

        def read(reading: Reading, at: str, paths: Paths) -> bool:
            found = sources(reading, paths)
            if not found:
                return False
            start = len(reading.rows)
            for source in found:
                reading.rows.append(TraceRow(at, source, name, via))
            if inner is not None and not inner(reading, at, found[0]):
                del reading.rows[start:]
                return False
            said(reading, at, paths)
            return live

        return read

    def _sources(self, row: Producer) -> Callable[[Reading, Paths], Sequence[str]]:
        """Return what reads from where a row was written, an empty text for no field; nothing when it was not."""
        number, assumed = self._number(row), self._number(row, "default")
        fields = row.sources if isinstance(row, Value) else _condition_sources(row.when)
        parts = [(self._number(row, str(position)), _place(source)) for position, source in enumerate(fields)]

        def read(reading: Reading, paths: Paths) -> Sequence[str]:
            found = [place for part, place in parts if part is None or reading.noted(part)]
            if assumed is not None and reading.noted(assumed):
                found = []
            if number is not None and not reading.noted(number):
                return ()
            return [place(paths) for place in found] or ("",)

        return read

    def _type(self, type_: EmbeddedType) -> Callable[[Reading, str, str], bool]:
        """Return what reads a value of a type, made now or when it was first said in the same words."""
        if type_.name not in self._types:
            self._types[type_.name] = self._embedded(type_)
        return self._types[type_.name]

    def _embedded(self, type_: EmbeddedType) -> Callable[[Reading, str, str], bool]:
        stays = is_static(type_.tree)
        resources, tree = self.resources(type_.rules), self._element(type_.tree)

        def read(reading: Reading, at: str, path: str) -> bool:
            earlier = reading.notes[reading.at] if type_.rules else 0
            behind = reading.at + 1
            if isinstance(earlier, int) and earlier < 0:
                reading.at = ~earlier
            resources(reading, (path,))
            live = tree(reading, at, (path,)) or stays
            if isinstance(earlier, int) and earlier < 0:
                reading.at = behind
            return live

        return read


def _told(urns: Any, loops: Sequence[tuple[Place, bool]], paths: Paths) -> Iterator[tuple[str, Paths]]:
    """Yield the `fullUrl` of every resource of a rule, and the scopes that were open when it was made."""
    if urns is None:
        return
    if not loops:
        yield urns, paths
        return
    place, is_list = loops[0]
    around = place(paths)
    if not is_list:
        yield from _told(urns, loops[1:], (*paths, around))
        return
    for turn, inner in enumerate(urns):
        yield from _told(inner, loops[1:], (*paths, f"{around}[{turn}]"))


def _said_by(when: Condition | None, row: Row) -> Callable[[Reading, str, Paths], None]:
    """Return what adds the row of a field that a condition `equals` says, if it is one."""
    places = [_place(source) for source in _condition_sources(when)]

    def add(reading: Reading, at: str, paths: Paths) -> None:
        for place in places:
            reading.rows.append(TraceRow(at, place(paths), row.name))

    return add


def _condition_sources(when: Condition | None) -> tuple[SourcePath, ...]:
    return when.sources[:1] if when is not None and when.marks else ()


def _place(source: SourcePath) -> Place:
    depth, below = source.depth, ".".join(source.keys)
    if source.special:
        return lambda _: ""
    if not below:
        return lambda paths: paths[depth]
    return lambda paths: f"{paths[depth]}.{below}" if paths[depth] else below


def _via(row: Producer) -> str:
    if not isinstance(row, Value):
        return ""
    if isinstance(row.how, Translate | Convert):
        return row.how.name
    return row.how.type.name if isinstance(row.how, UseType) else ""
