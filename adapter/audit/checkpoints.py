"""Signed checkpoints: size, Merkle root and time of the log, signed with Ed25519.

A chain alone does not show that its tail was cut or that it was rebuilt as a whole. A checkpoint kept elsewhere
does. The form follows the signed notes of transparency logs: a few lines of text, a blank line, a line a signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ORIGIN = "kykysilta audit log"


class CheckpointBroken(Exception):  # noqa: N818
    """The text is no checkpoint of ours, or a signature of a known key does not hold."""


class UnknownKey(CheckpointBroken):
    """None of the keys given has signed the checkpoint: it cannot be checked with them."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at an instant.

    Attributes:
        size: number of entries.
        root: Merkle tree hash of them.
        at: UTC seconds.
    """

    size: int
    root: bytes
    at: float

    def sign(self, *keys: Ed25519PrivateKey) -> str:
        """Return the checkpoint as text signed by every key: one, or two when the key changes."""
        text = f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n{self.at!r}\n"
        lines = (f"— {key_id(key.public_key())} {base64.b64encode(key.sign(text.encode())).decode()}\n" for key in keys)
        return f"{text}\n{''.join(lines)}"


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key in signature lines: the start of its SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def read_checkpoint(note: str, *keys: Ed25519PublicKey) -> Checkpoint:
    """Return a checkpoint that one of the keys has signed.

    Raises:
        UnknownKey: it is signed by none of them.
        CheckpointBroken: wrong form, or a signature of one of them does not hold.
    """
    known = {key_id(key): key for key in keys}
    text, separator, signatures = note.partition("\n\n")
    signed = [line.split(" ") for line in signatures.splitlines()]
    if not separator or any(len(parts) != 3 or parts[0] != "—" for parts in signed):
        raise CheckpointBroken("no signature line")
    ours = [(known[name], signature) for _, name, signature in signed if name in known]
    if not ours:
        raise UnknownKey("signed by a key that was not given")
    try:
        for key, signature in ours:
            key.verify(base64.b64decode(signature, validate=True), f"{text}\n".encode())
        origin, size, root, at = text.splitlines()
        if origin != ORIGIN:
            raise CheckpointBroken("another log")
        return Checkpoint(int(size), base64.b64decode(root, validate=True), float(at))
    except (InvalidSignature, binascii.Error, ValueError):
        raise CheckpointBroken("the signature or the form does not hold") from None
