"""What FHIRPath needs to know of R4's types: the members of a type, and which type specialises which.

A *type path* names where a value stands: a data type or resource (`Period`, `CarePlan`), or a backbone inside
one (`CarePlan.activity.detail`). An empty type path means that nothing is known.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from adapter.fhir import definitions

TEMPORAL_TYPES = frozenset({"date", "dateTime", "instant", "time"})
"""FHIR primitives that are compared as dates or times."""

_SYSTEM_OF = MappingProxyType(
    {
        "boolean": "Boolean",
        "integer": "Integer",
        "positiveInt": "Integer",
        "unsignedInt": "Integer",
        "decimal": "Decimal",
        "date": "Date",
        "dateTime": "DateTime",
        "instant": "DateTime",
        "time": "Time",
    }
)
_SYSTEM_NAMES = frozenset({"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"})


class Member(NamedTuple):
    """A member of a type: type path by JSON name (several for a choice), and whether JSON holds an array."""

    types: MappingProxyType[str, str]
    many: bool


@cache
def member(type_path: str, name: str) -> Member | None:
    """Return the member `name` (a choice bare: `value`) of a type, or None when R4 has none."""
    owner, _, inside = type_path.partition(".")
    options = definitions.children(owner, inside)
    found = options.get(name)
    if found is not None:
        return Member(MappingProxyType({name: _type_path(found)}), found.is_list)
    found = options.get(f"{name}[x]")
    if found is None:
        return None
    types = {definitions.choice_key(found.key, type_.code): _code(type_.code) for type_ in found.types}
    return Member(MappingProxyType(types), found.is_list)


@cache
def json_members(type_path: str) -> MappingProxyType[str, str]:
    """Return the type path of every member by its JSON name."""
    owner, _, inside = type_path.partition(".")
    return MappingProxyType({key: _type_path(found) for key, found in definitions.json_children(owner, inside).items()})


def _type_path(found: definitions.ElementDefinition) -> str:
    if found.content:
        return found.content
    code = found.types[0].code if len(found.types) == 1 else ""
    return found.path if code in ("BackboneElement", "Element") else _code(code)


def _code(code: str) -> str:
    """Return a type name; the System.String of `id` and `url` attributes counts as FHIR string."""
    return "string" if code.startswith("http://hl7.org/fhirpath/") else code


def choice_type(name: str, key: str) -> str:
    """Return the type that a JSON name shows when nothing is known of its owner: (`value`, `valueCode`) → `code`."""
    if not key.startswith(name) or len(key) == len(name):
        return ""
    rest = key[len(name) :]
    for candidate in (rest, rest[0].lower() + rest[1:]):
        if definitions.is_type(candidate):
            return candidate
    return ""


@cache
def is_primitive(type_path: str) -> bool:
    """True for `code`, `date`, … (FHIR primitives)."""
    return definitions.is_primitive(type_path)


@cache
def type_of_resource(resource: object) -> str:
    """Return a resourceType if R4 has it, else an empty type path."""
    return resource if isinstance(resource, str) and definitions.is_resource_type(resource) else ""


def type_of(value: Any) -> str:
    """Return the type path that a JSON value shows by itself: that of a resource, else empty."""
    name = value.get("resourceType") if isinstance(value, dict) else None
    return type_of_resource(name) if isinstance(name, str) else ""


def known_type(name: str) -> bool:
    """True when `is`, `as` and `ofType` may name it: `Patient`, `FHIR.Patient`, `System.String`, `Boolean`."""
    namespace, _, bare = name.rpartition(".")
    if namespace == "System":
        return bare in _SYSTEM_NAMES
    return namespace in ("", "FHIR") and (definitions.is_type(bare) or bare in _SYSTEM_NAMES)


@cache
def is_of_type(type_path: str, name: str) -> bool:
    """True when a FHIR value of a type is a `name`.

    An unqualified System name stands for the FHIR primitives of that kind as well (R4's que-7 asks
    `answer is Boolean` of a FHIR boolean); `System.Boolean` does not.
    """
    namespace, _, bare = name.rpartition(".")
    if namespace == "System" or not type_path:
        return False
    if "." in type_path:
        return bare in ("BackboneElement", "Element")
    if definitions.is_subtype(type_path, bare):
        return True
    if namespace or bare not in _SYSTEM_NAMES or not is_primitive(type_path):
        return False
    return _SYSTEM_OF.get(type_path, "String") == bare


@cache
def may_be(type_path: str, name: str) -> bool:
    """True when some value of this static type may be a `name` at run time: `Resource` may be a `Patient`."""
    bare = name.rpartition(".")[2]
    return not type_path or is_of_type(type_path, name) or definitions.is_subtype(bare, type_path)
