"""The resources that a decision may look things up in, and the parties of a request (R17).

Nothing is ever fetched: what is not in the context is unknown, and the rules say what unknown means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from adapter.consent.model import NO, UNKNOWN, YES, Match
from adapter.consent.references import Ref, Token, identifier_token, read_literal, read_reference, resource_key
from adapter.types import Resource


class Context:
    """Resources by key and identifier: teams, organisations, people, roles, groups, clients, anchors.

    A Bundle, or an entry of one with `fullUrl`, brings its resources along, findable by their urn too.
    """

    def __init__(self, resources: Iterable[Resource], own_bases: tuple[str, ...]) -> None:
        self.own_bases = own_bases
        self._by_key: dict[str, Resource] = {}
        self._addresses: dict[int, str] = {}
        self._resources: dict[int, Resource] = {}
        for address, resource in unpacked(resources):
            self._resources[id(resource)] = resource
            key = resource_key(resource)
            if key:
                self._by_key[key] = resource
            if address:
                self._by_key[address] = resource
                self._addresses[id(resource)] = address

    def reference(self, value: Any) -> Ref:
        """Read a reference as this server sees it."""
        return read_reference(value, self.own_bases)

    def named(self, value: Any) -> Ref:
        """Read how a request names somebody: a reference, or its text alone."""
        return read_literal(value, self.own_bases) if isinstance(value, str) else self.reference(value)

    def look_up(self, ref: Ref) -> Resource | None:
        """Return the resource that a reference names, when it is here and no other could be meant."""
        if ref.key:
            return self._by_key.get(ref.key)
        found = self._by_identifier.get(ref.identifier, ()) if ref.identifier else ()
        fitting = [resource for resource in found if ref.type in ("", resource.get("resourceType"))]
        return fitting[0] if len(fitting) == 1 else None

    def of_type(self, kind: str) -> list[Resource]:
        """Return the resources of one type; a later one with the same key has replaced an earlier one."""
        found = (resource for resource in self._resources.values() if resource.get("resourceType") == kind)
        return [resource for resource in found if self._is_current(resource)]

    def keys_of(self, resource: Resource) -> frozenset[str]:
        """Return the keys under which a resource is known: `Type/id`, urn."""
        keys = (resource_key(resource), self._addresses.get(id(resource), ""))
        return frozenset(key for key in keys if key)

    def _is_current(self, resource: Resource) -> bool:
        return all(self._by_key[key] is resource for key in self.keys_of(resource))

    @cached_property
    def _by_identifier(self) -> dict[Token, list[Resource]]:
        found: dict[Token, list[Resource]] = {}
        for resource in filter(self._is_current, self._resources.values()):
            for token in set(identifiers_of(resource)):
                found.setdefault(token, []).append(resource)
        return found


class Party(NamedTuple):
    """Somebody or something that takes part: all the names it is known by.

    Attributes:
        keys: `Type/id` and urn; empty when only an identifier is known.
        identifiers: business identifiers.
        resource: what the context holds of it; None when it holds nothing, so that names may be missing.
    """

    keys: frozenset[str]
    identifiers: frozenset[Token]
    resource: Resource | None = None

    def matches(self, ref: Ref) -> Match:
        """Tell whether a reference names this party."""
        if ref.key and ref.key in self.keys:
            return YES
        if ref.identifier is not None:
            if ref.identifier in self.identifiers:
                return YES
            return NO if self.resource is not None else UNKNOWN
        if ref.kind == "foreign":
            return NO
        if ref.kind == "unreadable" or not self.keys:
            return UNKNOWN
        return NO


STRANGER = Party(frozenset({"on another server"}), frozenset())
"""Whoever is known to another server only: no reference of ours names them."""


def party(ref: Ref, context: Context) -> Party:
    """Return the party that a reference names, with what the context knows of it."""
    if ref.kind == "foreign":
        return STRANGER
    keys = {ref.key} if ref.key else set()
    tokens = {ref.identifier} if ref.identifier else set()
    resource = context.look_up(ref)
    if resource is None:
        return Party(frozenset(keys), frozenset(tokens))
    return Party(context.keys_of(resource) | keys, frozenset(identifiers_of(resource)) | tokens, resource)


def identifiers_of(resource: Resource) -> Iterator[Token]:
    """Yield the business identifiers of a resource that have a system and a value."""
    identifiers = resource.get("identifier")
    for value in identifiers if isinstance(identifiers, list) else (identifiers,):
        token = identifier_token(value)
        if token:
            yield token


def unpacked(resources: Iterable[Any]) -> Iterator[tuple[str, Resource]]:
    """Yield address (`fullUrl`, may be empty) and resource of each item; Bundles and entries are opened."""
    for item in resources:
        if not isinstance(item, dict):
            continue
        entries = item.get("entry")
        if item.get("resourceType") == "Bundle" and isinstance(entries, list):
            yield from unpacked(entries)
        elif "resourceType" not in item and isinstance(item.get("resource"), dict):
            address = item.get("fullUrl")
            yield address if isinstance(address, str) else "", item["resource"]
        else:
            yield "", item
