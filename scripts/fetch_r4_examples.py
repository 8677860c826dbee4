"""Fetch the official R4 examples (npm package hl7.fhir.r4.examples 4.0.1, CC0, 19 MB) into a cache; prints the path.

    python scripts/fetch_r4_examples.py [CACHE]

They serve `benchmarks/validation_examples.py` only and are never part of the repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = "hl7.fhir.r4.examples@4.0.1"
FILE = "hl7.fhir.r4.examples-4.0.1.tgz"
SHA256 = "dce87f1b5b9341867033f7d1f544fa1b5232503f6d62813887ac6b8a8b6cb682"
CACHE = Path.home() / ".cache" / "kykysilta"


def main(cache: Path) -> Path:
    """Return the path of the package in the cache, fetched with npm when it is not there."""
    target = cache / FILE
    if not target.is_file():
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is needed to fetch the examples")
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=cache, check=True)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"not the pinned package: sha256 {digest}")
    return target


if __name__ == "__main__":
    print(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CACHE))
