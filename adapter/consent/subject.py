"""Whose data a resource holds (R3): the requested client, nobody unknown, and every other client it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from adapter.consent.configuration import ClientPaths
from adapter.consent.context import Context, Party, party
from adapter.consent.item import Item
from adapter.consent.model import YES
from adapter.consent.references import UNREADABLE, Ref
from adapter.types import Resource

_USUAL = ClientPaths(at=("subject", "patient"))


def clients_of(item: Item, client: Party, siblings: Iterable[Item]) -> tuple[Party, ...] | None:
    """Return the clients that the resource names, the requested one first; None for a mismatch.

    A mismatch is a resource that names nobody, names somebody who cannot be tied to a known client (contained,
    foreign, display only, no Patient), or does not name the requested client.
    """
    if item.type == "Patient":
        return (client,) if _is_client(item, client) else None
    others: list[Party] = []
    named = False
    for ref in _named(item, client, siblings):
        if client.matches(ref) is YES:
            named = True
        elif not _is_patient(ref, item.context):
            return None
        else:
            others.append(party(ref, item.context))
    return (client, *others) if named else None


def _is_client(item: Item, client: Party) -> bool:
    if item.keys & client.keys:
        return True
    return not item.key and bool(item.identifiers & client.identifiers)


def _is_patient(ref: Ref, context: Context) -> bool:
    known = context.look_up(ref)
    if known is not None:
        return known.get("resourceType") == "Patient"
    return ref.kind == "local" and ref.type == "Patient"


def _named(item: Item, client: Party, siblings: Iterable[Item]) -> Iterator[Ref]:
    """Yield the references by which a resource names its clients."""
    context = item.context
    paths = item.configuration.clients.get(item.type, _USUAL)
    for path in paths.at:
        yield from map(context.reference, _at(item.resource, path))
    for path in paths.among:
        for value in _at(item.resource, path):
            ref = context.reference(value)
            if ref.type == "Patient" or client.matches(ref) is YES or _is_patient(ref, context):
                yield ref
    for path in paths.through:
        for value in _at(item.resource, path):
            yield from _named_through(context.reference(value), item, client, siblings)


def _named_through(ref: Ref, item: Item, client: Party, siblings: Iterable[Item]) -> Iterator[Ref]:
    """Yield how the target of a reference names its clients; the target stands beside it or in the context."""
    if ref.type == "Patient":
        yield ref
        return
    target = next((sibling for sibling in siblings if ref.key and ref.key in sibling.keys), None)
    if target is None:
        known = item.context.look_up(ref)
        target = None if known is None else Item(known, ref.key, item.context, item.configuration)
    if target is None or target.type == item.type:
        yield UNREADABLE
    elif target.type == "Patient":
        yield ref._replace(type="Patient")
    else:
        yield from _named(target, client, ())


def _at(resource: Resource, path: str) -> Iterator[Any]:
    """Yield the values at a dotted path, lists opened on the way."""
    found: list[Any] = [resource]
    for name in path.split("."):
        found = [
            item
            for value in found
            if isinstance(value, dict) and name in value
            for item in (value[name] if isinstance(value[name], list) else (value[name],))
        ]
    yield from found
