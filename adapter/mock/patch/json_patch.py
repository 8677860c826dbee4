"""JSON Patch (RFC 6902) on JSON values that keep their decimals."""

from __future__ import annotations

import copy
from typing import Any

from adapter.source.limits import DEFAULT
from adapter.types import Json


class PatchError(Exception):
    """An operation cannot be done; `problem` names places of the patch, never values of the resource."""

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"operation {index}: {problem}")
        self.index = index
        self.problem = problem


def apply_json_patch(document: Json, operations: list[Json]) -> Json:
    """Return a patched copy of `document`.

    Raises:
        PatchError: an operation is malformed, its path does not exist, or its test fails.
    """
    result = copy.deepcopy(document)
    for index, operation in enumerate(operations):
        try:
            result = _apply(result, operation)
            if index == len(operations) - 1 or (isinstance(operation, dict) and operation["op"] == "copy"):
                _check_size(result)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PatchError(index, _reason(error)) from None
    return result


def _check_size(document: Json) -> None:
    """Refuse what has grown over the limits of a document: copies of copies double it, additions nest it."""
    level, depth, nodes = [document], 0, 0
    while level:
        depth, nodes = depth + 1, nodes + len(level)
        if depth > DEFAULT.depth or nodes > DEFAULT.nodes:
            raise ValueError("the resource would be deeper or larger than a document may be")
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [value for values in inner for value in values]


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "a member or element of the operation or its path is missing"
    return str(error) or "the path does not exist"


def _apply(document: Json, operation: Any) -> Json:
    if not isinstance(operation, dict):
        raise TypeError("an operation is a JSON object")
    kind, path = operation["op"], _pointer(operation["path"])
    if kind == "test":
        if not _equal(_get(document, path), operation["value"]):
            raise ValueError("the test does not hold")
        return document
    if kind == "add":
        return _add(document, path, copy.deepcopy(operation["value"]))
    if kind == "remove":
        return _remove(document, path)
    if kind == "replace":
        _get(document, path)
        if not path:
            return copy.deepcopy(operation["value"])
        return _set(document, path, copy.deepcopy(operation["value"]))
    if kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copy.deepcopy(_get(document, source))
        if kind == "move":
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot be moved into itself")
            document = _remove(document, source)
        return _add(document, path, value)
    raise ValueError("op must be add, remove, replace, move, copy or test")


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise ValueError("a path begins with a slash (RFC 6901)")
    return [one.replace("~1", "/").replace("~0", "~") for one in text.split("/")[1:]]


def _index(container: list[Any], name: str, *, end: bool = False) -> int:
    if name == "-" and end:
        return len(container)
    if not (name.isascii() and name.isdigit()) or (len(name) > 1 and name[0] == "0"):
        raise ValueError("an array index is a whole number without leading zeros")
    number = int(name)
    if number > len(container) or (number == len(container) and not end):
        raise IndexError("the array has no such element")
    return number


def _get(document: Json, path: list[str]) -> Json:
    for token in path:
        if isinstance(document, list):
            document = document[_index(document, token)]
        elif isinstance(document, dict):
            document = document[token]
        else:
            raise TypeError("the path goes through a simple value")
    return document


def _add(document: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], end=True), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise TypeError("the path goes through a simple value")
    return document


def _set(document: Json, path: list[str], value: Json) -> Json:
    parent = _get(document, path[:-1])
    key: Any = _index(parent, path[-1]) if isinstance(parent, list) else path[-1]
    parent[key] = value
    return document


def _remove(document: Json, path: list[str]) -> Json:
    if not path:
        raise ValueError("the whole resource cannot be removed")
    _get(document, path)
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        del parent[_index(parent, path[-1])]
    else:
        del parent[path[-1]]
    return document


def _equal(left: Json, right: Json) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_equal(one, two) for one, two in zip(left, right, strict=True))
    return bool(left == right)
