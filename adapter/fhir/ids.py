"""Ids that are the same every time and give nothing away.

A plain hash of an identity code can be searched in a minute, so every id is a keyed BLAKE2b hash, written as
a UUID of version 8 (RFC 9562 §5.8). The key is its own key and never rotates. Ids serve `fullUrl` and
references inside one Bundle only; a repository matches by identifier.
"""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import quote

DEMO_KEY = b"kykysilta: published demo key, never for real clients"
"""Used when the caller gives no key. It is public, so ids made with it can be searched back."""


def keyed_uuid(key: bytes, text: str) -> str:
    """Return the UUID (version 8, lower case) of `text` under `key` (at most 64 bytes)."""
    digest = blake2b(text.encode(), digest_size=16, key=key).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


def keyed_urn(key: bytes, system: str, value: str) -> str:
    """Return `urn:uuid:…` for a business identifier; equal system and value give equal ids in every record."""
    digest = blake2b(f"{system}|{value}".encode(), digest_size=16, key=key).hexdigest()
    return f"urn:uuid:{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


def search_token(system: str, value: str) -> str:
    """Return `system|value` for a search: FHIR escapes (R4 search §3.1.1.4.0.1), then percent-encoding."""
    return f"{_escaped(system)}|{_escaped(value)}"


def _escaped(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    for sign in "\\,|$":
        text = text.replace(sign, "\\" + sign)
    return quote(text, safe="-._~:/")
