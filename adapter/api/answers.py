"""What the API says: language and form of answers and errors, chosen by the caller's headers."""

from __future__ import annotations

from contextlib import suppress
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
    weights = _weights(request, "Accept-Language")
    wanted = (name.partition("-")[0] for name in sorted(weights, key=weights.__getitem__, reverse=True))
    return next((name for name in wanted if name in LANGUAGES), "en")


def accepts(request: Request, media_type: str) -> bool:
    """Say whether `Accept` names a media type itself, and nothing that the API answers by default weighs more."""
    weights = _weights(request, "Accept")
    return weights.get(media_type, 0.0) > 0 and weights[media_type] >= weights.get(FHIR_JSON, 0.0)


def _weights(request: Request, header: str) -> dict[str, float]:
    """Return what a header names, with its weight, in its order; weight 0 means not wanted (RFC 9110 §12.4.2)."""
    weights: dict[str, float] = {}
    for part in request.headers.get(header, "").split(",")[:20]:
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((each.removeprefix("q=") for each in parameters if each.startswith("q=")), "1")
        with suppress(ValueError):
            weight = float(quality)
            if 0 < weight <= 1:
                weights.setdefault(name, weight)
    return weights


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return JSON with decimals as they are and never cached."""
    return Response(
        dumps(content), status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json"
    )


def error_answer(request: Request, error: AdapterError) -> Response:
    """Return an error as OperationOutcome, or as problem details (RFC 9457) when the caller asks for those."""
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
    media_type, content = (
        (PROBLEM_JSON, _problem(error, language))
        if accepts(request, PROBLEM_JSON)
        else (FHIR_JSON, error.operation_outcome(language))
    )
    return Response(dumps(content), error.http_status, headers, media_type=media_type)


def refused_line(request: Request, error: AdapterError) -> dict[str, Any]:
    """Return what a line of a batch says of an error: `outcome`, or `problem` where a single request gets that."""
    language = language_of(request)
    if accepts(request, PROBLEM_JSON):
        return {"problem": _problem(error, language)}
    return {"outcome": error.operation_outcome(language)}


def _problem(error: AdapterError, language: str) -> dict[str, Any]:
    return {
        "type": f"urn:kykysilta:stage:{error.stage}",
        "title": error.issues[0].text(language) if error.issues else error.stage,
        "status": error.http_status,
        "issues": [issue.as_fhir(language) for issue in error.issues],
    }


def outcome(issues: tuple[Issue, ...], request: Request) -> dict[str, Any]:
    """Return the issues as an OperationOutcome in the caller's language."""
    return operation_outcome(issues, language_of(request))
