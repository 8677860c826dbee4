"""Patch: JSON Patch (RFC 6902) and FHIRPath Patch; what does not apply or makes an invalid resource changes nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial

from adapter.errors import SourceError
from adapter.mock.exchange import Answer, Request, visible, was_visible
from adapter.mock.interactions.write import answer, check_version, condition_match, put
from adapter.mock.negotiation import JSON_PATCH, JSON_TYPE, XML_TYPE, media_type, read_resource
from adapter.mock.outcomes import Refusal, refuse
from adapter.mock.patch.fhirpath_patch import apply_fhirpath_patch
from adapter.mock.patch.json_patch import PatchError, apply_json_patch
from adapter.mock.storage import Stored
from adapter.source.json import read_json
from adapter.types import Json, Resource


def patch(request: Request) -> Answer:
    """`PATCH Type/id` and `PATCH Type?…`."""
    change = _change(request)
    with request.world.store.transaction():
        current = _target(request)
        check_version(request, current)
        try:
            after = change(current.resource)
        except PatchError as error:
            raise refuse(422, "patch-fails", index=str(error.index), problem=error.problem) from None
        if not isinstance(after, dict) or after.get("resourceType") != current.type or after.get("id") != current.id:
            raise refuse(422, "patch-fails", index="0", problem="resourceType and id must stay")
        stored = put(request, after, "PATCH")
    return answer(request, 200, stored)


def _target(request: Request) -> Stored:
    if len(request.path) == 2:
        current = request.world.store.current(request.path[0], request.path[1])
        if current is not None and current.body is None and was_visible(request, current):
            raise refuse(410, "deleted")
    else:
        current = condition_match(request, request.path[0], request.query)
    if current is None or visible(request, current) is None:
        raise refuse(404, "not-found")
    return current


def _change(request: Request) -> Callable[[Resource], Json]:
    """Return the change as a function of the resource; an entry of a Bundle holds it as Parameters or Binary."""
    if request.resource is not None and request.resource.get("resourceType") == "Binary":
        if request.resource.get("contentType") != JSON_PATCH:
            raise refuse(415, "unsupported-media", allowed=JSON_PATCH)
        return _json_patch(base64.b64decode(request.resource.get("data", "")))
    if request.resource is None and media_type(request) == JSON_PATCH:
        return _json_patch(request.body)
    if request.resource is None and media_type(request) not in (JSON_TYPE, XML_TYPE):
        raise refuse(415, "unsupported-media", allowed=f"{JSON_PATCH}, {JSON_TYPE} (Parameters)")
    parameters = request.resource if request.resource is not None else read_resource(request)
    if parameters["resourceType"] != "Parameters":
        raise refuse(400, "patch-malformed", problem="a FHIRPath Patch is a Parameters resource")
    return partial(apply_fhirpath_patch, parameters=parameters)


def _json_patch(body: bytes) -> Callable[[Resource], Json]:
    try:
        found = read_json(body)
    except SourceError as error:
        raise Refusal(400, error.issues) from None
    if not isinstance(found, list):
        raise refuse(400, "patch-malformed", problem="a JSON array of operations is expected")
    return partial(apply_json_patch, operations=found)
