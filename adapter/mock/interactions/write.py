"""Create, update and delete, with their conditional forms (R4 http)."""

from __future__ import annotations

import re

from adapter.mock.access import check_inside
from adapter.mock.exchange import Answer, Query, Request, location, parse_query, version_headers
from adapter.mock.interactions.read import etag_versions
from adapter.mock.judge import check_resource
from adapter.mock.national import check_alone
from adapter.mock.negotiation import read_resource
from adapter.mock.non_disclosure import asks_for_contacts
from adapter.mock.outcomes import refuse
from adapter.mock.references import is_conditional, references
from adapter.mock.search.request import matches
from adapter.mock.storage import Stored
from adapter.types import Resource, operation_outcome

ID = re.compile(r"^(?!\.\.?$)[A-Za-z0-9\-.]{1,64}$")
"""FHIR `id`, but for the two that mean a folder in a path."""


def create(request: Request) -> Answer:
    """`POST Type`, with `If-None-Exist` as a conditional create: search and insert are one transaction."""
    kind = request.path[0]
    if request.query and request.world.strictness == "strict":
        raise refuse(400, "post-with-parameters")
    resource = body_of(request, kind)
    with request.world.store.transaction():
        if (found := existing(request, kind)) is not None:
            return found_answer(request, found)
        identity = request.world.identities.draw()
        stored = put(request, resource | {"id": identity}, "POST")
    return answer(request, 201, stored)


def update(request: Request) -> Answer:
    """`PUT Type/id` and the five rows of `PUT Type?…`."""
    kind = request.path[0]
    resource = body_of(request, kind)
    with request.world.store.transaction():
        if len(request.path) == 2:
            identity = request.path[1]
            check_identity(request, resource, identity)
        else:
            identity = _conditional_identity(request, kind, resource)
        stored, status = update_to(request, resource, identity)
    return answer(request, status, stored)


def _conditional_identity(request: Request, kind: str, resource: Resource) -> str:
    found = condition_match(request, kind, request.query)
    own = resource.get("id")
    if found is None:
        return own if own is not None else request.world.identities.draw()
    if own is not None and own != found.id:
        raise refuse(400, "id-differs", f"{kind}.id")
    return found.id


def check_identity(request: Request, resource: Resource, identity: str) -> None:
    """Refuse an update whose body has no id or another one (400), or that creates where the policy does not (405)."""
    kind = resource["resourceType"]
    if resource.get("id") != identity:
        raise refuse(400, "id-differs" if "id" in resource else "id-missing", f"{kind}.id")
    if not request.world.policy.update_create and request.world.store.current(kind, identity) is None:
        raise refuse(405, "not-found")


def update_to(request: Request, resource: Resource, identity: str) -> tuple[Stored, int]:
    """Store `resource` as the next version of `identity`; 201 beside it when the id was unused or deleted, else 200."""
    kind = resource["resourceType"]
    if not ID.match(identity):
        raise refuse(400, "bad-id", f"{kind}.id")
    current = request.world.store.current(kind, identity)
    check_version(request, current)
    stored = put(request, resource | {"id": identity}, "PUT")
    return stored, 201 if current is None or current.body is None else 200


def delete(request: Request) -> Answer:
    """`DELETE Type/id` and `DELETE Type?…`; deleting what is not there is no error."""
    kind, store = request.path[0], request.world.store
    headers: dict[str, str] = {}
    with store.transaction():
        if len(request.path) == 2:
            current = store.current(kind, request.path[1])
            check_version(request, current)
            found = [current] if current is not None and current.body is not None else []
        else:
            found = condition_matches(request, kind, request.query)
            if len(found) > 1 and request.world.policy.conditional_delete == "single":
                raise refuse(412, "many-matches", count=str(len(found)))
        for one in found:
            check_inside(request, "d", one)
            stored = store.delete(kind, one.id, request.world.clock.now())
            headers = {"ETag": stored.etag} if len(found) == 1 else {}
    if request.world.dialect("delete", "204") == "200" or request.preference("return") == "OperationOutcome":
        return Answer(200, operation_outcome([], request.language), headers=headers)
    return Answer(204, headers=headers)


def body_of(request: Request, kind: str) -> Resource:
    """Return the request's resource; its type must be the one of the URL."""
    resource = request.resource if request.resource is not None else read_resource(request)
    found = resource.get("resourceType")
    if found != kind:
        raise refuse(400, "wrong-type", "resourceType", expected=kind, found=str(found)[:40])
    if request.in_bundle or b"?" in request.body:
        _check_literal(resource)
    return resource


def _check_literal(resource: Resource) -> None:
    """Refuse a conditional reference: only a transaction resolves one (R4 "transaction")."""
    for node, place in references(resource):
        if is_conditional(node["reference"]):
            raise refuse(400, "conditional-reference", f"{resource['resourceType']}.{place}.reference")


def put(request: Request, resource: Resource, method: str) -> Stored:
    """Check a resource and store it as the next version."""
    check_alone(request, resource["resourceType"])
    check_resource(request, resource)
    world = request.world
    before = world.store.current(resource["resourceType"], resource["id"]) if request.gate is not None else None
    check_inside(request, "u", before)
    stored = world.store.put(resource, method, world.clock.now(), request.base)
    check_inside(request, "c" if method == "POST" else "u", stored)
    return stored


def existing(request: Request, kind: str) -> Stored | None:
    """Return the resource that `If-None-Exist` finds, None when it finds none or is not there.

    Clients send its parameters alone, and also the full forms `?…`, `Type?…` and `[base]/Type?…`.
    """
    text = request.headers.get("if-none-exist")
    if text is None:
        return None
    head, mark, tail = text.partition("?")
    full = mark and head in ("", kind, f"{request.base}/{kind}")
    return condition_match(request, kind, parse_query(tail if full else text))


def found_answer(request: Request, found: Stored) -> Answer:
    """Return the answer to a conditional create that found what it would have created."""
    return answer(request, 200, found, version_headers(found) | {"Location": location(request, found)})


def condition_matches(request: Request, kind: str, query: Query) -> list[Stored]:
    """Return the resources that a condition finds.

    Raises:
        Refusal: 400 an unknown parameter, 412 no criterion at all.
    """
    found = request.world.store.by_sequence(matches(request, kind, query))
    return [one for one in found if _met(request, one, query)]


def condition_match(request: Request, kind: str, query: Query) -> Stored | None:
    """Return the one resource that a condition finds, None when there is none.

    Raises:
        Refusal: 412 when there are several.
    """
    found = condition_matches(request, kind, query)
    if len(found) > 1:
        raise refuse(412, "many-matches", count=str(len(found)))
    return found[0] if found else None


def _met(request: Request, stored: Stored, query: Query) -> bool:
    """Say whether a condition may find a version: who creates names the client, who changes must see it."""
    gate = request.gate
    if gate is None:
        return True
    if request.method == "POST":
        return not (asks_for_contacts(query) and gate.protects(stored))
    return gate.show(stored) is not None


def check_version(request: Request, current: Stored | None) -> None:
    """Honour If-Match (412) and `If-None-Match: *`; demand If-Match where the policy does."""
    world = request.world
    condition = request.headers.get("if-match")
    exists = current is not None and current.body is not None
    if condition is None:
        if exists and world.policy.if_match == "required" and request.method in ("PUT", "PATCH"):
            raise refuse(400, "if-match-required")
    elif condition.strip() != "*" or not exists:
        version = str(current.version) if current is not None else "0"
        if version not in etag_versions(condition) or not exists:
            raise refuse(int(world.dialect("version-conflict", "412")), "version-conflict", version=version)
    if exists and request.headers.get("if-none-match", "").strip() == "*":
        raise refuse(412, "exists-already")


def answer(request: Request, status: int, stored: Stored, headers: dict[str, str] | None = None) -> Answer:
    """Return the answer to a write as `Prefer: return=` wants it."""
    found = headers if headers is not None else version_headers(stored)
    if status == 201:
        found["Location"] = location(request, stored)
    preference = request.preference("return")
    if preference:
        found["Preference-Applied"] = f"return={preference}"
    if preference == "minimal" or (not preference and request.world.dialect("representation", "yes") == "no"):
        return Answer(status, headers=found, written=stored)
    if preference == "OperationOutcome":
        return Answer(status, operation_outcome([], request.language), headers=found, written=stored)
    if request.gate is not None:
        return Answer(status, request.gate.show(stored), headers=found, written=stored)
    return Answer(status, stored=stored, headers=found)
