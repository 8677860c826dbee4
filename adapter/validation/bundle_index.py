"""The entries of a Bundle by their full URLs, and what references inside a Bundle stand for.

Resolution of references: R4 §2.36.4.1, as the official validator reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import is_resource_type
from adapter.validation.findings import Finding, Findings

if TYPE_CHECKING:
    from adapter.validation.run import Run

Entry = dict[str, Any]

OF_REQUESTS = ("batch", "transaction")
OF_RESPONSES = ("batch-response", "transaction-response")

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")


def is_absolute(reference: str) -> bool:
    """True for `http://…`, `urn:…` and any other scheme."""
    return bool(_SCHEME.match(reference))


_LEADING = ("reference", "url", "uri", "valueUri", "valueUrl")


def references_in(value: Any) -> Iterator[str]:
    """Yield every literal reference inside a value, and every address that may lead to a resource."""
    todo = [value]
    while todo:
        present = todo.pop()
        if isinstance(present, dict):
            for name in _LEADING:
                reference = present.get(name)
                if isinstance(reference, str):
                    yield reference
            todo.extend(present.values())
        elif isinstance(present, list):
            todo.extend(present)


class BundleIndex:
    """The entries of one Bundle, by full URL and by resource."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self.type = bundle.get("type")
        entries = bundle.get("entry")
        self.entries: list[Any] = entries if isinstance(entries, list) else []
        self.by_full_url: dict[str, list[dict[str, Any]]] = {}
        self.full_url_of: dict[int, str] = {}
        for _, entry in self.each():
            resource, url = entry.get("resource"), entry.get("fullUrl")
            if isinstance(resource, dict) and isinstance(url, str):
                self.by_full_url.setdefault(url, []).append(resource)
                self.full_url_of[id(resource)] = url

    def each(self) -> Iterator[tuple[int, Entry]]:
        """Yield position and entry, what is no object left out."""
        for position, entry in enumerate(self.entries):
            if isinstance(entry, dict):
                yield position, entry

    def matches(self, reference: str, full_url: str) -> list[dict[str, Any]]:
        """Return the resources that a reference made in the entry `full_url` stands for."""
        target, version = _absolute(reference, full_url)
        found = self.by_full_url.get(target, [])
        if version:
            return [resource for resource in found if version_of(resource) == version]
        return found

    def resolve(self, reference: str, full_url: str) -> dict[str, Any] | None:
        """Return the resource that a reference stands for, or None."""
        found = self.matches(reference, full_url)
        return found[0] if found else None

    def reference_findings(self, reference: str, run: Run) -> Findings:
        """Check a reference made by a resource in this Bundle."""
        full_url = run.full_url
        if not is_absolute(reference) and run.resource.get("resourceType") != "Bundle":
            fault = self._relative_fault(reference, full_url)
            if fault is not None:
                return run.found(fault)
        found = self.matches(reference, full_url)
        severity = run.settings.unresolved_reference
        if not found and severity != "ignore" and reference.startswith("urn:"):
            return run.found(Finding("reference-not-in-bundle", severity=severity))
        if len(found) > 1 and self.type != "history":
            return run.found(Finding("reference-ambiguous", {"count": str(len(found))}))
        if found and not is_absolute(reference):
            stated, actual = reference.split("/", 1)[0], found[0].get("resourceType")
            if stated != actual and is_resource_type(str(actual)):
                return run.found(Finding("reference-type-differs", {"stated": stated, "type": str(actual)}))
        return None

    def _relative_fault(self, reference: str, full_url: str) -> Finding | None:
        if not full_url:
            if self.type in OF_REQUESTS or self.type in OF_RESPONSES:
                return None
            return Finding("relative-without-full-url")
        if reference.count("/") not in (1, 3) and not (self.type in OF_REQUESTS and "?" in reference):
            return Finding("reference-form")
        return None


def version_of(resource: dict[str, Any]) -> object:
    """Return `meta.versionId`, or None."""
    meta = resource.get("meta")
    return meta.get("versionId") if isinstance(meta, dict) else None


def _absolute(reference: str, full_url: str) -> tuple[str, str]:
    """Return the full URL that a reference stands for, and the version it asks for."""
    target, _, version = reference.partition("/_history/")
    if is_absolute(target) or not full_url:
        return target, version
    if full_url.startswith("urn:"):
        return f"{full_url.rpartition(':')[0]}:{target.rpartition('/')[2]}", version
    base = full_url.rsplit("/", 2)[0]
    return f"{base}/{target}", version
