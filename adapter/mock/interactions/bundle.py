"""Batch and transaction (R4 http, "transaction").

A transaction is all or nothing, and its result does not depend on the order of its entries: DELETE, POST, PUT and
PATCH, then GET; references between entries are rewritten first, conditional references resolved after the writes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from adapter.mock.clock import fhir_instant
from adapter.mock.exchange import Answer, Request, parse_query
from adapter.mock.interactions.bundle_entries import ORDER, Entry, entry_of, entry_response, shaped_entries
from adapter.mock.interactions.write import (
    answer,
    check_identity,
    condition_match,
    condition_matches,
    existing,
    found_answer,
    put,
    update_to,
)
from adapter.mock.judge import check_interaction
from adapter.mock.national import check_bundle
from adapter.mock.negotiation import read_resource
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.references import is_conditional, references, rewrite
from adapter.mock.search.request import matches
from adapter.mock.storage import Stored
from adapter.types import Resource

Dispatch = Callable[[Request], Answer]

_NO_ID = ("$", "_")
"""How segments of a URL begin that are no id and no type: operations, `_search`, `_history`."""


def system_post(request: Request, dispatch: Dispatch) -> Answer:
    """`POST` to the base: a Bundle of type batch or transaction."""
    policy = request.world.policy
    bundle = read_resource(request)
    allowed = [one for one in ("batch", "transaction") if one in policy.system]
    if bundle["resourceType"] != "Bundle" or bundle.get("type") not in allowed:
        raise refuse(400, "bundle-type", "Bundle.type", allowed=", ".join(allowed))
    entries = shaped_entries(bundle)
    if policy.bundle_entries and len(entries) > policy.bundle_entries:
        raise refuse(413, "bundle-entries", "Bundle.entry", count=str(len(entries)), limit=str(policy.bundle_entries))
    if bundle["type"] == "batch":
        return Answer(200, _response(request, "batch-response", [_batch(request, one, dispatch) for one in entries]))
    check_bundle(request, bundle)
    found = [entry_of(request, number, one) for number, one in enumerate(entries)]
    with request.world.store.transaction():
        _transaction(found, dispatch)
    return Answer(200, _response(request, "transaction-response", [entry_response(one) for one in found]))


def _batch(request: Request, entry: dict[str, Any], dispatch: Dispatch) -> dict[str, Any]:
    try:
        one = entry_of(request, 0, entry)
        with request.world.store.transaction():
            one.answer = dispatch(one.request)
        return entry_response(one)
    except Refusal as refusal:
        return {"response": {"status": str(refusal.status), "outcome": refusal.operation_outcome(request.language)}}


def _transaction(entries: list[Entry], dispatch: Dispatch) -> None:
    ordered = sorted(entries, key=lambda one: ORDER[one.request.method])
    for one in ordered:
        if one.request.method in ("DELETE", "PUT", "PATCH"):
            _placed(one, _identify)
    _check_unique(entries)
    for one in ordered:
        if one.request.method == "DELETE":
            _placed(one, partial(_run, dispatch=dispatch))
    for one in ordered:
        if one.request.method == "POST":
            _placed(one, _identify_new)
    targets = {
        one.full_url: f"{one.request.path[0]}/{one.identity}" for one in entries if one.full_url and one.identity
    }
    conditional: list[tuple[Entry, Stored]] = []
    for one in ordered:
        if one.request.method in ("POST", "PUT") and one.answer is None:
            _placed(one, partial(_write, targets=targets, conditional=conditional, dispatch=dispatch))
    for one, stored in conditional:
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


def _checked_interaction(entry: Entry) -> str:
    """Return the type whose resources the entry writes, refused unless the policy and the scopes allow it."""
    kind, method = entry.request.path[0], entry.request.method
    interaction = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
    check_interaction(entry.request, kind, interaction)
    return kind


def _identify(entry: Entry) -> None:
    """Find or draw the id of the resource that the entry changes, before anything is written."""
    request, path = entry.request, entry.request.path
    if len(path) not in (1, 2) or path[-1].startswith(_NO_ID):
        return
    kind = _checked_interaction(entry)
    if len(path) == 2:
        entry.changes = [path[1]]
    elif request.method == "DELETE":
        entry.changes = [one.id for one in condition_matches(request, kind, request.query)]
    else:
        found = condition_match(request, kind, request.query)
        own = (entry.resource or {}).get("id")
        if found is not None and own is not None and own != found.id and request.method == "PUT":
            raise refuse(400, "id-differs", f"{kind}.id")
        entry.changes = [found.id] if found is not None else [own or request.world.identities.draw()]
    if request.method != "DELETE":
        entry.identity = entry.changes[0]


def _identify_new(entry: Entry) -> None:
    """Find the resource that a conditional create means, as the deletions left it, or draw an id."""
    request = entry.request
    if len(request.path) != 1 or request.path[0].startswith(_NO_ID):
        return
    kind = _checked_interaction(entry)
    found = existing(request, kind)
    entry.identity = found.id if found is not None else request.world.identities.draw()
    if found is not None:
        entry.answer = found_answer(request, found)


def _check_unique(entries: list[Entry]) -> None:
    """No resource is meant twice: neither by id, nor by a condition, nor by a fullUrl (R4 "transaction", bdl-7)."""
    seen: set[tuple[str, ...]] = set()
    for one in entries:
        kind, place = "".join(one.request.path[:1]), f"Bundle.entry[{one.number}]"
        condition = one.request.headers.get("if-none-exist")
        meant = [
            *(("same-identity", place, (kind, identity)) for identity in one.changes),
            *([("same-identity", f"{place}.request.ifNoneExist", (kind, "?", condition))] if condition else []),
            *([("same-full-url", f"{place}.fullUrl", (one.full_url,))] if one.full_url else []),
        ]
        for key, where, mark in meant:
            if mark in seen:
                raise refuse(400, key, where)
            seen.add(mark)


def _write(entry: Entry, targets: dict[str, str], conditional: list[tuple[Entry, Stored]], dispatch: Dispatch) -> None:
    """Store the entry's resource; when it holds conditional references, it joins `conditional`."""
    request, resource = entry.request, rewrite(entry.resource, _seen_from(entry, targets))
    if not entry.identity:
        request.resource = resource
        entry.answer = dispatch(request)
        return
    kind = request.path[0]
    if resource.get("resourceType") != kind:
        found = str(resource.get("resourceType"))[:40]
        raise refuse(400, "wrong-type", "resourceType", expected=kind, found=found)
    links = list(references(resource))
    _check_links(kind, links)
    if request.method == "POST":
        stored, status = put(request, resource | {"id": entry.identity}, "POST"), 201
    else:
        if len(request.path) == 2:
            check_identity(request, resource, entry.identity)
        stored, status = update_to(request, resource, entry.identity)
    if any(is_conditional(node["reference"]) for node, _ in links):
        conditional.append((entry, stored))
    entry.answer = answer(request, status, stored)


def _seen_from(entry: Entry, targets: dict[str, str]) -> dict[str, str]:
    """Add what relative references of the entry mean: they continue the base of its fullUrl (R4 Bundle)."""
    root, _, _ = entry.full_url.rpartition(f"/{''.join(entry.request.path[:1])}/")
    below = len(root) + 1
    return targets | {url[below:]: one for url, one in targets.items() if root and url.startswith(f"{root}/")}


def _check_links(kind: str, links: list[tuple[dict[str, Any], str]]) -> None:
    """A urn:uuid that is no fullUrl of the Bundle leads nowhere once the Bundle is stored."""
    for node, place in links:
        if node["reference"].startswith(("urn:uuid:", "urn:oid:")):
            raise refuse(400, "broken-reference", f"{kind}.{place}.reference")


def _resolve(entry: Entry, stored: Stored) -> None:
    """Turn conditional references (`Patient?identifier=…`) into plain ones, after all writes."""
    resource = stored.resource
    changed = False
    for node, place in references(resource):
        if not is_conditional(node["reference"]):
            continue
        kind, _, query = node["reference"].partition("?")
        found = matches(entry.request, kind, parse_query(query))
        if len(found) != 1:
            raise refuse(412, "unresolved-reference", f"{stored.type}.{place}.reference", count=str(len(found)))
        node["reference"] = entry.request.world.store.by_sequence(found)[0].path
        changed = True
    if changed:
        fresh = entry.request.world.store.replace(stored, resource, entry.request.base)
        if entry.answer is not None and entry.answer.stored is not None:
            entry.answer.stored = fresh


def _rest(entry: Entry, targets: dict[str, str], dispatch: Dispatch) -> None:
    if entry.resource is not None:
        entry.request.resource = rewrite(entry.resource, targets)
    entry.answer = dispatch(entry.request)


def _response(request: Request, kind: str, entries: list[dict[str, Any]]) -> Resource:
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": request.world.identities.draw(),
        "meta": {"lastUpdated": fhir_instant(request.world.clock.now())},
        "type": kind,
        "link": [{"relation": "self", "url": request.base}],
    }
    return bundle | ({"entry": entries} if entries else {})
