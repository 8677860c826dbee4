"""Who calls: tokens of `/v1/token`, scopes, custodians, and how fast a client may call.

Without registered clients – in a demo – the API answers programs on this machine only, as the sender `local`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from adapter.api.answers import json_answer
from adapter.api.bodies import TooLarge, read_body
from adapter.api.pace import Pace
from adapter.api.refusals import NotFound
from adapter.errors import AdapterError
from adapter.events import Event, log
from adapter.pipeline import Line, Sender
from adapter.security.assertions import ALGORITHMS
from adapter.security.connections import peer_thumbprint
from adapter.security.scopes import covering
from adapter.security.tokens import TokenRefused, TokenServer
from adapter.types import Issue

LARGEST_FORM = 20_000
MOST_FIELDS = 20
TOKENS_A_SECOND = 20.0
TOKEN_BURST = 300.0
LOCAL_NAME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
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


class Access:
    """Decides who calls.

    Args:
        tokens: the token server, or None when no client is registered.
        token_url: its public address.
        pace: limits of each client.
        operators: networks from which metrics and status page may be read.
    """

    def __init__(
        self,
        tokens: TokenServer | None,
        token_url: str,
        pace: Pace,
        *,
        operators: Sequence[IPv4Network | IPv6Network] = LOOPBACK,
    ) -> None:
        self.tokens = tokens
        self.token_url = token_url
        self._pace = pace
        self._operators = tuple(operators)
        self.token_pace = Pace(TOKENS_A_SECOND, TOKEN_BURST, time.monotonic)

    def sender(self, request: Request, letter: str) -> Sender:
        """Return the caller when it may do what `letter` stands for (`c` hand over, `r` look at, `s` search).

        Raises:
            NoAccess, NoScope, TooFast: see there.
        """
        sender = self._local(request) if self.tokens is None else self._registered(request, letter)
        self._pace.check(sender.id)
        return sender

    def operator(self, request: Request) -> None:
        """Let only the operator's networks through; for others the page does not exist.

        Raises:
            NotFound: the caller is elsewhere.
        """
        address = _address(request)
        if address is None or not any(address in network for network in self._operators):
            raise NotFound(Issue("error", "api.no-such-address"))

    def _local(self, request: Request) -> Sender:
        """Only a program on this machine: no page in a browser (`Origin`), no name that only points here (`Host`)."""
        address = _address(request)
        named_here = LOCAL_NAME.fullmatch(request.headers.get("Host", ""))
        if address is None or not address.is_loopback or not named_here or "Origin" in request.headers:
            raise NoAccess(Issue("error", "api.no-access"))
        return Sender("local")

    def _registered(self, request: Request, letter: str) -> Sender:
        assert self.tokens is not None
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise NoAccess(Issue("error", "api.no-access"))
        thumbprint = peer_thumbprint(request.scope)
        try:
            access = self.tokens.check(token.strip(), token_url=self.token_url, certificate=thumbprint)
        except TokenRefused:
            raise NoAccess(Issue("error", "api.no-access")) from None
        if not covering(access.scopes, SCOPE_TYPE, letter):
            raise NoScope(Issue("error", "api.no-scope", {"scope": f"system/{SCOPE_TYPE}.{letter}"}))
        return Sender(access.client.id, frozenset(access.client.custodians))


def line_of(request: Request) -> Line:
    """Return the straight line of this application."""
    line: Line = request.app.state.line
    return line


def sender_of(request: Request, letter: str) -> Sender:
    """Return the calling system, when it may do what `letter` stands for (see `Access.sender`)."""
    access: Access = request.app.state.access
    return access.sender(request, letter)


@router.get("/v1/.well-known/smart-configuration", summary="Where and how to get a token")
async def discovery(request: Request) -> Response:
    """Return the SMART configuration: address of the token endpoint and what it understands."""
    access: Access = request.app.state.access
    return json_answer(
        {
            "token_endpoint": access.token_url,
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "self_signed_tls_client_auth"],
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            "tls_client_certificate_bound_access_tokens": True,
            "scopes_supported": [f"system/{SCOPE_TYPE}.crs"],
            "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        }
    )


@router.post("/v1/token", summary="Get an access token (SMART Backend Services)")
async def token(request: Request) -> Response:
    """Exchange a signed client assertion, or a registered TLS certificate, for a token of five minutes."""
    access: Access = request.app.state.access
    access.token_pace.check(str(_address(request)))
    no_store = {"Pragma": "no-cache"}
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        body = await read_body(request, LARGEST_FORM) if kind == "application/x-www-form-urlencoded" else b""
    except TooLarge:
        body = b""
    if access.tokens is None or not body:
        return json_answer({"error": "invalid_request"}, status=400, headers=no_store)
    try:
        fields = dict(parse_qsl(body.decode("ascii", "replace"), max_num_fields=MOST_FIELDS))
    except ValueError:
        return json_answer({"error": "invalid_request"}, status=400, headers=no_store)
    thumbprint = peer_thumbprint(request.scope)
    try:
        answer = await run_in_threadpool(
            access.tokens.grant, fields, token_url=access.token_url, certificate=thumbprint
        )
    except TokenRefused as refused:
        log(Event.TOKEN_REFUSED, client=refused.client, cause=refused.cause)
        return json_answer({"error": refused.error}, status=refused.status, headers=no_store)
    return json_answer(answer, headers=no_store)


def _address(request: Request) -> IPv4Address | IPv6Address | None:
    """The caller's address; None when there is none, as in process."""
    return _parsed(request.client.host) if request.client else None


@lru_cache(maxsize=1024)
def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
