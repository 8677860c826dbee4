"""The token endpoint of SMART Backend Services, and the check of the tokens that it gave.

Rules T1–T13 and R1–R7 of our reference. Tokens are signed JWTs of the server itself, bound to the client's
certificate where mTLS is used (RFC 8705). Nothing tells an outsider which clients exist.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from adapter.security.assertions import ASSERTION_TYPE, AssertionRefused, Cause, check_assertion, client_of
from adapter.security.clients import Client, KeyDirectory
from adapter.security.keys import KeyProblem
from adapter.security.scopes import Scope, granted, parse

LIFETIME = 300


class TokenRefused(Exception):  # noqa: N818
    """No token, or the token does not hold.

    Attributes:
        status: HTTP status.
        error: OAuth error code.
        cause: why the client was not recognised, for the log alone; otherwise the error.
        client: id of the registered client that the caller says to be, or empty.
    """

    def __init__(self, status: int, error: str, cause: str = "", client: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.cause = cause or error
        self.client = client


@dataclass(frozen=True, slots=True)
class Access:
    """What a good token says.

    Attributes:
        client: the registered system.
        scopes: granted scopes.
        claims: extensions of the assertion (`hl7-b2b`): who asks and for what.
        token_id: `jti`, for the audit.
    """

    client: Client
    scopes: tuple[Scope, ...]
    claims: Mapping[str, Any]
    token_id: str


class TokenServer:
    """Gives and checks tokens.

    Args:
        clients: registered systems by id.
        directory: their keys.
        key: secret of at least 32 bytes that signs our own tokens; processes that share tokens share it.
        clock: UTC seconds.
        first_use: told (iss, jti, end) of an assertion, says whether it is used for the first time; by default as far
            as this process knows.
        draw: gives the id (`jti`) of a new token; by chance when not given.
    """

    def __init__(
        self,
        clients: Mapping[str, Client],
        directory: KeyDirectory,
        key: bytes,
        *,
        clock: Callable[[], float],
        first_use: Callable[[str, str, float], bool] | None = None,
        draw: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._clients = dict(clients)
        self._directory = directory
        self._key = key
        self._clock = clock
        self._draw = draw
        self._first_use = first_use or self._first_use_here
        self._used: dict[tuple[str, str], float] = {}
        self._revoked: set[str] = set()
        self._lock = threading.Lock()

    def grant(self, form: Mapping[str, str], *, token_url: str, certificate: str = "") -> dict[str, Any]:
        """Return the JSON answer of the token endpoint.

        Args:
            form: fields of the `application/x-www-form-urlencoded` body.
            token_url: this endpoint, the only audience accepted.
            certificate: `x5t#S256` of the TLS client certificate, or empty.

        Raises:
            TokenRefused: with the status and error of RFC 6749 §5.2.
        """
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused(400, "unsupported_grant_type")
        claims: Mapping[str, Any] = {}
        if certificate and "client_assertion" not in form:
            client = self._certified(form.get("client_id", ""), certificate)
        elif form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise TokenRefused(400, "invalid_request")
        else:
            client, claims = self._asserted(form, token_url, certificate)
        asked = parse(form.get("scope", ""))
        scopes = granted(asked, parse(client.scopes))
        if not scopes:
            raise TokenRefused(400, "invalid_scope")
        now = int(self._clock())
        scope = " ".join(map(str, scopes))
        body: dict[str, Any] = {
            "iss": token_url,
            "aud": token_url,
            "sub": client.id,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": self._draw(),
            "scope": scope,
            "extensions": claims.get("extensions", {}),
        }
        if certificate:
            body["cnf"] = {"x5t#S256": certificate}
        token = jwt.encode(body, self._key, "HS256", headers={"typ": "at+jwt"})
        return {"access_token": token, "token_type": "bearer", "expires_in": LIFETIME, "scope": scope}

    def check(self, token: str, *, token_url: str, certificate: str = "") -> Access:
        """Return what a token allows.

        Raises:
            TokenRefused: 401 `invalid_token` for anything that does not hold.
        """
        options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "sub", "jti", "scope"]}
        try:
            claims = jwt.decode(token, self._key, ["HS256"], audience=token_url, issuer=token_url, options=options)
        except jwt.PyJWTError:
            raise TokenRefused(401, "invalid_token") from None
        client = self._clients.get(claims["sub"])
        bound = claims.get("cnf", {}).get("x5t#S256", "")
        if client is None or claims["exp"] <= self._clock() or claims["jti"] in self._revoked or bound != certificate:
            raise TokenRefused(401, "invalid_token")
        return Access(client, parse(claims["scope"]), claims.get("extensions", {}), claims["jti"])

    def revoke(self, token_id: str) -> None:
        """Refuse a token from now on, by its `jti`."""
        self._revoked.add(token_id)

    def sign_with(self, key: bytes) -> None:
        """Sign with another key from now on; tokens given before hold no more."""
        self._key = key

    def register(self, client: Client) -> None:
        """Add or replace a client."""
        self._clients[client.id] = client

    def _certified(self, client_id: str, certificate: str) -> Client:
        """Return the client that its certificate alone proves (RFC 8705 §2.2)."""
        client = self._clients.get(client_id)
        if client is None:
            raise TokenRefused(401, "invalid_client", Cause.UNKNOWN_CLIENT)
        if client.has_keys or certificate not in client.certificates:
            raise TokenRefused(401, "invalid_client", Cause.CERTIFICATE, client.id)
        return client

    def _asserted(self, form: Mapping[str, str], token_url: str, certificate: str) -> tuple[Client, Mapping[str, Any]]:
        assertion = form["client_assertion"]
        client = None
        try:
            client_id = client_of(assertion)
            client = self._clients.get(client_id)
            if client is None or form.get("client_id", client_id) != client_id:
                raise AssertionRefused(Cause.UNKNOWN_CLIENT)
            if not client.has_keys or (client.certificates and certificate not in client.certificates):
                raise AssertionRefused(Cause.CERTIFICATE)
            header = jwt.get_unverified_header(assertion)
            claims = check_assertion(
                assertion,
                client_id=client_id,
                token_url=token_url,
                keys=self._directory.keys_of(client, header.get("kid")),
                registered_jku=client.jwks_url or None,
                now=self._clock(),
                first_use=self._first_use,
            )
        except (AssertionRefused, KeyProblem, jwt.PyJWTError) as problem:
            other = Cause.KEY_SET if isinstance(problem, KeyProblem) else Cause.NOT_A_JWT
            cause = problem.cause if isinstance(problem, AssertionRefused) else other
            raise TokenRefused(401, "invalid_client", cause, client.id if client else "") from None
        return client, claims

    def _first_use_here(self, issuer: str, token_id: str, until: float) -> bool:
        with self._lock:
            now = self._clock()
            self._used = {key: end for key, end in self._used.items() if end >= now}
            if (issuer, token_id) in self._used:
                return False
            self._used[issuer, token_id] = until
            return True
