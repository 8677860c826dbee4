"""SMART Backend Services row by row: discovery (D), keys (K), token requests (T), scopes (S), resource server (R)."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import hmac
import http.server
import itertools
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from adapter.security.assertions import ASSERTION_TYPE

EC_KEY = ec.generate_private_key(ec.SECP384R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
ALL = "system/*.cruds"
FULL = {"resourceType": "CareTeam"}
PLAIN = ssl.create_default_context()
"""One for all: there is no TLS here, and making it takes longer than a request."""

_numbers = itertools.count()

Change = Callable[[dict[str, Any], dict[str, Any]], object]


def jwk(key: Any, name: str) -> dict[str, Any]:
    """The public half of a key."""
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    found: dict[str, Any] = json.loads(kind.to_jwk(key.public_key())) | {"kid": name}
    return found


JWKS = json.dumps({"keys": [jwk(EC_KEY, "ec"), jwk(RSA_KEY, "rsa")]})


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


def token_url(control: MockClient) -> str:
    """The token endpoint of the namespace."""
    return control.fhir_url.removesuffix("/fhir") + "/oauth/token"


def assertion(control: MockClient, change: Change | None = None, key: Any = EC_KEY, algorithm: str = "ES384") -> str:
    """A good assertion, changed."""
    now = int(time.time())
    claims = {"iss": "ehr", "sub": "ehr", "aud": token_url(control), "exp": now + 240, "jti": f"j{next(_numbers)}"}
    header = {"kid": "ec" if algorithm == "ES384" else "rsa", "typ": "JWT"}
    if change is not None:
        change(claims, header)
    return jwt.encode(claims, key, algorithm, headers=header)


def form(control: MockClient, text: str = "", **changed: str) -> dict[str, str]:
    """A good token request, changed; an empty value leaves a field out."""
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text or assertion(control),
        "scope": ALL,
    }
    return {name: value for name, value in (fields | changed).items() if value}


def asked(control: MockClient, **changed: str) -> httpx.Response:
    """Ask for a token."""
    return httpx.post(token_url(control), data=form(control, **changed), verify=PLAIN)


@contextmanager
def holding(control: MockClient, scope: str, client: str = "ehr") -> Iterator[httpx.Client]:
    """A client with a token of that scope."""

    def change(claims: dict[str, Any], _: dict[str, Any]) -> None:
        claims.update(iss=client, sub=client)

    answer = asked(control, text=assertion(control, change), scope=scope)
    assert answer.status_code == 200, answer.text
    headers = {"authorization": f"Bearer {answer.json()['access_token']}", "content-type": "application/fhir+json"}
    with httpx.Client(base_url=f"{control.fhir_url}/", headers=headers, verify=PLAIN) as found:
        yield found


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


@pytest.mark.parametrize(
    ("scope", "does", "does_not"),
    [
        ("system/CareTeam.r", "read vread history", "search create update patch delete type-history"),
        ("system/CareTeam.s", "search type-history", "read vread history create update patch delete"),
        ("system/CareTeam.c", "create", "read search update patch delete conditional-create"),
        ("system/CareTeam.u", "update patch", "read search create delete conditional-update"),
        ("system/CareTeam.d", "delete", "read search create update conditional-delete"),
        ("system/CareTeam.cs", "create conditional-create search", "read update delete"),
        ("system/CareTeam.us", "update conditional-update search", "read create delete"),
        ("system/CareTeam.ds", "conditional-delete search", "read create update"),
        ("system/CareTeam.read", "read vread search history", "create update delete"),
        ("system/CareTeam.write", "create update patch delete", "read search"),
        ("system/CareTeam.*", "create read update patch search delete", "system-history"),
        ("system/*.s", "system-history search", "read create"),
        ("system/Goal.cruds", "", "create read search update delete system-history"),
    ],
)
def test_s1_s2_s3_s7_s8_letters_of_a_scope(control: MockClient, scope: str, does: str, does_not: str) -> None:
    """S1–S3, S7, S8: exactly the interactions of the letters; the rest is 403 forbidden and names what is needed."""
    control.seed([FULL | {"id": "one", "identifier": [{"value": "1"}]}])
    patch = {"content-type": "application/json-patch+json"}
    ways: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "read": lambda http: http.get("CareTeam/one"),
        "vread": lambda http: http.get("CareTeam/one/_history/1"),
        "history": lambda http: http.get("CareTeam/one/_history"),
        "type-history": lambda http: http.get("CareTeam/_history"),
        "system-history": lambda http: http.get("_history"),
        "search": lambda http: http.get("CareTeam"),
        "create": lambda http: http.post("CareTeam", json=FULL),
        "conditional-create": lambda http: http.post("CareTeam", json=FULL, headers={"if-none-exist": "identifier=1"}),
        "update": lambda http: http.put("CareTeam/one", json=FULL | {"id": "one"}),
        "conditional-update": lambda http: http.put("CareTeam?identifier=1", json=FULL),
        "patch": lambda http: http.patch(
            "CareTeam/one", content=b'[{"op":"add","path":"/name","value":"x"}]', headers=patch
        ),
        "conditional-delete": lambda http: http.delete("CareTeam?identifier=none"),
        "delete": lambda http: http.delete("CareTeam/one"),
    }
    with holding(control, scope) as http:
        for way in does_not.split():
            refused = ways[way](http)
            assert refused.status_code == 403, way
            assert refused.json()["issue"][0]["code"] == "forbidden"
            assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
        for way in does.split():
            assert ways[way](http).status_code < 400, way


def observation(identity: str, category: str, value: str = "x") -> dict[str, Any]:
    """An Observation of a category."""
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"code": category}]}],
        "code": {"text": value},
        "subject": {"reference": "Patient/p"},
    }


SURVEY = "system/Observation.{}?category=survey"


@pytest.fixture
def stored(control: MockClient) -> MockClient:
    """Two surveys and one laboratory result of a patient."""
    control.seed(
        [
            {"resourceType": "Patient", "id": "p", "gender": "female"},
            observation("a", "survey"),
            observation("b", "laboratory"),
            observation("c", "survey"),
        ]
    )
    return control


def test_s6_a_granular_scope_reads_what_it_names(stored: MockClient) -> None:
    """S6: read, vread and history of one category; the others look as if they were not there."""
    with holding(stored, SURVEY.format("r")) as http:
        assert http.get("Observation/a").status_code == 200
        assert http.get("Observation/a/_history/1").status_code == 200
        assert http.get("Observation/a/_history").json()["total"] == 1
        for path in ("Observation/b", "Observation/b/_history/1", "Observation/b/_history", "Observation/none"):
            assert http.get(path).status_code == 404, path
        assert http.get("Observation").status_code == 403


def test_s6_a_granular_scope_searches_what_it_names(stored: MockClient) -> None:
    """S6: matches, totals, pages, counts and type history hold nothing else, however it is asked."""
    with holding(stored, SURVEY.format("rs")) as http:
        assert http.get("Observation").json()["total"] == 2
        assert http.get("Observation?_summary=count").json()["total"] == 2
        assert http.get("Observation?category=laboratory").json()["total"] == 0
        assert http.get("Observation?_id=b").json()["total"] == 0
        assert http.post("Observation/_search", data={"_id": "a"}).json()["total"] == 1
        assert http.get("Observation/_history").json()["total"] == 2
        first = http.get("Observation?_count=1").json()
        assert first["total"] == 2
        following = next(one["url"] for one in first["link"] if one["relation"] == "next")
        assert http.get(following).json()["entry"][0]["resource"]["id"] == "c"
        assert http.get("Patient/p/Observation").status_code in (200, 403)


def test_s6_a_granular_scope_writes_what_it_names(stored: MockClient) -> None:
    """S6: create, update, patch and delete inside the category only; a change may not lead out of it or into it."""
    with holding(stored, SURVEY.format("cud")) as http:
        new = {name: value for name, value in observation("", "survey").items() if name != "id"}
        assert http.post("Observation", json=new).status_code == 201
        assert http.post("Observation", json=new | {"category": []}).status_code in (403, 422)
        lab = {name: value for name, value in observation("", "laboratory").items() if name != "id"}
        assert http.post("Observation", json=lab).status_code == 403
        assert http.put("Observation/a", json=observation("a", "survey", "y")).status_code == 200
        assert http.put("Observation/a", json=observation("a", "laboratory")).status_code == 403
        assert http.put("Observation/b", json=observation("b", "survey")).status_code == 403
        change = [{"op": "replace", "path": "/category/0/coding/0/code", "value": "laboratory"}]
        kind = {"content-type": "application/json-patch+json"}
        assert http.patch("Observation/a", content=json.dumps(change), headers=kind).status_code == 403
        assert http.patch("Observation/b", content=json.dumps(change), headers=kind).status_code == 404
        assert http.delete("Observation/b").status_code == 403
        assert http.delete("Observation/c").status_code == 204
    with holding(stored, ALL) as http:
        found = {one["resource"]["id"] for one in http.get("Observation").json()["entry"]}
        assert {"a", "b"} <= found
        assert "c" not in found
        assert len(found) == 3
        assert http.get("Observation/a").json()["meta"]["versionId"] == "2"


def test_s6_in_bundles_includes_chains_and_conditions(stored: MockClient) -> None:
    """S4–S6: each entry, each included resource, each condition is judged; no chain looks into a narrowed type."""
    with holding(stored, f"{SURVEY.format('cruds')} system/Patient.rs") as http:
        lab = {name: value for name, value in observation("", "laboratory").items() if name != "id"}
        entries = [
            {"request": {"method": "GET", "url": "Observation/a"}},
            {"request": {"method": "GET", "url": "Observation/b"}},
            {"request": {"method": "GET", "url": "Observation"}},
            {"resource": lab, "request": {"method": "POST", "url": "Observation"}},
        ]
        batch = http.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()["entry"]
        assert [one["response"]["status"][:3] for one in batch] == ["200", "404", "200", "403"]
        assert batch[2]["resource"]["total"] == 2
        back = http.get("Patient?_revinclude=Observation:subject").json()["entry"]
        assert {one["resource"]["id"] for one in back} == {"p", "a", "c"}
        everything = http.get("Patient/p/$everything").json()["entry"]
        assert {one["resource"]["id"] for one in everything} == {"p", "a", "c"}
        assert http.get("Patient?_has:Observation:subject:category=laboratory").status_code == 403
        made = http.post("Observation", json=lab, headers={"if-none-exist": "category=laboratory"})
        assert made.status_code == 403
        assert http.delete("Observation?category=laboratory").status_code == 204
    with holding(stored, ALL) as http:
        assert http.get("Observation/b").status_code == 200


def test_s6_scopes_add_up_and_are_never_widened(stored: MockClient) -> None:
    """S6: two narrowed scopes give both categories; an unknown parameter gives nothing; an older version counts."""
    both = f"{SURVEY.format('rs')} system/Observation.rs?category=laboratory"
    with holding(stored, both) as http:
        assert http.get("Observation").json()["total"] == 3
    for nothing in ("system/Observation.rs?nonsense=1", "system/Observation.rs?subject:Patient.gender=female"):
        with holding(stored, nothing) as http:
            assert http.get("Observation").json()["total"] == 0
            assert http.get("Observation/a").status_code == 404
    with holding(stored, ALL) as http:
        http.put("Observation/a", json=observation("a", "laboratory"))
    with holding(stored, SURVEY.format("r")) as http:
        assert http.get("Observation/a").status_code == 404
        assert http.get("Observation/a/_history/1").status_code == 200
    with holding(stored, "system/CarePlan.rs?status=active", client="reader") as http:
        assert http.get("CarePlan").status_code == 200


def test_r1_r2_r4_tokens_that_do_not_hold(control: MockClient) -> None:
    """R1, R2, R4: none, garbled, of another namespace, in the URL: 401 with the challenge that RFC 6750 names."""
    url = f"{control.fhir_url}/CareTeam"
    assert httpx.get(url).headers["www-authenticate"] == "Bearer"
    with MockClient(control.root, "elsewhere") as elsewhere, holding(elsewhere, ALL) as http:
        foreign = http.headers["authorization"]
    with holding(control, ALL) as http:
        own = http.headers["authorization"]
    for wrong in ("Bearer x", foreign, own[:-4] + "AAAA", "Basic eDp5"):
        refused = httpx.get(url, headers={"authorization": wrong})
        assert refused.status_code == 401, wrong
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert httpx.get(url, params={"access_token": own.removeprefix("Bearer ")}).status_code == 401
    assert httpx.get(url, headers={"authorization": own}).status_code == 200


def test_r6_r7_r8_revoked_tokens_and_introspection(control: MockClient) -> None:
    """R6–R8: refused at once, and introspection knows; the error is 401 as the Finnish guide allows."""
    url = token_url(control).replace("/token", "/introspect")
    with holding(control, ALL) as http, holding(control, "system/CarePlan.r") as asking:
        token = http.headers["authorization"].removeprefix("Bearer ")
        assert asking.post(url, data={"token": token}, headers=FORM).json()["active"] is True
        identity = jwt.decode(token, options={"verify_signature": False})["jti"]
        httpx.post(f"{control.root}/_mock/api/{control.namespace}/tokens/{identity}/revoke")
        assert http.get("CareTeam").status_code == 401
        assert asking.post(url, data={"token": token}, headers=FORM).json() == {"active": False}


FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_r13_no_token_and_no_body_in_a_log(control: MockClient, caplog: pytest.LogCaptureFixture) -> None:
    """R13: neither log nor journal repeats token, assertion or identity code."""
    with caplog.at_level(logging.DEBUG), holding(control, ALL) as http:
        token = http.headers["authorization"].removeprefix("Bearer ")
        http.post("Patient", json={"resourceType": "Patient", "identifier": [{"value": "010594Y9032"}]})
        http.get("Patient?identifier=010594Y9032")
    own = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore")))
    kept = own + json.dumps([control.entry(one["number"]) for one in control.journal()])
    assert token not in kept
    assert "010594Y9032" not in kept
    assert control.journal()[-1]["scopes"] == ALL
