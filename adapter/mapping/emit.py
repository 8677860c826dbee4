"""Elements of a tree as Python: expressions where they are surely written, else statements.

A `Store` says what to do with a value: it takes the expression of the value and returns the line that keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter.mapping.interpret import translated
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
from adapter.mapping.writer import Writer, flattened, reference
from adapter.types import Json

Store = Callable[[str], str]


class Emitter(Writer):
    """Writes elements. `made` is the door; it writes the lines that make an element and store it."""

    def __init__(self, names: dict[str, Any], skips_empty: bool) -> None:
        super().__init__(names, skips_empty)
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
                self.line(store(repr(element.value)), element.row)
        elif isinstance(element, Link):
            self._link(element, store)
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
            if isinstance(child, Link) and child.bare and simple is not None:
                parts.append(simple[1:-1])
            elif simple is None:
                rest.append((key, child))
            else:
                parts.append(f"{key!r}: {simple}")
        self.line(f"{name} = {{{', '.join(parts)}}}")
        for key, child in rest:
            self._child(child, name, key)

    def expression(self, element: Element) -> str | None:
        """Return an element that is surely written as one expression, None when it takes statements."""
        if is_static(element):
            return repr(constant_of(element))
        if isinstance(element, Value):
            return self._value_expression(element)
        if isinstance(element, Link):
            return None if element.many or not self._surely_linked(element) else self._linked_reference(element)
        if isinstance(element, Items) and len(element.kinds) == 1:
            kind = element.kinds[0]
            if kind.steps or kind.when is not None or makes_several(kind.content):
                return None
            inner = self.expression(kind.content)
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
        mixed = [(key, child) for key, child in node.fields if is_mixed(child)]
        for key, child in node.fields:
            if not is_static(child) and not is_mixed(child):
                self._child(child, name, key)
        self.line(f"{alive} = bool({name})")
        for key, child in mixed:
            value, lives = self._mixed(child)
            self.line(f"{alive} = {alive} or {lives}")
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
        self.line(f"{found} = []")
        for kind in node.kinds:
            self._kind(kind, _adder(found, kind))
        if is_sure(node):
            self.line(store(found))
            return
        with self.block(f"if {found}:"):
            self.line(store(found))

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
                self.loop(step, positions=_has_link(kind.content))
            if kind.when is not None:
                self.enter(f"if {self.test(kind.when)}:")
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
            if len(row.sources) > 1:
                names = [f"{found}_{number}" for number in range(len(row.sources))]
                for name, source in zip(names, row.sources, strict=True):
                    self.line(f"{name} = {self.get(source)}")
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
            with self.block(f"if {found} is not None:"):
                self._stored(row, found, store)

    def _stored(self, row: Value, found: str, store: Store) -> None:
        certain = self._converted(row, found)
        if certain is not None:
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
                self.line(store(f'({copied} if {made} is not None else {{"text": {found}}})'))
                return
            with self.block(f"if {made} is not None:"):
                self.line(store(copied))
            return
        assert isinstance(how, Convert | UseType)
        call = f"type_{how.type.name}({found}, run)" if isinstance(how, UseType) else self._called(how, found)
        self.line(f"{made} = {call}", row.row)
        with self.block(f"if {made} is not None:"):
            self.line(store(made))

    def _value_expression(self, row: Value) -> str | None:
        if row.when is not None or len(row.sources) > 1 or self.skips_empty or row.required:
            return None
        if row.default is not None or not row.sources[0].surely:
            return None
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
            return f"type_{how.type.name}({found}, run)" if is_sure(how.type.tree) else None
        if isinstance(how, Convert):
            return None if how.partial else self._called(how, found)
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

    def _link(self, link: Link, store: Store) -> None:
        with self.condition(link.when), self.nested():
            if not link.rules:
                self._everything(store)
            elif link.many and len(link.rules) == 1:
                rule = self.rules[link.rules[0]]
                loops = sum(step.is_list for step in rule.steps[link.common[0] :])
                self._each_id(self._ids_at(link, 0), loops, link.types[0], store)
                return
            found = ""
            for number in range(len(link.rules)):
                if found:
                    self.enter(f"if not {found}:")
                found = self.temporary()
                self.line(f"{found} = {self._linked(link, number)}", link.row)
                head = f"for w in {found}:" if link.many else f"if {found} is not None:"
                with self.block(head):
                    self.line(store(reference("w" if link.many else found, link.types[number])))

    def _everything(self, store: Store) -> None:
        for rule in self.rules.values():
            if rule.owned and rule.identifier != "none":
                loops = sum(step.is_list for step in rule.steps)
                self._each_id(self.id_names(rule)[0], loops, rule.type, store)

    def _each_id(self, ids: str, loops: int, type_: str, store: Store) -> None:
        """Write a reference to each resource of a rule, whose ids stand in lists `loops` deep with None for gaps."""
        with self.nested():
            for _ in range(loops):
                inner = self.temporary()
                self.enter(f"for {inner} in {ids}:")
                ids = inner
            self.enter(f"if {ids} is not None:")
            self.line(store(reference(ids, type_)))

    def _linked(self, link: Link, number: int) -> str:
        """Return the expression of the id(s) that a link leads to."""
        rule, common = self.rules[link.rules[number]], link.common[number]
        left = sum(step.is_list for step in rule.steps[common:])
        whole = self._ids_at(link, number)
        return flattened(whole, left) if link.many else whole

    def _ids_at(self, link: Link, number: int) -> str:
        """Return the expression of the id(s) below the items around the link."""
        rule, common = self.rules[link.rules[number]], link.common[number]
        index = "".join(f"[i{place + 1}]" for place, step in enumerate(rule.steps[:common]) if step.is_list)
        return f"{self.id_names(rule)[0]}{index}"

    def _surely_linked(self, link: Link) -> bool:
        return link.sure and len(link.rules) == 1

    def _linked_reference(self, link: Link) -> str:
        return reference(self._linked(link, 0), link.types[0])


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
    """Return how items of a kind are added to a list; links write theirs one by one."""
    verb = "extend" if isinstance(kind.content, Value) and makes_several(kind.content) else "append"
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


def _has_link(element: Element) -> bool:
    if isinstance(element, Link):
        return True
    if isinstance(element, Object):
        return any(_has_link(child) for _, child in element.fields)
    return isinstance(element, Items) and any(_has_link(kind.content) for kind in element.kinds)
