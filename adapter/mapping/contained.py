"""Supporting resources inside the core ones, for a repository that takes only the four core types.

R4 dom-2…5: nothing is nested, a contained resource is referred to or refers to its container (`#`), it has no
security label, and the container carries the highest one. Provenance stays on the adapter's side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.mapping.run import CONFIDENTIALITY
from adapter.types import Json, Resource

CORE_TYPES = frozenset(("CarePlan", "Consent", "Observation", "CareTeam"))
KEPT_TYPES = frozenset(("Provenance",))
"""Resources that are not sent in this form; `kept_by_adapter` returns them."""


def contain(bundle: Resource) -> Resource:
    """Return the transaction with core entries only, everything else contained in them. The input is not changed.

    A resource that several core resources need is contained in each. One that no core resource refers to and
    that refers to none itself stays an entry: it has no place inside (dom-3).
    """
    entries = {entry["fullUrl"]: entry for entry in bundle["entry"]}
    core = [urn for urn, entry in entries.items() if entry["resource"]["resourceType"] in CORE_TYPES]
    inside = {
        urn for urn, entry in entries.items() if entry["resource"]["resourceType"] not in CORE_TYPES | KEPT_TYPES
    }
    placed: set[str] = set()
    made: list[Json] = []
    for urn in core:
        needed = _needed(urn, entries, inside)
        placed |= needed
        made.append({**entries[urn], "resource": _container(urn, needed, entries)})
    made += [entries[urn] for urn in entries if urn in inside - placed]
    return {**bundle, "entry": made}


def kept_by_adapter(bundle: Resource) -> list[Resource]:
    """Return the resources that the contained form leaves out; `unmap` takes them beside the Bundle."""
    resources = (entry["resource"] for entry in bundle["entry"])
    return [resource for resource in resources if resource["resourceType"] in KEPT_TYPES]


def _needed(urn: str, entries: dict[str, Json], inside: set[str]) -> set[str]:
    """Return what belongs into a core resource: what it reaches, what refers to it, and what that reaches."""
    found = {
        other for other in inside if any(reference == urn for reference in _references(entries[other]["resource"]))
    }
    front = [urn, *found]
    while front:
        for reference in _references(entries[front.pop()]["resource"]):
            if reference in inside and reference not in found:
                found.add(reference)
                front.append(reference)
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str):
            yield reference
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _container(urn: str, needed: set[str], entries: dict[str, Json]) -> Resource:
    names = {other: f"#{other.removeprefix('urn:uuid:')}" for other in needed}
    resource = _renamed(entries[urn]["resource"], names)
    contained = []
    for other in sorted(needed, key=lambda key: (entries[key]["resource"]["resourceType"], key)):
        part = _renamed(entries[other]["resource"], {**names, urn: "#"})
        part["meta"] = {key: value for key, value in part["meta"].items() if key != "security"}
        contained.append({**part, "id": names[other][1:]})
    if contained:
        labels = [entries[other]["resource"]["meta"]["security"] for other in (urn, *sorted(needed))]
        resource["meta"] = {**resource["meta"], "security": _highest(labels)}
        resource["contained"] = contained
    return resource


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: names.get(value, value) if key == "reference" and isinstance(value, str) else _renamed(value, names)
            for key, value in node.items()
        }
    return [_renamed(child, names) for child in node] if isinstance(node, list) else node


def _highest(several: list[list[Json]]) -> list[Json]:
    """Return exactly one confidentiality, the strictest, and every other label once."""
    labels = [label for group in several for label in group]
    levels = [label for label in labels if label["code"] in CONFIDENTIALITY]
    found = [max(levels, key=lambda label: CONFIDENTIALITY.index(label["code"]))]
    for label in labels:
        if label not in levels and label not in found:
            found.append(label)
    return found
