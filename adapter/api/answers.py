"""What the API says: language and form of answers and errors, chosen by the caller's headers."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from adapter.errors import AdapterError
from adapter.fhir.canonical import dumps
from adapter.i18n import LANGUAGES
from adapter.types import Issue, operation_outcome

FHIR_JSON = "application/fhir+json"
PROBLEM_JSON = "application/problem+json"


def language_of(request: Request) -> str:
    """Return the first of fi, sv, en that `Accept-Language` names, by its weights; English when none."""
    wanted = []
    for position, part in enumerate(request.headers.get("Accept-Language", "").split(",")[:20]):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        wanted.append((-weight, position, name.partition("-")[0].lower()))
    return next((name for _, _, name in sorted(wanted) if name in LANGUAGES), "en")


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON with decimals as they are and never cached."""
    return Response(
        dumps(content), status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json"
    )


def error_answer(request: Request, error: AdapterError) -> Response:
    """Return an error as OperationOutcome, or as problem details (RFC 9457) when the caller accepts only those."""
    language = language_of(request)
    headers = {"Cache-Control": "no-store", "Content-Language": language}
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.http_status == 405:
        headers["Allow"] = getattr(error, "allowed", "")
    if error.http_status == 408:
        headers["Connection"] = "close"
    seconds = getattr(error, "seconds", None)
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    if PROBLEM_JSON in request.headers.get("Accept", ""):
        problem = {
            "type": f"urn:kykysilta:stage:{error.stage}",
            "title": error.issues[0].text(language) if error.issues else error.stage,
            "status": error.http_status,
            "issues": [issue.as_fhir(language) for issue in error.issues],
        }
        return Response(dumps(problem), error.http_status, headers, media_type=PROBLEM_JSON)
    return Response(dumps(error.operation_outcome(language)), error.http_status, headers, media_type=FHIR_JSON)


def outcome(issues: tuple[Issue, ...], request: Request) -> dict[str, Any]:
    """Return the issues as an OperationOutcome in the caller's language."""
    return operation_outcome(issues, language_of(request))
