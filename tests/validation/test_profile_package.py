"""The FHIR package of our profiles: its examples are right and come from the scenarios, and it is what the FSH says."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapter.cli.building import CORE, build_package, pack_package
from adapter.data import data_root
from adapter.types import CANONICAL_ROOT
from adapter.validation import Validator
from adapter.validation.judge import judge, package_folder, packaged_validator

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((package_folder() / "example").glob("*.json"))
CORE_TGZ = Path(
    os.environ.get("KYKYSILTA_R4_CORE", Path.home() / ".cache" / "kykysilta" / "hl7.fhir.r4.core-4.0.1.tgz")
)


def script(name: str) -> Any:
    """Return a script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_examples_are_those_of_the_scenarios(tmp_path: Path) -> None:
    """Made again they are the same bytes, and each profile has one."""
    missing = script("make_profile_examples").main(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == {
        path.name: path.read_bytes() for path in EXAMPLES
    }
    assert missing == []


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_meets_its_profiles(path: Path) -> None:
    """Every example conforms to base R4 and to each profile that it names; a whole record to the rules too."""
    content = path.read_bytes()
    outcome = judge(content) if path.name.startswith("Bundle-") else packaged_validator().validate(content)
    assert [issue.expression for issue in outcome.issues if issue.severity in ("fatal", "error")] == []
    assert json.loads(content)["meta"]["profile"]


def test_code_lists_are_those_of_the_mappings() -> None:
    """The package has each CodeSystem, ValueSet and ConceptMap of `mappings/codes/` as it is."""
    for path in sorted((data_root() / "mappings" / "codes").glob("*.json")):
        assert (package_folder() / path.name).read_bytes() == path.read_bytes(), path.name


def test_package_needs_nothing_but_the_core() -> None:
    """Profiles, extensions, value sets and code systems that a profile names are in the package or in R4 itself."""
    own = {resource["url"] for resource in resources() if "url" in resource}
    named = set(canonicals([resource for resource in resources() if resource["resourceType"] != "ConceptMap"]))
    assert len(named) > 150
    assert sorted(named - own) == []


def test_implementation_guide_lists_what_the_package_holds() -> None:
    """Each resource and example once, and the manifest says the same name and version."""
    (guide,) = (resource for resource in resources() if resource["resourceType"] == "ImplementationGuide")
    listed = [row["reference"]["reference"] for row in guide["definition"]["resource"]]
    held = [f"{each['resourceType']}/{each['id']}" for each in resources() if each is not guide]
    held += [f"{path.name.partition('-')[0]}/{path.stem.partition('-')[2]}" for path in EXAMPLES]
    assert sorted(listed) == sorted(held)
    manifest = json.loads((package_folder() / "package.json").read_text(encoding="utf-8"))
    assert (guide["packageId"], guide["version"]) == (manifest["name"], manifest["version"])
    assert manifest["dependencies"] == {"hl7.fhir.r4.core": "4.0.1"}


def test_packed_package_serves_another_validator(tmp_path: Path) -> None:
    """A validator that knows R4 and the .tgz alone understands every profile and refuses a code outside our list."""
    pack_package(tmp_path / "own.tgz")
    validator = Validator([tmp_path / "own.tgz"])
    assert validator.load_issues == ()
    plan = json.loads(
        next(path for path in EXAMPLES if path.name.startswith("CarePlan-")).read_bytes(), parse_float=Decimal
    )
    assert validator.validate(plan).ok
    plan["category"][0]["coding"][0]["code"] = "no-such-code"
    keys = {issue.key for issue in validator.validate(plan).issues if issue.severity == "error"}
    assert keys == {"validation.binding-required-listed"}


@cache
def resources() -> tuple[dict[str, Any], ...]:
    """Return the resources of the package, without examples."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(package_folder().glob("*-*.json"))]
    return tuple(found)


def canonicals(node: Any) -> Iterator[str]:
    """Yield every canonical of ours that a resource names, without what only looks like one."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("valueSet", "system", "profile", "targetProfile", "baseDefinition"):
                named = value if isinstance(value, list) else [value]
                yield from (each for each in named if isinstance(each, str) and each.startswith(CANONICAL_ROOT))
            yield from canonicals(value)
    elif isinstance(node, list):
        for item in node:
            yield from canonicals(item)


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
