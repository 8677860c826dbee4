"""Where a row looks from: the record, or the item that an `each` has opened, and the fields reachable there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapter.mapping.model import SourcePath, Step
from adapter.mapping.shape import Shape

SPECIAL = ("mapping", "version", "digest")


class NoSuchField(LookupError):  # noqa: N818 - says what is wrong
    """A source path that leads nowhere; the text says why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """An open scope.

    Attributes:
        shape: what stands there.
        path: dotted path from the record, without positions.
        depth: 0 for the record.
        steps: the loops around, from the record down.
        parent: the scope around, None for the record.
    """

    shape: Shape
    path: str = ""
    depth: int = 0
    steps: tuple[Step, ...] = ()
    parent: Scope | None = None

    def dotted(self, keys: tuple[str, ...]) -> str:
        """Return the path of a field from the record."""
        return ".".join(filter(None, (self.path, *keys)))

    def climb(self, text: str) -> tuple[Scope, tuple[str, ...]]:
        """Return the scope that `^` leads to and the keys behind.

        Raises:
            NoSuchField: more `^` than scopes.
        """
        scope, rest = self, text
        while rest.startswith("^"):
            if scope.parent is None:
                raise NoSuchField(f"'{text}' climbs above the record")
            scope, rest = scope.parent, rest[1:]
        keys = () if rest in (".", "") else tuple(rest.split("."))
        return scope, keys

    def find(self, text: str) -> tuple[SourcePath, Shape, str]:
        """Return a field as `(path, shape, dotted path from the record)`.

        Raises:
            NoSuchField: the schema has no such field, or the way leads through a list.
        """
        if text.startswith("@") and text not in self.shape.fields:  # else it is an attribute of a vendor's XML
            if text[1:] not in SPECIAL:
                raise NoSuchField(f"'{text}' is not known: @{', @'.join(SPECIAL)}")
            return SourcePath(0, (), text[1:], True), Shape({"type": "string"}, _NOWHERE), ""
        scope, keys = self.climb(text)
        shape, surely = scope.shape, True
        for key in keys:
            if shape.items is not None:
                raise NoSuchField(f"'{text}' leads through a list: use each")
            if key not in shape.fields:
                near = ", ".join(shape.fields) or "none"
                raise NoSuchField(f"the source has no field '{text}' (fields here: {near})")
            surely = surely and key in shape.required
            shape = shape.fields[key]
        return SourcePath(scope.depth, keys, "", surely), shape, scope.dotted(keys)

    def opened(self, text: str) -> Scope:
        """Return the scope of one item of `each: text`; a path through several lists opens one after another.

        Raises:
            NoSuchField: as `find`.
        """
        scope, keys = self.climb(text)
        if not keys:
            raise NoSuchField("each needs the name of a list")
        if scope is not self:
            raise NoSuchField("each cannot climb")
        gathered: list[str] = []
        for position, key in enumerate(keys):
            gathered.append(key)
            path, shape, dotted = scope.find(".".join(gathered))
            if shape.items is None and position < len(keys) - 1:
                continue
            inner = shape.items or shape
            step = Step(path, shape.items is not None)
            scope = Scope(inner, dotted, scope.depth + 1, (*scope.steps, step), scope)
            gathered = []
        return scope


_NOWHERE = Path()
