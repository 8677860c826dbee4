"""Ids that are the same every time and give nothing away.

A plain hash of an identity code can be searched in a minute, so every id is a keyed BLAKE2b hash, written as
a UUID of version 8 (RFC 9562 §5.8). The key is its own key and never rotates. Ids serve `fullUrl` and
references inside one Bundle only; a repository matches by identifier.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote

DEMO_KEY = b"kykysilta: published demo key, never for real clients"
"""Used when the caller gives no key. It is public, so ids made with it can be searched back."""

_PLAIN = re.compile(r"[A-Za-z0-9._~:/-]*")


class Ids:
    """Ids under one key, at most 64 bytes.

    The same persons and organisations come again and again, so `of_identifier` and `of_fields` remember what they were
    asked for lately.
    """

    def __init__(self, key: bytes) -> None:
        self._start = blake2b(digest_size=16, key=key)
        self.of_identifier = lru_cache(maxsize=4096)(self._of_identifier)
        """Takes type, system and value: a source system may number its organisations and its staff alike."""
        self.of_fields = lru_cache(maxsize=4096)(self._of_fields)
        """Takes type, system and the texts that identify together, None for what is missing."""

    def urn(self, system: str, value: str) -> str:
        """Return `urn:uuid:…` for a business identifier; equal system and value give equal ids in every record."""
        state = self._start.copy()
        state.update(f"{system}|{value}".encode())
        digest = state.hexdigest()
        return f"urn:uuid:{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"

    def _of_identifier(self, type_: str, system: str, value: str) -> str:
        return self.urn(f"{system}#{type_}", value)

    def _of_fields(self, type_: str, system: str, fields: tuple[str | None, ...]) -> str:
        return self.urn(f"{system}#{type_}", "\x1f".join([field or "" for field in fields]))


@lru_cache(maxsize=8)
def ids_under(key: bytes) -> Ids:
    """Return the ids of a key; one object for each key, so that what it remembers is of use."""
    return Ids(key)


@lru_cache(maxsize=4096)
def search_token(system: str, value: str) -> str:
    """Return `system|value` for a search: FHIR escapes (R4 search §3.1.1.4.0.1), then percent-encoding."""
    return f"{escaped_system(system)}|{value if _PLAIN.fullmatch(value) else _escaped(value)}"


@lru_cache(maxsize=256)
def escaped_system(system: str) -> str:
    """Return a URI as it stands in a search token; systems are few, so they are remembered."""
    return _escaped(system)


def _escaped(text: str) -> str:
    for sign in "\\,|$":
        text = text.replace(sign, "\\" + sign)
    return quote(text, safe="-._~:/")
