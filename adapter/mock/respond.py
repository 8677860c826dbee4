"""From a request to the bytes of its answer: run the interaction, turn refusals into OperationOutcomes, render."""

from __future__ import annotations

import msgspec

from adapter.fhir.xml import to_xml
from adapter.mock.access import PUBLIC, authenticate
from adapter.mock.clock import http_date
from adapter.mock.exchange import Answer, Request, Wire
from adapter.mock.limits import check_rate, check_request_id
from adapter.mock.negotiation import JSON, XML, Format, answer_format
from adapter.mock.outcomes import Refusal, refusal_outcome
from adapter.mock.references import absolute_references
from adapter.mock.routes import dispatch
from adapter.mock.storage import to_json
from adapter.source.identity_code import is_inside
from adapter.types import Issue, operation_outcome


def respond(request: Request) -> Wire:
    """Answer a request; whatever happens, the answer is one of FHIR."""
    wanted = JSON
    try:
        authenticate(request)
        check_rate(request)
        check_request_id(request)
        wanted = answer_format(request) if request.path not in PUBLIC[2:] else JSON
        return _render(request, dispatch(request), wanted)
    except Refusal as refusal:
        return refused(request, refusal, wanted)


def refused(request: Request, refusal: Refusal, wanted: Format = JSON) -> Wire:
    """Return the answer to a refused request as the policy wants it to look."""
    policy = request.world.policy
    empty = refusal.status == 401 and policy.empty_unauthorised
    empty = empty or (policy.empty_unreadable and refusal.issues[0].severity == "fatal")
    outcome = None if empty else refusal_outcome(policy, refusal, request.language)
    status = int(policy.statuses.get(str(refusal.status), refusal.status))
    wire = _render(request, Answer(status, outcome, headers=refusal.headers), wanted)
    wire.refusal = refusal.issues
    return wire


def request_ids(request: Request) -> dict[str, str]:
    """The caller's id comes back; under a national policy as correlation id beside one of our own.

    One that holds an identity code is not repeated: headers end in logs.
    """
    given, drawn = request.headers.get("x-request-id", ""), request.world.identities.draw
    given = "" if is_inside(given) else given
    if not request.world.policy.correlation_ids:
        return {"X-Request-Id": given or drawn()}
    return {"X-Request-Id": drawn()} | ({"X-Correlation-Id": given} if given else {})


def _render(request: Request, answer: Answer, wanted: Format) -> Wire:
    headers = {
        "Date": http_date(request.world.clock.now()),
        **request_ids(request),
        "Cache-Control": "no-store",
        **answer.headers,
    }
    if "ETag" in headers:
        headers["ETag"] = _etag(headers["ETag"], request.world.dialect("etag", "weak"))
    body = _body(request, answer, wanted)
    if body:
        headers.setdefault("Content-Type", wanted.content_type)
    if answer.status not in (204, 304):
        headers["Content-Length"] = str(len(body))
    return Wire(answer.status, headers, b"" if request.method == "HEAD" else body)


def render_outcome(request: Request, answer: Answer, key: str) -> Wire:
    """Return an answer whose body is an OperationOutcome with one message of the catalogue."""
    issues = (Issue("error", key),)
    answer.resource = operation_outcome(issues, request.language)
    wire = _render(request, answer, JSON)
    wire.refusal = issues
    return wire


def _etag(weak: str, dialect: str) -> str:
    strong = weak.removeprefix("W/")
    return {"strong": strong, "unquoted": strong.strip('"')}.get(dialect, weak)


def _body(request: Request, answer: Answer, wanted: Format) -> bytes:
    """The bytes of the answer; a stored version goes out as it lies in the store unless something asks otherwise."""
    absolute = request.world.dialect("references", "relative") == "absolute"
    pretty = bool(request.query) and any(name == "_pretty" and value == "true" for name, value in request.query)
    if answer.resource is None and wanted is JSON and not absolute and not pretty:
        return answer.stored.body or b"" if answer.stored is not None else b""
    resource = answer.body_resource()
    if resource is None:
        return b""
    if absolute:
        resource = absolute_references(resource, request.base)
    if wanted is XML:
        return to_xml(resource)
    body = to_json(resource)
    return msgspec.json.format(body, indent=2) if pretty else body


def failure(request: Request) -> Wire:
    """The answer when the endpoint itself failed."""
    return render_outcome(request, Answer(500), "mock.failed")
