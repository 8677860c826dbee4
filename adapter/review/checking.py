"""Checks a file that was taken from the pages: is every part as it was, is the list of hashes signed, and by which key?

Whoever holds the ZIP and the public key can check it; nothing else is needed. What is wrong is named part by part.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from cryptography.x509 import load_der_x509_certificate

from adapter.errors import SigningError
from adapter.review.exports import SUMS
from adapter.review.signing import check

LARGEST = 200_000_000
"""Bytes of all parts together that are unpacked at most."""

SIGNATURE = f"{SUMS}.jws"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a file.

    Attributes:
        kind: `form` (no ZIP of ours), `changed`, `missing` and `unlisted` (a part against the list of hashes),
            `unsigned`, `signature` (the list was changed after it was signed, or the key is another one), `key` (the
            list is whole, but signed by a key that was not given).
        name: the part, or what the signature calls its key.
    """

    kind: Literal["form", "changed", "missing", "unlisted", "unsigned", "signature", "key"]
    name: str = ""


def flaws_of(content: bytes, keys: Sequence[Any] = ()) -> list[Flaw]:
    """Return everything that is wrong with a ZIP; nothing when it is as it was made.

    Args:
        keys: public keys, one of which must have signed; without any the signature is not looked at.
    """
    try:
        parts = _parts(content)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError):
        return [Flaw("form")]
    if SUMS not in parts:
        return [Flaw("form")]
    return [*_against_list(parts), *(_against_keys(parts, keys) if keys else ())]


def _parts(content: bytes) -> dict[str, bytes]:
    """Unpack a ZIP.

    Raises:
        ValueError: two parts have one name, or all together are too large.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        listed = archive.infolist()
        if sum(one.file_size for one in listed) > LARGEST or len({one.filename for one in listed}) < len(listed):
            raise ValueError
        return {one.filename: archive.read(one) for one in listed}


def _against_list(parts: Mapping[str, bytes]) -> Iterator[Flaw]:
    lines = (line.partition("  ") for line in parts[SUMS].decode("utf-8", "replace").splitlines())
    listed = {name: digest for digest, _, name in lines}
    for name, digest in listed.items():
        if name not in parts:
            yield Flaw("missing", name)
        elif hashlib.sha256(parts[name]).hexdigest() != digest:
            yield Flaw("changed", name)
    yield from (Flaw("unlisted", name) for name in parts if name not in {*listed, SUMS, SIGNATURE})


def _against_keys(parts: Mapping[str, bytes], keys: Sequence[Any]) -> Iterator[Flaw]:
    if SIGNATURE not in parts:
        yield Flaw("unsigned")
        return
    jws = parts[SIGNATURE].decode("ascii", "replace")
    if any(_holds(parts[SUMS], jws, key) for key in keys):
        return
    header = _header(jws)
    own = _key_in(header)
    kind: Literal["key", "signature"] = "key" if own and _holds(parts[SUMS], jws, own) else "signature"
    yield Flaw(kind, str(header.get("kid", "")))


def _holds(sums: bytes, jws: str, key: Any) -> bool:
    try:
        check(sums, jws, key)
    except SigningError:
        return False
    return True


def _header(jws: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(jws)
    except jwt.PyJWTError:
        return {}


def _key_in(header: Mapping[str, Any]) -> Any:
    """Return the key of the certificate that a signature brings along: it shows who signed, not whom to trust."""
    try:
        return load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_key()
    except (LookupError, TypeError, ValueError):
        return None
