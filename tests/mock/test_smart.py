"""SMART Backend Services row by row: discovery (D), keys (K), token requests (T)."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import hmac
import http.server
import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapter.mock.client import MockClient
from adapter.mock.limits import WRONG_ASSERTIONS
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from tests.mock.smart_world import (
    ALL,
    EC_KEY,
    JWKS,
    RSA_KEY,
    asked,
    assertion,
    form,
    jwk,
    token_url,
)

_numbers = itertools.count()


class Keys(http.server.BaseHTTPRequestHandler):
    """A client's own server of its key set, counting who asks."""

    def do_GET(self) -> None:
        """Answer with the key set."""
        server: Any = self.server
        server.asked += 1
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=60")
        self.end_headers()
        self.wfile.write(server.content.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def published() -> Iterator[Any]:
    """A key set at a URL."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    server.content, server.asked = JWKS, 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def root(published: Any) -> Iterator[str]:
    """Root URL of an endpoint with an inline and a published client."""
    url = f"http://127.0.0.1:{published.server_port}/jwks.json"
    clients = (
        ClientSettings("ehr", JWKS, ALL),
        ClientSettings("remote", url, ALL),
        ClientSettings("reader", JWKS, "system/CarePlan.rs"),
    )
    with running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base:
        yield base.removesuffix("/fhir")


@pytest.fixture
def control(root: str) -> Iterator[MockClient]:
    """Control of a namespace of its own."""
    with MockClient(root, f"smart-{next(_numbers)}") as client:
        yield client


def test_d1_d2_d3_discovery_says_what_is_offered(control: MockClient) -> None:
    """D1–D3: without a token, whatever Accept says, absolute URLs, nothing that is not there."""
    found = httpx.get(f"{control.fhir_url}/.well-known/smart-configuration", headers={"accept": "text/turtle"})
    assert (found.status_code, found.headers["content-type"]) == (200, "application/json")
    told = found.json()
    assert told["token_endpoint"] == token_url(control)
    assert told["grant_types_supported"] == ["client_credentials"]
    assert "client-confidential-asymmetric" in told["capabilities"]
    assert {"permission-v1", "permission-v2"} <= set(told["capabilities"])
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert {"RS384", "ES384"} == set(told["token_endpoint_auth_signing_alg_values_supported"])
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert not {"issuer", "authorization_endpoint"} & told.keys()
    for scope in told["scopes_supported"]:
        assert asked(control, scope=scope).status_code == 200
    assert told["introspection_endpoint"].startswith("http://")


def test_d4_metadata_needs_no_token_and_names_smart(control: MockClient) -> None:
    """D4: service code and the older extension."""
    security = httpx.get(f"{control.fhir_url}/metadata").json()["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert security["extension"][0]["extension"][0] == {"url": "token", "valueUri": token_url(control)}


def test_k1_k5_k6_keys_inline_and_published(control: MockClient, published: Any) -> None:
    """K1, K5, K6: both work; the fetched set is kept; a new key works after one more fetch, the old one no more."""

    def remote(claims: dict[str, Any], _: dict[str, Any]) -> None:
        claims.update(iss="remote", sub="remote")

    before = published.asked
    for _ in range(3):
        assert asked(control, text=assertion(control, remote)).status_code == 200
    assert published.asked == before + 1
    assert asked(control).status_code == 200
    fresh = ec.generate_private_key(ec.SECP384R1())
    published.content = json.dumps({"keys": [jwk(fresh, "new")]})
    try:
        control.step(11)  # a key that is not known may be looked for every ten seconds

        def rotated(claims: dict[str, Any], header: dict[str, Any]) -> None:
            claims.update(iss="remote", sub="remote", exp=claims["exp"] + 11)
            header["kid"] = "new"

        assert asked(control, text=assertion(control, rotated, fresh)).status_code == 200
        assert asked(control, text=assertion(control, remote)).status_code == 401
    finally:
        published.content = JWKS


@pytest.mark.parametrize("name", ["short RSA", "private half", "no kid", "two of one kid", "no key set"])
def test_k2_k4_key_sets_that_are_not_taken(control: MockClient, name: str) -> None:
    """K2, K4: weak, private, nameless keys are refused; of two keys with one kid none is used."""
    short = rsa.generate_private_key(65537, 1024)
    sets: dict[str, Any] = {
        "short RSA": {"keys": [jwk(short, "k")]},
        "private half": {"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY)) | {"kid": "k"}]},
        "no kid": {"keys": [{key: value for key, value in jwk(EC_KEY, "k").items() if key != "kid"}]},
        "two of one kid": {"keys": [jwk(EC_KEY, "ec"), jwk(ec.generate_private_key(ec.SECP384R1()), "ec")]},
        "no key set": {"nothing": []},
    }
    answer = httpx.post(
        f"{control.root}/_mock/api/{control.namespace}/clients", json={"id": "new", "keys": json.dumps(sets[name])}
    )
    if name != "two of one kid":
        assert answer.status_code == 422
        return

    def change(claims: dict[str, Any], _: dict[str, Any]) -> None:
        claims.update(iss="new", sub="new")

    assert asked(control, text=assertion(control, change)).status_code == 401


def other(claims: dict[str, Any], header: dict[str, Any], **changed: Any) -> None:
    """Change claims; a name that begins with `header_` changes the header, None takes away."""
    for name, value in changed.items():
        place, key = (header, name[7:]) if name.startswith("header_") else (claims, name)
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value


NOW = int(time.time())
BAD_ASSERTIONS: dict[str, dict[str, Any]] = {
    "K3 jku of a stranger": {"header_jku": "https://stranger.example/jwks.json"},
    "K4 unknown kid": {"header_kid": "unknown"},
    "K4 no kid": {"header_kid": None},
    "T6 another typ": {"header_typ": "at+jwt"},
    "T6 crit": {"header_crit": ["x"], "header_x": 1},
    "T7 no iss": {"iss": None},
    "T7 no sub": {"sub": None},
    "T7 sub is another": {"sub": "reader"},
    "T7 no aud": {"aud": None},
    "T7 aud is the base": {"aud": "http://127.0.0.1/fhir"},
    "T7 no exp": {"exp": None},
    "T7 no jti": {"jti": None},
    "T8 exp too far": {"exp": NOW + 3600},
    "T8 exp past": {"exp": NOW - 60},
    "T8 exp is text": {"exp": "soon"},
    "T8 nbf ahead": {"nbf": NOW + 600},
    "T8 iat ahead": {"iat": NOW + 600},
    "T10 unknown client": {"iss": "nobody", "sub": "nobody"},
}


@pytest.mark.parametrize("name", BAD_ASSERTIONS)
def test_assertions_that_prove_nothing(control: MockClient, name: str) -> None:
    """K3, K4, T6–T8, T10: 401 invalid_client with a description, the same for each, whoever exists."""
    text = assertion(control, lambda claims, header: other(claims, header, **BAD_ASSERTIONS[name]))
    answer = asked(control, text=text)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "invalid_client",
        "error_description": "The client could not be authenticated.",
    }
    assert asked(control).status_code == 200


def test_t6_only_announced_algorithms_with_the_clients_own_key(control: MockClient) -> None:
    """T6, T10: RS384 and ES384 hold; another key, none, RS256 and HS256 with the public key do not."""
    assert asked(control, text=assertion(control, None, RSA_KEY, "RS384")).status_code == 200
    stranger = ec.generate_private_key(ec.SECP384R1())
    assert asked(control, text=assertion(control, None, stranger)).status_code == 401
    assert asked(control, text=assertion(control, None, RSA_KEY, "RS256")).status_code == 401
    claims = jwt.decode(assertion(control), options={"verify_signature": False})
    assert asked(control, text=jwt.encode(claims, None, "none", headers={"kid": "ec"})).status_code == 401
    public = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    unsigned = jwt.encode(claims, "x" * 32, "HS256", headers={"kid": "ec"}).rpartition(".")[0]
    forged = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
    text = f"{unsigned}.{base64.urlsafe_b64encode(forged).rstrip(b'=').decode()}"
    assert asked(control, text=text).status_code == 401


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, 400, "invalid_request"),
        ({"client_assertion_type": ""}, 400, "invalid_request"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({"scope": "system/CarePlan.sr"}, 400, "invalid_scope"),
        ({"client_id": "reader"}, 401, "invalid_client"),
        ({"client_assertion": "x"}, 401, "invalid_client"),
    ],
)
def test_t2_to_t5_t11_forms_that_are_refused(
    control: MockClient, changed: dict[str, str], status: int, error: str
) -> None:
    """T2–T5, T11: each with its own OAuth error."""
    answer = httpx.post(token_url(control), data=form(control, **changed))
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_t1_t4_only_a_posted_form(control: MockClient) -> None:
    """T1, T4: GET, JSON and a form without assertion are refused; a repeated field too."""
    assert httpx.get(token_url(control)).status_code == 405
    assert httpx.post(token_url(control), json=form(control)).status_code == 400
    without = {name: value for name, value in form(control).items() if name != "client_assertion"}
    assert httpx.post(token_url(control), data=without).json()["error"] == "invalid_request"
    twice = "&".join(f"{name}={value}" for name, value in form(control).items()) + "&scope=x"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert httpx.post(token_url(control), content=twice, headers=kind).json()["error"] == "invalid_request"


def test_t9_a_jti_holds_once_also_at_the_same_moment(control: MockClient) -> None:
    """T9: of twelve parallel uses exactly one; after its end the jti may come again."""
    text = assertion(control, lambda claims, header: other(claims, header, jti="once"))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: asked(control, text=text).status_code, range(12)))
    assert sorted(found) == [200] + [401] * 11
    control.step(400)
    again = assertion(control, lambda claims, header: other(claims, header, jti="once", exp=claims["exp"] + 400))
    assert asked(control, text=again).status_code == 200


def test_t12_t13_what_a_token_answer_holds(control: MockClient) -> None:
    """T12, T13: bearer, at most 300 seconds, no store, no refresh token; never more than was registered."""
    answer = asked(control)
    body = answer.json()
    assert (body["token_type"].lower(), body["expires_in"] <= 300, body["scope"]) == ("bearer", True, ALL)
    assert "refresh_token" not in body
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    text = assertion(control, lambda claims, header: other(claims, header, iss="reader", sub="reader"))
    assert asked(control, text=text, scope="system/*.cruds").json()["scope"] == "system/CarePlan.rs"


def test_t14_whoever_keeps_failing_is_slowed_down(control: MockClient) -> None:
    """T14: after many wrong assertions 429 with Retry-After for that client alone, until the minute is over."""
    control.freeze()
    wrong = assertion(control, lambda claims, header: other(claims, header, aud="x"))
    for _ in range(WRONG_ASSERTIONS):
        assert asked(control, text=wrong).status_code == 401
    slowed = asked(control)
    assert (slowed.status_code, 0 < int(slowed.headers["retry-after"]) <= 60) == (429, True)
    text = assertion(control, lambda claims, header: other(claims, header, iss="reader", sub="reader"))
    assert asked(control, text=text, scope="system/CarePlan.r").status_code == 200
    control.step(61)
    assert asked(control).status_code == 200
