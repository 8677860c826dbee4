"""How items of one list are told apart on the way back: by what each kind surely writes and the others never do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

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
    SmallTable,
    Translate,
    UseType,
    Value,
    is_static,
    is_sure,
)
from adapter.types import Json

Path = tuple[str, ...]
"""JSON names from the item down; list positions are left out."""

Values = frozenset[str] | None
"""Values that may stand at a path, as text; None = any."""

_OPAQUE = "*"


@dataclass(frozen=True, slots=True)
class Test:
    """One look at an item: some value at `path` is one of `values` (None: anything is there), or none is."""

    path: Path
    values: Values
    positive: bool

    def holds(self, item: Json) -> bool:
        """True when the item passes."""
        found = any(self.values is None or str(value) in self.values for value in values_at(item, self.path))
        return found == self.positive


def values_at(item: Json, path: Path) -> Iterator[Json]:
    """Yield the values at a path, through all items of lists."""
    if isinstance(item, list):
        for part in item:
            yield from values_at(part, path)
    elif not path:
        yield item
    elif isinstance(item, dict) and path[0] in item:
        yield from values_at(item[path[0]], path[1:])


def tests_of(kinds: tuple[Kind, ...]) -> tuple[tuple[tuple[Test, ...], ...], tuple[tuple[str, str], ...]]:
    """Return the tests of each kind, and the pairs of kinds that cannot be told apart."""
    found: list[list[Test]] = [[] for _ in kinds]
    clashes: list[tuple[str, str]] = []
    if len(kinds) < 2:
        return ((),) * len(kinds), ()
    told = [(_always(kind.content), _possible(kind.content)) for kind in kinds]
    for (first, one), (second, other) in combinations(enumerate(kinds), 2):
        if not (gives_back(one) or gives_back(other)):
            continue
        for this, that in ((first, second), (second, first)):
            test = _difference(told[this][0], told[that][1])
            if test is not None:
                found[this].append(test)
                found[that].append(Test(test.path, test.values, not test.positive))
                break
        else:
            if not (is_copy(one.content) or is_copy(other.content)):
                clashes.append((one.name, other.name))
    return tuple(map(tuple, found)), tuple(clashes)


def is_copy(element: Element) -> bool:
    """True for a value that is read back from elsewhere and says nothing else."""
    return isinstance(element, Value) and element.copy and not marks(element.when)


def makes_several(element: Element) -> bool:
    """True when one producer makes several items of a list at once."""
    if isinstance(element, Value):
        return isinstance(element.how, Convert) and element.how.whole
    return isinstance(element, Link) and element.many


def marks(when: Condition | None) -> bool:
    """True for a condition `equals`: where it is met, the field has that value."""
    return when is not None and when.marks


def reads_back(element: Element) -> bool:
    """True when something of the record comes back from the element."""
    if isinstance(element, Value):
        return marks(element.when) or not (element.copy or element.one_way)
    if isinstance(element, Constant):
        return marks(element.when)
    if isinstance(element, Link):
        return marks(element.when)
    if isinstance(element, Object):
        return any(reads_back(child) for _, child in element.fields)
    return any(gives_back(kind) for kind in element.kinds)


def gives_back(kind: Kind) -> bool:
    """True when something of the record comes back from items of this kind, be it only its own condition."""
    return marks(kind.when) or reads_back(kind.content)


def is_mixed(element: Element) -> bool:
    """True for a list in which items of constants alone stand beside others, and for what holds such a list.

    It stays when the element around it is written, though nothing in it comes from the record.
    """
    if is_static(element) or is_sure(element):
        return False
    if isinstance(element, Object):
        return any(is_mixed(child) for _, child in element.fields)
    return isinstance(element, Items) and element.many and any(kind.is_constant for kind in element.kinds)


def _difference(always: list[tuple[Path, Values]], possible: dict[Path, Values]) -> Test | None:
    """Return a look at what one kind always holds and another never may, None when there is no such thing."""
    for path, values in always:
        there = _look_up(possible, path)
        if there is not None and ((values is None and not there) or (values is not None and not values & there)):
            return Test(path, values, True)
    return None


def _look_up(possible: dict[Path, Values], path: Path) -> frozenset[str] | None:
    """Return the values that may stand at the path; empty = nothing, None = unknown."""
    if path in possible:
        return possible[path]
    for length in range(len(path)):
        if possible.get((*path[:length], _OPAQUE), frozenset()) is None:
            return None
    if any(known[: len(path)] == path for known in possible):
        return None
    return frozenset()


def _always(element: Element) -> list[tuple[Path, Values]]:
    """Return what an element surely holds, given that it is written."""
    if isinstance(element, Constant):
        return [] if element.when is not None else list(_flat(element.value))
    if isinstance(element, Link):
        return [(("type",), frozenset(element.types) or None), (("reference",), None)]
    if isinstance(element, Value):
        return _always_value(element)
    if isinstance(element, Object):
        dynamic = [name for name, child in element.fields if not is_static(child)]
        return [
            (path, values)
            for name, child in element.fields
            if is_static(child) or is_sure(child) or dynamic == [name]
            for path, values in _prefixed(name, child, _always(child))
        ]
    if not element.many and len(element.kinds) > 1:
        return _in_every_alternative(element)
    sure = [kind for kind in element.kinds if len(element.kinds) == 1 or is_sure(Items((kind,), element.many))]
    return [found for kind in sure for found in _always(kind.content)]


def _in_every_alternative(element: Items) -> list[tuple[Path, Values]]:
    """Return what all alternatives hold: at each path the values of all of them together."""
    options = [
        dict(_always(kind.content if not isinstance(kind.content, Constant) else replace(kind.content, when=None)))
        for kind in element.kinds
    ]
    found: list[tuple[Path, Values]] = []
    for path in set.intersection(*(set(option) for option in options)):
        values = [option[path] for option in options]
        known = [value for value in values if value is not None]
        found.append((path, frozenset().union(*known) if len(known) == len(values) else None))
    return found


def _always_value(value: Value) -> list[tuple[Path, Values]]:
    how = value.how
    if isinstance(how, UseType):
        return _always(how.type.tree)
    if isinstance(how, Convert):
        return [(path, frozenset((text,)) if text else None) for path, text in how.always] or [((), None)]
    if isinstance(how, Translate):
        return [] if how.unmatched else _coded(how)
    if isinstance(how, SmallTable):
        return [((), frozenset(map(str, how.table.values())))]
    return [((), how.codes if isinstance(how, CopyValue) else None)]


def _possible(element: Element) -> dict[Path, Values]:
    """Return everything that an element may hold."""
    found: dict[Path, Values] = {}
    for path, values in _possibly(element):
        known = found.get(path, frozenset())
        found[path] = None if known is None or values is None else known | values
    return found


def _possibly(element: Element) -> Iterator[tuple[Path, Values]]:
    if isinstance(element, Constant):
        yield from _flat(element.value)
    elif isinstance(element, Link):
        yield from _always(element)
    elif isinstance(element, Value):
        yield from _possible_value(element)
    elif isinstance(element, Object):
        for name, child in element.fields:
            yield from _prefixed(name, child, _possibly(child))
    else:
        for kind in element.kinds:
            yield from _possibly(kind.content)


def _possible_value(value: Value) -> Iterator[tuple[Path, Values]]:
    how = value.how
    if isinstance(how, UseType):
        yield from _possibly(how.type.tree)
        return
    if isinstance(how, Translate):
        yield from _coded(how)
        if how.unmatched:
            yield ("text",), None
        return
    yield from _always_value(value)
    if isinstance(how, Convert):
        yield (_OPAQUE,), None


def _prefixed(name: str, child: Element, paths: Iterable[tuple[Path, Values]]) -> Iterator[tuple[Path, Values]]:
    bare = isinstance(child, Link) and child.bare
    for path, values in paths:
        yield (path if bare else (name, *path)), values


def _coded(how: Translate) -> list[tuple[Path, Values]]:
    targets = [coding for coding in how.table.values() if coding is not None]
    codes = frozenset(coding.code for coding in targets)
    if how.shape == "code":
        return [((), codes)]
    top: Path = ("coding",) if how.shape == "CodeableConcept" else ()
    systems = frozenset(coding.system for coding in targets)
    return [((*top, "system"), systems), ((*top, "code"), codes), ((*top, "display"), None)]


def _flat(value: Json, path: Path = ()) -> Iterator[tuple[Path, Values]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _flat(child, (*path, name))
    elif isinstance(value, list):
        for child in value:
            yield from _flat(child, path)
    else:
        yield path, frozenset((str(value),))
