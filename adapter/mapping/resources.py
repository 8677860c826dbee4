"""Which resource of a Bundle is what: part identifiers, references, contained resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from adapter.mapping.conversions import URI
from adapter.mapping.run import PART_KEY_SYSTEM, RECORD_TYPE_SYSTEM
from adapter.types import Json, Resource

_POSITIONS = re.compile(r"(?:\.[0-9]+)*$")


class Found(NamedTuple):
    """A resource that a record owns: rule and loop positions of its part, and the container it was in."""

    rule: str
    positions: tuple[int, ...]
    resource: Resource


class Resolver:
    """References of one Bundle: `urn:uuid:…` between entries, `#id` inside a container."""

    def __init__(self, entries: Iterable[Json]) -> None:
        self._entries: dict[str, Resource] = {}
        self._homes: dict[int, Resource] = {}
        for entry in entries:
            resource = entry.get("resource")
            if resource is None:
                continue
            if "fullUrl" in entry:
                self._entries[entry["fullUrl"]] = resource
            if "id" in resource:
                self._entries.setdefault(f"{resource['resourceType']}/{resource['id']}", resource)
            for part in resource.get("contained", ()):
                self._homes[id(part)] = resource
                self._entries.setdefault(f"urn:uuid:{part.get('id')}", part)

    def resolve(self, reference: str, owner: Json) -> tuple[Resource | None, Resource]:
        """Return the resource behind a reference of `owner` (None when it is not here) and where it stands."""
        home: Resource = self._homes.get(id(owner)) or owner
        if reference == "#":
            return home, home
        if reference.startswith("#"):
            parts = home.get("contained", ()) if isinstance(home, dict) else ()
            return next((part for part in parts if part.get("id") == reference[1:]), None), home
        found = self._entries.get(reference)
        return found, found if found is not None else owner


def every_resource(entries: Iterable[Json]) -> Iterator[Resource]:
    """Yield the resources of the entries and what they contain."""
    for entry in entries:
        resource = entry.get("resource")
        if resource is not None:
            yield resource
            yield from resource.get("contained", ())


def with_references(node: Json, names: Mapping[str, str]) -> Json:
    """Return a copy of an element in which every reference that has a new name bears it."""
    if isinstance(node, dict):
        return {
            key: names.get(child, child)
            if key == "reference" and isinstance(child, str)
            else with_references(child, names)
            for key, child in node.items()
        }
    return [with_references(child, names) for child in node] if isinstance(node, list) else node


def record_type_of(resource: Resource) -> str | None:
    """Return the record type that a resource is tagged with, None when no record owns it."""
    for tag in resource.get("meta", {}).get("tag", ()):
        if tag.get("system") == RECORD_TYPE_SYSTEM:
            return str(tag["code"])
    return None


def part_of(resource: Resource, source_system: str) -> str | None:
    """Return the value of a resource's part identifier (`record_id/part`), or the bare part of a part-key tag."""
    identifiers = resource.get("identifier", ())
    for identifier in [identifiers] if isinstance(identifiers, dict) else identifiers:
        if not isinstance(identifier, dict):
            continue
        if identifier.get("use") == "secondary" and identifier.get("system") == source_system:
            return str(identifier["value"])
    for tag in resource.get("meta", {}).get("tag", ()):
        if tag.get("system") == PART_KEY_SYSTEM:
            return f"/{tag['display']}"
    return None


def without_engine_identifiers(resource: Resource, source_system: str) -> Resource:
    """Return the resource without the identifiers that no row wrote: part identifiers and keyed ids."""
    identifiers = resource.get("identifier")
    if identifiers is None:
        return resource
    if isinstance(identifiers, dict):
        kept: Json = {} if _by_engine(identifiers, source_system) else identifiers
    else:
        kept = [identifier for identifier in identifiers if not _by_engine(identifier, source_system)]
    return {**resource, "identifier": kept}


def _by_engine(identifier: Json, source_system: str) -> bool:
    if identifier.get("use") == "secondary":
        return bool(identifier.get("system") == source_system)
    return identifier.get("system") == URI and str(identifier.get("value")).startswith("urn:uuid:")


def split_part(value: str) -> tuple[str, str, tuple[int, ...]]:
    """Return record_id, rule name and positions of `record_id/goals.0`; the record itself has an empty rule."""
    record_id, _, part = value.partition("/")
    found = _POSITIONS.search(part)
    assert found is not None
    positions = tuple(int(number) for number in found[0].split(".")[1:])
    return record_id, part[: found.start()], positions
