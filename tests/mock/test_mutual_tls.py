"""Mutual TLS row by row (M1–M8): whose handshake is refused, and why; control and page beside it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from adapter.mock.cli import app
from adapter.mock.client import MockClient
from adapter.mock.serve import Addresses, running_endpoint
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.mock.token_client import TokenClient, certified, make_key

PEM, KEYS = make_key()


@dataclass(frozen=True)
class Secured:
    """An endpoint over mutual TLS."""

    addresses: Addresses
    folder: Path
    control: MockClient

    def reason(self, name: str) -> str:
        """Why a caller with that certificate is refused; empty when it is not."""
        before = len(self.control.refused_handshakes())
        try:
            with certified(self.folder, name) as http:
                http.get(f"{self.addresses.fhir}/metadata").raise_for_status()
        except httpx.TransportError:
            return self.control.refused_handshakes()[before]["reason"]
        return ""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """An endpoint with two clients, each with a certificate of its own."""
    folder = tmp_path_factory.mktemp("certificates")
    clients = (ClientSettings("ehr", KEYS), ClientSettings("other", KEYS))
    settings = MockSettings(port=0, auth="mtls", clients=clients, certificates=str(folder))
    with running_endpoint(settings) as addresses, MockClient(addresses.control) as control:
        yield Secured(addresses, folder, control)


def test_m1_without_a_certificate(secured: Secured) -> None:
    """M1: refused in the handshake; nothing reaches the journal."""
    context = ssl.create_default_context(cafile=str(secured.folder / "ca.pem"))
    secured.control.clear_journal()
    with pytest.raises(httpx.TransportError), httpx.Client(verify=context) as http:
        http.get(f"{secured.addresses.fhir}/metadata")
    assert "did not return a certificate" in secured.control.refused_handshakes()[-1]["reason"]
    assert secured.control.journal() == []


@pytest.mark.parametrize(
    ("row", "kind", "days", "starts", "reason"),
    [
        ("m2", "foreign", None, 0, "unable to get local issuer certificate"),
        ("m3", "server", -1, 0, "certificate has expired"),
        ("m3-not-yet", "server", None, 5, "certificate is not yet valid"),
        ("m8", "signature", None, 0, "unsuitable certificate purpose"),
    ],
)
def test_m2_m3_m7_m8_wrong_certificates(
    secured: Secured, row: str, kind: str, days: int | None, starts: int, reason: str
) -> None:
    """M2, M3, M7, M8: foreign (as a chain without its intermediate looks), expired, not yet valid, for signing only."""
    secured.control.issue_certificate(row, kind=kind, days=days, starts=starts)  # type: ignore[arg-type]
    assert secured.reason(row) == reason


def test_m4_a_revoked_certificate_is_refused_at_once(secured: Secured) -> None:
    """M4: good before, refused after, also from the shell; the list of the authority names it."""
    secured.control.issue_certificate("m4")
    assert secured.reason("m4") == ""
    where = ["--url", secured.addresses.control]
    assert CliRunner().invoke(app, ["certificate", "revoke", "m4", *where]).exit_code == 0
    assert "revoked" in secured.reason("m4")
    assert "revoked" in CliRunner().invoke(app, ["certificate", "refused", *where]).output
    assert b"X509 CRL" in (secured.folder / "ca.crl.pem").read_bytes()


def test_certificates_expire_by_the_endpoints_clock(secured: Secured) -> None:
    """A year later by the stepped clock a certificate of the DVV kind does not hold any more."""
    secured.control.issue_certificate("year")
    secured.control.step(366 * 86_400)
    try:
        assert "expired" in secured.reason("year")
    finally:
        secured.control.run_clock()
    assert secured.reason("year") == ""


def test_m5_m6_client_and_token_belong_to_a_certificate(secured: Secured) -> None:
    """M5, M6: another organisation's certificate gets no token for this client and cannot use its token."""
    with certified(secured.folder, "ehr") as own, certified(secured.folder, "other") as thief:
        headers = TokenClient(secured.addresses.fhir, "ehr", PEM, own).headers()
        assert own.get(f"{secured.addresses.fhir}/Patient", headers=headers).status_code == 200
        assert thief.get(f"{secured.addresses.fhir}/Patient", headers=headers).status_code == 401
        with pytest.raises(ValueError, match="invalid_client"):
            TokenClient(secured.addresses.fhir, "ehr", PEM, thief).token()


def test_r10_r11_r12_only_modern_tls_and_no_fhir_beside_it(secured: Secured) -> None:
    """R10–R12: TLS 1.2 at least, HSTS; on the plain port there are control and page, and no FHIR."""
    with certified(secured.folder, "ehr") as http:
        answer = http.get(f"{secured.addresses.fhir}/metadata")
        assert "max-age" in answer.headers["strict-transport-security"]
        assert http.get(f"{secured.addresses.fhir}/metadata").json()["implementation"]["url"] == secured.addresses.fhir
    plain = httpx.get(f"{secured.addresses.control}/fhir/metadata")
    assert (plain.status_code, plain.content) == (403, b"")
    assert httpx.get(f"{secured.addresses.control}/_mock/").status_code == 200
    old = ssl.create_default_context(cafile=str(secured.folder / "ca.pem"))
    old.load_cert_chain(secured.folder / "ehr.pem", secured.folder / "ehr.key.pem")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.TransportError), httpx.Client(verify=old) as http:
        http.get(f"{secured.addresses.fhir}/metadata")


def test_a_token_over_mutual_tls_from_the_shell(secured: Secured, tmp_path: Path) -> None:
    """The same command with the folder of certificates."""
    key = tmp_path / "ehr.key.pem"
    key.write_bytes(PEM)
    words = ["token", "ehr", "--key", str(key), "--url", secured.addresses.fhir]
    result = CliRunner().invoke(app, [*words, "--certificates", str(secured.folder)])
    assert result.exit_code == 0, result.output
    assert result.output.count(".") == 2
    assert CliRunner().invoke(app, words).exit_code == 2
