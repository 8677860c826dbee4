"""The rows, read one by one: slow, plain, and exact about places.

It explains a record that cannot be mapped, every problem with the sender's path, and it is what the compiled mapping
and the trace that is read from its notes are tested against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapter.mapping.conversions import Unfit
from adapter.mapping.model import (
    Condition,
    Convert,
    CopyValue,
    Element,
    EmbeddedType,
    Items,
    Kind,
    Link,
    Object,
    Row,
    Rule,
    SmallTable,
    SourcePath,
    Step,
    Translate,
    UseType,
    Value,
    is_static,
)
from adapter.mapping.run import DescribedTwice, Hop, Run
from adapter.mapping.signature import is_mixed, makes_several
from adapter.types import Issue, Json, Resource, SourcePlace


class Absent:
    """Nothing is written."""


ABSENT: Any = Absent()


class Mark(NamedTuple):
    """One trace row: element relative to where it is known from, sender's path, row, conversion."""

    element: str
    source: str
    row: str
    via: str = ""


class Made(NamedTuple):
    """What an element became: value, whether the record had a say, and trace rows relative to it."""

    value: Json
    live: bool = False
    trace: tuple[Mark, ...] = ()

    def marks(self, at: str) -> list[Mark]:
        """Return the trace rows as seen from the element around, where this one stands at `at`."""
        return [Mark(at + element, source, row, via) for element, source, row, via in self.trace]


NOTHING = Made(ABSENT)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where rows look from: the open scopes, their places in the sender's document, and loop positions."""

    values: tuple[Json, ...]
    paths: tuple[str, ...]
    positions: tuple[int, ...] = ()

    def find(self, source: SourcePath, run: Run | Hop) -> tuple[Json, str]:
        """Return a field's value (None when missing) and its place."""
        if source.special:
            return run.special(source.special), ""
        value, path = self.values[source.depth], self.paths[source.depth]
        for key in source.keys:
            path = f"{path}.{key}" if path else key
            value = value.get(key) if isinstance(value, dict) else None
        return (None if value == "" else value), path

    def items(self, steps: tuple[Step, ...], run: Run | Hop) -> Iterator[Frame]:
        """Yield the frame of every item that the loops open."""
        if not steps:
            yield self
            return
        step, rest = steps[0], steps[1:]
        value, path = self.find(step.source, run)
        if value is None:
            return
        for position, item in enumerate(value if step.is_list else (value,)):
            where = f"{path}[{position}]" if step.is_list else path
            inner = Frame((*self.values, item), (*self.paths, where), (*self.positions, position))
            yield from inner.items(rest, run)


def holds(when: Condition | None, frame: Frame, run: Run | Hop) -> bool:
    """True when the condition of a row is met."""
    if when is None:
        return True
    found = [frame.find(source, run)[0] for source in when.sources]
    if when.test in ("present", "absent"):
        return any(value is not None for value in found) == (when.test == "present")
    return (found[0] in when.values) == (when.test == "in")


def part_name(rule: Rule, frame: Frame) -> str:
    """Return the part of a rule's resource: empty for the record itself, else `goals.0` and the like."""
    if rule.main:
        return ""
    loops = zip(rule.steps, frame.positions, strict=True)
    return ".".join([rule.name, *(str(position) for step, position in loops if step.is_list)])


@dataclass(slots=True)
class Interpreter:
    """One reading of a record. `problems` collects what cannot be said; `trace` what came from where."""

    run: Run | Hop
    problems: list[Issue] = field(default_factory=list)
    trace: dict[str, list[Mark]] = field(default_factory=dict)
    """By fullUrl: element inside the resource, sender's path, row, via."""

    def resources(self, rules: tuple[Rule, ...], frame: Frame) -> dict[str, dict[tuple[int, ...], str]]:
        """Make the resources of rules; return their ids by rule and position."""
        made = self.identities(rules, frame)
        for rule in rules:
            self.make(rule, frame, made)
        return made

    def identities(self, rules: tuple[Rule, ...], frame: Frame) -> dict[str, dict[tuple[int, ...], str]]:
        """Return the `fullUrl` of every resource that the rules will make, by rule and loop positions."""
        assert isinstance(self.run, Run)
        made: dict[str, dict[tuple[int, ...], str]] = {}
        for rule in rules:
            found = made[rule.name] = {}
            for item in frame.items(rule.steps, self.run):
                if holds(rule.when, item, self.run):
                    found[item.positions] = self._identity(rule, item)[0]
        return made

    def _identity(self, rule: Rule, item: Frame) -> tuple[str, Json]:
        assert isinstance(self.run, Run)
        if rule.identity is None:
            return self.run.part_urn(part_name(rule, item)), None
        if rule.identity.key:
            fields = tuple(item.find(source, self.run)[0] for source in rule.identity.key)
            return self.run.key_urn(rule.type, fields), None
        for option in rule.identity.first:
            identifier = self.value(option, item).value
            if identifier is not ABSENT:
                return self.run.identity_urn(rule.type, identifier), identifier
        self.problem("mapping.no-identity", item.paths[-1], {"type": rule.type})
        return self.run.part_urn(part_name(rule, item)), None

    def make(self, rule: Rule, frame: Frame, made: dict[str, dict[tuple[int, ...], str]]) -> None:
        """Make every resource of one rule."""
        assert isinstance(self.run, Run)
        for item in frame.items(rule.steps, self.run):
            if item.positions not in made[rule.name]:
                continue
            body: Resource = {"resourceType": rule.type}
            tree = self.object(rule.tree, item, made, root=True)
            body.update(tree.value)
            urn, identifier = self._identity(rule, item)
            self.trace.setdefault(urn, []).extend(tree.trace + self._condition_marks(rule.when, rule.row, item))
            if rule.owned:
                self.run.own(rule, part_name(rule, item), urn, body, identifier)
            else:
                try:
                    self.run.share(rule, urn, body, identifier, item.paths[-1])
                except DescribedTwice as clash:
                    values = {"element": clash.element, "other": clash.first}
                    self.problem("mapping.described-in-two-ways", clash.second, values)

    def element(self, element: Element, frame: Frame, made: Any) -> Made:
        """Return what an element becomes."""
        if isinstance(element, Object):
            return self.object(element, frame, made)
        if isinstance(element, Items):
            return self.items(element, frame, made)
        if isinstance(element, Value):
            return self.value(element, frame)
        if isinstance(element, Link):
            return self.link(element, frame, made)
        if not holds(element.when, frame, self.run):
            return NOTHING
        marks = self._condition_marks(element.when, element.row, frame) or (Mark("", "", element.row.name),)
        return Made(_copied(element.value), element.when is not None, marks)

    def object(self, node: Object, frame: Frame, made: Any, root: bool = False) -> Made:
        """Return an object: constants count only beside something from the record, unless there is nothing else."""
        found: dict[str, Json] = {}
        trace: list[Mark] = []
        live = False
        for name, child in node.fields:
            part = self.element(child, frame, made)
            if part.value is ABSENT:
                continue
            if isinstance(child, Link) and child.bare:
                found.update(part.value)
            else:
                found[name] = part.value
            live = live or part.live
            trace += part.marks(f".{name}")
        if live or root or is_static(node) or is_mixed(node):
            return Made(found, live, tuple(trace))
        return NOTHING

    def items(self, node: Items, frame: Frame, made: Any) -> Made:
        """Return a list, or the first alternative that is present."""
        found: list[Json] = []
        trace: list[Mark] = []
        live = False
        for kind in node.kinds:
            for part in self.kind(kind, frame, made):
                several = part.value if makes_several(kind.content) else [part.value]
                for value in several:
                    at = f"[{len(found)}]" if node.many else ""
                    trace += part.marks(at)
                    found.append(value)
                live = live or part.live
                if not node.many:
                    return Made(found[0], live, tuple(trace))
        return Made(found, live, tuple(trace)) if found else NOTHING

    def kind(self, kind: Kind, frame: Frame, made: Any) -> Iterator[Made]:
        """Yield the items of one kind."""
        for item in frame.items(kind.steps, self.run):
            if not holds(kind.when, item, self.run):
                continue
            content = kind.content
            if isinstance(content, Object) and kind.steps:
                part = self.object(content, item, made, root=True)
                part = Made(part.value or ABSENT, True, part.trace)
            else:
                part = self.element(content, item, made)
            if part.value is not ABSENT and (part.live or is_static(content)):
                yield part._replace(trace=part.trace + self._condition_marks(kind.when, kind.row, item))

    def value(self, row: Value, frame: Frame) -> Made:
        """Return the value of a row that reads fields."""
        if not holds(row.when, frame, self.run):
            return NOTHING
        found = [frame.find(source, self.run) for source in row.sources]
        value, path = found[0]
        if len(found) > 1:
            value = None if all(part is None for part, _ in found) else [part for part, _ in found]
        if value is None:
            if row.required:
                self.problem("mapping.missing-field", path, {})
            if row.default is None:
                return NOTHING
            value, found = row.default, [(row.default, "")]
        try:
            written, via, inner = self._made(row, value, path)
        except Unfit as error:
            self.problem(error.key, path, error.values)
            return NOTHING
        if written is None or written is ABSENT:
            return NOTHING
        rows = tuple(Mark("", place, row.row.name, via) for part, place in found if part is not None)
        return Made(written, True, rows + inner + self._condition_marks(row.when, row.row, frame))

    def _made(self, row: Value, value: Json, path: str) -> tuple[Json, str, tuple[Mark, ...]]:
        how = row.how
        if isinstance(how, CopyValue):
            if how.codes is not None and value not in how.codes:
                raise Unfit("mapping.unknown-code", list=how.list_name, allowed=", ".join(sorted(how.codes)))
            return value, "", ()
        if isinstance(how, Translate):
            return translated(how, value), how.name, ()
        if isinstance(how, SmallTable):
            if value not in how.table:
                raise Unfit("mapping.unknown-code", list="", allowed=", ".join(map(str, how.table)))
            return how.table[value], "", ()
        if isinstance(how, Convert):
            return how.forward(value, self.run, how.to), how.name, ()
        return self.embedded(how, value, path)

    def _condition_marks(self, when: Condition | None, row: Row, frame: Frame) -> tuple[Mark, ...]:
        """Return the trace row of a field that is said by a condition `equals`."""
        if when is None or not when.marks:
            return ()
        return (Mark("", frame.find(when.sources[0], self.run)[1], row.name),)

    def embedded(self, how: UseType, value: Json, path: str) -> tuple[Json, str, tuple[Mark, ...]]:
        """Return the element of an embedded type; the resources that it brings along are added."""
        type_: EmbeddedType = how.type
        inner = Frame((value,), (path,))
        made = self.resources(type_.rules, inner) if type_.rules else {}
        part = self.element(type_.tree, inner, made)
        return part.value if part.live or is_static(type_.tree) else ABSENT, type_.name, part.trace

    def link(self, link: Link, frame: Frame, made: Any) -> Made:
        """Return a reference, or a list of references where several resources are meant."""
        if not holds(link.when, frame, self.run):
            return NOTHING
        found = list(self._linked(link, frame, made))
        if not found:
            return NOTHING
        references = [{"reference": urn, "type": type_} for urn, type_ in found]
        marks = self._condition_marks(link.when, link.row, frame) or (Mark("", "", link.row.name),)
        return Made(references if link.many else references[0], True, marks)

    def _linked(self, link: Link, frame: Frame, made: Any) -> Iterator[tuple[str, str]]:
        if not link.rules:
            yield from self._everything_owned(made)
            return
        for name, common, type_ in zip(link.rules, link.common, link.types, strict=True):
            around = frame.positions[:common]
            found = [urn for positions, urn in made[name].items() if positions[:common] == around]
            if found:
                yield from ((urn, type_) for urn in found)
                return

    def _everything_owned(self, made: Any) -> Iterator[tuple[str, str]]:
        assert isinstance(self.run, Run)
        for rule in self.run.mapping.rules:
            if rule.owned and rule.identifier != "none":
                yield from ((urn, rule.type) for urn in made[rule.name].values())

    def problem(self, key: str, path: str, values: dict[str, str]) -> None:
        """Note what is wrong with a field."""
        self.problems.append(Issue("error", key, {"field": path, **values}, source=SourcePlace(path)))


def translated(how: Translate, value: Json) -> Json:
    """Return a code in the shape of its element; ABSENT when the map knows that there is no counterpart.

    Raises:
        Unfit: the code is not in the list.
    """
    try:
        coding = how.table[value]
    except (KeyError, TypeError):
        if how.unmatched:
            return {"text": value}
        raise Unfit("mapping.unknown-code", list=how.name, allowed=", ".join(how.table)) from None
    if coding is None:
        return {"text": value} if how.unmatched else ABSENT
    if how.shape == "code":
        return coding.code
    written = {"system": coding.system, "code": coding.code}
    if coding.display:
        written["display"] = coding.display
    return {"coding": [written]} if how.shape == "CodeableConcept" else written


def _copied(value: Json) -> Json:
    """Constants are handed out fresh, so that nobody can change them for the next record."""
    if isinstance(value, dict):
        return {name: _copied(child) for name, child in value.items()}
    return [_copied(child) for child in value] if isinstance(value, list) else value
