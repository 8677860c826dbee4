"""How large a document may be. Every reader takes the same limits; a deployment may set others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of one document; what lies above is refused before anything else looks at it.

    Attributes:
        size: bytes.
        depth: lists and objects (XML: elements) inside each other.
        nodes: values (XML: elements and attributes) in all.
        digits: digits of one number, fraction included.
        exponent: decimal exponent of one number, either way (`1e400` is the largest that is read).
    """

    size: int = 10_000_000
    depth: int = 100
    nodes: int = 100_000
    digits: int = 64
    exponent: int = 400


DEFAULT = Limits()
"""The limits of design §5.8."""
