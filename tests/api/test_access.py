"""Vendors prove who they are by signed assertions or certificates, over real TLS, as the settings register them."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapter.api.configured import tls
from adapter.api.pace import MOST_BUCKETS, Pace, TooFast
from adapter.audit.rows import read_rows
from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from adapter.security.certificates import Authority
from adapter.security.key_files import KeyFile
from adapter.serve import MissingKeyError, adapter_app, check_keys, in_background, load_settings
from adapter.store import Database
from tests.api.conftest import record

OURS = "1.2.246.10.32213086.10.0"
CERTIFIED = {"grant_type": "client_credentials", "client_id": "card", "scope": "system/Bundle.crs"}
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Guarded:
    """An adapter over TLS with two registered clients.

    Attributes:
        url: its base URL.
        folder: holds the key `keys.pem`, and `<name>.pem` with `<name>.key.pem` for card, both, stranger.
    """

    url: str
    folder: Path

    def http(self, certificate: str = "") -> httpx.Client:
        """A client that shows a certificate, or none."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if certificate:
            context.load_cert_chain(self.folder / f"{certificate}.pem", self.folder / f"{certificate}.key.pem")
        return httpx.Client(base_url=self.url, verify=context, timeout=30)

    def asserted(self, client_id: str) -> dict[str, str]:
        """A token request with a signed assertion."""
        with self.http() as http:
            url = http.get("/v1/.well-known/smart-configuration").json()["token_endpoint"]
        key = KeyFile(self.folder / "keys.pem").current()
        signed = make_assertion(client_id, url, key.key, key.key_id, algorithm="ES384", now=time.time())
        return {
            "grant_type": "client_credentials",
            "scope": "system/Bundle.crs",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed,
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, repository: str) -> Iterator[Guarded]:
    """One client with keys, one with a certificate, one with both."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority.create("Test CA", NOW)
    (folder / "ca.pem").write_bytes(authority.root.certificate_pem)
    for name in ("server", "card", "both", "stranger"):
        issued = authority.issue(name, "server", NOW, hosts=("127.0.0.1",))
        (folder / f"{name}.pem").write_bytes(issued.certificate_pem)
        (folder / f"{name}.key.pem").write_bytes(issued.private_key_pem)
    key = ec.generate_private_key(ec.SECP384R1())
    (folder / "keys.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = KeyFile(folder / "keys.pem").current().public_jwk
    (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
    jwks = {"jwks_file": folder / "jwks.json", "custodians": [OURS]}
    settings = load_settings(
        database=f"sqlite:///{folder / 'k.sqlite'}",
        repository_url=repository,
        demo=True,
        public_url="https://adapter.example",
        tls={"certificate_file": folder / "server.pem", "key_file": folder / "server.key.pem"},
        clients={
            "keys": jwks,
            "card": {"certificate_file": folder / "card.pem", "custodians": [OURS]},
            "both": jwks | {"certificate_file": folder / "both.pem"},
            "offices": jwks | {"custodians": ["0246246-0", "https://toimistot.example|te-6100"]},
        },
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0, tls(settings)) as url:
        yield Guarded(url, folder)


def bearer(answer: httpx.Response) -> dict[str, str]:
    """The header of a token."""
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_signed_assertions_open_the_door(guarded: Guarded) -> None:
    """private_key_jwt: discovery, token, record."""
    with guarded.http() as http:
        token = bearer(http.post("/v1/token", data=guarded.asserted("keys")))
        assert http.post("/v1/records", content=record("client"), headers=token).status_code == 202


def test_a_registered_certificate_opens_the_door(guarded: Guarded) -> None:
    """mTLS: the token holds only on connections that show the certificate (RFC 8705)."""
    with guarded.http("card") as http:
        token = bearer(http.post("/v1/token", data=CERTIFIED))
        taken = http.post("/v1/records", content=record("client"), headers=token)
        assert taken.status_code == 202
    with guarded.http() as bare:
        assert bare.get(taken.headers["Location"], headers=token).status_code == 401


def test_who_registers_both_needs_both(guarded: Guarded) -> None:
    """Keys alone or the certificate alone give no token."""
    form = guarded.asserted("both")
    with guarded.http() as http:
        assert http.post("/v1/token", data=form).status_code == 401
    with guarded.http("card") as http:
        assert http.post("/v1/token", data=form).status_code == 401
    with guarded.http("both") as http:
        assert http.post("/v1/token", data=CERTIFIED | {"client_id": "both"}).status_code == 401
        assert http.post("/v1/token", data=form).status_code == 200


def test_a_certificate_that_nobody_registered_ends_the_connection(guarded: Guarded) -> None:
    """Even one of the same authority."""
    with guarded.http("stranger") as http, pytest.raises(httpx.TransportError):
        http.get("/healthz")


def test_without_a_token_nothing_is_taken(guarded: Guarded) -> None:
    """Registered clients close the loopback door: 401 with a challenge, in the caller's language."""
    with guarded.http() as http:
        answer = http.post("/v1/records", content=record("client"), headers={"Accept-Language": "sv"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Language"] == "sv"


def test_a_question_in_a_foreign_name_is_refused_and_stands_in_the_log(guarded: Guarded) -> None:
    """Who fetches in the name of an organisation that is not its own gets 403; the log keeps who tried."""
    question = {
        "client": {"personal_identity_code": "010594Y9032"},
        "organisation": {"id": "1.2.246.10.99"},
        "purpose": "treatment",
    }
    with guarded.http() as http:
        token = bearer(http.post("/v1/token", data=guarded.asserted("keys")))
        refused = http.post("/v1/clients/_fetch", json=question, headers=token)
    assert refused.status_code == 403
    assert "may not fetch in the name of this organisation" in refused.text
    database = Database(f"sqlite:///{guarded.folder / 'k.sqlite'}")
    with database.reading() as connection:
        *_, row = read_rows(connection, kinds=("refusal",))
    database.close()
    assert (row.fact("sender"), row.fact("organisation")) == ("keys", "1.2.246.10.99")
    assert (row.fact("stage"), row.fact("rules")) == ("fetch", "foreign-custodian")


def test_the_operator_sees_why_a_client_got_no_token(guarded: Guarded) -> None:
    """One line says which registered client and why, never what it showed; the answer tells nobody."""
    replayed = guarded.asserted("keys")
    asked = [replayed, replayed, guarded.asserted("stranger"), CERTIFIED | {"client_id": "nobody"}]
    with structlog.testing.capture_logs() as logs, guarded.http() as http, guarded.http("card") as card:
        answers = [http.post("/v1/token", data=one) for one in asked[:3]] + [card.post("/v1/token", data=asked[3])]
    assert [one.status_code for one in answers] == [200, 401, 401, 401]
    assert {one.text for one in answers[1:]} == {'{"error":"invalid_client"}'}
    told = [(line["client"], line["cause"]) for line in logs if line["event_number"] == 4002]
    assert told == [("keys", "replayed"), ("", "unknown-client"), ("", "unknown-client")]
    assert replayed["client_assertion"] not in str(logs)


@pytest.mark.parametrize(
    ("organisation", "status"),
    [
        ({"id": "0246246-0"}, 200),
        ({"id": "te-6100", "system": "https://toimistot.example"}, 200),
        ({"id": "te-6100"}, 403),
        ({"id": "te-6100", "system": "https://muut.example"}, 403),
        ({"id": "0246246-0", "system": "https://muut.example"}, 403),
    ],
)
def test_an_organisation_without_an_oid_asks_in_its_own_name(
    guarded: Guarded, organisation: dict[str, str], status: int
) -> None:
    """A Y-tunnus, or an id with its system, is registered as records name it; the id of another system is another's."""
    question = {"client": {"personal_identity_code": "010594Y9032"}, "purpose": "treatment"}
    with guarded.http() as http:
        token = bearer(http.post("/v1/token", data=guarded.asserted("offices")))
        answer = http.post("/v1/clients/_fetch", json=question | {"organisation": organisation}, headers=token)
    assert answer.status_code == status


def test_nobody_serves_without_clients_outside_a_demo() -> None:
    """The adapter refuses to start and says what to write."""
    id_key, storage_key = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    with pytest.raises(MissingKeyError, match=r"\[clients\.<client id>\]"):
        check_keys(load_settings(id_key=id_key, storage_keys={"1": storage_key}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "one of jwks_file, jwks_url and certificate_file"),
        ({"certificate_file": "card.pem"}, "needs the certificate of the API"),
        ({"jwks_file": "card.pem"}, "clients.x.jwks_file: the key set is not JSON"),
        ({"certificate_file": "jwks.json"}, "clients.x.certificate_file: the file holds no PEM"),
    ],
)
def test_a_client_that_cannot_prove_itself_is_a_wrong_setting(
    guarded: Guarded, changes: dict[str, str], told: str
) -> None:
    """The adapter does not start with it."""
    files = {name: guarded.folder / file for name, file in changes.items()}
    with pytest.raises(MissingKeyError, match=told):
        check_keys(load_settings(demo=True, clients={"x": {"custodians": [OURS], **files}}))


def test_metrics_are_for_the_operator(repository: str, tmp_path: Path) -> None:
    """From elsewhere the page does not exist; health needs no permission."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=repository,
        demo=True,
        operator_networks=["10.0.0.0/8"],
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        assert httpx.get(f"{url}/metrics").status_code == 404
        assert httpx.get(f"{url}/healthz").status_code == 200


def test_too_many_requests_are_told_when_to_come_back(repository: str, tmp_path: Path) -> None:
    """429 with Retry-After, and afterwards it goes on."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=repository,
        demo=True,
        requests_per_second=2,
        burst=3,
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        answers = [httpx.post(f"{url}/v1/records/_search", content=b"{}") for _ in range(6)]
        slow = next(answer for answer in answers if answer.status_code == 429)
        assert slow.json()["issue"][0]["code"] == "throttled"
        time.sleep(float(slow.headers["Retry-After"]))
        assert httpx.post(f"{url}/v1/records/_search", content=b"{}").status_code == 200


def test_every_caller_has_a_pace_of_its_own() -> None:
    """One caller's haste does not slow another; a configured rate wins; strangers are forgotten."""
    now = 0.0
    pace = Pace(1.0, 1.0, lambda: now, rates={"fast": 10.0})
    pace.check("slow")
    pace.check("fast")
    with pytest.raises(TooFast) as refused:
        pace.check("slow")
    assert refused.value.seconds == 1
    now = 0.1
    pace.check("fast")
    for number in range(MOST_BUCKETS):
        pace.check(f"stranger {number}")
    now = 5.0
    pace.check("slow")
    assert len(pace._buckets) < 10
