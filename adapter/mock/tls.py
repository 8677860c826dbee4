"""Mutual TLS with a built-in test authority: certificates of the DVV kind, issued, expired and revoked at will."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapter.security.certificates import Authority, Issued, thumbprint

CertificateKind = Literal["server", "signature", "foreign"]
"""`server` for TLS on either side, `signature` for signing only, `foreign` of an authority that nobody trusts."""

_UNFINISHED = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


def _machine_time() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RefusedHandshake:
    """A TLS handshake that was refused: no HTTP request came of it."""

    at: datetime
    reason: str

    @property
    def showed_certificate(self) -> bool:
        """False when the caller showed none."""
        return "did not return" not in self.reason


class CertificateFolder:
    """The test CA of one endpoint, with its files in a folder.

    Args:
        folder: gets `ca.pem`, `ca.crl.pem`, and for each name `<name>.pem` and `<name>.key.pem`.

    Attributes:
        clock: present instant, by which certificates expire beside the machine's own clock.
        refused: handshakes that were refused, oldest first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.clock: Callable[[], datetime] = _machine_time
        self.refused: list[RefusedHandshake] = []
        self.authority = Authority.create("Kykysilta test CA", _machine_time())
        self._foreign = Authority.create("Foreign CA", _machine_time())
        (folder / "ca.pem").write_bytes(self.authority.root.certificate_pem)
        self._write_list()

    def issue(
        self,
        name: str,
        kind: CertificateKind = "server",
        *,
        hosts: tuple[str, ...] = (),
        days: int | None = None,
        starts: int = 0,
    ) -> Issued:
        """Issue a certificate and write it with its key.

        Args:
            days: life; negative = already expired.
            starts: days from now until it begins to hold.
        """
        begin = _machine_time() + timedelta(days=starts)
        authority = self._foreign if kind == "foreign" else self.authority
        issued = authority.issue(name, "signature" if kind == "signature" else "server", begin, hosts=hosts, days=days)
        (self.folder / f"{name}.pem").write_bytes(issued.certificate_pem)
        key = self.folder / f"{name}.key.pem"
        key.touch(mode=0o600)
        key.write_bytes(issued.private_key_pem)
        return issued

    def thumbprint(self, name: str) -> str:
        """Return `x5t#S256` of an issued certificate."""
        return thumbprint(self._certificate(name).public_bytes(Encoding.DER))

    def revoke(self, name: str) -> None:
        """Revoke an issued certificate; connections made from now on are refused."""
        self.authority.revoke(self._certificate(name), _machine_time())
        self._write_list()

    def server_context(self, host: str) -> ssl.SSLContext:
        """Return the server's side: TLS 1.2 at least, a client certificate of this CA demanded."""
        self.issue("endpoint", hosts=(host, "localhost", "127.0.0.1"))
        context = _ServerContext(self)
        context.load_cert_chain(self.folder / "endpoint.pem", self.folder / "endpoint.key.pem")
        context.load_verify_locations(self.folder / "ca.pem")
        return context

    def check(self, der: bytes) -> None:
        """Refuse a certificate (DER) that is revoked, or has expired by the endpoint's clock; it holds at once.

        Raises:
            ssl.SSLCertVerificationError: with the reason.
        """
        certificate = x509.load_der_x509_certificate(der)
        if certificate.serial_number in self.authority.revoked:
            raise ssl.SSLCertVerificationError("certificate revoked")
        if not certificate.not_valid_before_utc <= self.clock() <= certificate.not_valid_after_utc:
            raise ssl.SSLCertVerificationError("certificate expired by the endpoint's clock")

    def _certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())

    def _write_list(self) -> None:
        (self.folder / "ca.crl.pem").write_bytes(self.authority.revocation_list(_machine_time()))


class _Connection(ssl.SSLObject):
    """The server's end of a connection; remembers why a handshake was refused."""

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """Shake hands; a refusal is noted with its reason."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except _UNFINISHED:
            raise
        except ssl.SSLError as error:
            self._failure = error
            self._note(getattr(error, "verify_message", "") or error.reason or str(error))
            # The event loop sends what is pending only when more is to come: so the caller gets the TLS alert.
            raise ssl.SSLWantReadError from None
        try:
            self._certificates.check(self.getpeercert(binary_form=True) or b"")
        except ssl.SSLError as error:
            self._note(str(error))
            raise

    def _note(self, reason: str) -> None:
        folder = self._certificates
        folder.refused.append(RefusedHandshake(folder.clock(), reason.lower().replace("_", " ")))

    @property
    def _certificates(self) -> CertificateFolder:
        context = self.context
        assert isinstance(context, _ServerContext)
        return context.certificates


class _ServerContext(ssl.SSLContext):
    """Demands a client certificate; its connections report to the folder."""

    sslobject_class = _Connection
    certificates: CertificateFolder

    def __new__(cls, certificates: CertificateFolder) -> _ServerContext:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.certificates = certificates
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        return context
