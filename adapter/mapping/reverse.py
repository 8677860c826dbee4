"""FHIR back to records: the same rows, read from right to left.

Resources that a record owns find their rule by the part identifier (`record_id/goals.0`), items of a list by what
their kind surely writes, persons and organisations by following references. Works on Bundles with entries and on
core resources with `contained`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from adapter.mapping.interpret import ABSENT
from adapter.mapping.model import (
    Condition,
    Constant,
    Convert,
    CopyValue,
    Element,
    EmbeddedType,
    Items,
    Kind,
    Link,
    Mapping,
    Object,
    Rule,
    SmallTable,
    Step,
    Translate,
    UseType,
    Value,
)
from adapter.mapping.resources import Found, Resolver, without_engine_identifiers
from adapter.mapping.signature import gives_back, is_copy, makes_several, marks, tests_of
from adapter.types import Json, Record, Resource


class Context:
    """What conversions may know while a record is read back."""

    def __init__(self, source_system: str) -> None:
        self.source_system = source_system


class Reverse:
    """One record on its way back."""

    def __init__(self, mapping: Mapping, source_system: str, resolver: Resolver) -> None:
        self._mapping = mapping
        self._context = Context(source_system)
        self._resolver = resolver
        self._later: list[Callable[[], None]] = []
        self.record: Record = {}

    def read(self, parts: list[Found]) -> None:
        """Read all owned resources of the record, in the order of the mapping."""
        for rule in self._mapping.rules:
            for found in sorted((part for part in parts if part.rule == rule.name), key=lambda part: part.positions):
                scopes = self._scopes(rule, found.positions)
                self._when_back(rule.when, scopes)
                self._object(rule.tree, self._read_from(found.resource), scopes, found.resource, {})
        for task in self._later:
            task()

    def read_record(self, record: Record) -> Record:
        """Return the vendor's own form of a canonical record; the mapping is the vendor's."""
        self._object(self._mapping.rules[0].tree, record, [_Slot(self.record)], {}, {})
        for task in self._later:
            task()
        return self.record

    def _scopes(self, rule: Rule, positions: tuple[int, ...]) -> list[Any]:
        """Open the items that the loops of a rule went through, making room where nothing stands yet."""
        scopes: list[Any] = [_Slot(self.record)]
        left = list(positions)
        for step in rule.steps:
            scopes.append(self._step(step, scopes, left.pop(0) if step.is_list else 0))
        return scopes

    @staticmethod
    def _step(step: Step, scopes: list[Any], position: int) -> _Slot:
        holder = scopes[step.source.depth].reach(step.source.keys[:-1])
        key = step.source.keys[-1]
        if not step.is_list:
            return _Slot(holder, key)
        items = holder.setdefault(key, [])
        while len(items) <= position:
            items.append(None)
        return _Slot(items, position)

    def _element(self, node: Element, value: Json, scopes: list[Any], owner: Json, rules: dict[str, Rule]) -> None:
        if isinstance(node, Object):
            self._object(node, value, scopes, owner, rules)
        elif isinstance(node, Items):
            self._items(node, value, scopes, owner, rules)
        elif isinstance(node, Value):
            self._value(node, value, scopes, owner)
        elif isinstance(node, Constant):
            if node.value == value:
                self._when_back(node.when, scopes)
        else:
            self._link(node, value, scopes, owner, rules)

    def _object(self, node: Object, value: Json, scopes: list[Any], owner: Json, rules: dict[str, Rule]) -> None:
        if not isinstance(value, dict):
            return
        for name, child in node.fields:
            if isinstance(child, Link) and child.bare:
                self._element(child, value, scopes, owner, rules)
            elif name in value:
                self._element(child, value[name], scopes, owner, rules)

    def _items(self, node: Items, value: Json, scopes: list[Any], owner: Json, rules: dict[str, Rule]) -> None:
        items = value if node.many else [value]
        if any(is_copy(kind.content) for kind in node.kinds):
            self._later.append(lambda: self._assign(node, items, scopes, owner, rules))
        else:
            self._assign(node, items, scopes, owner, rules)

    def _count(self, kind: Kind, scopes: list[Any]) -> int:
        """Return how many copies of a field there are, now that the field itself has been read back."""
        for step in kind.steps:
            found = scopes[step.source.depth].look(step.source.keys)
            return 0 if found is None else len(found) if step.is_list else 1
        assert isinstance(kind.content, Value)
        source = kind.content.sources[0]
        return 0 if scopes[source.depth].look(source.keys) is None else 1

    def _assign(self, node: Items, items: list[Json], scopes: list[Any], owner: Json, rules: dict[str, Rule]) -> None:
        """Give every item to the first kind whose tests it passes; copies take as many as there are."""
        tests = _tests(node)
        copies = {kind.name: self._count(kind, scopes) for kind in node.kinds if is_copy(kind.content)}
        positions: dict[str, int] = {}
        whole: dict[str, list[Json]] = {}
        for item in items:
            for kind, kind_tests in zip(node.kinds, tests, strict=True):
                if not all(test.holds(item) for test in kind_tests):
                    continue
                if kind.name in copies:
                    copies[kind.name] -= 1
                    if copies[kind.name] < 0:
                        continue
                    break
                if not (gives_back(kind) or _has_link(kind.content)) and not kind_tests:
                    continue
                if isinstance(kind.content, Value) and makes_several(kind.content):
                    whole.setdefault(kind.name, []).append(item)
                    break
                position = positions.get(kind.name, 0)
                positions[kind.name] = position + 1
                self._kind(kind, position, item, scopes, owner, rules)
                break
        for kind in node.kinds:
            if kind.name in whole:
                self._element(kind.content, whole[kind.name], scopes, owner, rules)

    def _kind(
        self, kind: Kind, position: int, item: Json, scopes: list[Any], owner: Json, rules: dict[str, Rule]
    ) -> None:
        inner = list(scopes)
        if not gives_back(kind) and kind.steps:
            return
        for step in kind.steps:
            inner.append(self._step(step, inner, position if step.is_list else 0))
        self._when_back(kind.when, inner)
        self._element(kind.content, item, inner, owner, rules)

    def _value(self, row: Value, value: Json, scopes: list[Any], owner: Json) -> None:
        self._when_back(row.when, scopes)
        found = ABSENT if row.copy or row.one_way else self._inverse(row, value, owner)
        if found is ABSENT:
            return
        if len(row.sources) == 1:
            scopes[row.sources[0].depth].put(row.sources[0].keys, found)
            return
        for source, part in zip(row.sources, found, strict=True):
            if part is not None:
                scopes[source.depth].put(source.keys, part)

    def _inverse(self, row: Value, value: Json, owner: Json) -> Json:
        how = row.how
        if isinstance(how, CopyValue):
            return value
        if isinstance(how, Translate):
            return _untranslated(how, value)
        if isinstance(how, SmallTable):
            return next((source for source, target in how.table.items() if target == value), ABSENT)
        if isinstance(how, Convert):
            return how.inverse(value, self._context, how.to) if how.inverse else ABSENT
        return self.embedded(how, value, owner)

    def embedded(self, how: UseType, value: Json, owner: Json) -> Json:
        """Return what an embedded type was made of."""
        type_: EmbeddedType = how.type
        holder: dict[str, Json] = {}
        rules = {rule.name: rule for rule in type_.rules}
        self._element(type_.tree, value, [_Slot(holder, "value")], owner, rules)
        return holder.get("value", ABSENT)

    def _link(self, link: Link, value: Json, scopes: list[Any], owner: Json, rules: dict[str, Rule]) -> None:
        """Follow a reference to a shared resource; owned ones are found by their part identifier."""
        if not isinstance(value, dict):
            return
        known = rules or {rule.name: rule for rule in self._mapping.rules}
        target, home = self._resolver.resolve(value.get("reference", ""), owner)
        if target is None:
            return
        for name in link.rules:
            rule = known[name]
            if rule.type == target["resourceType"]:
                self._when_back(link.when, scopes)
            if rule.type == target["resourceType"] and not rule.owned:
                inner = list(scopes)
                for step in rule.steps[len(scopes) - 1 :]:
                    inner.append(self._step(step, inner, 0))
                self._when_back(rule.when, inner)
                self._object(rule.tree, self._read_from(target), inner, home, rules)
                return

    def _read_from(self, resource: Resource) -> Resource:
        return without_engine_identifiers(resource, self._context.source_system)

    @staticmethod
    def _when_back(when: Condition | None, scopes: list[Any]) -> None:
        """A condition `equals` is met, so the field had that value."""
        if when is not None and marks(when):
            source = when.sources[0]
            scopes[source.depth].put(source.keys, when.values[0])


class _Slot:
    """A place in the record that is being rebuilt; objects come into being when something is put into them."""

    def __init__(self, holder: Any, key: Any = None) -> None:
        self._holder = holder
        self._key = key

    def _current(self, make: bool) -> Any:
        if self._key is None:
            return self._holder
        holder = self._holder
        found = holder.get(self._key) if isinstance(holder, dict) else holder[self._key]
        if found is None and make:
            found = self._holder[self._key] = {}
        return found

    def reach(self, keys: tuple[str, ...]) -> Any:
        """Return the object at the path, made where it is missing."""
        node = self._current(make=True)
        for key in keys:
            node = node.setdefault(key, {})
        return node

    def look(self, keys: tuple[str, ...]) -> Json:
        """Return what stands at the path, None when nothing does."""
        node = self._current(make=False)
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def put(self, keys: tuple[str, ...], value: Json) -> None:
        """Write a value; what comes back in parts (an object from two rows) is joined."""
        if keys:
            self._into(self.reach(keys[:-1]), keys[-1], value)
        elif self._key is not None:
            self._into(self._holder, self._key, value)

    @staticmethod
    def _into(holder: Any, key: Any, value: Json) -> None:
        known = holder.get(key) if isinstance(holder, dict) else holder[key]
        if isinstance(known, dict) and isinstance(value, dict):
            known.update(value)
        else:
            holder[key] = value


def _untranslated(how: Translate, value: Json) -> Json:
    if how.shape == "code":
        codes = [source for (_, target), source in how.back.items() if target == value]
        return codes[0] if codes else ABSENT
    codings = value.get("coding", ()) if how.shape == "CodeableConcept" else (value,)
    for coding in codings:
        found = how.back.get((coding.get("system"), coding.get("code")))
        if found is not None:
            return found
    return value["text"] if how.unmatched and "text" in value else ABSENT


def _has_link(element: Element) -> bool:
    if isinstance(element, Link):
        return True
    if isinstance(element, Object):
        return any(_has_link(child) for _, child in element.fields)
    return isinstance(element, Items) and any(_has_link(kind.content) for kind in element.kinds)


def _tests(node: Items) -> Any:
    return _tests_by_identity(_ById(node))


class _ById:
    """Trees hold dicts and are compared by what they are, not by what they hold."""

    def __init__(self, node: Items) -> None:
        self.node = node

    def __hash__(self) -> int:
        return id(self.node)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.node is self.node


@cache
def _tests_by_identity(key: _ById) -> Any:
    return tests_of(key.node.kinds)[0]
