"""Make `profiles/package/example/`: one example a profile, from the scenarios and `fixtures/examples/`.

    python scripts/make_profile_examples.py [TARGET]

For each profile the largest resource that claims it, with references to resources outside it made logical, so that
it stands alone; a profile of single results, which nobody claims, gets a resource of its parent that meets it. For
our Bundle: the fewest records that hold all those profiles. What no scenario has stands in `fixtures/examples/`, as
resources or as records (`*.record.json`). The same sources always give the same bytes. Profiles without an example
are printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from adapter import map_record
from adapter.fhir.canonical import dumps
from adapter.types import CANONICAL_ROOT
from adapter.validation.judge import packaged_validator

CHECKOUT = Path(__file__).resolve().parent.parent
SCENARIOS = CHECKOUT / "fixtures" / "scenarios"
WRITTEN = CHECKOUT / "fixtures" / "examples"
PACKAGE = CHECKOUT / "profiles" / "package"
BUNDLE = "kykysilta-bundle"
MARK = "example"
PROFILES = f"{CANONICAL_ROOT}/StructureDefinition/"


def main(target: Path) -> list[str]:
    """Write the examples; returns the ids of concrete profiles that have none."""
    made = examples()
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.json"):
        old.unlink()
    for (type_, name), resource in made.items():
        (target / f"{type_}-{name}.json").write_bytes(dumps(resource) + b"\n")
    shown = {profile for resource in made.values() for profile in _profiles(resource)}
    return sorted({definition["id"] for definition in _definitions()} - shown)


def examples() -> dict[tuple[str, str], dict[str, Any]]:
    """Return examples by type and id."""
    best: dict[str, dict[str, Any]] = {}
    bundles = _read(SCENARIOS.glob("*/expected/*.bundle.json"))
    written = _read(WRITTEN.glob("[A-Z]*.json"))
    mapped = [map_record(path.read_bytes()).bundle for path in sorted(WRITTEN.glob("*.record.json"))]
    for bundle in (*bundles, *mapped, *(each for each in written if each["resourceType"] == "Bundle")):
        outer = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}
        for resource in outer.values():
            alone = _alone(resource, outer)
            for name in (*_profiles(resource), *_met(alone)):
                if name not in best or len(dumps(alone)) > len(dumps(best[name])):
                    best[name] = _claiming(alone, name)
    found = [{**best[name], "id": f"{MARK}-{name}"[:64]} for name in sorted(best)]
    found += [
        {**_claiming(bundle, BUNDLE), "id": f"{MARK}-record-{number}"}
        for number, bundle in enumerate(_fewest(bundles), start=1)
    ]
    found += written
    return {(resource["resourceType"], resource["id"]): resource for resource in found}


def _read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal) for path in sorted(paths)]


def _met(resource: dict[str, Any]) -> list[str]:
    """Return profiles of single results that a resource meets without naming them."""
    claimed = _profiles(resource)
    return [
        definition["id"]
        for definition in _definitions()
        if definition["baseDefinition"].removeprefix(PROFILES) in claimed
        and packaged_validator().validate(resource, profiles=[definition["url"]]).ok
    ]


def _claiming(resource: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the resource with a profile of ours in `meta.profile`."""
    if name in _profiles(resource):
        return resource
    meta = resource.get("meta", {})
    return {**resource, "meta": {**meta, "profile": [*meta.get("profile", ()), f"{PROFILES}{name}"]}}


def _fewest(bundles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return few Bundles whose resources name every profile that any of them names; smaller ones first."""
    held = [
        ({name for entry in bundle["entry"] for name in _profiles(entry["resource"])}, len(dumps(bundle)), number)
        for number, bundle in enumerate(bundles)
    ]
    open_, chosen = set().union(*(names for names, _, _ in held)), []
    while open_:
        names, _, number = max(held, key=lambda row: (len(row[0] & open_), -row[1]))
        open_ -= names
        chosen.append(bundles[number])
    return chosen


def _profiles(resource: dict[str, Any]) -> list[str]:
    claimed = (profile.partition("|")[0] for profile in resource.get("meta", {}).get("profile", ()))
    return [profile.removeprefix(PROFILES) for profile in claimed if profile.startswith(PROFILES)]


@cache
def _definitions() -> tuple[dict[str, Any], ...]:
    """Return our profiles, without extensions and abstract ones."""
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.glob("StructureDefinition-*.json"))
    ]
    return tuple(each for each in found if each["type"] != "Extension" and not each["abstract"])


def _alone(node: Any, outer: dict[str, Any]) -> Any:
    """Return a copy whose references into the Bundle name their target by identifier or by type alone."""
    if isinstance(node, list):
        return [_alone(item, outer) for item in node]
    if not isinstance(node, dict):
        return node
    target = outer.get(node.get("reference", "")) if isinstance(node.get("reference"), str) else None
    copy = {name: _alone(value, outer) for name, value in node.items()}
    if target is not None:
        del copy["reference"]
        copy["type"] = target["resourceType"]
        identifiers = target.get("identifier")
        first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
        if isinstance(first, dict) and "identifier" not in copy:
            copy["identifier"] = {name: first[name] for name in ("system", "value") if name in first}
        elif "identifier" not in copy:
            copy.setdefault("display", target["resourceType"])
    return copy


if __name__ == "__main__":
    for name in main(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE / "example"):
        print(f"no example: {name}")
