"""Client assertions of SMART Backend Services (`private_key_jwt`, RFC 7523): make one, check one.

Rules T6–T11 of our reference.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import jwt

from adapter.security.keys import KeyProblem, KeySet

ALGORITHMS = ("RS384", "ES384")
LONGEST_LIFE = 300
SKEW = 5
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Cause(StrEnum):
    """Why a client was not recognised: for the operator's log alone."""

    UNKNOWN_CLIENT = "unknown-client"
    CERTIFICATE = "certificate"
    NOT_A_JWT = "not-a-jwt"
    HEADER = "header"
    KEY_ADDRESS = "key-address"
    KEY_SET = "key-set"
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    CLAIMS = "claims"
    EXPIRED = "expired"
    LIVES_TOO_LONG = "lives-too-long"
    NOT_YET_VALID = "not-yet-valid"
    REPLAYED = "replayed"


class AssertionRefused(Exception):  # noqa: N818
    """The assertion does not prove who the client is. Outwardly always `invalid_client`, whatever the cause."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


def make_assertion(
    client_id: str,
    token_url: str,
    private_key: Any,
    key_id: str,
    *,
    algorithm: str,
    now: float,
    extensions: Mapping[str, Any] | None = None,
) -> str:
    """Return a signed assertion that lives for 240 seconds from `now` (UTC seconds).

    Args:
        private_key: a `cryptography` RSA or EC private key, or its PEM.
        algorithm: RS384 or ES384.
        extensions: e.g. `{"hl7-b2b": {...}}`.
    """
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "iat": int(now),
        "exp": int(now) + 240,
        "jti": secrets.token_hex(16),
    }
    if extensions:
        claims["extensions"] = dict(extensions)
    return jwt.encode(claims, private_key, algorithm=algorithm, headers={"kid": key_id, "typ": "JWT"})


def client_of(assertion: str) -> str:
    """Return the client id that the assertion claims, unproven; used to find the registered keys.

    Raises:
        AssertionRefused: not a JWT, or without a text `iss`.
    """
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise AssertionRefused(Cause.NOT_A_JWT) from None
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise AssertionRefused(Cause.CLAIMS)
    return issuer


def check_assertion(
    assertion: str,
    *,
    client_id: str,
    token_url: str,
    keys: KeySet,
    registered_jku: str | None,
    now: float,
    first_use: Callable[[str, str, float], bool],
) -> dict[str, Any]:
    """Return the claims of a good assertion.

    Args:
        registered_jku: the URL the client registered; a `jku` header must equal it (K3).
        now: UTC seconds of the server's clock.
        first_use: told (iss, jti, end); True exactly once for each until its end, also under parallel calls (T9).

    Raises:
        AssertionRefused: anything else.
    """
    try:
        header = jwt.get_unverified_header(assertion)
        if header.get("alg") not in ALGORITHMS or header.get("typ") != "JWT" or "crit" in header:
            raise AssertionRefused(Cause.HEADER)
        if "jku" in header and header["jku"] != registered_jku:
            raise AssertionRefused(Cause.KEY_ADDRESS)
        key = keys.choose(header.get("kid"), header["alg"])
        # Times are judged below against the server's own clock, which a tester may have set.
        options: Any = {
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "require": ["iss", "sub", "aud", "exp", "jti"],
        }
        claims: dict[str, Any] = jwt.decode(assertion, key, [header["alg"]], options=options, audience=token_url)
    except KeyProblem:
        raise AssertionRefused(Cause.UNKNOWN_KEY) from None
    except jwt.PyJWTError as problem:
        raise AssertionRefused(_cause_of(problem)) from None
    if claims["iss"] != client_id or claims["sub"] != client_id or not isinstance(claims["aud"], str):
        raise AssertionRefused(Cause.CLAIMS)
    _check_times(claims, now)
    if not isinstance(claims["jti"], str):
        raise AssertionRefused(Cause.CLAIMS)
    if not first_use(client_id, claims["jti"], float(claims["exp"] + SKEW)):
        raise AssertionRefused(Cause.REPLAYED)
    return claims


def _cause_of(problem: jwt.PyJWTError) -> Cause:
    if isinstance(problem, jwt.InvalidAudienceError):
        return Cause.AUDIENCE
    if isinstance(problem, jwt.InvalidSignatureError):
        return Cause.SIGNATURE
    return Cause.NOT_A_JWT if isinstance(problem, jwt.DecodeError) else Cause.CLAIMS


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    for name in ("exp", "nbf", "iat"):
        if name in claims and type(claims[name]) is not int:
            raise AssertionRefused(Cause.CLAIMS)
    if claims["exp"] < now - SKEW:
        raise AssertionRefused(Cause.EXPIRED)
    if claims["exp"] > now + LONGEST_LIFE + SKEW:
        raise AssertionRefused(Cause.LIVES_TOO_LONG)
    if claims.get("nbf", now) > now + SKEW or claims.get("iat", now) > now + SKEW:
        raise AssertionRefused(Cause.NOT_YET_VALID)
