"""Keys and certificates in PEM files: key id and algorithm follow from the key, so rotating replaces the file.

Used for signing Bundles and for client assertions (SMART Backend Services).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from adapter.security.keys import SHORTEST_RSA, KeyProblem

THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key and how it is named.

    Attributes:
        key: RSA (at least 2048 bits) or EC key on P-256 or P-384.
        key_id: RFC 7638 thumbprint of the public half, or as configured.
    """

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key_id: str

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public half as it is published in a key set."""
        return _public_jwk(self.key) | {"kid": self.key_id, "use": "sig"}

    def algorithm(self, rsa_algorithm: str) -> str:
        """Return the JWS algorithm of the key; an RSA key uses the one that the purpose asks for."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return rsa_algorithm
        return "ES384" if isinstance(self.key.curve, ec.SECP384R1) else "ES256"


class KeyFile:
    """A PEM file that is read again when it changes.

    Args:
        key_id: name of the key; empty takes its thumbprint, which changes with the key.
        setting: that names the file, for people; without one its path is told.

    Raises:
        KeyProblem: as `read_private_key`.
    """

    def __init__(self, path: Path, key_id: str = "", *, setting: str = "") -> None:
        self._path = path
        self._called = setting or str(path)
        self._key_id = key_id
        self._content: bytes | None = None
        self._key = self.current()

    def current(self) -> PrivateKey:
        """Return the key of the file as it is now.

        Raises:
            KeyProblem: as `read_private_key`.
        """
        try:
            content = self._path.read_bytes()
            if content != self._content:
                self._key, self._content = read_private_key(content, self._key_id), content
        except OSError:
            raise KeyProblem("no-file").at(self._called) from None
        except KeyProblem as problem:
            raise problem.at(self._called) from None
        return self._key


class CertificateFile:
    """A PEM file of certificates that is read again when it changes.

    Args:
        setting: that names the file, for people.

    Raises:
        KeyProblem: as `read_certificates`.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._content: bytes | None = None
        self._certificates = self.current()

    def current(self) -> list[x509.Certificate]:
        """Return the certificates of the file as it is now.

        Raises:
            KeyProblem: as `read_certificates`.
        """
        try:
            content = self._path.read_bytes()
            if content != self._content:
                self._certificates, self._content = x509.load_pem_x509_certificates(content), content
        except (OSError, ValueError):
            raise KeyProblem("no-certificate").at(self._setting) from None
        return self._certificates


def read_private_key(pem: bytes, key_id: str = "") -> PrivateKey:
    """Read an unencrypted PEM private key.

    Raises:
        KeyProblem: not PEM, encrypted, RSA shorter than 2048 bits, or another kind of key.
    """
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyProblem("no-pem") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < SHORTEST_RSA:
            raise KeyProblem("short")
    elif not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        raise KeyProblem("other-kind")
    return PrivateKey(key, key_id or _thumbprint(_public_jwk(key)))


def read_certificates(path: Path, setting: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, at least one.

    Args:
        setting: that names the file, for people.

    Raises:
        KeyProblem: there is none.
    """
    return CertificateFile(path, setting).current()


def _public_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        found: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        found = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in found.items() if name != "key_ops"}


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 §3: SHA-256 over the required members in order, base64url without padding."""
    members = {name: jwk[name] for name in THUMBPRINT_MEMBERS[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
