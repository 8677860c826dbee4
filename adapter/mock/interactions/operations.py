"""Operations: `$validate` and `$everything`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapter.mock.access import allowed
from adapter.mock.definitions import patient_compartment
from adapter.mock.exchange import Answer, Request, visible
from adapter.mock.interactions.search import bundle_page, permitted
from adapter.mock.interactions.write import check_identity
from adapter.mock.judge import check_interaction, check_policy, judge
from adapter.mock.negotiation import read_resource
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.search.dates import date_range
from adapter.mock.search.pages import Result
from adapter.mock.search.request import DEFAULT_COUNT, Search, choice, whole_number
from adapter.types import Issue, Outcome, Resource, operation_outcome

WRITES = ("create", "update", "delete")
"""Values of the parameter `mode` that name an interaction."""

CARE_DATES = ("start", "end")
"""Parameters of `$everything` that ask for a time of care: to ignore them would answer another question."""


def validate(request: Request) -> Answer:
    """`$validate` on a type or an instance: 200 with an OperationOutcome, whether valid or not."""
    kind = request.path[0]
    given = _parameters(request)
    mode = choice("mode", given.values.get("mode", [""])[0], ("", "profile", *WRITES))
    if mode == "delete":
        return Answer(200, operation_outcome(_refused(request, mode), request.language))
    resource = given.resource
    if resource is None:
        stored = request.world.store.current(*request.path[:2]) if len(request.path) == 3 else None
        resource = visible(request, stored) if stored is not None else None
        if resource is None:
            raise refuse(404, "not-found")
    if resource.get("resourceType") != kind:
        raise refuse(400, "wrong-type", "resourceType", expected=kind, found=str(resource.get("resourceType"))[:40])
    outcome = judge(request.world, resource, tuple(given.values.get("profile", ())), strictness="national")
    if mode in WRITES:
        outcome = Outcome((*outcome.issues, *_refused(request, mode, resource)))
    return Answer(200, outcome.operation_outcome(request.language))


def _refused(request: Request, mode: str, resource: Resource | None = None) -> tuple[Issue, ...]:
    """What beside its content would refuse the interaction that `mode` names: policy, scopes, ids (R4 "$validate")."""
    try:
        check_interaction(request, request.path[0], mode)
        if resource is not None:
            check_policy(request, resource)
        if mode == "update" and resource is not None and len(request.path) == 3:
            check_identity(request, resource, request.path[1])
    except Refusal as refusal:
        return refusal.issues
    return ()


@dataclass(frozen=True, slots=True)
class _Given:
    """What an operation is called with: parameters of the URL and of a Parameters resource, and a resource."""

    values: dict[str, list[str]]
    resource: Resource | None = None


def _parameters(request: Request) -> _Given:
    """Return what the operation is called with; a body that is no Parameters is the resource itself."""
    values: dict[str, list[str]] = {}
    for name, value in request.query:
        values.setdefault(name, []).append(value)
    if not request.body and request.resource is None:
        return _Given(values)
    body = request.resource if request.resource is not None else read_resource(request)
    if body["resourceType"] != "Parameters" or request.path[0] == "Parameters":
        return _Given(values, body)
    parts: list[dict[str, Any]] = body.get("parameter", [])
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        raise refuse(400, "not-a-resource", "Parameters.parameter")
    for part in parts:
        found = (str(value) for key, value in part.items() if key.startswith("value"))
        values.setdefault(str(part.get("name")), []).extend(found)
    resource = next((one.get("resource") for one in parts if one.get("name") == "resource"), None)
    if resource is not None and not isinstance(resource, dict):
        raise refuse(400, "not-a-resource", "Parameters.parameter")
    return _Given(values, resource)


def everything(request: Request) -> Answer:
    """`Patient/id/$everything` with `_since`, `_type`, `_count`: the patient and the whole compartment."""
    identity, store, values = request.path[1], request.world.store, _parameters(request).values
    for name in CARE_DATES:
        if name in values:
            raise refuse(400, "not-offered", parameter=name)
    patient = store.current("Patient", identity)
    if patient is None or patient.body is None:
        raise refuse(404, "not-found")
    wanted = [one for value in values.get("_type", []) for one in value.split(",") if one]
    names = [f"{kind}.{link}" for kind, links in patient_compartment().items() for link in links]
    marks = ", ".join("?" * len(names))
    rows = store.rows(
        "SELECT DISTINCT r.seq, r.type, r.updated, r.pk FROM index_reference x JOIN resource r ON r.pk = x.pk "
        f"AND r.deleted = 0 WHERE x.type = 'Patient' AND x.id = ? AND x.parameter IN ({marks}) ORDER BY r.pk",
        [identity, *names],
    )
    since = _since(values.get("_since", [""])[0])
    policy = request.world.policy.types
    shown = {kind for _, kind, _, _ in rows if kind in policy and allowed(request, kind, "r")}
    found = [seq for seq, kind, updated, _ in rows if updated >= since and kind in shown]
    kinds = {seq: kind for seq, kind, _, _ in rows}
    sequences = [patient.seq, *(seq for seq in found if seq != patient.seq)]
    sequences = [seq for seq in sequences if not wanted or kinds.get(seq, "Patient") in wanted]
    sequences = permitted(request, sequences)
    if request.gate is not None and not sequences:
        raise refuse(404, "not-found")
    search = Search("Patient", count=whole_number("_count", values.get("_count", [str(DEFAULT_COUNT)])[0]))
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
