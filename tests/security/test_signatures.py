"""A signature holds for exactly the bytes that were signed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapter.errors import SigningError
from adapter.security.signatures import Signer, verify
from adapter.source.json import read_json

WHO = {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.246.10.2462460.19.1"}}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": {"resourceType": "Observation", "valueQuantity": {"value": Decimal("5.10")}}}],
}
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "RS512": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signed_bundle_verifies_after_transport(algorithm: str) -> None:
    """What was signed, sent and read again holds, and decimals keep their digits."""
    key = KEYS[algorithm]
    signed = Signer(key, "k1", algorithm, WHO).sign(BUNDLE, "2026-11-22T10:00:00+02:00")
    assert b"5.10" in signed
    verify(read_json(signed), lambda _header: key.public_key())


def test_a_changed_bundle_does_not_verify() -> None:
    """One digit more is another document."""
    key = KEYS["ES256"]
    bundle = read_json(Signer(key, "k1", "ES256", WHO).sign(BUNDLE, "2026-11-22T10:00:00+02:00"))
    bundle["entry"][0]["resource"]["valueQuantity"]["value"] = Decimal("5.1")
    with pytest.raises(SigningError):
        verify(bundle, lambda _header: key.public_key())


def test_another_key_does_not_verify() -> None:
    """The key that the verifier trusts decides."""
    bundle = read_json(Signer(KEYS["ES256"], "k1", "ES256", WHO).sign(BUNDLE, "2026-11-22T10:00:00+02:00"))
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(SigningError):
        verify(bundle, lambda _header: other)


def test_no_signature_is_an_error() -> None:
    """An unsigned Bundle never passes for a signed one."""
    with pytest.raises(SigningError):
        verify(BUNDLE, lambda _header: KEYS["ES256"].public_key())


def test_a_key_that_does_not_fit_is_a_signing_error() -> None:
    """An RSA key cannot sign ES256, and the text names no key material."""
    with pytest.raises(SigningError) as caught:
        Signer(KEYS["RS512"], "k1", "ES256", WHO).sign(BUNDLE, "2026-11-22T10:00:00+02:00")
    assert "asetuksista" in caught.value.text("fi")
