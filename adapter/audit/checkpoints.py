"""Signed checkpoints: size, Merkle root and time of the log, signed with Ed25519.

A chain alone does not show that its tail was cut or that it was rebuilt as a whole. A checkpoint kept elsewhere
does. The form follows the signed notes of transparency logs: a few lines of text, then the signature.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ORIGIN = "kykysilta audit log"


class CheckpointBroken(Exception):  # noqa: N818
    """The text is no checkpoint of ours, or its signature does not hold."""


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

    def sign(self, key: Ed25519PrivateKey) -> str:
        """Return the checkpoint as signed text."""
        text = f"{ORIGIN}\n{self.size}\n{base64.b64encode(self.root).decode()}\n{self.at!r}\n"
        return f"{text}\n— {base64.b64encode(key.sign(text.encode())).decode()}\n"


def read_checkpoint(note: str, key: Ed25519PublicKey) -> Checkpoint:
    """Return a checkpoint whose signature holds.

    Raises:
        CheckpointBroken: wrong form or wrong signature.
    """
    text, separator, signature = note.rpartition("\n— ")
    try:
        if not separator:
            raise CheckpointBroken("no signature line")
        key.verify(base64.b64decode(signature.strip(), validate=True), text.encode())
        origin, size, root, at = text.splitlines()
        if origin != ORIGIN:
            raise CheckpointBroken("another log")
        return Checkpoint(int(size), base64.b64decode(root, validate=True), float(at))
    except (InvalidSignature, binascii.Error, ValueError):
        raise CheckpointBroken("the signature or the form does not hold") from None
