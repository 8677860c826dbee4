"""Takes contained resources out into entries again: a Bundle for a repository of four types reads like any other.

The inverse of `adapter.mapping.contained.contain` as far as reading needs it: ids of contained resources are the
uuids of the entries that they were, and the container's labels stand for theirs.
"""

from __future__ import annotations

from adapter.mapping.resources import with_references
from adapter.types import Resource


def lifted(bundle: Resource) -> Resource:
    """Return the Bundle with every contained resource once as an entry. The input is not changed."""
    if not any("contained" in entry["resource"] for entry in bundle["entry"]):
        return bundle
    entries: dict[str, Resource] = {}
    for entry in bundle["entry"]:
        resource, address = entry["resource"], entry["fullUrl"]
        names = {f"#{each['id']}": f"urn:uuid:{each['id']}" for each in resource.get("contained", ())} | {"#": address}
        outer = {name: value for name, value in resource.items() if name != "contained"}
        entries[address] = {**entry, "resource": with_references(outer, names)}
        for inner in resource.get("contained", ()):
            entries.setdefault(names[f"#{inner['id']}"], _entry(inner, resource, names))
    return {**bundle, "entry": list(entries.values())}


def _entry(inner: Resource, container: Resource, names: dict[str, str]) -> Resource:
    meta = inner.get("meta", {}) | {"security": container.get("meta", {}).get("security", [])}
    resource = {name: value for name, value in inner.items() if name != "id"} | {"meta": meta}
    return {"fullUrl": names[f"#{inner['id']}"], "resource": with_references(resource, names)}
