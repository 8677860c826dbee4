"""Makes the parts of delivery that need keys and certificates out of settings."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Callable

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from adapter.delivery.chores import HOUR, Chore, checkpoints, expiry, integrity, retention
from adapter.delivery.client import Repository
from adapter.security.certificates import untimely
from adapter.security.key_files import CertificateFile, KeyFile, PrivateKey, read_certificates
from adapter.security.keys import KeyProblem
from adapter.security.signatures import Signer
from adapter.security.token_source import ClientKey, TokenSource
from adapter.settings import ApiClient, ClientCertificate, ServerCertificate, Settings, Signing
from adapter.store import Cipher, Database

RSA_FOR_BUNDLES = "RS512"
RSA_FOR_ASSERTIONS = "RS384"
OID = "urn:ietf:rfc:3986"
SIGNING_CERTIFICATE = "signing.certificate_file"
Certified = ClientCertificate | ServerCertificate | ApiClient


def signer(settings: Settings, *, clock: Callable[[], float] = time.time) -> Callable[[], Signer] | None:
    """Return what gives the signing key for each Bundle, or None when none is configured: Bundles go out unsigned.

    What it gives is asked for again for each Bundle, and raises a KeyProblem while the certificate has ended or is not
    valid yet. That does not stop the start: records are taken, and wait for a certificate that is valid.

    Args:
        clock: UTC seconds.

    Raises:
        KeyProblem: the key or its certificate cannot be used, or they do not belong together.
    """
    signing = settings.signing
    if signing is None:
        return None
    file = KeyFile(signing.key_file, signing.key_id, setting="signing.key_file")
    certificates = _signing_certificates(signing)
    who = {"identifier": {"system": OID, "value": f"urn:oid:{signing.organisation}"}}

    def pair() -> tuple[PrivateKey, list[x509.Certificate]]:
        key, chain = file.current(), certificates()
        if chain and chain[0].public_key() != key.key.public_key():
            raise KeyProblem("other-certificate").at(SIGNING_CERTIFICATE)
        return key, chain

    def current() -> Signer:
        key, chain = pair()
        if chain and (reason := untimely(chain[0], clock())):
            raise KeyProblem(reason).at(SIGNING_CERTIFICATE)
        x5c = tuple(b64encode(each.public_bytes(Encoding.DER)).decode() for each in chain)
        return Signer(key.key, key.key_id, key.algorithm(RSA_FOR_BUNDLES), who, x5c)

    pair()
    return current


def _signing_certificates(signing: Signing | None) -> Callable[[], list[x509.Certificate]]:
    """Return what gives the chain of the signing certificate as it is now; an empty one when none is configured."""
    if signing is None or signing.certificate_file is None:
        return list
    return CertificateFile(signing.certificate_file, SIGNING_CERTIFICATE).current


def repository(settings: Settings) -> Repository:
    """Return the client of the repository, with tokens and client certificate when they are configured.

    Raises:
        KeyProblem: a key or certificate cannot be used.
    """
    return Repository(
        settings.repository_url,
        timeout=settings.delivery_timeout,
        verify=_tls(settings),
        token_source=_token_source(settings),
        road_client=settings.road_client,
    )


def chores(settings: Settings, database: Database, cipher: Cipher) -> list[Chore]:
    """Return what this adapter does now and then.

    Raises:
        KeyProblem: the audit key or a certificate cannot be used.
    """
    found = [
        retention(database, cipher, settings.retention_days, settings.idempotency_hours * HOUR),
        expiry(certificates(settings)),
        integrity(database),
    ]
    key = audit_key(settings)
    return [*found, checkpoints(database, key)] if key is not None else found


def audit_key(settings: Settings) -> Ed25519PrivateKey | None:
    """Return the key that signs checkpoints of the audit log, or None when none is configured.

    Raises:
        KeyProblem: the file holds no such key.
    """
    if settings.audit_key_file is None:
        return None
    try:
        key = load_pem_private_key(settings.audit_key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        raise KeyProblem("no-pem").at("audit_key_file") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem("no-ed25519").at("audit_key_file")
    return key


def certificates(settings: Settings) -> Callable[[], dict[str, x509.Certificate]]:
    """Return what tells the certificates that are in use just now: our own by what they are for, and those of
    registered clients by `caller` and their id.

    That for signing is the file's present one, because it is used at once; while its file cannot be read, there is
    none. The others are those that were read here, because they are used until the next start.

    Raises:
        KeyProblem: a file holds no certificate.
    """
    kept = _until_restart(settings)
    signing = _signing_certificates(settings.signing)

    def in_use() -> dict[str, x509.Certificate]:
        try:
            chain = signing()
        except KeyProblem:
            chain = []
        return kept | {"signing": chain[0]} if chain else kept

    return in_use


def _until_restart(settings: Settings) -> dict[str, x509.Certificate]:
    """Return the certificates of TLS, by what they are for."""
    own = {
        "client": _read(settings.client_certificate, "client_certificate"),
        "api": _read(settings.tls, "tls"),
    }
    found = {use: chain[0] for use, chain in own.items() if chain}
    for name, caller in settings.clients.items():
        if given := _read(caller, f"clients.{name}"):
            found[f"caller {name}"] = max(given, key=lambda each: each.not_valid_after_utc)
    return found


def _read(part: Certified | None, name: str) -> list[x509.Certificate]:
    """Return the certificates that a group of settings names; none when it names none."""
    if part is None or part.certificate_file is None:
        return []
    return read_certificates(part.certificate_file, f"{name}.certificate_file")


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    own, authorities = settings.client_certificate, settings.trusted_authorities
    if own is None and authorities is None:
        return True
    try:
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    except (ssl.SSLError, OSError):
        raise KeyProblem("no-certificate").at("trusted_authorities") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if own is not None:
        try:
            context.load_cert_chain(own.certificate_file, own.key_file)
        except (ssl.SSLError, OSError):
            raise KeyProblem("no-pair").at("client_certificate") from None
    return context


def _token_source(settings: Settings) -> Callable[[httpx.Client], TokenSource] | None:
    client = settings.backend_client
    if client is None:
        return None
    file = KeyFile(client.key_file, client.key_id, setting="backend_client.key_file")

    def key() -> ClientKey:
        current = file.current()
        return ClientKey(client.client_id, current.key, current.key_id, current.algorithm(RSA_FOR_ASSERTIONS))

    if key().algorithm == "ES256":
        raise KeyProblem("no-p384").at("backend_client.key_file")
    return lambda http: TokenSource(http, key, client.scopes, clock=time.time, token_url=client.token_url)
