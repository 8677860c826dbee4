"""Signs what leaves as a file: a detached JWS (RFC 7515 appendix F) over its bytes, with the adapter's signing key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from adapter.errors import SigningError
from adapter.security.signatures import ALGORITHMS, Signer
from adapter.types import Issue

_JWS = PyJWS(algorithms=list(ALGORITHMS))


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that stands beside the file.

    Attributes:
        jws: compact, payload detached.
        key_id: names the key to whoever checks it.
    """

    jws: str
    key_id: str


def signing(signer: Callable[[], Signer]) -> Callable[[bytes], Signature]:
    """Return what signs the bytes of a file with the key that is current then."""

    def sign(content: bytes) -> Signature:
        key = signer()
        headers: dict[str, Any] = {"kid": key.key_id, "b64": False, "crit": ["b64"]}
        if key.chain:
            headers["x5c"] = list(key.chain)
        jws = _JWS.encode(content, key.private_key, key.algorithm, headers=headers, is_payload_detached=True)
        return Signature(jws, key.key_id)

    return sign


def check(content: bytes, jws: str, public_key: Any) -> None:
    """Check the signature of a file.

    Raises:
        SigningError: it is not over these bytes or not by this key.
    """
    try:
        header = jwt.get_unverified_header(jws)
        _JWS.decode(jws, public_key, [a for a in (header["alg"],) if a in ALGORITHMS], detached_payload=content)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise SigningError(Issue("error", "signing.broken-signature")) from None
