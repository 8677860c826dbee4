"""The writer of generated Python: elements of a tree as statements and expressions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapter.mapping.interpret import translated
from adapter.mapping.model import (
    Condition,
    Constant,
    Convert,
    CopyValue,
    Element,
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
)
from adapter.mapping.signature import is_static, is_sure, makes_several
from adapter.types import Json


class Writer:
    """Lines of Python, the objects they name, and the rules whose resources they may refer to.

    Scopes are `s0`, `s1`, …; positions of loops `i1`, `i2`, …; ids of resources `u_rule`.
    """

    def __init__(self, names: dict[str, Any], skips_empty: bool) -> None:
        self.names = names
        self.rules: dict[str, Rule] = {}
        self._lines: list[str] = []
        self._depth = 0
        self._count = 0
        self._known: dict[tuple[str, int], str] = {}
        self._tables: dict[tuple[str, int, str], dict[str, Json]] = {}
        self._missing = ' or {} == ""' if skips_empty else ""

    def text(self) -> str:
        """Return the whole text."""
        return "\n".join(self._lines) + "\n"

    def line(self, text: str, row: Row | None = None) -> None:
        """Write one line; the row's place stands behind it."""
        comment = f"  # {row.target} (line {row.line})" if row else ""
        self._lines.append("    " * self._depth + text + comment)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is written inside; a block without lines is given `pass`."""
        self.line(head)
        start = len(self._lines)
        self._depth += 1
        yield
        if len(self._lines) == start:
            self.line("pass")
        self._depth -= 1

    @contextmanager
    def condition(self, when: Condition | None) -> Iterator[None]:
        """Write what is inside under `if`, or plainly without a condition."""
        if when is None:
            yield
            return
        with self.block(f"if {self.test(when)}:"):
            yield

    @contextmanager
    def nested(self) -> Iterator[Nest]:
        """Open loops one inside the other; all are closed at the end."""
        depth = self._depth
        yield Nest(self)
        self._depth = depth

    def temporary(self) -> str:
        """Return a name that nothing else has."""
        self._count += 1
        return f"t{self._count}"

    def named(self, letter: str, thing: Any) -> str:
        """Return the name of an object of the generated text, the same name for the same object."""
        key = (letter, id(thing))
        if key not in self._known:
            self._known[key] = f"{letter}{len(self._known)}"
            self.names[self._known[key]] = thing
        return self._known[key]

    def id_names(self, rule: Rule) -> tuple[str, str]:
        """Return the variables with the ids of a rule and with its identifiers (empty: it has none)."""
        name = rule.name.replace("-", "_")
        return f"u_{name}", f"n_{name}" if rule.identity is not None and rule.identity.first else ""

    def part(self, rule: Rule) -> str:
        """Return the expression of a rule's part name at the loop positions here."""
        if rule.main:
            return '""'
        places = "".join(f".{{i{number + 1}}}" for number, step in enumerate(rule.steps) if step.is_list)
        return f'f"{rule.name}{places}"' if places else f'"{rule.name}"'

    def get(self, source: SourcePath) -> str:
        """Return the expression of a field, None when it is missing."""
        if source.special:
            return f'run.special("{source.special}")'
        scope = f"s{source.depth}"
        if source.surely:
            return scope + "".join(f"[{key!r}]" for key in source.keys)
        for key in source.keys[:-1]:
            scope = f"({scope}.get({key!r}) or E)"
        return f"{scope}.get({source.keys[-1]!r})" if source.keys else scope

    def test(self, when: Condition) -> str:
        """Return the expression of a condition."""
        found = [self.get(source) for source in when.sources]
        if when.test == "present":
            return " or ".join(f"{one} is not None" for one in found)
        if when.test == "absent":
            return " and ".join(f"{one} is None" for one in found)
        return f"{found[0]} {'in' if when.test == 'in' else 'not in'} {when.values!r}"

    def expression(self, element: Element) -> str | None:
        """Return an element that is surely written as one expression, None when it takes statements."""
        if is_static(element):
            return repr(constant_of(element))
        if isinstance(element, Value):
            return self._value_expression(element)
        if isinstance(element, Object):
            if any(isinstance(child, Link) and child.bare for _, child in element.fields):
                return None
            parts = [(name, self.expression(child)) for name, child in element.fields]
            if any(part is None for _, part in parts):
                return None
            return "{" + ", ".join(f"{name!r}: {part}" for name, part in parts) + "}"
        if isinstance(element, Items) and len(element.kinds) == 1:
            kind = element.kinds[0]
            if kind.steps or kind.when is not None or makes_several(kind.content):
                return None
            inner = self.expression(kind.content)
            return None if inner is None else f"[{inner}]" if element.many else inner
        if isinstance(element, Link) and not element.many and self._surely_linked(element):
            return self._reference(element, self._linked(element, 0), 0)
        return None

    def made(self, element: Element, store: str, known: bool) -> None:
        """Write what makes an element and stores it: `store` has `{}` for the value. `known`: written anyway."""
        simple = self.expression(element)
        if simple is not None:
            self.line(store.format(simple), element.row if isinstance(element, Value) else None)
        elif isinstance(element, Value):
            self._optional(element, store)
        elif isinstance(element, Constant):
            with self.condition(element.when):
                self.line(store.format(repr(element.value)), element.row)
        elif isinstance(element, Link):
            self._link(element, store)
        elif isinstance(element, Object):
            self._object(element, store, known)
        else:
            self._items(element, store)

    def object_at_root(self, node: Object, name: str, first: dict[str, Json]) -> None:
        """Write a resource into the variable `name`; constants count."""
        self._known_object(node, name, [f"{key!r}: {value!r}" for key, value in first.items()])

    def _object(self, node: Object, store: str, known: bool) -> None:
        name = self.temporary()
        if known or is_sure(node):
            self._known_object(node, name, [])
            self.line(store.format(name))
            return
        self.line(f"{name} = {{}}")
        waiting = []
        for key, child in node.fields:
            if is_static(child):
                continue
            if isinstance(child, Items) and child.many and _has_constant_kind(child):
                waiting.append((key, *self._mixed(child, name, key)))
            else:
                self._child(child, name, key)
        with self.block(f"if {name}:"):
            for key, child in node.fields:
                if is_static(child):
                    self.line(f"{name}[{key!r}] = {self.expression(child)}")
            for key, items, alive in waiting:
                with self.block(f"if not {alive}:"):
                    self.line(f"{name}[{key!r}] = {items}")
            self.line(store.format(name))

    def _known_object(self, node: Object, name: str, parts: list[str]) -> None:
        rest: list[tuple[str, Element]] = []
        for key, child in node.fields:
            simple = None if isinstance(child, Link) and child.bare else self.expression(child)
            if simple is None:
                rest.append((key, child))
            else:
                parts.append(f"{key!r}: {simple}")
        self.line(f"{name} = {{{', '.join(parts)}}}")
        for key, child in rest:
            self._child(child, name, key)

    def _child(self, child: Element, name: str, key: str) -> None:
        if isinstance(child, Link) and child.bare:
            self._link(child, f"{name}.update({{}})")
        else:
            self.made(child, f"{name}[{key!r}] = {{}}", known=False)

    def _mixed(self, items: Items, name: str, key: str) -> tuple[str, str]:
        """Write a list of constants and fields inside an object that constants alone do not make."""
        found, alive = self.temporary(), self.temporary()
        self.line(f"{found} = []")
        self.line(f"{alive} = False")
        for kind in items.kinds:
            before = self.temporary()
            self.line(f"{before} = len({found})")
            self._kind(kind, _into(found, kind))
            if not is_static(Items((kind,), True)):
                self.line(f"{alive} = {alive} or len({found}) > {before}")
        with self.block(f"if {alive}:"):
            self.line(f"{name}[{key!r}] = {found}")
        return found, alive

    def _items(self, node: Items, store: str) -> None:
        if not node.many:
            self._alternatives(node, store)
            return
        found = self.temporary()
        self.line(f"{found} = []")
        for kind in node.kinds:
            self._kind(kind, _into(found, kind))
        with self.block(f"if {found}:"):
            self.line(store.format(found))

    def _alternatives(self, node: Items, store: str) -> None:
        found = self.temporary()
        self.line(f"{found} = None")
        for number, kind in enumerate(node.kinds):
            if number == 0:
                self._kind(kind, f"{found} = {{}}")
                continue
            with self.block(f"if {found} is None:"):
                self._kind(kind, f"{found} = {{}}")
        with self.block(f"if {found} is not None:"):
            self.line(store.format(found))

    def _kind(self, kind: Kind, store: str) -> None:
        with self.nested() as nest:
            for step in kind.steps:
                nest.loop(step, positions=_has_link(kind.content))
            if kind.when is not None:
                nest.enter(f"if {self.test(kind.when)}:")
            if not (kind.steps and isinstance(kind.content, Object)):
                self.made(kind.content, store, known=False)
                return
            name = self.temporary()
            self._known_object(kind.content, name, [])
            if not any(is_static(child) or is_sure(child) for _, child in kind.content.fields):
                nest.enter(f"if {name}:")
            self.line(store.format(name))

    def _optional(self, row: Value, store: str) -> None:
        with self.condition(row.when):
            found = self.temporary()
            if len(row.sources) > 1:
                for source in row.sources:
                    self.line(f"{found}_{row.sources.index(source)} = {self.get(source)}")
                names = [f"{found}_{number}" for number in range(len(row.sources))]
                whole = " or ".join(f"{name} is not None" for name in names)
                self.line(f"{found} = [{', '.join(names)}] if {whole} else None")
            else:
                self.line(f"{found} = {self.get(row.sources[0])}")
            if row.required:
                with self.block(f"if {found} is None{self._missing.format(found)}:"):
                    self.line('raise KeyError("required")')
            if row.default is not None:
                with self.block(f"if {found} is None{self._missing.format(found)}:"):
                    self.line(f"{found} = {row.default!r}")
            test = f"if {found} is not None" + (f' and {found} != ""' if self._missing else "")
            with self.block(f"{test}:"):
                self._stored(row, found, store)

    def _stored(self, row: Value, found: str, store: str) -> None:
        how = row.how
        certain = self._converted(row, found)
        if certain is not None:
            self.line(store.format(certain), row.row)
            return
        made = self.temporary()
        if isinstance(how, Translate):
            table = self.named("T", self._table(how))
            absent = f'{{"text": {found}}}' if how.unmatched else None
            look = f"{table}.get({found})" if how.unmatched else f"{table}[{found}]"
            self.line(f"{made} = {look}", row.row)
            if absent is not None:
                wrapped = self._wrapped(how, f"{made}.copy()")
                self.line(store.format(f"{wrapped} if {made} is not None else {absent}"))
                return
            with self.block(f"if {made} is not None:"):
                copied = made if how.shape == "code" else f"{made}.copy()"
                self.line(store.format(self._wrapped(how, copied)))
            return
        call = f"type_{how.type.name}({found}, run)" if isinstance(how, UseType) else self._called(how, found)
        self.line(f"{made} = {call}", row.row)
        with self.block(f"if {made} is not None:"):
            self.line(store.format(made))

    def _value_expression(self, row: Value) -> str | None:
        if row.when is not None or len(row.sources) > 1 or self._missing or row.required:
            return None
        if row.default is not None or not row.sources[0].surely:
            return None
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

    def _called(self, how: Any, found: str) -> str:
        return f"{self.named('F', how.forward)}({found}, run, {how.to!r})"

    def _table(self, how: Translate) -> dict[str, Json]:
        """Return code → what stands in the generated table: a code, a Coding, or None."""
        key = ("table", id(how.table), how.shape)
        if key not in self._tables:
            self._tables[key] = {code: _entry(how, code) for code in how.table}
        return self._tables[key]

    @staticmethod
    def _wrapped(how: Translate, value: str) -> str:
        return f'{{"coding": [{value}]}}' if how.shape == "CodeableConcept" else value

    def _link(self, link: Link, store: str) -> None:
        with self.condition(link.when):
            if not link.rules:
                self._everything(store)
                return
            found = ""
            with self.nested() as nest:
                for number in range(len(link.rules)):
                    if found:
                        nest.enter(f"if not {found}:")
                    found = self.temporary()
                    self.line(f"{found} = {self._linked(link, number)}", link.row)
                    head = f"for w in {found}:" if link.many else f"if {found} is not None:"
                    with self.block(head):
                        self.line(store.format(self._reference(link, "w" if link.many else found, number)))

    def _everything(self, store: str) -> None:
        for rule in self.rules.values():
            if rule.owned and rule.identifier != "none":
                loops = sum(step.is_list for step in rule.steps)
                whole = _flattened(self.id_names(rule)[0], loops)
                with self.block(f"for w in {whole}:"):
                    self.line(store.format(f'{{"reference": w, "type": "{rule.type}"}}'))

    def _linked(self, link: Link, number: int) -> str:
        """Return the expression of the id(s) that a link leads to."""
        rule, common = self.rules[link.rules[number]], link.common[number]
        index = "".join(f"[i{place + 1}]" for place, step in enumerate(rule.steps[:common]) if step.is_list)
        left = sum(step.is_list for step in rule.steps[common:])
        whole = f"{self.id_names(rule)[0]}{index}"
        return _flattened(whole, left) if link.many else whole

    def _surely_linked(self, link: Link) -> bool:
        rule = self.rules.get(link.rules[0]) if link.rules else None
        if rule is None or rule.when is not None or link.when is not None:
            return False
        present = all(step.is_list or step.source.surely for step in rule.steps)
        return present and link.common[0] == len(rule.steps)

    @staticmethod
    def _reference(link: Link, urn: str, number: int) -> str:
        return f'{{"reference": {urn}, "type": "{link.types[number]}"}}'


class Nest:
    """Loops and conditions opened one inside the other."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def enter(self, head: str) -> None:
        """Open a block that stays open."""
        self._writer.line(head)
        self._writer._depth += 1

    def loop(self, step: Step, positions: bool) -> None:
        """Open the loop of one step of `each`."""
        scope = f"s{step.source.depth + 1}"
        source = self._writer.get(step.source)
        if not step.is_list:
            self._writer.line(f"{scope} = {source}")
            if not step.source.surely:
                self.enter(f"if {scope} is not None:")
            return
        several = source if step.source.surely else f"{source} or ()"
        head = f"i{step.source.depth + 1}, {scope} in enumerate({several})" if positions else f"{scope} in {several}"
        self.enter(f"for {head}:")


def constant_of(element: Element) -> Json:
    """Return the value of an element that is made of constants only."""
    if isinstance(element, Constant):
        return element.value
    if isinstance(element, Object):
        return {name: constant_of(child) for name, child in element.fields}
    assert isinstance(element, Items)
    found = [constant_of(kind.content) for kind in element.kinds]
    return found if element.many else found[0]


def _into(name: str, kind: Kind) -> str:
    """Return how items of a kind are added to a list; links write theirs one by one."""
    whole = isinstance(kind.content, Value) and makes_several(kind.content)
    return f"{name}.{'extend' if whole else 'append'}({{}})"


def _entry(how: Translate, code: str) -> Json:
    coding = how.table[code]
    if coding is None or how.shape == "code":
        return coding.code if coding else None
    whole = translated(how, code)
    return whole["coding"][0] if how.shape == "CodeableConcept" else whole


def _identity(how: CopyValue) -> dict[str, str]:
    assert how.codes is not None
    return {code: code for code in how.codes}


def _has_constant_kind(items: Items) -> bool:
    return any(is_static(Items((kind,), True)) for kind in items.kinds)


def _has_link(element: Element) -> bool:
    if isinstance(element, Link):
        return True
    if isinstance(element, Object):
        return any(_has_link(child) for _, child in element.fields)
    return isinstance(element, Items) and any(_has_link(kind.content) for kind in element.kinds)


def _flattened(whole: str, loops: int) -> str:
    """Return the ids below as one list without gaps."""
    if loops == 0:
        return f"[u for u in ({whole},) if u is not None]"
    if loops == 1:
        return f"[u for u in {whole} if u is not None]"
    inner = _flattened("a", loops - 1)
    return f"[u for a in {whole} for u in {inner}]"
