"""From a request to the bytes of its answer: run the interaction, turn refusals into OperationOutcomes, render."""

from __future__ import annotations

from adapter.mock.access import PUBLIC, authenticate
from adapter.mock.clock import http_date
from adapter.mock.exchange import Answer, Request, Wire
from adapter.mock.negotiation import JSON, Format, answer_format
from adapter.mock.outcomes import Refusal
from adapter.mock.routes import dispatch
from adapter.mock.storage import to_json
from adapter.types import Issue, operation_outcome


def respond(request: Request) -> Wire:
    """Answer a request; whatever happens, the answer is one of FHIR."""
    wanted = JSON
    issues: tuple[Issue, ...] = ()
    try:
        authenticate(request)
        wanted = answer_format(request) if request.path not in PUBLIC[2:] else JSON
        answer = dispatch(request)
    except Refusal as refusal:
        empty = refusal.status == 401 and request.world.policy.empty_unauthorised
        outcome = None if empty else operation_outcome(refusal.issues, request.language)
        answer, issues = Answer(refusal.status, outcome, headers=refusal.headers), refusal.issues
    wire = _render(request, answer, wanted)
    wire.refusal = issues
    return wire


def _render(request: Request, answer: Answer, wanted: Format) -> Wire:
    headers = {
        "Date": http_date(request.world.clock.now()),
        "X-Request-Id": request.headers.get("x-request-id") or request.world.identities.draw(),
        "Cache-Control": "no-store",
        **answer.headers,
    }
    body = answer.stored.body or b"" if answer.stored is not None else b""
    if answer.resource is not None:
        body = to_json(answer.resource)
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


def failure(request: Request) -> Wire:
    """The answer when the endpoint itself failed."""
    return render_outcome(request, Answer(500), "mock.failed")
