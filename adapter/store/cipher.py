"""Encryption of bodies at rest: AES-256-GCM, key id in front, bound to the row it was written for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class CipherError(Exception):
    """A stored body cannot be read: unknown key id, wrong key, or moved from its row."""


class KeyNotConfigured(CipherError):  # noqa: N818
    """The key that a stored body names is not among the configured ones."""


class Cipher:
    """Encrypts with the first key, decrypts with any.

    Args:
        keys: key id (1–64 ASCII characters) to 32 bytes; the first is current. Put a new key in front to rotate.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("at least one storage key is needed")
        if any(not 1 <= len(key_id) <= 64 or not key_id.isascii() for key_id in keys):
            raise ValueError("a key id has 1 to 64 ASCII characters")
        self._current = next(iter(keys))
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}

    @property
    def current(self) -> str:
        """Id of the key that encrypts."""
        return self._current

    @property
    def prefix(self) -> bytes:
        """What everything that the current key encrypts begins with."""
        key_id = self._current.encode()
        return bytes([len(key_id)]) + key_id

    def encrypt(self, row: str, plain: bytes) -> bytes:
        """Encrypt `plain` for the row named `row` (`table/column/id`); it opens only under the same name."""
        nonce = os.urandom(NONCE_BYTES)
        return self.prefix + nonce + self._ciphers[self._current].encrypt(nonce, plain, row.encode())

    def decrypt(self, row: str, stored: bytes) -> bytes:
        """Return the plain bytes.

        Raises:
            KeyNotConfigured: the key is not at hand.
            CipherError: nothing is stored, or the bytes were not written for this row.
        """
        key_id = self.key_id(stored)
        if len(stored) < 1 + len(key_id) + NONCE_BYTES:
            raise CipherError("a stored body is missing or cut off")
        start = 1 + len(key_id)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise KeyNotConfigured(f"the storage key '{key_id}' is not configured")
        try:
            return cipher.decrypt(stored[start : start + NONCE_BYTES], stored[start + NONCE_BYTES :], row.encode())
        except InvalidTag:
            raise CipherError("a stored body does not open: wrong key, damaged, or moved from its row") from None

    @staticmethod
    def key_id(stored: bytes) -> str:
        """Return the id of the key that a stored body needs."""
        return stored[1 : 1 + stored[0]].decode("ascii", "replace") if stored else ""


def keyed_hash(key: bytes, *parts: str) -> str:
    """Return a look-up value for `parts` that cannot be searched without `key` (blake2b, 128 bits, hex)."""
    digest = hashlib.blake2b(key=key, digest_size=16)
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()
