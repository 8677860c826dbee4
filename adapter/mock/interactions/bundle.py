"""Batch and transaction (R4 http, "transaction").

A transaction is all or nothing, and its result does not depend on the order of its entries: DELETE, POST, PUT and
PATCH, then GET; references between entries are rewritten first, conditional references resolved after the writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from adapter.mock.clock import fhir_instant
from adapter.mock.exchange import Answer, Request, location, parse_query, version_headers
from adapter.mock.interactions.write import answer, check_version, condition_match, criteria_query, put
from adapter.mock.judge import check_interaction
from adapter.mock.national import check_bundle
from adapter.mock.negotiation import read_resource
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.references import references, rewrite
from adapter.mock.search.extract import index_rows
from adapter.mock.search.request import matches
from adapter.mock.storage import Stored
from adapter.types import Resource

Dispatch = Callable[[Request], Answer]
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
CONDITIONS = {
    "ifNoneExist": "if-none-exist",
    "ifMatch": "if-match",
    "ifNoneMatch": "if-none-match",
    "ifModifiedSince": "if-modified-since",
}
"""Elements of `Bundle.entry.request` and the headers that they stand for."""

_STATUS = {200: "200 OK", 201: "201 Created", 204: "204 No Content", 304: "304 Not Modified"}


@dataclass(slots=True)
class Entry:
    """One entry on its way: its request, where it stands, what came of it."""

    number: int
    request: Request
    full_url: str
    resource: Resource | None
    identity: str = ""
    found: Stored | None = None
    answer: Answer | None = None

    @property
    def place(self) -> str:
        """FHIRPath of the entry's resource."""
        return f"Bundle.entry[{self.number}].resource"


def system_post(request: Request, dispatch: Dispatch) -> Answer:
    """`POST` to the base: a Bundle of type batch or transaction."""
    policy = request.world.policy
    bundle = read_resource(request)
    allowed = [one for one in ("batch", "transaction") if one in policy.system]
    if bundle["resourceType"] != "Bundle" or bundle.get("type") not in allowed:
        raise refuse(400, "bundle-type", "Bundle.type", allowed=", ".join(allowed))
    entries = _entries(bundle)
    if policy.bundle_entries and len(entries) > policy.bundle_entries:
        raise refuse(413, "bundle-entries", "Bundle.entry", count=str(len(entries)), limit=str(policy.bundle_entries))
    if bundle["type"] == "batch":
        return Answer(200, _response(request, "batch-response", [_batch(request, one, dispatch) for one in entries]))
    check_bundle(request, bundle)
    found = [_entry(request, number, one) for number, one in enumerate(entries)]
    with request.world.store.transaction():
        _transaction(found, dispatch)
    return Answer(200, _response(request, "transaction-response", [_entry_response(one) for one in found]))


def _entries(bundle: Resource) -> list[dict[str, Any]]:
    """Return the entries when every one has the shape of an entry; what stands inside the resources comes later."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise refuse(400, "entry-request", "Bundle.entry")
    for number, entry in enumerate(entries):
        place = f"Bundle.entry[{number}]"
        wanted = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(wanted, dict) or not all(isinstance(one, str | list) for one in wanted.values()):
            raise refuse(400, "entry-request", f"{place}.request")
        if any(isinstance(wanted.get(name), list) for name in ("method", "url", *CONDITIONS)):
            raise refuse(400, "entry-request", f"{place}.request")
        resource = entry.get("resource", {"resourceType": ""})
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            raise refuse(400, "not-a-resource", f"{place}.resource")
        if not isinstance(entry.get("fullUrl", ""), str) or not isinstance(resource.get("id", ""), str):
            raise refuse(400, "not-a-resource", place)
    return entries


def _entry(request: Request, number: int, entry: dict[str, Any]) -> Entry:
    wanted = entry.get("request") or {}
    method, url = wanted.get("method"), wanted.get("url")
    if method not in ORDER or not isinstance(url, str):
        raise refuse(400, "entry-request", f"Bundle.entry[{number}].request")
    resource = entry.get("resource")
    if method in ("POST", "PUT", "PATCH") and not isinstance(resource, dict) and "$" not in url:
        raise refuse(400, "entry-resource", f"Bundle.entry[{number}].resource", method=method)
    headers = {name: wanted.get(key) for key, name in CONDITIONS.items()} | {
        "prefer": request.headers.get("prefer"),
        "accept-language": request.headers.get("accept-language"),
    }
    relative = url.removeprefix(request.base).lstrip("/")
    path, _, query = relative.partition("?")
    inner = Request(
        world=request.world,
        method=method,
        path=tuple(unquote(one) for one in path.split("/") if one),
        query=parse_query(query),
        headers={name: value for name, value in headers.items() if value is not None},
        base=request.base,
        resource=resource,
        in_bundle=True,
        access=request.access,
        gate=request.gate,
        certificate=request.certificate,
    )
    return Entry(number, inner, entry.get("fullUrl", ""), resource)


def _batch(request: Request, entry: dict[str, Any], dispatch: Dispatch) -> dict[str, Any]:
    try:
        one = _entry(request, 0, entry)
        with request.world.store.transaction():
            one.answer = dispatch(one.request)
        return _entry_response(one)
    except Refusal as refusal:
        return {"response": {"status": str(refusal.status), "outcome": refusal.operation_outcome(request.language)}}


def _transaction(entries: list[Entry], dispatch: Dispatch) -> None:
    ordered = sorted(entries, key=lambda one: ORDER[one.request.method])
    for one in ordered:
        _placed(one, _identify)
    _check_unique(ordered)
    for one in ordered:
        if one.request.method == "DELETE":
            _placed(one, partial(_run, dispatch=dispatch))
    targets = {
        one.full_url: f"{one.request.path[0]}/{one.identity}" for one in entries if one.full_url and one.identity
    }
    written: list[tuple[Entry, Stored]] = []
    for one in ordered:
        if one.request.method in ("POST", "PUT") and one.answer is None:
            _placed(one, partial(_write, targets=targets, written=written, dispatch=dispatch))
    for one, stored in written:
        _placed(one, partial(_resolve, stored=stored))
    for one in ordered:
        if one.answer is None:
            _placed(one, partial(_rest, targets=targets, dispatch=dispatch))


def _run(entry: Entry, dispatch: Dispatch) -> None:
    entry.answer = dispatch(entry.request)


def _placed(entry: Entry, work: Callable[[Entry], object]) -> None:
    try:
        work(entry)
    except Refusal as refusal:
        raise refusal.below(entry.place) from None


def _identify(entry: Entry) -> None:
    """Find or draw the id of the resource that the entry is about, before anything is written."""
    request, path = entry.request, entry.request.path
    if not path or path[-1].startswith(("$", "_")) or request.method in ("GET", "HEAD"):
        return
    kind = path[0]
    interaction = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
    check_interaction(request, kind, interaction)
    if request.method == "POST":
        criteria = request.headers.get("if-none-exist")
        entry.found = condition_match(request, kind, criteria_query(criteria, kind)) if criteria is not None else None
        entry.identity = entry.found.id if entry.found else request.world.identities.draw()
        if entry.found is not None:
            headers = version_headers(entry.found) | {"Location": location(request, entry.found)}
            entry.answer = answer(request, 200, entry.found, headers)
    elif len(path) == 2:
        entry.identity = path[1]
    elif request.method == "PUT":
        entry.found = condition_match(request, kind, request.query)
        own = (entry.resource or {}).get("id")
        if entry.found is not None and own is not None and own != entry.found.id:
            raise refuse(400, "id-differs", f"{kind}.id")
        entry.identity = entry.found.id if entry.found else own or request.world.identities.draw()


def _check_unique(entries: list[Entry]) -> None:
    seen: set[tuple[str, str]] = set()
    criteria: set[tuple[str, str]] = set()
    for one in entries:
        if one.identity and one.answer is None:
            key = (one.request.path[0], one.identity)
            if key in seen:
                raise refuse(400, "same-identity", f"Bundle.entry[{one.number}]")
            seen.add(key)
        condition = one.request.headers.get("if-none-exist")
        if condition is not None:
            key = (one.request.path[0], condition)
            if key in criteria:
                raise refuse(400, "same-identity", f"Bundle.entry[{one.number}].request.ifNoneExist")
            criteria.add(key)


def _write(entry: Entry, targets: dict[str, str], written: list[tuple[Entry, Stored]], dispatch: Dispatch) -> None:
    request, resource = entry.request, rewrite(entry.resource, targets)
    if not entry.identity:
        request.resource = resource
        entry.answer = dispatch(request)
        return
    kind = request.path[0]
    if resource.get("resourceType") != kind:
        found = str(resource.get("resourceType"))[:40]
        raise refuse(400, "wrong-type", "resourceType", expected=kind, found=found)
    _check_links(resource)
    if request.method == "POST":
        stored, status = put(request, resource | {"id": entry.identity}, "POST"), 201
    else:
        stored, status = _put_entry(entry, resource)
    written.append((entry, stored))
    entry.answer = answer(request, status, stored)


def _put_entry(entry: Entry, resource: Resource) -> tuple[Stored, int]:
    request = entry.request
    current = request.world.store.current(request.path[0], entry.identity)
    if len(request.path) == 2 and resource.get("id") != entry.identity:
        raise refuse(400, "id-differs" if "id" in resource else "id-missing", f"{request.path[0]}.id")
    if current is None and len(request.path) == 2 and not request.world.policy.update_create:
        raise refuse(405, "not-found")
    check_version(request, current)
    stored = put(request, resource | {"id": entry.identity}, "PUT")
    return stored, 201 if current is None or current.body is None else 200


def _check_links(resource: Resource) -> None:
    """A urn:uuid that is no fullUrl of the Bundle leads nowhere once the Bundle is stored."""
    for node, place in references(resource):
        if node["reference"].startswith(("urn:uuid:", "urn:oid:")):
            raise refuse(400, "broken-reference", f"{resource['resourceType']}.{place}.reference")


def _resolve(entry: Entry, stored: Stored) -> None:
    """Turn conditional references (`Patient?identifier=…`) into plain ones, after all writes."""
    resource = stored.resource
    changed = False
    for node, place in references(resource):
        kind, mark, query = node["reference"].partition("?")
        if not mark or "/" in kind or ":" in kind:
            continue
        found = matches(entry.request, kind, parse_query(query))
        if len(found) != 1:
            raise refuse(412, "unresolved-reference", f"{stored.type}.{place}.reference", count=str(len(found)))
        node["reference"] = entry.request.world.store.by_sequence(found)[0].path
        changed = True
    if changed:
        rows = index_rows(resource, entry.request.base)
        fresh = entry.request.world.store.replace(stored, resource, rows)
        if entry.answer is not None and entry.answer.stored is not None:
            entry.answer.stored = fresh


def _rest(entry: Entry, targets: dict[str, str], dispatch: Dispatch) -> None:
    if entry.resource is not None:
        entry.request.resource = rewrite(entry.resource, targets)
    entry.answer = dispatch(entry.request)


def _entry_response(entry: Entry) -> dict[str, Any]:
    assert entry.answer is not None
    found, headers = entry.answer, entry.answer.headers
    response: dict[str, Any] = {"status": _STATUS.get(found.status, str(found.status))}
    names = (("location", "Location"), ("etag", "ETag"))
    response |= {name: headers[header] for name, header in names if header in headers}
    if found.stored is not None:
        response["lastModified"] = fhir_instant(found.stored.updated)
    body = found.body_resource()
    result: dict[str, Any] = {}
    if body is not None and body["resourceType"] == "OperationOutcome" and entry.request.method != "GET":
        response["outcome"] = body
    elif body is not None and (entry.request.method == "GET" or entry.request.preference("return")):
        result["resource"] = body
        if found.stored is not None:
            result = {"fullUrl": f"{entry.request.base}/{found.stored.path}"} | result
    return result | {"response": response}


def _response(request: Request, kind: str, entries: list[dict[str, Any]]) -> Resource:
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": request.world.identities.draw(),
        "meta": {"lastUpdated": fhir_instant(request.world.clock.now())},
        "type": kind,
        "link": [{"relation": "self", "url": request.base}],
    }
    return bundle | ({"entry": entries} if entries else {})
