"""A small certificate authority for tests and demos, and what certificates are asked elsewhere.

It issues DVV-like certificates of two kinds: for servers (TLS, both sides, at most one year) and for signing
systems (at most two years); finland.md and DVV's public descriptions give the lifetimes. Nothing here is trusted
outside a test.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Kind = Literal["server", "signature"]
LIFETIME: dict[Kind, timedelta] = {"server": timedelta(days=365), "signature": timedelta(days=730)}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate, PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def private_key_pem(self) -> bytes:
        """The key, PEM, not encrypted: for tests."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def x5c(self) -> str:
        """The certificate as JOSE `x5c` wants it: base64 of DER."""
        return base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()


@dataclass(slots=True)
class Authority:
    """A test CA.

    Attributes:
        root: its own certificate and key.
        revoked: serial number to instant of revocation.
    """

    root: Issued
    revoked: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def create(cls, name: str, now: datetime) -> Authority:
        """Make a new CA that is valid for ten years from `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        certificate = (
            _builder(subject, subject, key, now, now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(certify=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(Issued(certificate, key))

    def issue(
        self, organisation: str, kind: Kind, now: datetime, *, hosts: tuple[str, ...] = (), days: int | None = None
    ) -> Issued:
        """Issue a certificate.

        Args:
            organisation: common name of the subject.
            kind: `server` for TLS on either side, `signature` for signing Bundles (refused in TLS).
            hosts: DNS names and IP addresses of a server.
            days: shorter life than the kind's; negative = already expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        end = now + (LIFETIME[kind] if days is None else timedelta(days=days))
        start = min(now, end - timedelta(days=1))
        builder = _builder(_name(organisation), self.root.certificate.subject, key, start, end)
        builder = builder.add_extension(_usage(certify=False), critical=True)
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        extended = purposes if kind == "server" else [x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")]
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=True)
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root.private_key.public_key())
        builder = builder.add_extension(authority_key, critical=False)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        return Issued(builder.sign(self.root.private_key, hashes.SHA256()), key)

    def revoke(self, certificate: x509.Certificate, now: datetime) -> None:
        """Put a certificate on the revocation list."""
        self.revoked[certificate.serial_number] = now

    def revocation_list(self, now: datetime) -> bytes:
        """Return the CRL as PEM, valid for a day."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.root.certificate.subject)
            .last_update(now)
            .next_update(now + timedelta(days=1))
        )
        for serial, when in self.revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.root.private_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def thumbprint(der: bytes) -> str:
    """Return `x5t#S256` of a certificate: base64url of SHA-256 of its DER, no padding (RFC 8705 §3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def days_left(certificate: x509.Certificate, now: float) -> float:
    """Return how many days the certificate is still valid at `now` (UTC seconds); negative when expired."""
    return (certificate.not_valid_after_utc - datetime.fromtimestamp(now, UTC)).total_seconds() / 86400


def untimely(certificate: x509.Certificate, now: float) -> str:
    """Say why the certificate may not be used at `now` (UTC seconds), in a reason of a `KeyProblem`; empty: it may."""
    if days_left(certificate, now) <= 0:
        return "ended"
    return "not-yet" if certificate.not_valid_before_utc.timestamp() > now else ""


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FI"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, certify: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certify,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certify,
        crl_sign=certify,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
