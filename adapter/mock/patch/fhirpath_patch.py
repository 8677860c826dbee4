"""FHIRPath Patch (R4, "fhirpatch"): add, insert, delete, replace and move, told by a Parameters resource.

Paths may use names, `[n]`, `first()`, `last()`, `where(…)` with any FHIRPath inside, `extension('url')`, `ofType(…)`
and `as(…)`: what a path to one element needs.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from adapter.fhir.definitions import element
from adapter.mock.patch.json_patch import PatchError
from adapter.types import Json, Resource
from adapter.validation.fhirpath import FhirPathError, compile_expression

KINDS = ("add", "insert", "delete", "replace", "move")


@dataclass(frozen=True, slots=True)
class Spot:
    """One element: the value, the dict or list that holds it, its key there, and its path below the resource type."""

    value: Any
    holder: Any
    key: Any
    path: str


def apply_fhirpath_patch(resource: Resource, parameters: Resource) -> Resource:
    """Return a patched copy of the resource.

    Raises:
        PatchError: an operation is malformed, or its path does not lead to one element.
    """
    operations = parameters.get("parameter", [])
    if not isinstance(operations, list):
        raise PatchError(0, "parameter is a list of operations")
    result = copy.deepcopy(resource)
    for index, operation in enumerate(operations):
        try:
            _apply(result, _parts(operation))
        except (KeyError, IndexError, TypeError, AttributeError):
            raise PatchError(index, "a part of the operation is missing or malformed") from None
        except (ValueError, FhirPathError) as error:
            raise PatchError(index, str(error)) from None
    return result


def cut(resource: Resource, path: str) -> Resource:
    """Return a copy without the elements that a path names (obligations of the consent engine).

    Raises:
        ValueError: the path uses something that cannot be followed.
    """
    result = copy.deepcopy(resource)
    for spot in reversed(_locate(result, path)):
        del spot.holder[spot.key]
    _prune(result)
    return result


def _parts(operation: Json) -> dict[str, dict[str, Any]]:
    if operation["name"] != "operation":
        raise ValueError("every parameter is named operation")
    return {one["name"]: one for one in operation["part"]}


def _apply(resource: Resource, parts: dict[str, dict[str, Any]]) -> None:
    kind = _plain(parts["type"])
    if kind not in KINDS:
        raise ValueError(f"type must be one of {', '.join(KINDS)}")
    found = _locate(resource, _plain(parts["path"]))
    if kind == "add":
        _add(resource, _one(found), parts)
    elif kind == "insert":
        items = _list(found)
        items.insert(_position(parts["index"], len(items)), _value(resource, found[0].path, parts["value"]))
    elif kind == "delete":
        _delete(resource, found)
    elif kind == "replace":
        spot = _one(found)
        spot.holder[spot.key] = _value(resource, spot.path, parts["value"])
    else:
        items = _list(found)
        item = items.pop(_position(parts["source"], len(items) - 1))
        items.insert(_position(parts["destination"], len(items)), item)


def _plain(part: dict[str, Any]) -> Any:
    found = [value for name, value in part.items() if name.startswith("value")]
    if len(found) != 1:
        raise KeyError("value[x]")
    return found[0]


def _position(part: dict[str, Any], highest: int) -> int:
    number = int(_plain(part))
    if not 0 <= number <= highest:
        raise ValueError("the list has no such position")
    return number


def _one(found: list[Spot]) -> Spot:
    if len(found) != 1:
        raise ValueError(f"the path leads to {len(found)} elements, it must be one")
    return found[0]


def _list(found: list[Spot]) -> list[Any]:
    """The list that holds all spots: insert and move name the list by its path."""
    if not found or any(one.holder is not found[0].holder for one in found) or not isinstance(found[0].holder, list):
        raise ValueError("the path does not lead to one list")
    items: list[Any] = found[0].holder
    return items


def _add(resource: Resource, spot: Spot, parts: dict[str, dict[str, Any]]) -> None:
    name = _plain(parts["name"])
    path = f"{spot.path}.{name}" if spot.path else name
    key, definition = name, element(resource["resourceType"], path)
    if definition is not None and definition.is_choice:
        key = name + next((one[5:] for one in parts["value"] if one.startswith("value")), "")
    if definition is None:
        raise ValueError("there is no such element")
    value = _value(resource, path, parts["value"])
    if definition.is_list:
        spot.value.setdefault(key, []).append(value)
    elif key in spot.value:
        raise ValueError("the element is there already and does not repeat")
    else:
        spot.value[key] = value


def _value(resource: Resource, path: str, part: dict[str, Any]) -> Any:
    """The value of a part: its value[x], or an object built from its own parts."""
    if "part" not in part:
        return copy.deepcopy(_plain(part))
    built: dict[str, Any] = {}
    for one in part["part"]:
        name = one["name"]
        typed = next((key[5:] for key in one if key.startswith("value")), "")
        below = f"{path}.{name}"
        definition = element(resource["resourceType"], below)
        if definition is not None and definition.is_choice:
            name += typed
        value = _value(resource, below, one)
        if definition is not None and definition.is_list:
            built.setdefault(name, []).append(value)
        else:
            built[name] = value
    return built


def _delete(resource: Resource, found: list[Spot]) -> None:
    if len(found) > 1:
        raise ValueError(f"the path leads to {len(found)} elements, it must be one")
    for spot in found:
        del spot.holder[spot.key]
    _prune(resource)


def _prune(node: Any) -> None:
    """Lists and objects that became empty are no FHIR: leave them out."""
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    for key, value in reversed(items):
        if isinstance(value, dict | list):
            _prune(value)
            if not value:
                del node[key]


def _locate(resource: Resource, text: Any) -> list[Spot]:
    if not isinstance(text, str):
        raise TypeError("path")
    steps = _steps(text)
    if steps[0] in (resource["resourceType"], "Resource", "DomainResource"):
        steps = steps[1:]
    spots = [Spot(resource, None, None, "")]
    for step in steps:
        spots = _step(spots, step)
    return spots


def _steps(text: str) -> list[str]:
    steps, depth, quoted, current = [], 0, False, ""
    for letter in text:
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter in "([") - (letter in ")]")
        if letter == "." and depth == 0 and not quoted:
            steps.append(current.strip())
            current = ""
        else:
            current += letter
    return [*steps, current.strip()]


def _step(spots: list[Spot], step: str) -> list[Spot]:
    if found := re.fullmatch(r"(.+)\[(\d+)\]", step):
        return _step(spots, found[1])[int(found[2]) :][:1]
    if step == "first()":
        return spots[:1]
    if step == "last()":
        return spots[-1:]
    if found := re.fullmatch(r"where\((.+)\)", step):
        criterion = compile_expression(found[1])
        return [one for one in spots if criterion.holds(one.value)]
    if found := re.fullmatch(r"extension\('([^']+)'\)", step):
        return [one for one in _step(spots, "extension") if one.value.get("url") == found[1]]
    if found := re.fullmatch(r"(?:ofType|as)\((\w+)\)", step):
        ending = found[1][0].upper() + found[1][1:]
        return [one for one in spots if str(one.path).endswith(ending)]
    if not re.fullmatch(r"\w+", step):
        raise ValueError("the path uses something that a patch cannot follow")
    return [child for one in spots for child in _children(one, step)]


def _children(spot: Spot, name: str) -> list[Spot]:
    if not isinstance(spot.value, dict):
        return []
    typed = re.compile(rf"{name}[A-Z]\w*")
    keys = [name] if name in spot.value else [key for key in spot.value if typed.fullmatch(key)]
    found: list[Spot] = []
    for key in keys:
        value, path = spot.value[key], f"{spot.path}.{key}" if spot.path else key
        if isinstance(value, list):
            found += [Spot(one, value, number, path) for number, one in enumerate(value)]
        else:
            found.append(Spot(value, spot.value, key, path))
    return found
