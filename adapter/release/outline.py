"""What the gate needs of a record: kept when its content is deleted, so that who may see it is told where it lies."""

from __future__ import annotations

from typing import Any

from adapter.consent.item import PRIMARY, TIMES, references_in
from adapter.release.gate import OF_NO_CLIENT
from adapter.types import Resource

BESIDE = OF_NO_CLIENT | {"Patient", "Provenance"}
"""Types that say whose a record is, who wrote it, and who keeps it."""

WHOLE = frozenset({"resourceType", "id", "meta", "identifier", "status", "agent", *PRIMARY, *TIMES})
"""Elements that stay as they are: identifiers, labels and profiles, kind, and time (R3, R24 – R29)."""


def outline(bundle: Resource) -> Resource:
    """Return a record's Bundle with nothing but what a decision about its first resource looks at.

    Of other elements only references stay. A refusal by code below `code`, `category` and `type` (R25) finds nothing
    there; the consents on file, which our own mapping writes, have none.

    Args:
        bundle: with nothing contained.
    """
    core, *others = bundle["entry"]
    beside = (entry for entry in others if entry["resource"]["resourceType"] in BESIDE)
    kept = [{"fullUrl": one["fullUrl"], "resource": _outlined(one["resource"])} for one in (core, *beside)]
    return {**bundle, "entry": kept}


def _outlined(resource: Resource) -> Resource:
    return {
        name: value if name in WHOLE else found
        for name, value in resource.items()
        if (found := _pointing(value)) or name in WHOLE
    }


def _pointing(value: Any) -> Any:
    """Return the references in the value of an element, without their texts; one alone stays one."""
    found = [{name: part for name, part in one.items() if name != "display"} for one in references_in(value)]
    return found[0] if found and isinstance(value, dict) and len(found) == 1 and "reference" in value else found
