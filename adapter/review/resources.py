"""Small questions to FHIR resources of ours: their codes, identifiers, actors and data class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapter.consent import packaged_configuration
from adapter.types import CANONICAL_ROOT, Resource


def coded(concept: Any, system: str) -> str:
    """Return the code of one of our own systems (`consent-type`) in a CodeableConcept; empty when there is none."""
    url = f"{CANONICAL_ROOT}/CodeSystem/{system}"
    codings = concept.get("coding", ()) if isinstance(concept, dict) else ()
    return next((str(each["code"]) for each in codings if each.get("system") == url), "")


def value_of(identifier: Any) -> str:
    """Return the value of an Identifier, without the `urn:oid:` of an OID."""
    return str(identifier.get("value", "")).removeprefix("urn:oid:") if isinstance(identifier, dict) else ""


def actors(provision: Resource) -> Iterable[Any]:
    """Yield the references to actors in a provision and all below it."""
    for actor in provision.get("actor", ()):
        yield actor["reference"]
    for below in provision.get("provision", ()):
        yield from actors(below)


def class_of(resource: Resource) -> str:
    """Return the data class of a resource: by its sensitivity label, else by its profile; empty when it has none."""
    return packaged_configuration().data_classes.of(resource)
