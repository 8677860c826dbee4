"""Operations: `$validate` and `$everything`."""

from __future__ import annotations

from typing import Any

from adapter.mock.access import allowed
from adapter.mock.definitions import patient_compartment
from adapter.mock.exchange import Answer, Request, visible
from adapter.mock.interactions.search import bundle_page, permitted
from adapter.mock.judge import judge
from adapter.mock.negotiation import read_resource
from adapter.mock.outcomes import refuse
from adapter.mock.search.dates import date_range
from adapter.mock.search.pages import Result
from adapter.mock.search.request import DEFAULT_COUNT, Search
from adapter.types import Resource


def validate(request: Request) -> Answer:
    """`$validate` on a type or an instance: 200 with an OperationOutcome, whether valid or not."""
    kind = request.path[0]
    resource, profiles = _validated(request)
    if resource is None:
        stored = request.world.store.current(*request.path[:2]) if len(request.path) == 3 else None
        resource = visible(request, stored) if stored is not None else None
        if resource is None:
            raise refuse(404, "not-found")
    if resource.get("resourceType") != kind:
        raise refuse(400, "wrong-type", "resourceType", expected=kind, found=str(resource.get("resourceType"))[:40])
    outcome = judge(request.world, resource, profiles, strictness="national")
    return Answer(200, outcome.operation_outcome(request.language))


def _validated(request: Request) -> tuple[Resource | None, tuple[str, ...]]:
    """Return the resource to validate and the profiles asked for, from the body or a Parameters resource."""
    profiles = tuple(value for name, value in request.query if name == "profile")
    if not request.body and request.resource is None:
        return None, profiles
    body = request.resource if request.resource is not None else read_resource(request)
    if body["resourceType"] != "Parameters" or request.path[0] == "Parameters":
        return body, profiles
    parts: list[dict[str, Any]] = body.get("parameter", [])
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        raise refuse(400, "not-a-resource", "Parameters.parameter")
    named = [one for one in parts if one.get("name") == "profile"]
    profiles += tuple(
        value for one in named for key, value in one.items() if key.startswith("value") and isinstance(value, str)
    )
    resource = next((one.get("resource") for one in parts if one.get("name") == "resource"), None)
    if resource is not None and not isinstance(resource, dict):
        raise refuse(400, "not-a-resource", "Parameters.parameter")
    return resource, profiles


def everything(request: Request) -> Answer:
    """`Patient/id/$everything` with `_since`, `_type`, `_count`: the patient and the whole compartment."""
    identity, store, values = request.path[1], request.world.store, dict(request.query)
    patient = store.current("Patient", identity)
    if patient is None or patient.body is None:
        raise refuse(404, "not-found")
    wanted = [one for one in values.get("_type", "").split(",") if one]
    names = [f"{kind}.{link}" for kind, links in patient_compartment().items() for link in links]
    marks = ", ".join("?" * len(names))
    rows = store.rows(
        "SELECT DISTINCT r.seq, r.type, r.updated, r.pk FROM index_reference x JOIN resource r ON r.pk = x.pk "
        f"AND r.deleted = 0 WHERE x.type = 'Patient' AND x.id = ? AND x.parameter IN ({marks}) ORDER BY r.pk",
        [identity, *names],
    )
    since = _since(values.get("_since", ""))
    policy = request.world.policy.types
    shown = {kind for _, kind, _, _ in rows if kind in policy and allowed(request, kind, "r")}
    found = [seq for seq, kind, updated, _ in rows if updated >= since and kind in shown]
    kinds = {seq: kind for seq, kind, _, _ in rows}
    sequences = [patient.seq, *(seq for seq in found if seq != patient.seq)]
    sequences = [seq for seq in sequences if not wanted or kinds.get(seq, "Patient") in wanted]
    sequences = permitted(request, sequences)
    if request.gate is not None and not sequences:
        raise refuse(404, "not-found")
    search = Search("Patient", count=int(values["_count"]) if values.get("_count", "").isdigit() else DEFAULT_COUNT)
    context = (search, f"{request.base}/{'/'.join(request.path)}")
    result = Result(sequences, search.count, context, request.client)
    token = request.world.pages.keep(result) if 0 < search.count < len(sequences) else ""
    return Answer(200, bundle_page(request, result, token, 0))


def _since(text: str) -> int:
    if not text:
        return -(2**62)
    try:
        return date_range(text)[0]
    except (ValueError, OverflowError):
        raise refuse(400, "bad-value", parameter="_since", kind="date", hint="2025-03-14T08:00:00+02:00") from None
