"""Elements of a tree as Python: expressions where they are surely written, else statements.

What has to be told by a note (see `adapter.mapping.replay`) is noted where it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from adapter.mapping.interpret import translated
from adapter.mapping.link_writer import LinkWriter, Store
from adapter.mapping.model import (
    Constant,
    Convert,
    CopyValue,
    Element,
    Items,
    Kind,
    Link,
    Object,
    SmallTable,
    Translate,
    UseType,
    Value,
    is_static,
    is_sure,
)
from adapter.mapping.signature import is_mixed, makes_several
from adapter.mapping.writer import Numbers
from adapter.types import Json


class Emitter(LinkWriter):
    """Writes elements. `made` is the door; it writes the lines that make an element and store it."""

    def __init__(self, names: dict[str, Any], skips_empty: bool, notes: bool, numbers: Numbers) -> None:
        super().__init__(names, skips_empty, notes, numbers)
        self._tables: dict[tuple[int, str], dict[str, Json]] = {}
        self.at_hand: dict[tuple[Any, ...], str] = {}
        """Variables that hold what a conversion has made already (see `conversion_key`)."""

    def made(self, element: Element, store: Store, known: bool = False) -> None:
        """Write what makes an element and stores it. `known`: it is written anyway, be it empty."""
        simple = self.expression(element)
        if simple is not None:
            self.line(store(simple), element.row if isinstance(element, Value) else None)
        elif isinstance(element, Value):
            self._optional(element, store)
        elif isinstance(element, Constant):
            with self.condition(element.when):
                self.line(store(self.constant(element.value)), element.row)
                self.note(element)
        elif isinstance(element, Link):
            self.link(element, store)
        elif isinstance(element, Object):
            self._object(element, store, known)
        else:
            self._items(element, store)

    def whole(self, node: Object, name: str, first: dict[str, str]) -> None:
        """Write an object that is surely written into the variable `name`; `first` are entries as they stand."""
        parts = [f"{key!r}: {value}" for key, value in first.items()]
        rest: list[tuple[str, Element]] = []
        for key, child in node.fields:
            simple = self.expression(child)
            if simple is None or (rest and _has(child, _uses_type)):  # a type notes what it does, so it waits its turn
                rest.append((key, child))
            elif _is_bare(child):
                parts.append(simple[1:-1])
            else:
                parts.append(f"{key!r}: {simple}")
        self.line(f"{name} = {{{', '.join(parts)}}}")
        for key, child in rest:
            self._child(child, name, key)

    def expression(self, element: Element) -> str | None:
        """Return an element that is surely written as one expression, None when it takes statements."""
        if is_static(element):
            return self.constant(constant_of(element))
        if isinstance(element, Value):
            return self._value_expression(element)
        if isinstance(element, Link):
            return None if element.many or not self.surely_linked(element) else self.linked_reference(element)
        if isinstance(element, Items) and len(element.kinds) == 1:
            inner = self._plain_item(element.kinds[0])
            return None if inner is None else f"[{inner}]" if element.many else inner
        if isinstance(element, Object) and not any(_is_bare(child) for _, child in element.fields):
            parts = [(name, self.expression(child)) for name, child in element.fields]
            if all(part is not None for _, part in parts):
                return "{" + ", ".join(f"{name!r}: {part}" for name, part in parts) + "}"
        return None

    def _object(self, node: Object, store: Store, known: bool) -> None:
        name = self.temporary()
        if known or is_sure(node):
            self.whole(node, name, {})
            self.line(store(name))
            return
        if is_mixed(node):
            name, alive = self._mixed_object(node)
            with self.block(f"if {alive}:"):
                self.line(store(name))
            return
        dynamic = [(key, child) for key, child in node.fields if not is_static(child)]
        statics = [(key, self.expression(child)) for key, child in node.fields if is_static(child)]
        if len(dynamic) == 1:
            key, child = dynamic[0]
            before = "".join(f"{static!r}: {value}, " for static, value in statics)
            inner = "**" if _is_bare(child) else f"{key!r}: "
            self.made(child, lambda value: store(f"{{{before}{inner}{value}}}"))
            return
        self.line(f"{name} = {{}}")
        for key, child in dynamic:
            self._child(child, name, key)
        with self.block(f"if {name}:"):
            for key, value in statics:
                self.line(f"{name}[{key!r}] = {value}")
            self.line(store(name))

    def _child(self, child: Element, name: str, key: str) -> None:
        if _is_bare(child):
            self.made(child, lambda value: f"{name}.update({value})")
        elif is_mixed(child):
            self.line(f"{name}[{key!r}] = {self._mixed(child)[0]}")
        else:
            self.made(child, lambda value: f"{name}[{key!r}] = {value}")

    def _mixed(self, element: Element) -> tuple[str, str]:
        """Write an element that stays for its constants; return its variable, and the one that says if it lives."""
        if isinstance(element, Object):
            return self._mixed_object(element)
        assert isinstance(element, Items)
        found, alive = self.temporary(), self.temporary()
        self.line(f"{found} = []")
        self.line(f"{alive} = False")
        for kind in element.kinds:
            before = self.temporary()
            self.line(f"{before} = len({found})")
            self._kind(kind, _adder(found, kind))
            if not is_static(Items((kind,), True)):
                self.line(f"{alive} = {alive} or len({found}) > {before}")
        return found, alive

    def _mixed_object(self, node: Object) -> tuple[str, str]:
        name, alive = self.temporary(), self.temporary()
        self.line(f"{name} = {{}}")
        mixed: list[tuple[str, str, str]] = []
        for key, child in node.fields:
            if is_mixed(child):
                mixed.append((key, *self._mixed(child)))
            elif not is_static(child):
                self._child(child, name, key)
        self.line(f"{alive} = bool({name}){''.join(f' or {lives}' for _, _, lives in mixed)}")
        for key, value, _ in mixed:
            self.line(f"{name}[{key!r}] = {value}")
        for key, child in node.fields:
            if is_static(child):
                self.line(f"{name}[{key!r}] = {self.expression(child)}")
        return name, alive

    def _items(self, node: Items, store: Store) -> None:
        if not node.many:
            self._alternatives(node, store)
            return
        if len(node.kinds) == 1 and not node.kinds[0].steps and not makes_several(node.kinds[0].content):
            self._kind(node.kinds[0], lambda value: store(f"[{value}]"))
            return
        found = self.temporary()
        first = list(takewhile(bool, map(self._plain_item, node.kinds)))
        self.line(f"{found} = [{', '.join(map(str, first))}]")
        for kind in node.kinds[len(first) :]:
            self._kind(kind, _adder(found, kind))
        if is_sure(node):
            self.line(store(found))
            return
        with self.block(f"if {found}:"):
            self.line(store(found))

    def _plain_item(self, kind: Kind) -> str | None:
        """Return an item that is surely written, once, as one expression; None when it takes statements."""
        plain = not kind.steps and kind.when is None and not makes_several(kind.content)
        return self.expression(kind.content) if plain else None

    def _alternatives(self, node: Items, store: Store) -> None:
        if len(node.kinds) == 1:
            self._kind(node.kinds[0], store)
            return
        found = self.temporary()
        self.line(f"{found} = None")
        for number, kind in enumerate(node.kinds):
            with self.nested():
                if number:
                    self.enter(f"if {found} is None:")
                self._kind(kind, lambda value: f"{found} = {value}")
        with self.block(f"if {found} is not None:"):
            self.line(store(found))

    def _kind(self, kind: Kind, store: Store) -> None:
        with self.nested():
            for step in kind.steps:
                self.loop(step, positions=_has(kind.content, _is_link))
                self.note(step)
            if kind.when is not None:
                self.enter(f"if {self.test(kind.when)}:")
                if is_static(kind.content) or is_sure(kind.content) or makes_several(kind.content):
                    self.note(kind)
            simple = self.expression(kind.content)
            if simple is not None or not (kind.steps and isinstance(kind.content, Object)):
                self.made(kind.content, store)
                return
            name = self.temporary()
            self.whole(kind.content, name, {})
            if not any(is_static(child) or is_sure(child) for _, child in kind.content.fields):
                self.enter(f"if {name}:")
            self.line(store(name))

    def _optional(self, row: Value, store: Store) -> None:
        with self.condition(row.when):
            if len(row.sources) == 1 and row.sources[0].surely and not self.skips_empty:
                self._stored(row, self.get(row.sources[0]), store)
                return
            found = self.temporary()
            if len(row.sources) == 1 and not (self.skips_empty or row.required or row.default is not None):
                with self.block(f"if ({found} := {self.get(row.sources[0])}) is not None:"):
                    self._stored(row, found, store)
                return
            if len(row.sources) > 1:
                names = [f"{found}_{number}" for number in range(len(row.sources))]
                for number, (name, source) in enumerate(zip(names, row.sources, strict=True)):
                    self.line(f"{name} = {self.get(source)}")
                    if self.notes and not source.surely:
                        with self.block(f"if {name} is not None:"):
                            self.note(row, str(number))
                some = " or ".join(f"{name} is not None" for name in names)
                self.line(f"{found} = [{', '.join(names)}] if {some} else None")
            else:
                self.line(f"{found} = {self.get(row.sources[0])}")
            if self.skips_empty:
                self.line(f'{found} = None if {found} == "" else {found}')
            if row.required:
                with self.block(f"if {found} is None:"):
                    self.line('raise KeyError("required")')
            if row.default is not None:
                with self.block(f"if {found} is None:"):
                    self.line(f"{found} = {row.default!r}")
                    self.note(row, "default")
            with self.block(f"if {found} is not None:"):
                self._stored(row, found, store)

    def _stored(self, row: Value, found: str, store: Store) -> None:
        certain = self._converted(row, found)
        if certain is not None:
            self.note(row)
            self.line(store(certain), row.row)
            return
        made = self.temporary()
        how = row.how
        if isinstance(how, Translate):
            table = self.named("T", self._table(how))
            look = f"{table}.get({found})" if how.unmatched else f"{table}[{found}]"
            self.line(f"{made} = {look}", row.row)
            copied = self._wrapped(how, made if how.shape == "code" else f"{made}.copy()")
            if how.unmatched:
                self.note(row)
                self.line(store(f'({copied} if {made} is not None else {{"text": {found}}})'))
                return
            with self.block(f"if {made} is not None:"):
                self.note(row)
                self.line(store(copied))
            return
        assert isinstance(how, Convert | UseType)
        if isinstance(how, UseType):
            self.note(row)
            self.line(f"{made} = {_through(how, found)}", row.row)
        else:
            self.line(f"{made} = {self._called(how, found)}", row.row)
        with self.block(f"if {made} is not None:"):
            if isinstance(how, Convert):
                self.note(row)
            if isinstance(how, Convert) and how.whole:
                self.note_expression(f"len({made})")
            self.line(store(made))

    def _value_expression(self, row: Value) -> str | None:
        if row.when is not None or len(row.sources) > 1 or self.skips_empty or row.required or makes_several(row):
            return None
        if row.default is not None or not row.sources[0].surely:
            return None
        if isinstance(row.how, UseType) and not row.how.type.rules:
            return None  # it leaves no note of its own by which two values that follow each other stay apart
        if self.at_hand and isinstance(row.how, Convert) and conversion_key(row) in self.at_hand:
            return self.at_hand[conversion_key(row)]
        return self._converted(row, self.get(row.sources[0]))

    def _converted(self, row: Value, found: str) -> str | None:
        """Return the expression of a value that is there, None when the result may be nothing."""
        how = row.how
        if isinstance(how, CopyValue):
            return found if how.codes is None else f"{self.named('K', _identity(how))}[{found}]"
        if isinstance(how, SmallTable):
            return f"{self.named('T', how.table)}[{found}]"
        if isinstance(how, UseType):
            return _through(how, found) if is_sure(how.type.tree) else None
        if isinstance(how, Convert):
            return None if how.partial or how.whole else self._called(how, found)
        if how.unmatched or None in how.table.values():
            return None
        looked_up = f"{self.named('T', self._table(how))}[{found}]"
        return self._wrapped(how, looked_up if how.shape == "code" else f"{looked_up}.copy()")

    def _called(self, how: Convert, found: str) -> str:
        return f"{self.named('F', how.forward)}({found}, run, {how.to!r})"

    def _table(self, how: Translate) -> dict[str, Json]:
        """Return code → what stands in the generated table: a code, a Coding, or None."""
        key = (id(how.table), how.shape)
        if key not in self._tables:
            self._tables[key] = {code: _entry(how, code) for code in how.table}
        return self._tables[key]

    @staticmethod
    def _wrapped(how: Translate, value: str) -> str:
        return f'{{"coding": [{value}]}}' if how.shape == "CodeableConcept" else value


def conversion_key(row: Value) -> tuple[Any, ...]:
    """Return what makes two rows with a conversion make the same: function, argument, fields."""
    assert isinstance(row.how, Convert)
    return row.how.forward, row.how.to, row.sources


def constant_of(element: Element) -> Json:
    """Return the value of an element that is made of constants only."""
    if isinstance(element, Constant):
        return element.value
    if isinstance(element, Object):
        return {name: constant_of(child) for name, child in element.fields}
    assert isinstance(element, Items)
    found = [constant_of(kind.content) for kind in element.kinds]
    return found if element.many else found[0]


def _adder(name: str, kind: Kind) -> Store:
    """Return how items of a kind are added to a list."""
    verb = "extend" if makes_several(kind.content) else "append"
    return lambda value: f"{name}.{verb}({value})"


def _entry(how: Translate, code: str) -> Json:
    coding = how.table[code]
    if coding is None or how.shape == "code":
        return coding.code if coding else None
    whole = translated(how, code)
    return whole["coding"][0] if how.shape == "CodeableConcept" else whole


def _identity(how: CopyValue) -> dict[str, str]:
    assert how.codes is not None
    return {code: code for code in how.codes}


def _is_bare(element: Element) -> bool:
    return isinstance(element, Link) and element.bare


def _is_link(element: Element) -> bool:
    return isinstance(element, Link)


def _uses_type(element: Element) -> bool:
    return isinstance(element, Value) and isinstance(element.how, UseType)


def _has(element: Element, wanted: Callable[[Element], bool]) -> bool:
    if isinstance(element, Object):
        return any(_has(child, wanted) for _, child in element.fields)
    if isinstance(element, Items):
        return any(_has(kind.content, wanted) for kind in element.kinds)
    return wanted(element)


def _through(how: UseType, found: str) -> str:
    return f"type_{how.type.name}({found}, run, notes)"
