"""Log-in by the organisation's own provider: OpenID Connect Core 1.0, code flow with PKCE, state and nonce.

The provider says who somebody is, which role they have and whose clients they may see; the account that is kept
for them follows what it says at every log-in.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import jwt
from sqlalchemy import Connection, delete, insert, select

from adapter.review.accounts import OPENID, Role, custodian_values, put_account
from adapter.security.keys import FAMILY, KeyProblem, read_key_set
from adapter.settings import OpenIdLogin
from adapter.store.review_tables import review_account, review_sign_in

SIGN_IN_SECONDS = 10 * 60.0
DISCOVERY_SECONDS = 3600.0
LARGEST_ANSWER = 200_000
LEEWAY_SECONDS = 60
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class OpenIdProblem(Exception):  # noqa: N818 - named after what happened
    """The provider did not vouch for anybody; the text says why and holds nothing of the answer.

    Attributes:
        reason: key of the sentence for people: `openid-failed`, or `openid-no-role` when the account has no role here.
    """

    def __init__(self, reason: str, why: str = "") -> None:
        super().__init__(why or reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Started:
    """A log-in on its way.

    Attributes:
        state: goes with the browser, to the provider and as a cookie.
        url: where the browser is sent.
    """

    state: str
    url: str


class OpenId:
    """The provider that an organisation signs its people in with.

    Args:
        settings: issuer, client and names of claims.
        verify: for TLS, as in `httpx`.
    """

    def __init__(self, settings: OpenIdLogin, *, verify: Any = True) -> None:
        self._settings = settings
        self._http = httpx.Client(timeout=10.0, follow_redirects=False, verify=verify)
        self._known: tuple[float, dict[str, Any]] | None = None

    def start(self, connection: Connection, redirect_uri: str, now: float) -> Started:
        """Begin a log-in (Core §3.1.2.1, RFC 7636).

        Raises:
            OpenIdProblem: the provider does not answer.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        connection.execute(delete(review_sign_in).where(review_sign_in.c.at < now - SIGN_IN_SECONDS))
        connection.execute(insert(review_sign_in).values(state=_hash(state), nonce=nonce, verifier=verifier, at=now))
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": _hash(verifier),
            "code_challenge_method": "S256",
        }
        return Started(state, _with_query(self._endpoint("authorization_endpoint"), query))

    def finish(
        self, connection: Connection, answer: Mapping[str, str], cookie: str, redirect_uri: str, now: float
    ) -> str:
        """Take the provider's answer and return the id of the account that it signs in.

        Args:
            answer: parameters of the redirect.
            cookie: the state that this browser was given.

        Raises:
            OpenIdProblem: the answer belongs to no log-in of this browser, or the provider does not vouch.
        """
        state = answer.get("state", "")
        query = select(review_sign_in).where(review_sign_in.c.state == _hash(state))
        begun = connection.execute(query).first()
        connection.execute(delete(review_sign_in).where(review_sign_in.c.state == _hash(state)))
        if begun is None or not secrets.compare_digest(state, cookie) or now - begun.at > SIGN_IN_SECONDS:
            raise OpenIdProblem("openid-failed", "no such log-in")
        if "code" not in answer or answer.get("iss", self._settings.issuer) != self._settings.issuer:
            raise OpenIdProblem("openid-failed", "the provider refused")
        claims = self._claims(answer["code"], redirect_uri, begun.verifier, begun.nonce)
        return self._account(connection, claims, now)

    def sign_out_url(self, back: str) -> str:
        """Return where the browser signs out at the provider too; empty when the provider offers nothing."""
        try:
            endpoint = self._endpoint("end_session_endpoint")
        except OpenIdProblem:
            return ""
        return _with_query(endpoint, {"client_id": self._settings.client_id, "post_logout_redirect_uri": back})

    def close(self) -> None:
        """Close the connections to the provider."""
        self._http.close()

    def _claims(self, code: str, redirect_uri: str, verifier: str, nonce: str) -> dict[str, Any]:
        settings = self._settings
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        fields |= {"client_id": settings.client_id, "code_verifier": verifier}
        secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
        auth = httpx.BasicAuth(settings.client_id, secret) if secret else None
        tokens = self._ask("POST", self._endpoint("token_endpoint"), data=fields, auth=auth)
        claims = self._id_token(str(tokens.get("id_token", "")), nonce)
        if settings.role_claim not in claims and "userinfo_endpoint" in self._discovered():
            bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
            told = self._ask("GET", self._endpoint("userinfo_endpoint"), headers=bearer)
            if told.get("sub") != claims["sub"]:
                raise OpenIdProblem("openid-failed", "userinfo is of another person")
            claims = told | claims
        return claims

    def _id_token(self, token: str, nonce: str) -> dict[str, Any]:
        """Check an ID token (Core §3.1.3.7) and return its claims."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            keys = read_key_set(self._ask("GET", self._endpoint("jwks_uri")))
            claims: dict[str, Any] = jwt.decode(
                token,
                keys.choose(header.get("kid"), algorithm).key,
                algorithms=[algorithm] if algorithm in FAMILY else [],
                audience=self._settings.client_id,
                issuer=self._settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, KeyProblem) as problem:
            raise OpenIdProblem("openid-failed", type(problem).__name__) from None
        other_party = claims.get("azp", self._settings.client_id) != self._settings.client_id
        if other_party or not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
            raise OpenIdProblem("openid-failed", "the token is not for this log-in")
        return claims

    def _account(self, connection: Connection, claims: Mapping[str, Any], now: float) -> str:
        """Keep the account of a person as the provider describes it now."""
        name = OPENID + hashlib.sha256(f"{self._settings.issuer}|{claims['sub']}".encode()).hexdigest()[:40]
        role = self._role(_words(claims.get(self._settings.role_claim)))
        locked = connection.execute(select(review_account.c.locked).where(review_account.c.name == name)).scalar()
        if role is None or locked:
            raise OpenIdProblem("openid-no-role")
        title = str(claims.get("name") or claims.get("preferred_username") or claims["sub"])[:128]
        bound = custodian_values(_words(claims.get(self._settings.custodian_claim)))
        return put_account(connection, name, {"password": "", "role": role, "title": title, **bound}, now)

    def _role(self, roles: list[str]) -> Role | None:
        if self._settings.reviewer_role in roles:
            return "reviewer"
        return "auditor" if self._settings.auditor_role in roles else None

    def _endpoint(self, name: str) -> str:
        url = self._discovered().get(name)
        if not isinstance(url, str):
            raise OpenIdProblem("openid-failed", f"the provider has no {name}")
        return _checked(url)

    def _discovered(self) -> dict[str, Any]:
        """Return the provider's metadata (Discovery 1.0 §4), asked for once an hour."""
        if self._known is None or time.monotonic() - self._known[0] > DISCOVERY_SECONDS:
            told = self._ask("GET", _checked(f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"))
            if told.get("issuer") != self._settings.issuer:
                raise OpenIdProblem("openid-failed", "the provider calls itself otherwise")
            self._known = (time.monotonic(), told)
        return self._known[1]

    def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, **options)
            told = answer.json() if answer.status_code == 200 and len(answer.content) <= LARGEST_ANSWER else None
        except (httpx.HTTPError, ValueError) as error:
            raise OpenIdProblem("openid-failed", type(error).__name__) from None
        if not isinstance(told, dict):
            raise OpenIdProblem("openid-failed", f"the provider answered {answer.status_code}")
        return told


def _checked(url: str) -> str:
    """Let through https, and http on this machine only."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url
    raise OpenIdProblem("openid-failed", "an address of the provider is not https")


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _words(claim: Any) -> list[str]:
    """Return a claim that lists words, as a list or as text with blanks between."""
    if isinstance(claim, str):
        return claim.split()
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else []


def _hash(value: str) -> str:
    """SHA-256, base64url without padding: the challenge of RFC 7636 §4.2, and what is stored of a state."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()).rstrip(b"=").decode()
