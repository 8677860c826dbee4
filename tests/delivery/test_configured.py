"""Signing, tokens and client certificates from settings, against a running endpoint that asks for them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapter.delivery import configured
from adapter.delivery.client import Repository
from adapter.fhir.canonical import canonical
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.security.certificates import Authority
from adapter.security.key_files import CertificateFile, KeyFile, read_private_key
from adapter.security.keys import KeyProblem
from adapter.security.token_source import ClientKey, TokenSource
from adapter.serve import MissingKeyError, check_keys, load_settings
from adapter.settings import Settings

NOW = datetime.now(UTC)
OID = "1.2.246.10.32213086.10.0"
PATIENT = {
    "fullUrl": "urn:uuid:5a0c6f06-5b4b-4b34-9c1c-6f1b3b0b7d10",
    "resource": {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]},
    "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:x|1"},
}
BUNDLE = {"resourceType": "Bundle", "type": "transaction", "entry": [PATIENT]}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS 8, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_key(path: Path) -> str:
    """Write a new P-384 key; return its public key set."""
    path.write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
    return json.dumps({"keys": [KeyFile(path).current().public_jwk]})


def settings_for(base: str, **more: Any) -> Settings:
    """Settings of an adapter in front of this repository."""
    return load_settings(repository_url=base, demo=True, **more)


@contextmanager
def opened(settings: Settings) -> Iterator[Repository]:
    """The repository's client."""
    repository = configured.repository(settings)
    yield repository
    repository.close()


def test_a_token_is_asked_for_and_a_rotated_key_is_used_at_once(tmp_path: Path) -> None:
    """Key file and registration change: a refused token is replaced by the new key; another key is refused."""
    file = tmp_path / "client.pem"
    clients = (ClientSettings("adapter", new_key(file)),)
    with running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base:
        control = base.replace("/fhir", "/_mock/api/default")
        settings = settings_for(base, backend_client={"client_id": "adapter", "key_file": file})
        with opened(settings) as repository:
            assert repository.post_bundle(canonical(BUNDLE), "r1").status == 200
            keys = new_key(file)
            assert httpx.post(f"{control}/clients", json={"id": "adapter", "keys": keys}).status_code == 201
            fault = {
                "match": {"method": "POST", "path": "^$"},
                "when": {"count": 1},
                "effect": {"kind": "status", "status": 401},
            }
            httpx.post(f"{control}/faults", json=fault).raise_for_status()
            assert repository.post_bundle(canonical(BUNDLE), "r2").status == 200
            tokens = httpx.get(f"{control}/journal", params={"path": "^oauth"}).json()
            assert [one["status"] for one in tokens] == [200, 200]
            new_key(file)
        with opened(settings) as repository:
            answer = repository.post_bundle(canonical(BUNDLE), "r3")
            assert (answer.status, answer.cause) == (401, "invalid_client")


def test_a_token_is_renewed_before_it_expires(tmp_path: Path) -> None:
    """Five minutes later, by both clocks, a new one is asked for and no call is refused."""
    file = tmp_path / "client.pem"
    ahead = [0.0]
    clients = (ClientSettings("adapter", new_key(file)),)
    with running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base:
        control = base.replace("/fhir", "/_mock/api/default")
        key = KeyFile(file).current()

        def source(client: httpx.Client) -> TokenSource:
            mine = ClientKey("adapter", key.key, key.key_id, "ES384")
            return TokenSource(client, lambda: mine, "system/*.cruds", clock=lambda: time.time() + ahead[0])

        repository = Repository(base, token_source=source)
        assert repository.post_bundle(canonical(BUNDLE), "r1").status == 200
        httpx.post(f"{control}/clock", json={"step": 301}).raise_for_status()
        ahead[0] = 301.0
        assert repository.post_bundle(canonical(BUNDLE), "r2").status == 200
        repository.close()
        asked = httpx.get(f"{control}/journal").json()
        assert [one["status"] for one in asked] == [200] * len(asked)
        assert sum(one["url"].endswith("/oauth/token") for one in asked) == 2


def test_mutual_tls_with_tokens(tmp_path: Path) -> None:
    """With the client certificate it delivers; without it nothing is sent."""
    file = tmp_path / "client.pem"
    clients = (ClientSettings("adapter", new_key(file)),)
    folder = tmp_path / "certificates"
    with running_mock(MockSettings(port=0, auth="mtls", clients=clients, certificates=str(folder))) as base:
        certificate = {"certificate_file": folder / "adapter.pem", "key_file": folder / "adapter.key.pem"}
        client = {"client_id": "adapter", "key_file": file}
        common = {"trusted_authorities": folder / "ca.pem", "backend_client": client}
        with opened(settings_for(base, client_certificate=certificate, **common)) as repository:
            assert repository.post_bundle(canonical(BUNDLE), "r1").status == 200
        with opened(settings_for(base, **common)) as repository:
            assert repository.post_bundle(canonical(BUNDLE), "r2").status == 0


@pytest.fixture(scope="module")
def signing_repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Authority]]:
    """A repository that demands signatures by certificates of an authority."""
    folder = tmp_path_factory.mktemp("signing")
    authority = Authority.create("Test CA", NOW)
    (folder / "ca.pem").write_bytes(authority.root.certificate_pem)
    (folder / "policy.yaml").write_text("name: signed\ntypes: all\nsigned: [Patient]\n")
    settings = MockSettings(port=0, policy=str(folder / "policy.yaml"), trusted=str(folder / "ca.pem"))
    with running_mock(settings) as base:
        yield base, folder, authority


def test_the_repository_verifies_our_signature(signing_repository: tuple[str, Path, Authority]) -> None:
    """Signed with a trusted certificate it is taken, unsigned it is refused; a rotated key is used at once."""
    base, folder, authority = signing_repository
    signing = {"key_file": folder / "key.pem", "certificate_file": folder / "chain.pem", "organisation": OID}

    def rotate() -> None:
        issued = authority.issue("Adapter", "signature", NOW)
        (folder / "key.pem").write_bytes(issued.private_key_pem)
        (folder / "chain.pem").write_bytes(issued.certificate_pem)

    rotate()
    settings = settings_for(base, signing=signing)
    signer = configured.signer(settings)
    assert signer is not None
    with opened(settings) as repository:
        assert repository.post_bundle(canonical(BUNDLE), "r").status == 400
        for _ in range(2):
            assert repository.post_bundle(signer().sign(BUNDLE, NOW.isoformat()), "r").status == 200
            rotate()


def test_a_certificate_of_another_key_is_refused_at_the_start(
    signing_repository: tuple[str, Path, Authority], tmp_path: Path
) -> None:
    """`config check` and the start say it; the text names no key material."""
    _, _, authority = signing_repository
    (tmp_path / "key.pem").write_bytes(authority.issue("One", "signature", NOW).private_key_pem)
    (tmp_path / "chain.pem").write_bytes(authority.issue("Two", "signature", NOW).certificate_pem)
    signing = {"key_file": tmp_path / "key.pem", "certificate_file": tmp_path / "chain.pem", "organisation": OID}
    with pytest.raises(MissingKeyError, match="another key"):
        check_keys(settings_for("http://127.0.0.1:9/fhir", signing=signing))


def test_nothing_is_signed_with_a_certificate_that_is_not_valid(
    signing_repository: tuple[str, Path, Authority], tmp_path: Path
) -> None:
    """The start is not stopped; before its time and after it no Bundle is signed, and a new file is used at once."""
    _, _, authority = signing_repository
    signing = {"key_file": tmp_path / "key.pem", "certificate_file": tmp_path / "chain.pem", "organisation": OID}

    def issue(days: int) -> None:
        issued = authority.issue("Adapter", "signature", NOW, days=days)
        (tmp_path / "key.pem").write_bytes(issued.private_key_pem)
        (tmp_path / "chain.pem").write_bytes(issued.certificate_pem)

    issue(-1)
    settings = settings_for("http://127.0.0.1:9/fhir", signing=signing)
    signer = configured.signer(settings)
    early = configured.signer(settings, clock=lambda: NOW.timestamp() - 10 * 86400)
    assert signer is not None
    assert early is not None
    with pytest.raises(KeyProblem, match=r"signing\.certificate_file: the certificate has ended"):
        signer()
    with pytest.raises(KeyProblem, match="not valid yet"):
        early()
    issue(10)
    assert signer().chain


def test_what_is_told_of_certificates_is_what_is_used(
    signing_repository: tuple[str, Path, Authority], tmp_path: Path
) -> None:
    """A new signing certificate counts at once, TLS is as at the start; a file that is being written is no fault."""
    _, _, authority = signing_repository
    for name in ("signing", "api"):
        issued = authority.issue(name, "signature", NOW, days=10)
        (tmp_path / f"{name}.key").write_bytes(issued.private_key_pem)
        (tmp_path / f"{name}.pem").write_bytes(issued.certificate_pem)
    settings = settings_for(
        "http://127.0.0.1:9/fhir",
        signing={
            "key_file": tmp_path / "signing.key",
            "certificate_file": tmp_path / "signing.pem",
            "organisation": OID,
        },
        tls={"key_file": tmp_path / "api.key", "certificate_file": tmp_path / "api.pem"},
    )
    in_use = configured.certificates(settings)
    before = in_use()
    for name in ("signing", "api"):
        (tmp_path / f"{name}.pem").write_bytes(authority.issue(name, "signature", NOW, days=60).certificate_pem)
    after = in_use()
    assert after["api"] == before["api"]
    assert (after["signing"].not_valid_after_utc - before["signing"].not_valid_after_utc).days == 50
    (tmp_path / "signing.pem").write_bytes(b"")
    assert in_use().keys() == {"api"}


def test_an_empty_file_holds_no_key_and_no_certificate(tmp_path: Path) -> None:
    """It is told as any other file without one."""
    (tmp_path / "empty.pem").touch()
    with pytest.raises(KeyProblem, match="no unencrypted PEM private key"):
        KeyFile(tmp_path / "empty.pem")
    with pytest.raises(KeyProblem, match="no PEM certificate"):
        CertificateFile(tmp_path / "empty.pem", "x")


def test_no_signing_key_means_unsigned() -> None:
    """It is a choice of the settings."""
    assert configured.signer(settings_for("http://127.0.0.1:9/fhir")) is None


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RS512"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
    ],
)
def test_the_algorithm_follows_from_the_key(make: Callable[[], Any], algorithm: str) -> None:
    """And its name is its thumbprint."""
    found = read_private_key(pem(make()))
    assert found.algorithm("RS512") == algorithm
    assert len(found.key_id) == 43
    assert found.public_jwk["kid"] == found.key_id
    assert "d" not in found.public_jwk


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PRIVATE KEY-----\n", pem(ec.generate_private_key(ec.SECP521R1()))]
)
def test_other_keys_are_refused(content: bytes) -> None:
    """Not PEM, or a curve that is not offered."""
    with pytest.raises(KeyProblem):
        read_private_key(content)
