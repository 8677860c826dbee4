"""Who calls: tokens of `/v1/token`, scopes, custodians, and how fast a client may call.

Without registered clients the API answers loopback callers only, as the sender `local`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adapter.api.answers import json_answer
from adapter.errors import AdapterError
from adapter.pipeline import Sender
from adapter.security.scopes import covering
from adapter.security.tokens import TokenRefused, TokenServer
from adapter.types import Issue

LARGEST_FORM = 20_000
MOST_FIELDS = 20
SCOPE_TYPE = "Bundle"
"""A vendor's scope is written on Bundle: `system/Bundle.c` hands over, `system/Bundle.rs` looks."""

router = APIRouter(tags=["access"])


class NoAccess(AdapterError):  # noqa: N818
    """No token, or one that does not hold."""

    stage = "access"
    http_status = 401


class NoScope(AdapterError):  # noqa: N818
    """The token lacks the scope."""

    stage = "access"
    http_status = 403


class TooFast(AdapterError):  # noqa: N818
    """The client calls faster than it may.

    Attributes:
        seconds: when it may call again.
    """

    stage = "access"
    http_status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(Issue("error", "api.too-many-requests", {"seconds": str(seconds)}))
        self.seconds = seconds


@dataclass(slots=True)
class Bucket:
    """Tokens of one client: full at `burst`, refilled at `rate` a second."""

    level: float
    at: float


class Pace:
    """Holds every client to `rate` requests a second, with bursts of `burst`."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def check(self, sender: str) -> None:
        """Take one token.

        Raises:
            TooFast: there is none.
        """
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault(sender, Bucket(self._burst, now))
            bucket.level = min(self._burst, bucket.level + (now - bucket.at) * self._rate)
            bucket.at = now
            if bucket.level < 1:
                raise TooFast(max(1, round((1 - bucket.level) / self._rate)))
            bucket.level -= 1


class Access:
    """Decides who calls.

    Args:
        tokens: the token server, or None when no client is registered.
        token_url: its public address.
        pace: limits of each client.
    """

    def __init__(self, tokens: TokenServer | None, token_url: str, pace: Pace) -> None:
        self.tokens = tokens
        self.token_url = token_url
        self._pace = pace

    def sender(self, request: Request, letter: str) -> Sender:
        """Return the caller when it may do what `letter` stands for (`c` hand over, `r` look at, `s` search).

        Raises:
            NoAccess, NoScope, TooFast: see there.
        """
        sender = self._local(request) if self.tokens is None else self._registered(request, letter)
        self._pace.check(sender.id)
        return sender

    def _local(self, request: Request) -> Sender:
        host = request.client.host if request.client else ""
        try:
            local = ip_address(host).is_loopback
        except ValueError:
            local = False
        if not local:
            raise NoAccess(Issue("error", "api.no-access"))
        return Sender("local")

    def _registered(self, request: Request, letter: str) -> Sender:
        assert self.tokens is not None
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise NoAccess(Issue("error", "api.no-access"))
        try:
            access = self.tokens.check(token.strip(), token_url=self.token_url, certificate=_certificate(request))
        except TokenRefused:
            raise NoAccess(Issue("error", "api.no-access")) from None
        if not covering(access.scopes, SCOPE_TYPE, letter):
            raise NoScope(Issue("error", "api.no-scope", {"scope": f"system/{SCOPE_TYPE}.{letter}"}))
        client = access.client
        own = (client.organization["value"],) if client.organization else ()
        return Sender(client.id, frozenset(client.custodians or own))


@router.post("/v1/token", summary="Get an access token (SMART Backend Services)")
async def token(request: Request) -> Response:
    """Exchange a signed client assertion for a token of five minutes."""
    access: Access = request.app.state.access
    no_store = {"Pragma": "no-cache"}
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
    body = await request.body() if kind == "application/x-www-form-urlencoded" else b""
    if access.tokens is None or not body or len(body) > LARGEST_FORM:
        return json_answer({"error": "invalid_request"}, status=400, headers=no_store)
    try:
        fields = dict(parse_qsl(body.decode("ascii", "replace"), max_num_fields=MOST_FIELDS))
    except ValueError:
        return json_answer({"error": "invalid_request"}, status=400, headers=no_store)
    try:
        answer = access.tokens.grant(fields, token_url=access.token_url, certificate=_certificate(request))
    except TokenRefused as refused:
        return json_answer({"error": refused.error}, status=refused.status, headers=no_store)
    return json_answer(answer, headers=no_store)


def _certificate(request: Request) -> str:
    """`x5t#S256` of the client's TLS certificate, put there by the TLS front of the server; empty without mTLS."""
    thumbprint: str = request.scope.get("kykysilta.certificate", "")
    return thumbprint
