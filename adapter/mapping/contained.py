"""Supporting resources inside the core ones, for a repository that takes only the four core types.

R4 dom-2…5: nothing is nested, a contained resource is referred to or refers to its container (`#`), it has no
security label, and the container carries the highest one. Provenance stays on the adapter's side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.mapping.resources import with_references
from adapter.mapping.run import CONFIDENTIALITY
from adapter.types import Json, Resource

CORE_TYPES = frozenset(("CarePlan", "Consent", "Observation", "CareTeam"))
KEPT_TYPES = frozenset(("Provenance",))
"""Resources that are not sent in this form; `kept_by_adapter` returns them."""


def contain(bundle: Resource) -> Resource:
    """Return the transaction with core entries only, everything else contained in them. The input is not changed.

    A resource that several core resources need is contained in each. What no core resource leads to (a client's
    diagnoses, close persons, relationships with services) is named by `focus` of the record's first Observation, so
    that it has a place inside (dom-3).
    """
    entries = {entry["fullUrl"]: entry for entry in bundle["entry"]}
    kept = _kept(entries)
    inside = {urn for urn in entries if _type(entries[urn]) not in CORE_TYPES and urn not in kept}
    needed = {urn: _needed(urn, entries, inside) for urn in entries if _type(entries[urn]) in CORE_TYPES}
    homeless = [urn for urn in entries if urn in inside and not any(urn in found for found in needed.values())]
    carrier = next((urn for urn in needed if _type(entries[urn]) == "Observation"), None)
    if homeless and carrier is not None:
        entries[carrier] = _focused(entries[carrier], homeless)
        needed[carrier] = _needed(carrier, entries, inside)
    made = [{**entries[urn], "resource": _container(urn, found, entries)} for urn, found in needed.items()]
    return {**bundle, "entry": made}


def _focused(entry: Json, urns: list[str]) -> Json:
    focus = [*entry["resource"].get("focus", ()), *({"reference": urn} for urn in urns)]
    return {**entry, "resource": {**entry["resource"], "focus": focus}}


def kept_by_adapter(bundle: Resource) -> list[Json]:
    """Return the entries that the contained form may leave out: Provenance and all that it leads to.

    `unmap` takes them beside the Bundle.
    """
    entries = {entry["fullUrl"]: entry for entry in bundle["entry"]}
    reached = _reached([urn for urn in entries if _type(entries[urn]) in KEPT_TYPES], entries)
    return [entries[urn] for urn in entries if urn in reached and _type(entries[urn]) not in CORE_TYPES]


def _kept(entries: dict[str, Json]) -> set[str]:
    provenance = [urn for urn in entries if _type(entries[urn]) in KEPT_TYPES]
    others = [urn for urn in entries if urn not in provenance]
    wanted = {reference for urn in others for reference in _references(entries[urn]["resource"])}
    only_theirs = _reached(provenance, _without_targets(entries), stop=CORE_TYPES)
    free = {urn for urn in only_theirs if urn not in wanted}
    while True:
        more = {
            urn
            for urn in only_theirs - free
            if not any(urn in _references(entries[other]["resource"]) for other in others if other not in free)
        }
        if not more:
            return free | set(provenance)
        free |= more


def _without_targets(entries: dict[str, Json]) -> dict[str, Json]:
    """A Provenance speaks of its targets; only its agents and entities are there for its sake."""
    made = dict(entries)
    for urn, entry in entries.items():
        if _type(entry) in KEPT_TYPES:
            made[urn] = {**entry, "resource": {**entry["resource"], "target": []}}
    return made


def _reached(start: list[str], entries: dict[str, Json], stop: frozenset[str] = frozenset()) -> set[str]:
    found, front = set(start), list(start)
    while front:
        for reference in _references(entries[front.pop()]["resource"]):
            if reference in entries and reference not in found and _type(entries[reference]) not in stop:
                found.add(reference)
                front.append(reference)
    return found


def _type(entry: Json) -> str:
    return str(entry["resource"]["resourceType"])


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
    resource: Resource = with_references(entries[urn]["resource"], names)
    contained = []
    for other in sorted(needed, key=lambda key: (entries[key]["resource"]["resourceType"], key)):
        part = with_references(entries[other]["resource"], {**names, urn: "#"})
        part["meta"] = {key: value for key, value in part["meta"].items() if key != "security"}
        contained.append({**part, "id": names[other][1:]})
    if contained:
        labels = [entries[other]["resource"]["meta"]["security"] for other in (urn, *sorted(needed))]
        resource["meta"] = {**resource["meta"], "security": _highest(labels)}
        resource["contained"] = contained
    return resource


def _highest(several: list[list[Json]]) -> list[Json]:
    """Return exactly one confidentiality, the strictest, and every other label once."""
    labels = [label for group in several for label in group]
    levels = [label for label in labels if label["code"] in CONFIDENTIALITY]
    found = [max(levels, key=lambda label: CONFIDENTIALITY.index(label["code"]))]
    for label in labels:
        if label not in levels and label not in found:
            found.append(label)
    return found
