"""Data that a tester puts in beforehand: with their own ids, past the policy, never in the journal."""

from __future__ import annotations

from typing import Any

from adapter.errors import SourceError
from adapter.mock.definitions import resource_types
from adapter.mock.interactions.write import ID
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.world import World
from adapter.source.json import read_json
from adapter.types import Resource


def seed_resources(world: World, body: bytes, base: str) -> int:
    """Store the resources of a JSON document: a list, a Bundle's entries, or one resource.

    Returns:
        How many were stored.

    Raises:
        Refusal: it is not JSON, or one of them is no R4 resource.
    """
    try:
        found = read_json(body)
    except SourceError as error:
        raise Refusal(422, error.issues) from None
    resources = _resources(found)
    with world.store.transaction():
        for one in resources:
            world.store.put(one, "PUT", world.clock.now(), base)
    return len(resources)


def _resources(data: Any) -> list[Resource]:
    if isinstance(data, dict) and data.get("resourceType") == "Bundle":
        data = [entry.get("resource") for entry in data.get("entry", [])]
    resources = data if isinstance(data, list) else [data]
    for number, one in enumerate(resources):
        kind = one.get("resourceType") if isinstance(one, dict) else None
        if kind not in resource_types():
            raise refuse(422, "not-a-resource", f"[{number}]")
        if not isinstance(one.get("id"), str) or not ID.match(one["id"]):
            raise refuse(422, "bad-id", f"[{number}].id")
    return resources
