"""Tokens are given to proven clients only, for no more than they registered, and hold where they belong."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from adapter.security.clients import Client, KeyDirectory, refuse_inner_address
from adapter.security.keys import KeyProblem, read_key_set
from adapter.security.tokens import LIFETIME, TokenRefused, TokenServer

URL = "https://repository.example/token"
KEY = ec.generate_private_key(ec.SECP384R1())


class Clock:
    """A clock that tests move."""

    now = 1_790_000_000.0

    def __call__(self) -> float:
        """UTC seconds."""
        return self.now


def key_set(kid: str = "k1", key: ec.EllipticCurvePrivateKey = KEY) -> dict[str, Any]:
    """The public half as JWKS."""
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA384)
    return {"keys": [{**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid}]}


@pytest.fixture
def clock() -> Clock:
    """A clock of its own for each test."""
    return Clock()


@pytest.fixture
def server(clock: Clock) -> TokenServer:
    """A server with one client."""
    client = Client("ehr", "system/CarePlan.cru system/Consent.rs", keys=read_key_set(key_set()))
    return TokenServer({"ehr": client}, KeyDirectory(clock=clock), b"s" * 32, clock=clock)


def form(clock: Clock, **changes: str) -> dict[str, str]:
    """A good token request unless changed."""
    assertion = make_assertion("ehr", URL, KEY, "k1", algorithm="ES384", now=clock())
    good = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": "system/CarePlan.cruds",
    }
    return good | changes


def test_a_proven_client_gets_what_it_registered(server: TokenServer, clock: Clock) -> None:
    """Asked for more than registered: the token holds the common part."""
    answer = server.grant(form(clock), token_url=URL)
    assert answer["scope"] == "system/CarePlan.cru"
    assert answer["expires_in"] == LIFETIME
    assert "refresh_token" not in answer
    access = server.check(answer["access_token"], token_url=URL)
    assert (access.client.id, [str(scope) for scope in access.scopes]) == ("ehr", ["system/CarePlan.cru"])


@pytest.mark.parametrize(
    ("changes", "status", "error", "cause"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type", "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, 400, "invalid_request", "invalid_request"),
        ({"client_assertion": ""}, 400, "invalid_request", "invalid_request"),
        ({"client_assertion": "garbage"}, 401, "invalid_client", "not-a-jwt"),
        ({"client_id": "other"}, 401, "invalid_client", "unknown-client"),
        ({"scope": ""}, 400, "invalid_scope", "invalid_scope"),
        ({"scope": "system/Patient.rs"}, 400, "invalid_scope", "invalid_scope"),
    ],
)
def test_wrong_requests_get_the_error_of_oauth(
    server: TokenServer, clock: Clock, changes: dict[str, str], status: int, error: str, cause: str
) -> None:
    """RFC 6749 names the error; nothing says which clients exist but the cause, which is for the log alone."""
    with pytest.raises(TokenRefused) as caught:
        server.grant(form(clock, **changes), token_url=URL)
    assert (caught.value.status, caught.value.error, caught.value.cause) == (status, error, cause)


def test_of_twelve_parallel_uses_exactly_one_gets_a_token(server: TokenServer, clock: Clock) -> None:
    """A replay is refused even at the same moment."""
    request = form(clock)

    def attempt(_number: int) -> bool:
        try:
            server.grant(request, token_url=URL)
        except TokenRefused:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(12))) == 1


def test_tokens_end(server: TokenServer, clock: Clock) -> None:
    """Expired, revoked, for another server or changed: 401."""
    token = server.grant(form(clock), token_url=URL)["access_token"]
    revoked = server.grant(form(clock), token_url=URL)["access_token"]
    server.revoke(server.check(revoked, token_url=URL).token_id)
    refusals: list[Callable[[], object]] = [
        lambda: server.check(revoked, token_url=URL),
        lambda: server.check(token, token_url="https://other.example/token"),
        lambda: server.check(token[:-2] + "AA", token_url=URL),
        lambda: server.check("", token_url=URL),
    ]
    server.check(token, token_url=URL)
    clock.now += LIFETIME
    refusals.append(lambda: server.check(token, token_url=URL))
    for refusal in refusals:
        with pytest.raises(TokenRefused):
            refusal()


def test_a_token_is_bound_to_its_certificate(server: TokenServer, clock: Clock) -> None:
    """Stolen and used over another TLS certificate, or none, it does not hold (RFC 8705)."""
    token = server.grant(form(clock), token_url=URL, certificate="thumb")["access_token"]
    assert server.check(token, token_url=URL, certificate="thumb")
    for certificate in ("", "other"):
        with pytest.raises(TokenRefused):
            server.check(token, token_url=URL, certificate=certificate)


def test_a_rotated_key_works_at_once_and_the_old_one_no_more(clock: Clock) -> None:
    """An unknown key id makes the server look again, but not more often than every ten seconds."""
    new = ec.generate_private_key(ec.SECP384R1())
    published = [key_set("k1")]
    fetches = []

    def answer(request: httpx.Request) -> httpx.Response:
        fetches.append(request)
        return httpx.Response(200, json=published[0])

    directory = KeyDirectory(clock=clock, allow_loopback=True, transport=httpx.MockTransport(answer))
    client = Client("ehr", "system/*.rs", jwks_url="http://127.0.0.1/jwks")
    assert directory.keys_of(client, "k1").choose("k1", "ES384")
    published[0] = key_set("k2", new)
    clock.now += 11
    assert directory.keys_of(client, "k2").choose("k2", "ES384")
    with pytest.raises(KeyProblem):
        directory.keys_of(client, "k1").choose("k1", "ES384")
    assert len(fetches) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/jwks",
        "https://127.0.0.1/jwks",
        "https://[::1]/jwks",
        "https://[::ffff:127.0.0.1]/jwks",
        "https://10.0.0.1/jwks",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "https://user:secret@203.0.113.1/",
    ],
)
def test_inner_addresses_are_never_called(url: str) -> None:
    """A registered URL cannot make the server call into its own network."""
    with pytest.raises(KeyProblem):
        refuse_inner_address(url, allow_loopback=False)


@pytest.fixture
def certified(clock: Clock) -> TokenServer:
    """A server with a client that has certificates and no keys, and one that has both."""
    clients = (
        Client("card", "system/Bundle.c", certificates=("old", "new")),
        Client("both", "system/Bundle.c", keys=read_key_set(key_set()), certificates=("thumb",)),
    )
    return TokenServer({each.id: each for each in clients}, KeyDirectory(clock=clock), b"s" * 32, clock=clock)


def by_certificate(client_id: str) -> dict[str, str]:
    """A token request without an assertion."""
    return {"grant_type": "client_credentials", "client_id": client_id, "scope": "system/Bundle.c"}


@pytest.mark.parametrize("certificate", ["old", "new"])
def test_a_certificate_alone_proves_a_client_without_keys(certified: TokenServer, certificate: str) -> None:
    """Old and new certificate work while they change, and the token holds only with the one that got it."""
    token = certified.grant(by_certificate("card"), token_url=URL, certificate=certificate)["access_token"]
    assert certified.check(token, token_url=URL, certificate=certificate).client.id == "card"
    with pytest.raises(TokenRefused):
        certified.check(token, token_url=URL)


@pytest.mark.parametrize(
    ("client_id", "certificate", "status"),
    [("card", "another", 401), ("both", "thumb", 401), ("nobody", "old", 401), ("", "old", 401), ("card", "", 400)],
)
def test_a_certificate_proves_nobody_else(
    certified: TokenServer, client_id: str, certificate: str, status: int
) -> None:
    """Another certificate, a client that has keys, an unknown client, no certificate: no token."""
    with pytest.raises(TokenRefused) as refused:
        certified.grant(by_certificate(client_id), token_url=URL, certificate=certificate)
    assert refused.value.status == status


def test_an_assertion_does_not_replace_the_registered_certificate(certified: TokenServer, clock: Clock) -> None:
    """A client with keys and a certificate needs both."""
    assertion = make_assertion("both", URL, KEY, "k1", algorithm="ES384", now=clock())
    asked = form(clock, client_assertion=assertion, scope="system/Bundle.c")
    with pytest.raises(TokenRefused):
        certified.grant(asked, token_url=URL, certificate="stolen")
    with pytest.raises(TokenRefused):
        certified.grant(asked, token_url=URL)
    assert certified.grant(asked, token_url=URL, certificate="thumb")["access_token"]
