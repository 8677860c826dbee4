"""The FHIR package of our profiles: its examples are right and come from the scenarios, and it is what the FSH says."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapter.cli.building import CORE, build_package
from adapter.validation.judge import judge, package_folder, packaged_validator

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((package_folder() / "example").glob("*.json"))
CORE_TGZ = Path(
    os.environ.get("KYKYSILTA_R4_CORE", Path.home() / ".cache" / "kykysilta" / "hl7.fhir.r4.core-4.0.1.tgz")
)
WITHOUT_EXAMPLE = ["kykysilta-observation-occupational-health", "kykysilta-whoqol"]
"""Profiles of records that no scenario has."""


def script(name: str) -> Any:
    """Return a script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_those_of_the_scenarios(tmp_path: Path) -> None:
    """Made again they are the same bytes; only profiles that no scenario uses are without one."""
    missing = script("make_profile_examples").main(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    written = {path.name: path.read_bytes() for path in EXAMPLES if not path.name.startswith("AuditEvent-")}
    assert made == written
    assert [name for name in missing if name != "kykysilta-disclosure-notice"] == WITHOUT_EXAMPLE


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_meets_its_profiles(path: Path) -> None:
    """Every example conforms to base R4 and to each profile that it names; a whole record to the rules too."""
    content = path.read_bytes()
    outcome = judge(content) if path.name.startswith("Bundle-") else packaged_validator().validate(content)
    assert [issue.expression for issue in outcome.issues if issue.severity in ("fatal", "error")] == []
    assert json.loads(content)["meta"]["profile"]


@pytest.mark.node
def test_package_is_what_the_fsh_says(tmp_path: Path) -> None:
    """SUSHI makes the committed package from `profiles/fsh/`, file by file."""
    if shutil.which("npx") is None:
        pytest.skip("needs Node.js with npx")
    cached = (Path.home() / ".fhir" / "packages" / CORE).is_dir()
    if not cached and not CORE_TGZ.is_file():
        pytest.skip("needs hl7.fhir.r4.core: python scripts/fetch_r4_core.py")
    build_package(CORE_TGZ if CORE_TGZ.is_file() else None, tmp_path / "package")
    built = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "package").glob("*.json")}
    committed = {path.name: path.read_text(encoding="utf-8") for path in package_folder().glob("*.json")}
    assert built.keys() == committed.keys()
    assert [name for name in sorted(built) if built[name] != committed[name]] == []
