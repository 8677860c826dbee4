"""`_summary` and `_elements`: less of a resource, marked SUBSETTED so that nobody stores it back (R4 search)."""

from __future__ import annotations

from typing import Any

from adapter.mock.definitions import shape
from adapter.types import Resource

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS = ("resourceType", "id", "meta")


def shaped(resource: Resource, summary: str, elements: tuple[str, ...]) -> Resource:
    """Return the resource with only what was asked for; unchanged when everything was."""
    if summary in ("true", "text", "data"):
        return _marked(_summary(resource, summary))
    if elements:
        asked = _asked(resource["resourceType"], elements)
        kept = {*_ALWAYS, *shape(resource["resourceType"]).mandatory}
        found = {name: one for name, one in resource.items() if name.lstrip("_") in kept or _is_asked(name, asked)}
        return _marked(found)
    return resource


def _asked(kind: str, elements: tuple[str, ...]) -> set[str]:
    """The elements asked for of one type: `name` means every type, `Patient.name` patients alone."""
    named = [one.rpartition(".") for one in elements]
    return {name.removesuffix("[x]") for of, _, name in named if of in ("", kind)}


def _is_asked(name: str, asked: set[str]) -> bool:
    """A choice of types is asked for as `value`, and stands there as `valueQuantity`."""
    plain = name.lstrip("_")
    return plain in asked or any(plain.startswith(one) and plain[len(one)].isupper() for one in asked)


def _summary(resource: Resource, summary: str) -> Resource:
    form = shape(resource["resourceType"])
    if summary == "data":
        return {name: one for name, one in resource.items() if name != "text"}
    if summary == "text":
        kept = {*_ALWAYS, "text", *form.mandatory}
        return {name: one for name, one in resource.items() if name.lstrip("_") in kept}
    found: Resource = _part(resource, "", form.summary, form.backbones)
    return {name: resource[name] for name in _ALWAYS if name in resource} | found


def _part(node: Any, path: str, summary: frozenset[str], backbones: frozenset[str]) -> Any:
    if isinstance(node, list):
        return [_part(one, path, summary, backbones) for one in node]
    result = {}
    for name, value in node.items():
        here = f"{path}.{name.lstrip('_')}" if path else name.lstrip("_")
        if here in summary:
            result[name] = _part(value, here, summary, backbones) if here in backbones else value
    return result


def _marked(resource: Resource) -> Resource:
    meta = dict(resource.get("meta", {}))
    meta["tag"] = [*meta.get("tag", []), SUBSETTED]
    head = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    return head | {"meta": meta} | {name: one for name, one in resource.items() if name not in _ALWAYS}
