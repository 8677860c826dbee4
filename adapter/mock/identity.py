"""Server-assigned ids: unguessable by default, the same again under a seed."""

from __future__ import annotations

import random
import uuid


class Identities:
    """A source of ids for one namespace; with a seed two runs draw the same ones."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._random = random.Random(seed) if seed is not None else None  # noqa: S311 - wanted repeatable

    def draw(self) -> str:
        """Return a new id: a version 4 UUID, which fits FHIR's `id` type."""
        if self._random is None:
            return str(uuid.uuid4())
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
