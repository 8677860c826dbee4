"""The signed summary of a certification run: who passed which step, bound to the full report by its hash.

A compact JWS (RFC 7515). Whoever has the signer's public key can tell that summary and report are as they were
written; without a key of one's own a key is made for the run, and only its thumbprint ties several runs together.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import jwt
from jwt.api_jws import PyJWS

from adapter.mock.certify import StepResult
from adapter.mock.storage import to_json
from adapter.security.key_files import PrivateKey
from adapter.security.keys import KeyProblem, read_key_set

KIND = "kykysilta-certification+jws"
_JWS = PyJWS(algorithms=["RS384", "ES256", "ES384"])


def sign_summary(results: list[StepResult], report: bytes, at: datetime, key: PrivateKey) -> str:
    """Return the summary as a compact JWS with the public key in its header.

    Args:
        report: the JSON report, whose SHA-256 stands in the summary.
    """
    summary = {
        "at": at.isoformat(),
        "ok": all(one.ok for one in results),
        "steps": {one.step.name: one.ok for one in results},
        "reportSha256": hashlib.sha256(report).hexdigest(),
    }
    header = {"typ": KIND, "kid": key.key_id, "jwk": key.public_jwk}
    return _JWS.encode(to_json(summary), key.key, key.algorithm("RS384"), headers=header)


def read_summary(text: str, report: bytes, key_set: str | None = None) -> dict[str, Any]:
    """Return a summary whose signature holds and whose report is unchanged.

    Args:
        key_set: JWKS of the expected signer; None trusts the key in the header, which proves only that nothing
            was changed since.

    Raises:
        ValueError: signature, key or report do not fit; the text says which.
    """
    try:
        header = jwt.get_unverified_header(text)
        keys = read_key_set(key_set if key_set is not None else {"keys": [header.get("jwk", {})]})
        key = keys.choose(header.get("kid"), header["alg"]).key
        summary: dict[str, Any] = json.loads(_JWS.decode(text, key, [header["alg"]]))
    except (jwt.PyJWTError, KeyProblem, KeyError, ValueError):
        raise ValueError("the signature does not hold, or another key made it") from None
    if summary.get("reportSha256") != hashlib.sha256(report).hexdigest():
        raise ValueError("the report was changed after it was signed")
    return summary
