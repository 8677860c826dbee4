"""Bundles: bdl-1 … bdl-12, full URLs and ids, transaction entries, and references inside.

Where R4 leaves room, the official validator's reading is taken (resolution of references: R4 §2.36.4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.fhir.definitions import is_resource_type
from adapter.validation.bundle_index import (
    OF_REQUESTS,
    OF_RESPONSES,
    BundleIndex,
    Entry,
    is_absolute,
    references_in,
    version_of,
)
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.run import Run

SINGLE_RELATIONS = ("self", "first", "last", "next", "previous", "prev")


def bundle_findings(bundle: dict[str, Any], index: BundleIndex, run: Run) -> Findings:
    """Return what breaks the rules of a Bundle as a whole and of its entries."""
    found: Findings = None
    for finding in _bundle_rules(bundle, index):
        found = joined(found, run.found(finding))
    for position, entry in index.each():
        if index.type == "transaction" and _is_plain_creation(entry):
            continue
        for finding in _entry_rules(entry, index):
            more = run.found(finding)
            if more is not None:
                found = joined(found, under(f"entry[{position}]", more))
    return found


def _bundle_rules(bundle: dict[str, Any], index: BundleIndex) -> Iterator[Finding]:
    kind = index.type
    if "total" in bundle and kind not in ("searchset", "history"):
        yield Finding("bundle-total", path="total", rule="bdl-1")
    if kind == "document":
        identifier = bundle.get("identifier")
        if not (isinstance(identifier, dict) and "system" in identifier and "value" in identifier):
            yield Finding("document-identifier", rule="bdl-9")
        if "timestamp" not in bundle:
            yield Finding("document-timestamp", rule="bdl-10")
        yield from _first_entry(index, "Composition", "bdl-11")
        yield from _unreachable(index)
    if kind == "message":
        yield from _first_entry(index, "MessageHeader", "bdl-12")
    yield from _double_full_urls(index)
    links = bundle.get("link")
    relations = [link.get("relation") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    for relation in SINGLE_RELATIONS:
        if relations.count(relation) > 1:
            yield Finding("link-relation-twice", {"name": relation}, "link")


def _first_entry(index: BundleIndex, type_name: str, rule: str) -> Iterator[Finding]:
    first = index.entries[0] if index.entries else None
    resource = first.get("resource") if isinstance(first, dict) else None
    if not (isinstance(resource, dict) and resource.get("resourceType") == type_name):
        path = "entry[0].resource" if isinstance(resource, dict) else ""
        yield Finding("first-entry", {"type": type_name}, path, rule=rule)
        return
    names = DOCUMENT_REFERENCES if type_name == "Composition" else (("focus", ""),)
    full_url = first.get("fullUrl") if isinstance(first, dict) else None
    for path, reference in _references(resource, names):
        local = reference.startswith("#")
        if not local and not index.matches(reference, full_url if isinstance(full_url, str) else ""):
            yield Finding("document-reference", {"type": type_name}, f"entry[0].resource.{path}.reference")


def _unreachable(index: BundleIndex) -> Iterator[Finding]:
    """A document holds only what hangs together with its Composition, by references either way (R4 §3.3.1)."""
    entries = dict(index.each())
    neighbours: dict[int, set[int]] = {position: set() for position in entries}
    positions = {id(entry.get("resource")): position for position, entry in entries.items()}
    for position, entry in entries.items():
        url = entry.get("fullUrl")
        for reference in references_in(entry.get("resource")):
            target = index.resolve(reference, url if isinstance(url, str) else "")
            if target is not None:
                neighbours[position].add(positions[id(target)])
                neighbours[positions[id(target)]].add(position)
    reached, todo = {0}, [0]
    while todo:
        for position in neighbours.get(todo.pop(), ()):
            if position not in reached:
                reached.add(position)
                todo.append(position)
    for position in entries:
        if position not in reached and "resource" in entries[position]:
            yield Finding("document-unreachable", path=f"entry[{position}]")


DOCUMENT_REFERENCES = (
    ("subject", ""),
    ("encounter", ""),
    ("author", ""),
    ("attester", "party"),
    ("custodian", ""),
    ("event", "detail"),
    *(("section", name) for name in ("entry", "author", "focus")),
)
"""What a document must hold of what its Composition refers to (R4 §3.3.1)."""


def _references(value: dict[str, Any], names: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Yield path and text of the references at these names, sections of sections included."""
    for name, below in names:
        held = value.get(name)
        for position, item in enumerate(held if isinstance(held, list) else [held]):
            path = f"{name}[{position}]" if isinstance(held, list) else name
            if not isinstance(item, dict):
                continue
            if not below:
                if isinstance(item.get("reference"), str):
                    yield path, item["reference"]
                continue
            for inner, reference in _references(item, ((below, ""),)):
                yield f"{path}.{inner}", reference
            if name == "section":
                for inner, reference in _references(item, (("section", below),)):
                    yield f"{path}.{inner}", reference


def _double_full_urls(index: BundleIndex) -> Iterator[Finding]:
    urls = [url for _, entry in index.each() if (url := entry.get("fullUrl")).__class__ is str]
    if index.type == "history" or len(set(urls)) == len(urls):
        return
    seen: set[tuple[str, object]] = set()
    for position, entry in index.each():
        url, resource = entry.get("fullUrl"), entry.get("resource")
        if not isinstance(url, str):
            continue
        key = (url, str(version_of(resource)) if isinstance(resource, dict) else "")
        if key in seen:
            yield Finding("full-url-twice", path=f"entry[{position}].fullUrl", rule="bdl-7")
        seen.add(key)


def _is_plain_creation(entry: Entry) -> bool:
    """Accept what nearly every entry of a transaction is: a resource under a new `urn:uuid:`, posted to its type."""
    url, resource, request = entry.get("fullUrl"), entry.get("resource"), entry.get("request")
    return (
        resource.__class__ is dict
        and request.__class__ is dict
        and url.__class__ is str
        and url[:9] == "urn:uuid:"
        and "/" not in url
        and "response" not in entry
        and "search" not in entry
        and request.get("method") == "POST"
        and request.get("url") == resource.get("resourceType", "")
    )


def _entry_rules(entry: Entry, index: BundleIndex) -> Iterator[Finding]:
    kind = index.type
    if not any(name in entry for name in ("resource", "request", "response")):
        yield Finding("entry-empty", rule="bdl-5")
    if "search" in entry and kind != "searchset":
        yield Finding("entry-search", path="search", rule="bdl-2")
    if isinstance(kind, str):
        yield from _expected(entry, "request", kind in (*OF_REQUESTS, "history"), kind, "bdl-3")
        yield from _expected(entry, "response", kind in (*OF_RESPONSES, "history"), kind, "bdl-4")
    if kind == "searchset":
        yield from _search_rules(entry)
    yield from _identity(entry, kind)
    yield from _request_rules(entry)


def _search_rules(entry: Entry) -> Iterator[Finding]:
    """A search speaks about itself with an OperationOutcome (R4 §3.1.1.5)."""
    resource = entry.get("resource")
    if isinstance(resource, dict) and _is_search_outcome(entry) and resource.get("resourceType") != "OperationOutcome":
        yield Finding("search-outcome", path="search.mode")


def _expected(entry: Entry, name: str, wanted: bool, kind: str, rule: str) -> Iterator[Finding]:
    if wanted and name not in entry:
        yield Finding("entry-needs", {"name": name, "type": kind}, rule=rule)
    if not wanted and name in entry:
        yield Finding("entry-may-not", {"name": name, "type": kind}, name, rule=rule)


def _identity(entry: Entry, kind: object) -> Iterator[Finding]:
    """Check full URL and id against each other."""
    url, resource = entry.get("fullUrl"), entry.get("resource")
    id_value = resource.get("id") if isinstance(resource, dict) else None
    if "fullUrl" not in entry:
        if kind not in (*OF_REQUESTS, *OF_RESPONSES) and not _is_search_outcome(entry):
            yield Finding("full-url-missing")
    elif isinstance(url, str):
        if not is_absolute(url):
            yield Finding("full-url-relative", path="fullUrl")
        elif "/_history/" in url:
            yield Finding("full-url-history", path="fullUrl", rule="bdl-8")
        elif url.startswith(("http://", "https://")) and id_value is not None and url.rpartition("/")[2] != id_value:
            yield Finding("full-url-id", path="fullUrl")
        elif isinstance(resource, dict) and _names_another_type(url, resource.get("resourceType")):
            yield Finding("full-url-type", path="fullUrl")
    request = entry.get("request")
    if _is_search_outcome(entry):
        return
    named = isinstance(url, str) and is_absolute(url) and not url.startswith(("urn:uuid:", "urn:oid:"))
    needs_id = named and "response" not in entry and "request" not in entry
    if isinstance(request, dict) and request.get("method") == "PUT" and "url" not in request:
        needs_id = True
    if needs_id and isinstance(resource, dict) and id_value is None:
        yield Finding("entry-without-id", path="resource")


def _names_another_type(url: str, type_name: object) -> bool:
    """Tell whether a RESTful address (`https://…/Type/id`) is that of a resource of another type."""
    steps = url.split("/")
    return len(steps) > 4 and steps[0] in ("http:", "https:") and is_resource_type(steps[-2]) and steps[-2] != type_name


def _is_search_outcome(entry: Entry) -> bool:
    """An OperationOutcome about the search has no address of its own (R4 §3.1.1.5)."""
    search = entry.get("search")
    return isinstance(search, dict) and search.get("mode") == "outcome"


def _request_rules(entry: Entry) -> Iterator[Finding]:
    """A transaction or batch entry says what it does: method, address and resource fit each other."""
    request, resource = entry.get("request"), entry.get("resource")
    if not isinstance(request, dict):
        return
    method, url = request.get("method"), request.get("url")
    if method in ("POST", "PUT") and resource is None and "response" not in entry:
        yield Finding("request-without-resource", {"method": method})
    if method not in ("POST", "PUT") or not isinstance(url, str) or not isinstance(resource, dict):
        return
    path = url.partition("?")[0].rstrip("/").split("/")
    name = path[0]
    type_name = resource.get("resourceType")
    known = isinstance(type_name, str) and is_resource_type(type_name)
    if known and is_resource_type(name) and name != type_name and len(path) <= 2 and "$" not in url:
        yield Finding("request-type", {"url_type": name, "type": str(type_name)}, "request.url")
    elif method == "PUT" and len(path) == 2 and resource.get("id", path[1]) != path[1]:
        yield Finding("request-id", path="request.url")
