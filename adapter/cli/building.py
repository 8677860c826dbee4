"""Builds the FHIR package of our profiles: FSH through SUSHI, which needs Node.js, and the code lists as they are.

SUSHI runs without a network when the official R4 package stands in its cache; `scripts/make_r4_snapshot.py` says
where that package comes from.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapter.data import data_root, read_yaml

CORE = "hl7.fhir.r4.core#4.0.1"
SUSHI = "fsh-sushi@3"
CODES = ("CodeSystem-*.json", "ValueSet-*.json", "ConceptMap-*.json")


class BuildFailed(Exception):  # noqa: N818
    """SUSHI is not to be had or found errors; the text says which."""


def build_package(core: Path | None, target: Path, *, snapshots: bool = False) -> int:
    """Build `profiles/package/` into `target`; returns the number of resources. `example/` below it stays.

    Args:
        core: the official hl7.fhir.r4.core 4.0.1 as .tgz, or None when SUSHI's cache holds it.
        snapshots: write every profile whole; ours are read from their differentials.

    Raises:
        BuildFailed: no Node.js, no core package, or errors in the FSH.
    """
    sources = data_root() / "profiles"
    codes = [path for kind in CODES for path in sorted((data_root() / "mappings" / "codes").glob(kind))]
    with tempfile.TemporaryDirectory(prefix="kykysilta-fsh-") as folder:
        project = Path(folder)
        _put_core_in_place(core, project)
        shutil.copy(sources / "sushi-config.yaml", project)
        shutil.copytree(sources / "fsh", project / "input" / "fsh")
        _copy(codes, project / "input" / "vocabulary")
        _copy((sources / "package" / "example").glob("*.json"), project / "input" / "examples")
        _run_sushi(project, ("--snapshot",) if snapshots else ())
        manifest = _manifest(read_yaml(project / "sushi-config.yaml"))
        target.mkdir(parents=True, exist_ok=True)
        for old in target.glob("*.json"):
            old.unlink()
        for path in sorted((project / "fsh-generated" / "resources").glob("*.json")):
            _write(target / path.name, _versioned(json.loads(path.read_text(encoding="utf-8")), manifest["version"]))
    _copy(codes, target)
    _write(target / "package.json", manifest)
    return len(list(target.glob("*.json"))) - 1


def pack_package(target: Path, folder: Path | None = None) -> None:
    """Write a built package (ours by default) as a FHIR package file; the same package gives the same bytes."""
    folder = folder or data_root() / "profiles" / "package"
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for path in sorted(folder.rglob("*.json")):
            member = tarfile.TarInfo(f"package/{path.relative_to(folder).as_posix()}")
            member.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(member, content)


def _copy(paths: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copy(path, folder)


def _versioned(resource: dict[str, Any], version: str) -> dict[str, Any]:
    """Return a conformance resource with the version of the package, which SUSHI leaves to the publisher."""
    kept = {name: value for name, value in resource.items() if name not in ("date", "version")}
    order = ("resourceType", "id", "url")
    return {name: kept[name] for name in order} | {"version": version} | kept


def _put_core_in_place(core: Path | None, home: Path) -> None:
    packages = home / ".fhir" / "packages"
    known = Path.home() / ".fhir" / "packages" / CORE
    packages.mkdir(parents=True)
    if core is not None:
        with tarfile.open(core) as archive:
            archive.extractall(packages / CORE, filter="data")
    elif known.is_dir():
        (packages / CORE).symlink_to(known)
    else:
        raise BuildFailed(f"{CORE} is missing: give the official package with --core FILE.tgz")


def _run_sushi(project: Path, options: tuple[str, ...]) -> None:
    npx = shutil.which("npx")
    if npx is None:
        raise BuildFailed("Node.js with npx is needed to build the profiles")
    npm_cache = os.environ.get("npm_config_cache", str(Path.home() / ".npm"))  # noqa: SIM112 - npm spells it so
    # SUSHI looks for its package cache in the home folder.
    environment = {**os.environ, "HOME": str(project), "npm_config_cache": npm_cache}
    done = subprocess.run(  # noqa: S603 - fixed program and arguments
        [npx, "--yes", SUSHI, "build", *options, str(project)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or " 0 Errors" not in done.stdout:
        raise BuildFailed(done.stdout[-6000:] + done.stderr[-2000:])


def _manifest(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": config["id"],
        "version": config["version"],
        "canonical": config["canonical"],
        "url": config["publisher"]["url"],
        "title": config["title"],
        "description": config["description"],
        "license": config["license"],
        "type": "IG",
        "fhirVersions": [config["fhirVersion"]],
        "dependencies": {"hl7.fhir.r4.core": "4.0.1"},
        "author": config["publisher"]["name"],
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
