"""From the rows of one rule to its tree: every left side finds its place, rows of one item come together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from adapter.data import YamlPath
from adapter.mapping.context import FileContext, Unusable
from adapter.mapping.model import (
    Condition,
    Constant,
    Element,
    Items,
    Kind,
    Object,
    Row,
    Step,
)
from adapter.mapping.scope import NoSuchField, Scope
from adapter.mapping.target import FhirPlace, Place
from adapter.mapping.verbs import VALUE_VERBS, condition, producer

_SEGMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([A-Za-z0-9_-]*)\])?")
_EXTENSIONS = ("extension", "modifierExtension")

Segment = tuple[str, str | None]


@dataclass(slots=True)
class _Draft:
    """An object that is still being filled."""

    children: dict[str, _Draft | _DraftItems | Element] = field(default_factory=dict)

    def frozen(self) -> Object:
        return Object(tuple((name, _frozen(child)) for name, child in self.children.items()))


@dataclass(slots=True)
class _DraftKind:
    row: Row
    steps: tuple[Step, ...] = ()
    when: Condition | None = None
    content: _Draft | Element | None = None
    scope: Scope | None = None


@dataclass(slots=True)
class _DraftItems:
    many: bool
    kinds: dict[str, _DraftKind] = field(default_factory=dict)

    def frozen(self) -> Items:
        return Items(
            tuple(
                Kind(name, kind.steps, kind.when, _frozen(kind.content), kind.row)
                for name, kind in self.kinds.items()
                if kind.content is not None
            ),
            self.many,
        )


def whole_value(placed: tuple[Any, YamlPath], place: Place, scope: Scope, context: FileContext, top: str) -> Element:
    """Return what the single row `.` makes: the whole value, or the first alternative that is present."""
    spec, at = placed
    row = context.row(f"{top}.", at)
    kinds: list[Kind] = []
    for number, option in enumerate(spec if isinstance(spec, list) else [spec]):
        words = {"from": option} if isinstance(option, str) else option
        try:
            kinds.append(Kind(str(number), (), None, producer(words, place, scope, row, context), row))
        except Unusable:
            continue
    return kinds[0].content if len(kinds) == 1 else Items(tuple(kinds), False)


def with_fragments(
    spec: dict[str, Any], at: YamlPath, context: FileContext, row: Row
) -> dict[str, tuple[Any, YamlPath]]:
    """Return the rows of `fields` and of the fragments that `include` names, each with its place in the file."""
    rows: dict[str, tuple[Any, YamlPath]] = {}
    names = spec.get("include", [])
    for name in [names] if isinstance(names, str) else names:
        if name not in context.fragments:
            context.problem(row, f"there is no fragment '{name}' (there are: {', '.join(context.fragments) or 'none'})")
            continue
        fragment = {"fields": context.fragments[name]}
        rows.update(
            {key: (value, ("fragments", name, key)) for key, value in fragment["fields"].items() if key != "include"}
        )
    rows.update({key: (value, (*at, "fields", key)) for key, value in spec.get("fields", {}).items()})
    return rows


def fill_placed(
    rows: dict[str, tuple[Any, YamlPath]], place: Place, scope: Scope, context: FileContext, top: str
) -> Object:
    """Return the tree of rows that carry their own places (see `with_fragments`)."""
    draft = _Draft()
    for left, (spec, at) in rows.items():
        _place(draft, left, spec, at, place, scope, context, top)
    return draft.frozen()


def _place(
    draft: _Draft, left: str, spec: Any, at: YamlPath, place: Place, scope: Scope, context: FileContext, top: str
) -> None:
    row = context.row(f"{top}.{left}", at)
    segments: list[Segment] = []
    for part in left.split("."):
        found = _SEGMENT.fullmatch(part)
        if found is None:
            context.problem(row, f"'{part}' is no element name")
            return
        segments.append((found[1], found[2]))
    _Placing(context, row, spec, at, scope, f"{top}.{left}").put(draft, place, segments)


@dataclass(slots=True)
class _Placing:
    """One row on its way to its place."""

    context: FileContext
    row: Row
    spec: Any
    at: YamlPath
    scope: Scope
    name: str

    def put(self, draft: _Draft, place: Place, segments: list[Segment]) -> None:
        (name, label), rest = segments[0], segments[1:]
        child = place.child(name)
        if child is None:
            self.context.problem(self.row, f"{_called(place)} has no element '{name}'")
        elif child.is_list and label is None:
            self.context.problem(self.row, f"'{name}' repeats: write {name}[] or {name}[kind]")
        elif not child.is_list and label is not None:
            self.context.problem(self.row, f"'{name}' occurs once: write it without brackets")
        elif child.is_list:
            assert label is not None
            items = draft.children.setdefault(name, _DraftItems(many=True))
            if isinstance(items, _DraftItems):
                self._into_kind(self._kind(items, name, label, place), child, rest)
        elif rest:
            inner = draft.children.setdefault(name, _Draft())
            if not isinstance(inner, _Draft):
                self.context.problem(self.row, f"'{name}' is written as a whole by another row")
                return
            self.put(inner, child, rest)
        else:
            self._finish(draft, name, child)

    def _kind(self, items: _DraftItems, name: str, label: str, place: Place) -> _DraftKind:
        kind = items.kinds.get(label)
        if kind is None:
            kind = items.kinds[label] = _DraftKind(self.row)
            if name in _EXTENSIONS:
                kind.content = _Draft({"url": Constant(self.row, self._url(label, place))})
        return kind

    def _url(self, label: str, place: Place) -> str:
        if "Extension" in place.types:
            return label
        try:
            return self.context.terminology.extension(label)
        except LookupError:
            self.context.problem(self.row, f"there is no extension '{label}' in systems.yaml")
            return label

    def _into_kind(self, kind: _DraftKind, place: Place, rest: list[Segment]) -> None:
        if rest:
            if kind.content is None:
                kind.content = _Draft()
            if not isinstance(kind.content, _Draft):
                self.context.problem(self.row, "the item is written as a whole by another row")
                return
            if kind.steps:
                self.context.problem(self.row, "put this row under the fields of the item")
                return
            self.put(kind.content, place, rest)
            return
        if isinstance(self.spec, list):
            self.context.problem(self.row, "alternatives are for elements that occur once")
            return
        made = self._made(place, kind.content)
        if made is not None:
            kind.steps, kind.when, kind.content = made

    def _finish(self, draft: _Draft, name: str, place: Place) -> None:
        there = draft.children.get(name)
        if isinstance(self.spec, list):
            if there is not None:
                self.context.problem(self.row, "the element is written twice")
                return
            items = _DraftItems(many=False)
            for number, option in enumerate(self.spec):
                placing = _Placing(self.context, self.row, option, (*self.at, number), self.scope, self.name)
                made = placing._made(place, None)
                if made is not None:
                    items.kinds[str(number)] = _DraftKind(self.row, *made)
            draft.children[name] = items
            return
        made = self._made(place, there if isinstance(there, _Draft) else None)
        if there is not None and not isinstance(there, _Draft):
            self.context.problem(self.row, "the element is written twice")
        elif made is not None:
            steps, when, content = made
            alone = not steps and when is None
            draft.children[name] = (
                content if alone else _DraftItems(False, {"": _DraftKind(self.row, steps, when, content)})
            )

    def _made(
        self, place: Place, content: _Draft | Element | None
    ) -> tuple[tuple[Step, ...], Condition | None, _Draft | Element] | None:
        """Return loops, condition and content of this row, added to the content that is there; None if unusable."""
        spec = {"from": self.spec} if isinstance(self.spec, str) else self.spec
        if not isinstance(spec, dict):
            self.context.problem(self.row, "a row is a field name or verbs")
            return None
        spec, scope = dict(spec), self.scope
        each = spec.pop("each", None)
        try:
            if each is not None:
                scope = self.scope.opened(each)
        except NoSuchField as error:
            self.context.problem(self.row, str(error.args[0]))
            return None
        steps = scope.steps[len(self.scope.steps) :]
        if "fields" in spec or "include" in spec:
            return self._grouped(spec, place, scope, steps, content)
        if content is not None and not _only_url(content):
            self.context.problem(self.row, "the element is written twice")
            return None
        when = None
        if each is not None:
            when = condition(spec.pop("when", None), scope, self.row, self.context)
        try:
            return steps, when, producer(spec, place, scope, self.row, self.context)
        except Unusable:
            return None

    def _grouped(
        self,
        spec: dict[str, Any],
        place: Place,
        scope: Scope,
        steps: tuple[Step, ...],
        content: _Draft | Element | None,
    ) -> tuple[tuple[Step, ...], Condition | None, _Draft | Element] | None:
        extra = set(spec) - {"fields", "include", "when"}
        if extra:
            known = "belongs into the fields" if extra <= VALUE_VERBS else "is an unknown verb"
            self.context.problem(self.row, f"'{min(extra)}' {known}")
            return None
        when = condition(spec.get("when"), scope, self.row, self.context)
        self.context.rows += bool(steps)
        rows = with_fragments(spec, self.at, self.context, self.row)
        if set(rows) == {"."}:
            inner = _Placing(self.context, self.row, *rows["."], scope, self.name)
            made = inner._made(place, None)
            return None if made is None else (steps, when, made[2])
        draft = content if isinstance(content, _Draft) else _Draft()
        for left, (row_spec, at) in rows.items():
            _place(draft, left, row_spec, at, place, scope, self.context, self.name)
        return steps, when, draft


def _only_url(content: _Draft | Element) -> bool:
    return isinstance(content, _Draft) and set(content.children) == {"url"}


def _frozen(child: _Draft | _DraftItems | Element | None) -> Element:
    assert child is not None
    return child.frozen() if isinstance(child, _Draft | _DraftItems) else child


def _called(place: Place) -> str:
    if isinstance(place, FhirPlace):
        return f"{place.type}.{place.path}" if place.path else place.type
    return "the record"
