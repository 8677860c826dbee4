"""Entries of a batch or transaction: their shape, each as a request of its own, and what is answered for each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from adapter.mock.access import asked_letter
from adapter.mock.clock import fhir_instant
from adapter.mock.exchange import Answer, Request, parse_query
from adapter.mock.outcomes import refuse
from adapter.mock.scope_gate import ScopeGate
from adapter.types import Resource

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
    """One entry on its way: its request, where it stands, what came of it.

    Attributes:
        identity: id that the entry's resource will have; references to its fullUrl lead there.
        changes: ids of the resources that an entry other than a create changes or deletes.
    """

    number: int
    request: Request
    full_url: str
    resource: Resource | None
    identity: str = ""
    changes: list[str] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def place(self) -> str:
        """FHIRPath of the entry's resource."""
        return f"Bundle.entry[{self.number}].resource"


def shaped_entries(bundle: Resource) -> list[dict[str, Any]]:
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


def entry_of(request: Request, number: int, entry: dict[str, Any]) -> Entry:
    """Return an entry as a request of its own; the conditions of `request` become the headers that they stand for."""
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
    if isinstance(inner.gate, ScopeGate):
        inner.gate = inner.gate.at(asked_letter(inner.method, inner.path))
    return Entry(number, inner, entry.get("fullUrl", ""), resource)


def entry_response(entry: Entry) -> dict[str, Any]:
    """Return the entry of the response Bundle."""
    assert entry.answer is not None
    found, headers = entry.answer, entry.answer.headers
    response: dict[str, Any] = {"status": _STATUS.get(found.status, str(found.status))}
    names = (("location", "Location"), ("etag", "ETag"))
    response |= {name: headers[header] for name, header in names if header in headers}
    version = found.stored or found.written
    if version is not None:
        response["lastModified"] = fhir_instant(version.updated)
    reads = entry.request.method == "GET"
    told = reads or bool(entry.request.preference("return"))
    body = found.body_resource() if told else found.resource
    result: dict[str, Any] = {}
    if body is not None and body["resourceType"] == "OperationOutcome" and not reads:
        response["outcome"] = body
    elif body is not None and told:
        result["resource"] = body
        if found.stored is not None:
            result = {"fullUrl": f"{entry.request.base}/{found.stored.path}"} | result
    return result | {"response": response}
