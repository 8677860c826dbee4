"""The token server of one namespace: SMART Backend Services over the endpoint's own clock, with mTLS when asked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapter.mock.clock import Clock
from adapter.mock.exchange import Request
from adapter.mock.limits import Window
from adapter.mock.settings import ClientSettings
from adapter.security.clients import Client, KeyDirectory
from adapter.security.keys import KeyProblem, KeySet, read_key_set
from adapter.security.tokens import TokenServer

SCOPES = "system/*.cruds"


class Guard:
    """Registered clients and the tokens given to them.

    Args:
        clients: registered systems.
        clock: the namespace's clock: tokens and assertions expire by it.
        secret: what signs the tokens; differs for every namespace.
        draw: gives the ids of tokens.

    Raises:
        KeyProblem: an inline key set cannot be used.
    """

    def __init__(
        self, clients: tuple[ClientSettings, ...], clock: Clock, secret: bytes, draw: Callable[[], str]
    ) -> None:
        self.directory = KeyDirectory(clock=lambda: clock.now().timestamp(), allow_loopback=True)
        known = {one.id: registered(one) for one in clients}
        key = hashlib.sha256(secret).digest()
        self.tokens = TokenServer(known, self.directory, key, clock=lambda: clock.now().timestamp(), draw=draw)
        self.failures = Window()
        self.scopes = sorted({word for one in clients for word in (one.scopes or SCOPES).split()}) or [SCOPES]

    def register(self, client: ClientSettings) -> None:
        """Add or replace a client."""
        self.tokens.register(registered(client))

    def sign_with(self, secret: bytes) -> None:
        """Sign tokens with another secret; those given before hold no more."""
        self.tokens.sign_with(hashlib.sha256(secret).digest())

    def token_url(self, request: Request) -> str:
        """Absolute URL of the namespace's token endpoint."""
        return token_url(request.base)

    def discovery(self, base: str) -> dict[str, Any]:
        """Return `.well-known/smart-configuration` (rules D1–D3)."""
        return {
            "token_endpoint": token_url(base),
            "introspection_endpoint": token_url(base).replace("/oauth/token", "/oauth/introspect"),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "scopes_supported": self.scopes,
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
        }

    def grant(self, form: Mapping[str, str], url: str, certificate: str) -> dict[str, Any]:
        """Return the token endpoint's answer.

        Raises:
            TokenRefused: with status and OAuth error.
        """
        return self.tokens.grant(form, token_url=url, certificate=certificate)


def token_url(base: str) -> str:
    """Return the token endpoint that belongs to a FHIR base."""
    return re.sub(r"/[^/]+$", "/oauth/token", base)


def _identifier(text: str) -> dict[str, str]:
    system, _, value = text.rpartition("|")
    return {"system": system, "value": value} if value else {}


def registered(given: ClientSettings) -> Client:
    """Return the client as the token server knows it.

    Raises:
        KeyProblem: its key set cannot be used.
        OSError: the file of its key set cannot be read.
    """
    inline = given.keys.lstrip().startswith("{")
    remote = given.keys.startswith(("http://", "https://"))
    keys: KeySet | None = None
    try:
        if not remote:
            keys = read_key_set(given.keys if inline else Path(given.keys).read_bytes())
    except KeyProblem as problem:
        raise problem.at(given.id) from None
    return Client(
        id=given.id,
        scopes=given.scopes or SCOPES,
        keys=keys,
        jwks_url=given.keys if remote else "",
        certificates=(given.certificate,) if given.certificate else (),
        organization=_identifier(given.organization),
        purpose=given.purpose,
    )
