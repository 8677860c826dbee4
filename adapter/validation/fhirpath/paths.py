"""Steps of a path: `source.name` on plain JSON, specialised by cardinality, and on nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter.validation.fhirpath import model
from adapter.validation.fhirpath.code import Code, NeedsNodes, One, Run, from_items, from_one
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.nodes import EMPTY, Context, Items, Node, steps

UNKNOWN = ("System.Any",)
"""Types of a member that R4 does not have: it is always empty."""


def step_on_nodes(source: Code, name: str) -> Code:
    """Make `source.name` where items are nodes."""
    source_run = source.run

    def run(this: Any, context: Context) -> Items:
        found = steps(source_run(this, context), name)
        context.spend(len(found))
        return found

    return Code(run)


def step_on_json(source: Code, name: str, strict: bool, position: int) -> Code:
    """Make `source.name` where items are plain JSON of known types.

    Raises:
        NeedsNodes: the types are not known well enough.
        FhirPathError: strict, and no type of the source has such a member.
    """
    if not source.types or (name in ("id", "extension") and any(map(model.is_primitive, source.types))):
        raise NeedsNodes
    members = [model.member(type_path, name) for type_path in source.types]
    if any(
        found is None and model.may_be(type_path, "Patient")
        for found, type_path in zip(members, source.types, strict=True)
    ):
        raise NeedsNodes
    found = members[0]
    if any(other != found for other in members[1:]):
        raise NeedsNodes
    if found is None:
        if strict:
            raise FhirPathError(f"{' and '.join(source.types)} has no element '{name}'", position)
        return from_items([], UNKNOWN)
    if len(found.types) > 1:
        return _choice(source, found.types)
    ((key, type_path),) = found.types.items()
    if found.many:
        return Code(_many(source, key, type_path), (type_path,))
    return _single(source, key, type_path)


def _single(source: Code, key: str, type_path: str) -> Code:
    if source.one is not None:
        get = _get_primitive(key, type_path) if model.is_primitive(type_path) else _get_complex(key)
        return from_one(_chained(source, get), (type_path,))
    return Code(_each(source, key, type_path), (type_path,))


def _get_complex(key: str) -> One:
    return lambda this, _context: this.get(key)


def _get_primitive(key: str, type_path: str) -> One:
    under = "_" + key

    def get(this: Any, _context: Context) -> Any:
        value = this.get(key)
        if value is None and under in this:
            return Node(None, type_path, this[under])
        return value

    return get


def _chained(source: Code, get: One) -> One:
    """Apply `get` to the only item of the source; to the focus directly when that is the source."""
    before = source.one
    assert before is not None
    if before is this_one:
        return get

    def one(this: Any, context: Context) -> Any:
        item = before(this, context)
        return None if item is None else get(item, context)

    return one


def this_one(this: Any, _context: Context) -> Any:
    """Return the focus itself: the code of `$this` on plain JSON."""
    return this


def _each(source: Code, key: str, type_path: str) -> Run:
    """Make the step to a single member from many items."""
    source_run = source.run
    if not model.is_primitive(type_path):

        def run(this: Any, context: Context) -> Items:
            found = [value for item in source_run(this, context) if (value := item.get(key)) is not None]
            context.spend(len(found))
            return found

        return run
    get = _get_primitive(key, type_path)

    def run_primitive(this: Any, context: Context) -> Items:
        found = [value for item in source_run(this, context) if (value := get(item, context)) is not None]
        context.spend(len(found))
        return found

    return run_primitive


def _many(source: Code, key: str, type_path: str) -> Run:
    """Make the step to a repeating member."""
    get = _list_of_primitives(key) if model.is_primitive(type_path) else _list_of_complex(key)
    before = source.one
    if before is not None:

        def run(this: Any, context: Context) -> Items:
            item = before(this, context)
            return EMPTY if item is None else get(item)

        return get if before is this_one else run
    source_run = source.run

    def run_each(this: Any, context: Context) -> Items:
        found = [value for item in source_run(this, context) for value in get(item)]
        context.spend(len(found))
        return found

    return run_each


def _list_of_complex(key: str) -> Any:
    def get(item: Any, _context: Context | None = None) -> Items:
        value = item.get(key, EMPTY)
        if type(value) is not list:
            raise TypeError
        return value

    return get


def _list_of_primitives(key: str) -> Any:
    under = "_" + key

    def get(item: Any, _context: Context | None = None) -> Items:
        value = item.get(key, EMPTY)
        if type(value) is not list:
            raise TypeError
        if under in item:
            return [
                node if node.value is None else node.value
                for node in steps([Node({key: value, under: item[under]}, "")], key)
            ]
        return value

    return get


def _choice(source: Code, types: Mapping[str, str]) -> Code:
    """Make the step to a choice element; it can be narrowed to one type later (`value.ofType(Quantity)`)."""

    def narrowed(name: str) -> Code:
        left = {key: type_path for key, type_path in types.items() if model.is_of_type(type_path, name)}
        if not left:
            return from_items([], UNKNOWN)
        if len(left) == 1:
            ((key, type_path),) = left.items()
            return _single(source, key, type_path)
        return _choice(source, left)

    get = _get_choice(types)
    every = tuple(dict.fromkeys(types.values()))
    if source.one is not None:
        return from_one(_chained(source, get), every, narrowed)
    source_run = source.run

    def run(this: Any, context: Context) -> Items:
        return [value for item in source_run(this, context) if (value := get(item, context)) is not None]

    return Code(run, every, narrowed=narrowed)


def _get_choice(types: Mapping[str, str]) -> One:
    siblings = {"_" + key: type_path for key, type_path in types.items()}

    def get(this: Any, _context: Context) -> Any:
        for key in this:
            if key in types:
                return this[key]
        for key in this:
            if key in siblings:
                return Node(None, siblings[key], this[key])
        return None

    return get
