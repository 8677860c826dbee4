"""What a resource keeps back when it is shown: refused elements, contact data under turvakielto, withheld names.

Pure: each function returns a copy, the input is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from adapter.types import Resource

NON_DISCLOSURE = "TURVAKIELTO"
PROTECTED: Mapping[str, tuple[str, ...]] = {
    "Patient": ("address", "telecom", "managingOrganization", "extension"),
    "RelatedPerson": ("address", "telecom"),
}
"""Elements that a client with TURVAKIELTO keeps (BR-150); the only extension of Patient is the municipality."""

CONTACT_ELEMENTS = ("address", "telecom")
"""What is withheld of the persons named in `Patient.contact` too."""

_ITEM = re.compile(r"(\w+)\.(\w+)\[(\d+)\]")


def is_protected(resource: Mapping[str, Any]) -> bool:
    """True when the resource, or Bundle, carries TURVAKIELTO in `meta.security`."""
    return any(label.get("code") == NON_DISCLOSURE for label in resource.get("meta", {}).get("security", ()))


def contact_elements(resource: Resource) -> Iterator[str]:
    """Yield the FHIRPaths, without the type in front, of what TURVAKIELTO protects; contained resources too."""
    for element in PROTECTED.get(resource["resourceType"], ()):
        if element in resource:
            yield element
    for number, person in enumerate(resource.get("contact", ()) if resource["resourceType"] == "Patient" else ()):
        yield from (f"contact[{number}].{element}" for element in CONTACT_ELEMENTS if element in person)
    for number, inner in enumerate(resource.get("contained", ())):
        yield from (f"contained[{number}].{element}" for element in contact_elements(inner))


def without_contacts(resource: Resource) -> Resource:
    """Return the resource without what TURVAKIELTO protects; the label itself stays."""
    withheld = PROTECTED.get(resource["resourceType"], ())
    kept: dict[str, Any] = {name: value for name, value in resource.items() if name.lstrip("_") not in withheld}
    inner = [without_contacts(one) for one in kept.get("contained", ())]
    if withheld or inner != kept.get("contained", []):
        kept.pop("text", None)  # the narrative may say what the elements said
    if withheld and "contact" in kept:
        kept["contact"] = [
            {name: value for name, value in one.items() if name not in CONTACT_ELEMENTS} for one in kept["contact"]
        ]
    return kept | ({"contained": inner} if inner else {})


def redacted(resource: Resource, paths: Iterable[str]) -> Resource:
    """Return the resource without the list items that an obligation names, e.g. `Observation.component[1]`.

    The narrative goes too: it may say what was cut out.

    Raises:
        ValueError: a path names something else than an item of a list of this resource.
    """
    gone: dict[str, set[int]] = {}
    for path in paths:
        found = _ITEM.fullmatch(path)
        if found is None or found[1] != resource["resourceType"] or found[2] not in resource:
            raise ValueError(f"cannot cut {path} out of {resource['resourceType']}")
        gone.setdefault(found[2], set()).add(int(found[3]))
    kept = {name: value for name, value in resource.items() if not gone or name != "text"}
    for name, numbers in gone.items():
        kept[name] = [value for number, value in enumerate(resource[name]) if number not in numbers]
        if not kept[name]:
            del kept[name]
    return kept


def without_names(node: Any, withheld: Callable[[str], bool]) -> Any:
    """Return a copy in which no reference tells the name (`display`) of a resource that is not shown itself.

    Args:
        withheld: says of a reference's text (`Patient/1`, a urn) whether what it leads to is withheld.
    """
    if isinstance(node, list):
        return [without_names(one, withheld) for one in node]
    if not isinstance(node, dict):
        return node
    kept = {name: without_names(value, withheld) for name, value in node.items()}
    target = kept.get("reference")
    if "display" in kept and isinstance(target, str) and withheld(target):
        del kept["display"]
    return kept
