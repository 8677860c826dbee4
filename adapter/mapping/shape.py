"""The shape of a source record as its JSON Schema tells it: fields, lists, what is required, which code list.

Only what a mapping needs to know; whether a record is right is judged in `adapter.source`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson

from adapter.source.schema import schema_file

SchemaNode = dict[str, Any]

_JUDGING = frozenset(("properties", "allOf", "oneOf", "anyOf", "then", "else"))
_KINDS = {bool: "boolean", int: "integer", str: "string"}


class Shape:
    """One node of a schema, with `$ref`, `allOf`, `oneOf` and `anyOf` seen through.

    Attributes:
        kind: object, array, string, number, integer, boolean, or "" where the schema does not say.
        codes: name of the code list (`x-codes`), or empty.
        title, description: the field's Finnish name and English explanation, for people.
    """

    def __init__(self, schema: SchemaNode, file: Path) -> None:
        self._parts = tuple(_parts(schema, file))
        self.kind = next((part["type"] for part, _, _ in self._parts if isinstance(part.get("type"), str)), "")
        if not self.kind:
            self.kind = _KINDS.get(type(self._first("const")), "") if any("const" in p[0] for p in self._parts) else ""
        if not self.kind and any("properties" in part for part, _, _ in self._parts):
            self.kind = "object"
        self.codes = str(self._first("x-codes"))
        self.title = str(self._first("title"))
        self.description = str(self._first("description"))

    def _first(self, keyword: str) -> Any:
        return next((part[keyword] for part, _, _ in self._parts if keyword in part), "")

    @cached_property
    def required(self) -> frozenset[str]:
        """Fields that every value has; what only one alternative asks for is not among them."""
        return frozenset(name for part, _, certain in self._parts if certain for name in part.get("required", ()))

    @cached_property
    def fields(self) -> dict[str, Shape]:
        """Child fields by name, in the order of the schema."""
        first, file, _ = self._parts[0]
        if "$ref" in first and not _JUDGING & first.keys():
            return read_shape(*_target(first["$ref"], file)).fields
        found: dict[str, list[tuple[SchemaNode, Path]]] = {}
        for part, file, _ in self._parts:
            for name, child in part.get("properties", {}).items():
                found.setdefault(name, []).append((child, file))
        return {
            name: Shape(options[0][0] if len(options) == 1 else _joined(options), options[0][1])
            for name, options in found.items()
        }

    @cached_property
    def items(self) -> Shape | None:
        """The shape of a list's items, None when this is no list."""
        for part, file, _ in self._parts:
            if isinstance(part.get("items"), dict):
                return Shape(part["items"], file)
        return None

    @cached_property
    def closed(self) -> bool:
        """True when every object below refuses fields that it does not name, so a checked value has no others."""
        inner = self.items
        if inner is not None:
            return inner.closed
        refuses = any(part.get("additionalProperties") is False for part, _, _ in self._parts)
        return not self.fields or (refuses and all(child.closed for child in self.fields.values()))

    def leaves(self, prefix: str = "") -> Iterator[str]:
        """Yield every leaf as a dotted path without list positions: `services.organiser.name`."""
        node = self
        while node.items is not None:
            node = node.items
        if not node.fields:
            yield prefix
        for name, child in node.fields.items():
            yield from child.leaves(f"{prefix}.{name}" if prefix else name)


@cache
def read_shape(path: Path, fragment: str = "") -> Shape:
    """Read the shape of a schema file, or of the part behind `#/…`.

    Raises:
        OSError, ValueError: no such file, or not JSON.
        LookupError: no such part.
    """
    return Shape(_behind(path, fragment), path)


@cache
def _document(path: Path) -> SchemaNode:
    found: SchemaNode = orjson.loads(path.read_bytes())
    return found


def _behind(path: Path, fragment: str) -> SchemaNode:
    node: Any = _document(path)
    for key in filter(None, fragment.lstrip("#").split("/")):
        node = node[key]
    found: SchemaNode = node
    return found


def _parts(schema: SchemaNode, file: Path, certain: bool = True) -> Iterator[tuple[SchemaNode, Path, bool]]:
    """Yield the schema and everything it includes, each with its file and whether it surely holds."""
    yield schema, file, certain
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target, fragment = _target(reference, file)
        yield from _parts(_behind(target, fragment), target, certain)
    for part in schema.get("allOf", ()):
        yield from _parts(part, file, certain)
    for part in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _parts(part, file, False)
    for keyword in ("then", "else"):
        if keyword in schema:
            yield from _parts(schema[keyword], file, False)


def _target(reference: str, file: Path) -> tuple[Path, str]:
    name, _, fragment = reference.partition("#")
    return schema_file(name, file), fragment


def _joined(options: list[tuple[SchemaNode, Path]]) -> SchemaNode:
    """One field told in several places: the fullest description first, the others beside it."""
    fullest = sorted((schema for schema, _ in options), key=len, reverse=True)
    return {"allOf": fullest}
