"""Forged, stolen and borrowed tokens open nothing; two vendors never see each other's records."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapter.api.access import Access
from adapter.api.app import create_app
from adapter.api.pace import Pace
from adapter.delivery import Repository
from adapter.fhir.canonical import dumps
from adapter.pipeline import Line
from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from adapter.security.clients import Client, KeyDirectory
from adapter.security.key_files import KeyFile
from adapter.security.keys import read_key_set
from adapter.security.tokens import TokenRefused, TokenServer
from adapter.serve import adapter_app, in_background, load_settings
from adapter.store import Cipher, Database
from tests.attacks.conftest import Canary, body, record

URL = "https://adapter.example/v1/token"
OURS = "1.2.246.10.32213086.10.0"
THEIRS = "1.2.246.10.90000099.10.0"
KEY = ec.generate_private_key(ec.SECP384R1())
OTHER = ec.generate_private_key(ec.SECP384R1())
WEAK = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
PUBLIC_PEM = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SERVER_KEY = b"k" * 16 + b"0123456789abcdef"


def key_set(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """The public half as JWKS."""
    algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA384)
    return {"keys": [{**json.loads(algorithm.to_jwk(key.public_key())), "kid": "k1"}]}


@dataclass(frozen=True)
class Guarded:
    """An adapter with two vendors, `ours` and `theirs`.

    Attributes:
        http: a client of its API.
        token: gives a good token of a vendor.
    """

    http: httpx.Client
    token: Callable[[str], str]

    def as_(self, vendor: str) -> dict[str, str]:
        """The header of a vendor."""
        return {"Authorization": f"Bearer {self.token(vendor)}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Iterator[Guarded]:
    """An adapter that delivers nothing."""
    scopes = "system/Bundle.crs"
    clients = {
        "ours": Client("ours", scopes, keys=read_key_set(key_set(KEY)), custodians=(OURS,)),
        "theirs": Client("theirs", scopes, keys=read_key_set(key_set(OTHER)), custodians=(THEIRS,)),
        "looker": Client("looker", "system/Bundle.rs", keys=read_key_set(key_set(KEY)), custodians=(OURS,)),
        "inner": Client("inner", scopes, jwks_url=f"{canary.url}/jwks", custodians=(OURS,)),
        "cloud": Client("cloud", scopes, jwks_url="http://169.254.169.254/jwks", custodians=(OURS,)),
    }
    tokens = TokenServer(clients, KeyDirectory(clock=time.time), SERVER_KEY, clock=time.time)
    folder: Path = tmp_path_factory.mktemp("guarded")
    line = Line(
        Database(f"sqlite:///{folder / 'k.sqlite'}"),
        Cipher({"1": b"s" * 16 + b"0123456789abcdef"}),
        id_key=b"i" * 16 + b"0123456789abcdef",
        repository=Repository("http://127.0.0.1:9/fhir"),
    )
    access = Access(tokens, URL, Pace(1000.0, 1000.0, time.monotonic))

    def token(vendor: str) -> str:
        key = OTHER if vendor == "theirs" else KEY
        form = _form(make_assertion(vendor, URL, key, "k1", algorithm="ES384", now=time.time()))
        return str(tokens.grant(form, token_url=URL)["access_token"])

    with (
        in_background(create_app(line, access=access, workers=0), "127.0.0.1", 0) as url,
        httpx.Client(base_url=url, timeout=30) as http,
    ):
        yield Guarded(http, token)


def _form(assertion: str, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": "system/Bundle.crs",
    } | changes


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims = {"iss": "ours", "sub": "ours", "aud": URL, "iat": now, "exp": now + 200, "jti": f"{time.time_ns()}"}
    return {key: value for key, value in (claims | changes).items() if value is not None}


def _signed(key: Any = KEY, algorithm: str = "ES384", header: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(_claims(**changes), key, algorithm=algorithm, headers={"kid": "k1", **(header or {})})


def _part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes = b"") -> str:
    signed = f"{_part(header)}.{_part(claims)}"
    made = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b""
    return f"{signed}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def assertions(canary: str) -> dict[str, Callable[[], str]]:
    """Makers of bad assertions."""
    now = int(time.time())
    return {
        "algorithm none": lambda: _by_hand({"alg": "none", "kid": "k1"}, _claims()),
        "algorithm NoNe": lambda: _by_hand({"alg": "NoNe", "kid": "k1"}, _claims()),
        "no algorithm": lambda: _by_hand({"kid": "k1"}, _claims()),
        "algorithm as list": lambda: _by_hand({"alg": ["ES384"], "kid": "k1"}, _claims()),
        "public key as secret": lambda: _by_hand({"alg": "HS256", "kid": "k1"}, _claims(), PUBLIC_PEM),
        "key set as secret": lambda: _by_hand(
            {"alg": "HS256", "kid": "k1"}, _claims(), json.dumps(key_set(KEY)).encode()
        ),
        "empty secret": lambda: _by_hand({"alg": "HS256", "kid": "k1"}, _claims(), b"\0"),
        "another's key": lambda: _signed(OTHER),
        "weak curve": lambda: _signed(WEAK, "ES256"),
        "RSA for an EC key": lambda: _signed(RSA, "RS384"),
        "own key in the header": lambda: _signed(OTHER, header={"jwk": key_set(OTHER)["keys"][0]}),
        "own address in the header": lambda: _signed(OTHER, header={"jku": f"{canary}/jwks"}),
        "own certificate address": lambda: _signed(OTHER, header={"x5u": f"{canary}/x5u"}),
        "critical header": lambda: _signed(header={"crit": ["x"], "x": 1}),
        "key id is a path": lambda: _signed(header={"kid": "../../../../dev/null"}),
        "key id is SQL": lambda: _signed(header={"kid": "k1' UNION SELECT 'x"}),
        "key id is long": lambda: _signed(header={"kid": "k" * 10_000}),
        "expired": lambda: _signed(iat=now - 600, exp=now - 300),
        "lives for a year": lambda: _signed(exp=now + 31_536_000),
        "no end": lambda: _signed(exp=None),
        "end as text": lambda: _signed(exp="tomorrow"),
        "end is infinite": lambda: _by_hand({"alg": "ES384", "kid": "k1"}, _claims(exp=float("inf"))),
        "not yet": lambda: _signed(nbf=now + 600),
        "issued tomorrow": lambda: _signed(iat=now + 86_400, exp=now + 86_500),
        "other audience": lambda: _signed(aud="https://other.example/token"),
        "audience with a slash more": lambda: _signed(aud=URL + "/"),
        "audience in upper case": lambda: _signed(aud=URL.upper()),
        "no audience": lambda: _signed(aud=None),
        "two audiences, neither ours": lambda: _signed(aud=["a", "b"]),
        "subject is another": lambda: _signed(sub="theirs"),
        "issuer is another": lambda: _signed(iss="theirs", sub="theirs"),
        "issuer unknown": lambda: _signed(iss="nobody", sub="nobody"),
        "issuer is a list": lambda: _by_hand({"alg": "ES384", "kid": "k1"}, _claims(iss=["ours"])),
        "issuer with NUL": lambda: _signed(iss="ours\0", sub="ours\0"),
        "no id": lambda: _signed(jti=None),
        "id is an object": lambda: _by_hand({"alg": "ES384", "kid": "k1"}, _claims(jti={})),
        "keys inside our network": lambda: _signed(iss="inner", sub="inner"),
        "keys at the cloud's address": lambda: _signed(iss="cloud", sub="cloud"),
        "signature of zeros": lambda: _signed().rpartition(".")[0] + "." + "A" * 128,
        "signature cut off": lambda: _signed().rpartition(".")[0] + ".",
        "claims changed": lambda: ".".join(
            [(good := _signed().split("."))[0], _part(_claims(sub="theirs", iss="theirs")), good[2]]
        ),
        "two parts": lambda: "a.b",
        "five parts": lambda: "a.b.c.d.e",
        "claims no object": lambda: f"{_part({'alg': 'ES384', 'kid': 'k1'})}.{_part([])}.AAAA",
        "header no JSON": lambda: "AAAA.AAAA.AAAA",
        "deep header": lambda: f"{base64.urlsafe_b64encode(b'[' * 9000).decode().rstrip('=')}.e30.AAAA",
        "not ASCII": lambda: "ä.ö.å",
    }


@pytest.mark.parametrize("attack", assertions(""), ids=str)
def test_bad_assertions_get_no_token(guarded: Guarded, canary: Canary, attack: str) -> None:
    """401 with one OAuth error, the same for every reason; nobody is called."""
    answer = guarded.http.post("/v1/token", data=_form(assertions(canary.url)[attack]()))
    assert answer.status_code == 401, answer.text
    assert answer.json() == {"error": "invalid_client"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_assertion_replayed_at_another_adapter_gets_no_token(tmp_path: Path) -> None:
    """Two adapters on one database: what was good at one is used up at the other."""
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "k.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    file = KeyFile(tmp_path / "k.pem").current()
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [file.public_jwk]}))
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        clients={"ehr": {"jwks_file": tmp_path / "jwks.json", "custodians": ["1.2.246.10.1"]}},
        demo=True,
    )
    first, second = (adapter_app(settings).state.access for _ in range(2))
    signed = make_assertion("ehr", first.token_url, file.key, file.key_id, algorithm="ES384", now=time.time())
    form = {
        "grant_type": "client_credentials",
        "scope": "system/Bundle.crs",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    assert first.tokens.grant(form, token_url=first.token_url)["access_token"]
    for access in (second, first):
        with pytest.raises(TokenRefused, match="invalid_client"):
            access.tokens.grant(form, token_url=access.token_url)


def test_a_replayed_assertion_gets_no_second_token(guarded: Guarded) -> None:
    """The same assertion twice: 200, then 401."""
    form = _form(_signed())
    assert guarded.http.post("/v1/token", data=form).status_code == 200
    assert guarded.http.post("/v1/token", data=form).status_code == 401


FORMS: dict[str, bytes] = {
    "empty": b"",
    "huge": b"a=" + b"b" * 30_000,
    "many fields": b"&".join(b"a%d=1" % number for number in range(2_000)),
    "not ASCII": b"grant_type=\xff\xfe",
    "JSON": b'{"grant_type":"client_credentials"}',
    "password": b"grant_type=password&username=a&password=b",
    "NUL": b"grant_type=client_credentials%00",
}


@pytest.mark.parametrize("attack", FORMS, ids=str)
def test_bad_forms_are_refused(guarded: Guarded, attack: str) -> None:
    """400 with an OAuth error."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = guarded.http.post("/v1/token", content=FORMS[attack], headers=kind)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def _server_claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": URL, "aud": URL, "sub": "ours", "scope": "system/*.cruds", "iat": now, "exp": now + 300} | changes


BEARERS: dict[str, Callable[[], str]] = {
    "none at all": lambda: "",
    "empty": lambda: "Bearer",
    "basic": lambda: "Basic b3VyczpvdXJz",
    "noise": lambda: "Bearer " + "x" * 5_000,
    "an assertion": lambda: f"Bearer {_signed()}",
    "algorithm none": lambda: "Bearer " + _by_hand({"alg": "none"}, _server_claims(jti="1")),
    "own secret": lambda: "Bearer " + _by_hand({"alg": "HS256", "typ": "at+jwt"}, _server_claims(jti="1"), b"secret"),
    "no end": lambda: "Bearer " + _by_hand({"alg": "HS256"}, {"sub": "ours"}, SERVER_KEY),
    "unknown client": lambda: (
        "Bearer " + _by_hand({"alg": "HS256"}, _server_claims(sub="nobody", client_id="nobody", jti="1"), SERVER_KEY)
    ),
    "expired": lambda: "Bearer " + _by_hand({"alg": "HS256"}, _server_claims(exp=1, jti="1"), SERVER_KEY),
    "two": lambda: "Bearer a, Bearer b",
    "not ASCII": lambda: "Bearer \xe4",
}


@pytest.mark.parametrize("attack", BEARERS, ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/records"),
        ("POST", "/v1/records/batch"),
        ("POST", "/v1/records/preview"),
        ("POST", "/v1/records/_search"),
        ("GET", "/v1/records/0123456789abcdef0123456789abcdef"),
    ],
)
def test_without_a_good_token_nothing_opens(guarded: Guarded, method: str, path: str, attack: str) -> None:
    """401 with a challenge on every route; the token is not repeated."""
    bearer = BEARERS[attack]()
    content = body() if method == "POST" else None
    answer = guarded.http.request(method, path, content=content, headers=[(b"Authorization", bearer.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not bearer[7:] or bearer[7:] not in answer.text


def test_every_route_of_records_asks_for_a_token(guarded: Guarded) -> None:
    """Walk the API's own description: whatever stands under /v1/records is closed."""
    paths = guarded.http.get("/v1/openapi.json").json()["paths"]
    closed = [(method, path) for path, methods in paths.items() for method in methods if path.startswith("/v1/records")]
    assert len(closed) >= 5
    for method, path in closed:
        address = path.replace("{submission}", "0" * 32)
        assert guarded.http.request(method.upper(), address, content=b"{}").status_code == 401, (method, path)


def test_a_token_in_the_address_is_no_token(guarded: Guarded) -> None:
    """Tokens are taken from the header only (RFC 6750 §2.3 is not offered)."""
    answer = guarded.http.post("/v1/records", params={"access_token": guarded.token("ours")}, content=body())
    assert answer.status_code == 401


@pytest.mark.stores("the record that the other must not see", records=(1,))
def test_one_vendor_never_sees_anothers_records(guarded: Guarded) -> None:
    """Another's submission looks like none: by id, by search, with any case or padding of the id."""
    ours, theirs = guarded.as_("ours"), guarded.as_("theirs")
    taken = guarded.http.post("/v1/records", content=body(), headers=ours)
    assert taken.status_code == 202, taken.text
    name = taken.json()["id"]
    assert guarded.http.get(f"/v1/records/{name}", headers=ours).status_code == 200
    unknown = guarded.http.get(f"/v1/records/{'0' * 32}", headers=theirs)
    for variant in (name, name.upper(), f"{name}%20", f"{name[:-1]}%2a"):
        answer = guarded.http.get(f"/v1/records/{variant}", headers=theirs)
        assert (answer.status_code, answer.text) == (404, unknown.text)
    assert name not in guarded.http.post("/v1/records/_search", headers=theirs, content=b"{}").text


def test_one_vendor_cannot_write_for_anothers_custodian(guarded: Guarded) -> None:
    """403, alone and in a batch, and nothing is stored."""
    theirs = guarded.as_("theirs")

    def stored() -> object:
        return guarded.http.post("/v1/records/_search", headers=theirs, content=b"{}").json()

    before = stored()
    assert guarded.http.post("/v1/records", content=body(), headers=theirs).status_code == 403
    batch = guarded.http.post("/v1/records/batch", content=body(), headers=theirs)
    assert json.loads(batch.text)["status"] == 403
    assert stored() == before


@pytest.mark.stores("one record of each vendor", records=(2,))
def test_one_vendors_key_means_nothing_to_another(guarded: Guarded) -> None:
    """The same Idempotency-Key and record id of two vendors: two submissions, no word about the other."""
    content = record()
    mine = {**content, "custodian": {**content["custodian"], "id": THEIRS}, "source_system": "https://theirs.example"}
    key = {"Idempotency-Key": "shared"}
    first = guarded.http.post("/v1/records", content=dumps(content), headers=guarded.as_("ours") | key)
    second = guarded.http.post("/v1/records", content=dumps(mine), headers=guarded.as_("theirs") | key)
    assert (first.status_code, second.status_code) == (202, 202), second.text
    assert first.json()["id"] != second.json()["id"]
    assert second.json()["repeated"] is False


@pytest.mark.stores("the record of the vendor whose it is", records=(1,))
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("path", ["", "/preview", "/batch"])
def test_nobody_hands_anothers_record_over_in_a_new_version(guarded: Guarded, path: str, version: int) -> None:
    """Source system and record id of another controller's record: 403, though the custodian is one's own."""
    content = record()
    assert guarded.http.post("/v1/records", content=dumps(content), headers=guarded.as_("ours")).status_code == 202
    taken_over = content | {"custodian": content["custodian"] | {"id": THEIRS}, "record_version": version}
    answer = guarded.http.post(f"/v1/records{path}", content=dumps(taken_over), headers=guarded.as_("theirs"))
    assert (answer.json()["status"] if path == "/batch" else answer.status_code) == 403
    assert "K8062" in answer.text


def test_who_may_look_may_not_hand_over(guarded: Guarded) -> None:
    """403 names the missing scope; asking for more scopes gives no more."""
    form = _form(make_assertion("looker", URL, KEY, "k1", algorithm="ES384", now=time.time()), scope="system/*.cruds")
    answer = guarded.http.post("/v1/token", data=form).json()
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    assert guarded.http.post("/v1/records", content=body(), headers=bearer).status_code == 403
    assert guarded.http.post("/v1/records/_search", content=b"{}", headers=bearer).status_code == 200
