"""Mutual TLS with a built-in test authority: certificates of the DVV kind, issued, expired and revoked at will."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapter.mock.breaking import TRANSPORT
from adapter.security.certificates import Authority, Issued, thumbprint


def peer_thumbprint(scope: Mapping[str, Any]) -> str:
    """Return `x5t#S256` of the caller's TLS certificate, or an empty string."""
    transport = scope.get(TRANSPORT)
    connection = transport.get_extra_info("ssl_object") if transport is not None else None
    der = connection.getpeercert(binary_form=True) if connection is not None else None
    return thumbprint(der) if der else ""


class CertificateFolder:
    """The test CA of one endpoint, with its files in a folder.

    Args:
        folder: gets `ca.pem`, `ca.crl.pem`, and for each name `<name>.pem` and `<name>.key.pem`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority.create("Kykysilta test CA", datetime.now(UTC))
        (folder / "ca.pem").write_bytes(self.authority.root.certificate_pem)
        self._write_list()

    def issue(self, name: str, kind: Any = "server", *, hosts: tuple[str, ...] = (), days: int | None = None) -> Issued:
        """Issue a certificate and write it with its key."""
        issued = self.authority.issue(name, kind, datetime.now(UTC), hosts=hosts, days=days)
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
        self.authority.revoke(self._certificate(name), datetime.now(UTC))
        self._write_list()

    def server_context(self, host: str) -> ssl.SSLContext:
        """Return the server's side: TLS 1.2 at least, a client certificate of this CA demanded."""
        self.issue("endpoint", hosts=(host, "localhost", "127.0.0.1"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "endpoint.pem", self.folder / "endpoint.key.pem")
        context.load_verify_locations(self.folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def refuses(self, der: bytes) -> bool:
        """True when the certificate (DER) is revoked; looked up at every connection, so it holds at once."""
        return x509.load_der_x509_certificate(der).serial_number in self.authority.revoked

    def _certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())

    def _write_list(self) -> None:
        (self.folder / "ca.crl.pem").write_bytes(self.authority.revocation_list(datetime.now(UTC)))
