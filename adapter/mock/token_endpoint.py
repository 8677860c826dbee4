"""The token endpoint beside each FHIR base: form in, JSON out, nothing that tells which clients exist."""

from __future__ import annotations

import asyncio

import jwt

from adapter.mock.clock import http_date
from adapter.mock.exchange import Request, Wire, parse_query
from adapter.mock.guard import Guard, token_url
from adapter.mock.storage import to_json
from adapter.security.tokens import TokenRefused

FORM = "application/x-www-form-urlencoded"
INTROSPECT = ("oauth", "introspect")
"""Path of the introspection endpoint (RFC 7662), beside the FHIR base."""


async def token_answer(request: Request) -> Wire:
    """Answer `POST /oauth/token` (RFC 6749 §5, rules T1–T14) or `/oauth/introspect` (rule R7).

    Keys are fetched outside the event loop.
    """
    guard = request.world.guard
    if guard is None:
        return _wire(request, 404, {"error": "invalid_request"})
    if request.method != "POST":
        return _wire(request, 405, {"error": "invalid_request"}, {"Allow": "POST"})
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        return _wire(request, 400, {"error": "invalid_request"})
    form = dict(parse_query(request.body.decode("utf-8", "replace")))
    if request.path == INTROSPECT:
        return _introspection(request, guard, form.get("token", ""))
    try:
        granted = await asyncio.to_thread(guard.grant, form, token_url(request.base), request.certificate)
    except TokenRefused as refused:
        return _wire(request, refused.status, {"error": refused.error})
    return _wire(request, 200, granted)


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
        **(more or {}),
    }
    return Wire(status, headers, content)
