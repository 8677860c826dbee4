"""Only a fresh assertion, signed by the one registered key, proves a client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapter.security.assertions import SKEW, AssertionRefused, check_assertion, client_of, make_assertion
from adapter.security.keys import KeyProblem, KeySet, read_key_set

TOKEN_URL = "https://repository.example/token"
NOW = 1_790_000_000.0
KEY = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())


def published(*keys: tuple[str, ec.EllipticCurvePrivateKey]) -> KeySet:
    """Key set with the public halves."""
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA384)
    return read_key_set({"keys": [{**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid} for kid, key in keys]})


def once() -> Callable[[str, str, float], bool]:
    """A replay memory."""
    seen: set[tuple[str, str]] = set()

    def first_use(issuer: str, token: str, _until: float) -> bool:
        fresh = (issuer, token) not in seen
        seen.add((issuer, token))
        return fresh

    return first_use


def check(assertion: str, **changes: Any) -> dict[str, Any]:
    """Check with the usual parameters."""
    arguments: dict[str, Any] = {
        "client_id": "ehr",
        "token_url": TOKEN_URL,
        "keys": published(("k1", KEY)),
        "registered_jku": None,
        "now": NOW,
        "first_use": once(),
    }
    return check_assertion(assertion, **(arguments | changes))


def made(**changes: Any) -> str:
    """An assertion that is good unless changed."""
    arguments: dict[str, Any] = {"algorithm": "ES384", "now": NOW}
    return make_assertion("ehr", TOKEN_URL, changes.pop("key", KEY), changes.pop("kid", "k1"), **(arguments | changes))


def forged(claims: dict[str, Any], headers: dict[str, Any]) -> str:
    """An assertion with chosen claims and header, signed with the right key."""
    good = {"iss": "ehr", "sub": "ehr", "aud": TOKEN_URL, "exp": int(NOW) + 200, "jti": "j"}
    merged = {name: value for name, value in (good | claims).items() if value is not None}
    return jwt.encode(merged, KEY, "ES384", headers={"kid": "k1", "typ": "JWT"} | headers)


def test_a_good_assertion_passes_once() -> None:
    """The same assertion a second time is a replay."""
    first_use, assertion = once(), made()
    assert client_of(assertion) == "ehr"
    assert check(assertion, first_use=first_use)["sub"] == "ehr"
    with pytest.raises(AssertionRefused, match="replayed"):
        check(assertion, first_use=first_use)


def test_a_use_is_remembered_for_as_long_as_the_assertion_is_taken() -> None:
    """Clocks may differ by five seconds, so it may still be shown five seconds after its end."""
    remembered: list[float] = []
    check(made(), first_use=lambda _issuer, _token, until: not remembered.append(until))
    assert remembered == [int(NOW) + 240 + SKEW]


@pytest.mark.parametrize(
    ("claims", "headers", "cause"),
    [
        ({"iss": "other"}, {}, "claims"),
        ({"sub": "other"}, {}, "claims"),
        ({"aud": "https://elsewhere.example/token"}, {}, "audience"),
        ({"aud": [TOKEN_URL]}, {}, "claims"),
        ({"exp": int(NOW) - 60}, {}, "expired"),
        ({"exp": int(NOW) + 3600}, {}, "lives-too-long"),
        ({"exp": None}, {}, "claims"),
        ({"jti": None}, {}, "claims"),
        ({"nbf": int(NOW) + 60}, {}, "not-yet-valid"),
        ({}, {"typ": "at+jwt"}, "header"),
        ({}, {"kid": "k2"}, "unknown-key"),
        ({}, {"jku": "https://attacker.example/jwks"}, "key-address"),
    ],
)
def test_wrong_claims_and_headers_are_refused(claims: dict[str, Any], headers: dict[str, Any], cause: str) -> None:
    """Each claim and header that is off refuses by itself, with its cause."""
    with pytest.raises(AssertionRefused) as refused:
        check(forged(claims, headers))
    assert refused.value.cause == cause


def test_another_key_is_refused() -> None:
    """A signature by another key does not hold."""
    with pytest.raises(AssertionRefused, match="signature"):
        check(made(key=OTHER))


def test_a_symmetric_or_missing_algorithm_is_refused() -> None:
    """`none` and HS256 never pass, also not with the public key as secret."""
    claims = {"iss": "ehr", "sub": "ehr", "aud": TOKEN_URL, "exp": int(NOW) + 200, "jti": "j"}
    headers = {"kid": "k1", "typ": "JWT"}
    for token in (
        jwt.encode(claims, None, "none", headers=headers),
        jwt.encode(claims, "a secret of at least thirty-two bytes", "HS256", headers=headers),
    ):
        with pytest.raises(AssertionRefused):
            check(token)


def test_two_keys_with_one_id_are_refused() -> None:
    """Exactly one key must fit."""
    with pytest.raises(AssertionRefused):
        check(made(), keys=published(("k1", KEY), ("k1", OTHER)))


def test_key_sets_with_private_or_weak_keys_are_refused() -> None:
    """A registered set holds strong public keys only."""
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA384)
    weak = rsa.generate_private_key(65537, 1024)
    strong = rsa.generate_private_key(65537, 2048)
    with pytest.raises(KeyProblem):
        read_key_set({"keys": [{**json.loads(algorithm.to_jwk(weak.public_key())), "kid": "w"}]})
    with pytest.raises(KeyProblem):
        read_key_set({"keys": [{**json.loads(algorithm.to_jwk(strong)), "kid": "s"}]})
    with pytest.raises(KeyProblem):
        read_key_set(b"[]")


def test_times_follow_the_servers_clock() -> None:
    """The caller's instant decides, not the machine's clock."""
    with pytest.raises(AssertionRefused):
        check(made(now=time.time()), now=NOW - 10_000_000)
