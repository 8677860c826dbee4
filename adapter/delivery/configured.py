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
from adapter.security.key_files import KeyFile, read_certificates
from adapter.security.keys import KeyProblem
from adapter.security.signatures import Signer
from adapter.security.token_source import ClientKey, TokenSource
from adapter.settings import Settings
from adapter.store import Database

RSA_FOR_BUNDLES = "RS512"
RSA_FOR_ASSERTIONS = "RS384"
OID = "urn:ietf:rfc:3986"


def signer(settings: Settings) -> Callable[[], Signer] | None:
    """Return what gives the signing key for each Bundle, or None when none is configured: Bundles go out unsigned.

    Raises:
        KeyProblem: the key or its certificate cannot be used, or they do not belong together.
    """
    signing = settings.signing
    if signing is None:
        return None
    file = KeyFile(signing.key_file, signing.key_id)
    who = {"identifier": {"system": OID, "value": f"urn:oid:{signing.organisation}"}}

    def current() -> Signer:
        key = file.current()
        certificates = read_certificates(signing.certificate_file) if signing.certificate_file else []
        if certificates and certificates[0].public_key() != key.key.public_key():
            raise KeyProblem("the signing certificate is of another key")
        chain = tuple(b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates)
        return Signer(key.key, key.key_id, key.algorithm(RSA_FOR_BUNDLES), who, chain)

    current()
    return current


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


def chores(settings: Settings, database: Database) -> list[Chore]:
    """Return what this adapter does now and then.

    Raises:
        KeyProblem: the audit key or a certificate cannot be used.
    """
    found = [
        retention(database, settings.retention_days, settings.idempotency_hours * HOUR),
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
        raise KeyProblem("the audit key file holds no unencrypted PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyProblem("the audit key is no Ed25519 key")
    return key


def certificates(settings: Settings) -> dict[str, x509.Certificate]:
    """Return our own certificates by what they are for, and those of registered clients by `caller` and their id.

    Raises:
        KeyProblem: a file holds no certificate.
    """
    found = {}
    if settings.client_certificate is not None:
        found["client"] = read_certificates(settings.client_certificate.certificate_file)[0]
    if settings.signing is not None and settings.signing.certificate_file is not None:
        found["signing"] = read_certificates(settings.signing.certificate_file)[0]
    if settings.tls is not None:
        found["api"] = read_certificates(settings.tls.certificate_file)[0]
    for name, caller in settings.clients.items():
        if caller.certificate_file is not None:
            latest = max(read_certificates(caller.certificate_file), key=lambda each: each.not_valid_after_utc)
            found[f"caller {name}"] = latest
    return found


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    own, authorities = settings.client_certificate, settings.trusted_authorities
    if own is None and authorities is None:
        return True
    try:
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if own is not None:
            context.load_cert_chain(own.certificate_file, own.key_file)
    except (ssl.SSLError, OSError):
        raise KeyProblem("the client certificate, its key or the trusted authorities cannot be used") from None
    return context


def _token_source(settings: Settings) -> Callable[[httpx.Client], TokenSource] | None:
    client = settings.backend_client
    if client is None:
        return None
    file = KeyFile(client.key_file, client.key_id)

    def key() -> ClientKey:
        current = file.current()
        return ClientKey(client.client_id, current.key, current.key_id, current.algorithm(RSA_FOR_ASSERTIONS))

    if key().algorithm == "ES256":
        raise KeyProblem("a client key is RSA or EC on P-384 (SMART Backend Services)")
    return lambda http: TokenSource(http, key, client.scopes, clock=time.time, token_url=client.token_url)
