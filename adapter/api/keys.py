"""`Idempotency-Key`: which keys are good, and that a key is worked on by one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from adapter.api.refusals import StillInWork
from adapter.errors import SourceError
from adapter.types import Issue

LONGEST_KEY = 128


def checked_key(key: str, *, room: int = 0) -> str:
    """Return the caller's key, or empty when there is none.

    Args:
        room: characters of the 128 that the API adds itself.

    Raises:
        SourceError: it is too long, or has other than visible ASCII characters.
    """
    if key and not (len(key) <= LONGEST_KEY - room and key.isascii() and key.isprintable()):
        raise SourceError(Issue("error", "api.bad-key", {"most": str(LONGEST_KEY - room)}))
    return key


class InWork:
    """The keys that this process is working on."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def alone(self, sender: str, key: str) -> Iterator[None]:
        """Hold a sender's key while the block runs; without a key nothing is held.

        Raises:
            StillInWork: another request holds it (409).
        """
        if not key:
            yield
            return
        with self._lock:
            if (sender, key) in self._keys:
                raise StillInWork
            self._keys.add((sender, key))
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard((sender, key))
