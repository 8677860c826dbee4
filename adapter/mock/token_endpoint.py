"""The token endpoint beside each FHIR base: form in, JSON out, nothing that tells which clients exist."""

from __future__ import annotations

import asyncio

import jwt

from adapter.mock.clock import http_date
from adapter.mock.exchange import Request, Wire, parse_query
from adapter.mock.faults import Effect
from adapter.mock.guard import Guard, token_url
from adapter.mock.limits import WRONG_ASSERTIONS
from adapter.mock.respond import request_ids
from adapter.mock.storage import to_json
from adapter.security.assertions import AssertionRefused, client_of
from adapter.security.tokens import TokenRefused

FORM = "application/x-www-form-urlencoded"
INTROSPECT = ("oauth", "introspect")
"""Path of the introspection endpoint (RFC 7662), beside the FHIR base."""

DESCRIPTIONS = {
    "invalid_request": "The request lacks a field, repeats one, or is no form.",
    "invalid_client": "The client could not be authenticated.",
    "invalid_grant": "The grant is not valid.",
    "unauthorized_client": "The client may not use this grant.",
    "unsupported_grant_type": "Only client_credentials is offered.",
    "invalid_scope": "None of the scopes asked for can be granted.",
    "temporarily_unavailable": "Try again later.",
}
"""`error_description` by error: the same whatever the cause, so that nothing tells which clients exist."""


async def token_answer(request: Request) -> Wire:
    """Answer `POST /oauth/token` (RFC 6749 §5, rules T1–T14) or `/oauth/introspect` (rule R7).

    Keys are fetched outside the event loop.
    """
    guard = request.world.guard
    if guard is None:
        return _error(request, 404, "invalid_request")
    if request.method != "POST":
        return _error(request, 405, "invalid_request", {"Allow": "POST"})
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        return _error(request, 400, "invalid_request")
    fields = parse_query(request.body.decode("utf-8", "replace"))
    form = dict(fields)
    if len(form) < len(fields):
        return _error(request, 400, "invalid_request")
    if request.path == INTROSPECT:
        return _introspection(request, guard, form.get("token", ""))
    return await _grant(request, guard, form)


async def _grant(request: Request, guard: Guard, form: dict[str, str]) -> Wire:
    """Grant a token; a client that keeps failing is slowed down (rule T14)."""
    claimed, now = _claimed(form), request.world.clock.now().timestamp()
    if wait := guard.failures.wait(claimed, WRONG_ASSERTIONS, now):
        return _error(request, 429, "temporarily_unavailable", {"Retry-After": str(wait)})
    try:
        granted = await asyncio.to_thread(guard.grant, form, token_url(request.base), request.certificate)
    except TokenRefused as refused:
        guard.failures.add(claimed, now)
        return _error(request, refused.status, refused.error)
    return _wire(request, 200, granted)


def _claimed(form: dict[str, str]) -> str:
    """The client id that an assertion claims, unproven; empty when it claims none."""
    try:
        return client_of(form.get("client_assertion", ""))
    except AssertionRefused:
        return ""


def token_fault(request: Request, effect: Effect) -> Wire:
    """Return what the token endpoint says when a fault keeps it from granting anything.

    A key set that cannot be fetched or no longer holds the key looks the same outside: the client is not known.
    """
    error = effect.error if effect.kind == "oauth-error" else "invalid_client"
    status = {"invalid_client": 401, "temporarily_unavailable": 503}.get(error, 400)
    return _error(request, status, error, {"Retry-After": effect.retry_after} if effect.retry_after else None)


def _error(request: Request, status: int, error: str, more: dict[str, str] | None = None) -> Wire:
    return _wire(request, status, {"error": error, "error_description": DESCRIPTIONS[error]}, more)


def _introspection(request: Request, guard: Guard, token: str) -> Wire:
    """Tell a client that shows a good token of its own what another token is worth."""
    scheme, _, own = request.headers.get("authorization", "").partition(" ")
    url = token_url(request.base)
    try:
        if scheme.lower() != "bearer":
            raise TokenRefused(401, "invalid_token")
        guard.tokens.check(own, token_url=url, certificate=request.certificate)
    except TokenRefused as refused:
        return _wire(request, 401, {"error": refused.error}, {"WWW-Authenticate": "Bearer"})
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        bound = claims.get("cnf", {})
        guard.tokens.check(token, token_url=url, certificate=bound.get("x5t#S256", ""))
    except (TokenRefused, jwt.PyJWTError):
        return _wire(request, 200, {"active": False})
    told = {"client_id": claims["sub"]} | {
        name: claims[name] for name in ("scope", "exp", "iat", "cnf") if name in claims
    }
    return _wire(request, 200, {"active": True, **told})


def _wire(request: Request, status: int, body: dict[str, object], more: dict[str, str] | None = None) -> Wire:
    content = to_json(body)
    headers = {
        "Date": http_date(request.world.clock.now()),
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Cache-Control": "no-store",
        "Pragma": "no-cache",
        **request_ids(request),
        **(more or {}),
    }
    return Wire(status, headers, content)
