"""What stands in the files that she takes along."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from adapter.review.signing import check
from tests.review.conftest import SIGNER


def contents(path: Path) -> dict[str, bytes]:
    """The parts of a file by name; hashes and signature hold.

    Raises:
        SigningError: the signature does not.
    """
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    sums, signature = found.pop("SHA256SUMS"), found.pop("SHA256SUMS.jws").decode()
    check(sums, signature, SIGNER.private_key.public_key())
    assert sums.decode() == "".join(f"{hashlib.sha256(part).hexdigest()}  {name}\n" for name, part in found.items())
    return found


def json_of(path: Path, what: str) -> Any:
    """The sheet in a JSON file."""
    return json.loads(contents(path)[f"kykysilta-{what}.json"])
