"""Server-assigned ids and chance: unguessable by default, the same again under a seed."""

from __future__ import annotations

import random
import secrets

_VERSION_4 = 0x4000_8000_0000_0000_0000
_OTHER_BITS = ~0xF000_C000_0000_0000_0000


class Identities:
    """A source of ids for one namespace; with a seed two runs draw the same ones."""

    def __init__(self, seed: int | None = None) -> None:
        self.begin(seed)

    def begin(self, seed: int | None) -> None:
        """Begin anew, from another seed or from none."""
        self._random = random.Random(seed) if seed is not None else None  # noqa: S311 - wanted repeatable

    def chance(self) -> float:
        """Return a number of [0, 1)."""
        return random.random() if self._random is None else self._random.random()  # noqa: S311 - no secret

    def draw(self) -> str:
        """Return a new id: a version 4 UUID, which fits FHIR's `id` type."""
        bits = secrets.randbits(128) if self._random is None else self._random.getrandbits(128)
        digits = f"{bits & _OTHER_BITS | _VERSION_4:032x}"  # RFC 9562 §5.4; the class uuid.UUID takes thrice the time
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
