"""Signing a Bundle: detached JWS in `Bundle.signature` over the canonical bytes of the Bundle without it.

Form as in the signed disclosure notices of Kanta (finland.md §3.3B): `type` ASTM E1762 author's signature,
`sigFormat` application/jose, a detached compact JWS (RFC 7515 App. F, RFC 7797 unencoded payload) whose header
names key, algorithm and, when there is one, the certificate chain (`x5c`). Kanta-style, not certified.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from adapter.errors import SigningError
from adapter.fhir.canonical import canonical
from adapter.types import Issue, Resource

SIGNATURE_TYPE = {"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}
JOSE = "application/jose"
ALGORITHMS = ("RS512", "RS384", "ES256", "ES384")
_JWS = PyJWS(algorithms=list(ALGORITHMS))


@dataclass(frozen=True, slots=True)
class Signer:
    """A signing key.

    Attributes:
        private_key: a `cryptography` private key or its PEM bytes.
        key_id: names the key to verifiers.
        algorithm: RS512 as Kanta's samples, or RS384, ES256, ES384.
        who: what `Signature.who` says: the organisation as a logical reference.
        chain: base64 DER certificates, the signer's first; empty without certificates.
    """

    private_key: Any
    key_id: str
    algorithm: str
    who: dict[str, Any]
    chain: tuple[str, ...] = ()

    def sign(self, bundle: Resource, when: str) -> bytes:
        """Return the canonical bytes of the Bundle with its signature; exactly these bytes are to be sent.

        Args:
            when: instant of signing, FHIR `instant`.

        Raises:
            SigningError: the key does not fit the algorithm.
        """
        unsigned = {name: value for name, value in bundle.items() if name != "signature"}
        headers: dict[str, Any] = {"kid": self.key_id, "b64": False, "crit": ["b64"]}
        if self.chain:
            headers["x5c"] = list(self.chain)
        try:
            jws = _JWS.encode(
                canonical(unsigned), self.private_key, self.algorithm, headers=headers, is_payload_detached=True
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise SigningError(Issue("fatal", "signing.unusable-key")) from None
        signature = {
            "type": [SIGNATURE_TYPE],
            "when": when,
            "who": self.who,
            "targetFormat": "application/fhir+json",
            "sigFormat": JOSE,
            "data": base64.b64encode(jws.encode()).decode(),
        }
        return canonical({**unsigned, "signature": signature})


def verify(bundle: Resource, key_for: Callable[[dict[str, Any]], Any]) -> None:
    """Check the signature of a Bundle.

    Args:
        key_for: given the JWS header, returns the public key to trust, or raises `SigningError`.

    Raises:
        SigningError: no signature, not ours in form, or it does not hold.
    """
    signature = bundle.get("signature")
    if not isinstance(signature, dict) or signature.get("sigFormat") != JOSE:
        raise SigningError(Issue("error", "signing.no-signature"))
    unsigned = {name: value for name, value in bundle.items() if name != "signature"}
    try:
        jws = base64.b64decode(signature.get("data", ""), validate=True)
        header = jwt.get_unverified_header(jws)
        if header.get("alg") not in ALGORITHMS or header.get("crit") != ["b64"]:
            raise SigningError(Issue("error", "signing.broken-signature"))
        _JWS.decode(jws, key_for(header), [header["alg"]], detached_payload=canonical(unsigned))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise SigningError(Issue("error", "signing.broken-signature")) from None
