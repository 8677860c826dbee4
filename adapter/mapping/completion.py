"""JSON Schema of mapping files, for editors: verbs, keys, element paths of R4, code lists, types, conversions.

    # yaml-language-server: $schema=../../mapping.schema.json

completes left sides and red-underlines what R4 does not have, before the loader is ever asked.
"""

from __future__ import annotations

from typing import Any

from adapter.fhir import definitions
from adapter.mapping.conversions import CONVERSIONS
from adapter.mapping.functions import names as function_names
from adapter.mapping.registry import mapping_for, record_types, records_folder
from adapter.mapping.run import SENSITIVITIES
from adapter.terminology import codes_folder
from adapter.terminology.check import kind_and_name
from adapter.types import Json

DEPTH = 3
"""So many levels of elements are offered; deeper ones are written under `fields`."""

_TEXT = {"type": "string"}
_TRUE = {"enum": ["true", True]}


def mapping_schema() -> dict[str, Json]:
    """Return the JSON Schema (2020-12) of a mapping file."""
    used = sorted({rule.type for name in record_types() for rule in mapping_for(name).mapping.rules})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://kykysilta.example/fhir/schema/mapping.schema.json",
        "title": "Mapping file (see mappings/README.md)",
        "type": "object",
        "properties": {
            "mapping": _TEXT,
            "version": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
            "record_type": _TEXT,
            "source": _TEXT,
            "fragments": {"type": "object", "additionalProperties": {"$ref": "#/$defs/rows"}},
            "resources": {"type": "object", "additionalProperties": {"$ref": "#/$defs/rule"}},
            "ignored": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
        },
        "required": ["mapping", "version"],
        "$defs": {
            "rule": _rule(used),
            "rows": {"type": "object", "additionalProperties": {"$ref": "#/$defs/row"}},
            "row": {"oneOf": [_TEXT, {"$ref": "#/$defs/verbs"}, {"type": "array", "items": {"$ref": "#/$defs/row"}}]},
            "verbs": _verbs(),
            "when": _when(),
            **{f"rows-{type_}": _rows(type_) for type_ in used},
        },
    }


def _rule(types: list[str]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {
            "type": {"enum": types},
            "each": _TEXT,
            "when": {"$ref": "#/$defs/when"},
            "core": _TRUE,
            "shared": _TRUE,
            "profile": {"type": ["string", "array"], "items": _TEXT},
            "sensitivity": {"enum": list(SENSITIVITIES)},
            "include": {"type": ["string", "array"], "items": _TEXT},
            "identity": {"type": ["object", "array"]},
            "fields": {"type": "object"},
        },
        "required": ["type"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"type": {"const": type_}}},
                "then": {"properties": {"fields": {"$ref": f"#/$defs/rows-{type_}"}}},
            }
            for type_ in types
        ],
    }


def _verbs() -> dict[str, Json]:
    named = [kind_and_name(path) for path in sorted(codes_folder().glob("*.json"))]
    lists = sorted({found[1] for found in named if found is not None})
    types = sorted(path.stem for path in (records_folder() / "types").glob("*.yaml"))
    scalar = {"type": ["string", "number", "boolean"]}
    return {
        "type": "object",
        "properties": {
            "from": {"type": ["string", "array"], "items": _TEXT},
            "each": _TEXT,
            "fields": {"$ref": "#/$defs/rows"},
            "include": {"type": ["string", "array"], "items": _TEXT},
            "value": scalar,
            "coding": {"type": "string", "pattern": "^[^#]+#[^#]+$"},
            "code": {"anyOf": [{"enum": lists}, {"type": "string", "pattern": "^ConceptMap/"}]},
            "unmatched": {"const": "text"},
            "values": {"type": "object", "additionalProperties": scalar},
            "as": {"enum": [*types, *CONVERSIONS]},
            "to": _TEXT,
            "system": _TEXT,
            "ref": {"type": ["string", "array"], "items": _TEXT},
            "when": {"$ref": "#/$defs/when"},
            "default": scalar,
            "because": {"type": "string", "minLength": 1},
            "copy": _TRUE,
            "one_way": {"type": "string", "minLength": 1},
            "required": _TRUE,
            "call": {"enum": list(function_names())},
            "inverse": {"enum": list(function_names())},
        },
        "dependentRequired": {"default": ["because"], "unmatched": ["code"], "inverse": ["call"]},
        "additionalProperties": False,
    }


def _when() -> dict[str, Json]:
    fields = {"type": ["string", "array"], "items": _TEXT}
    values = {"type": ["string", "boolean", "number", "array"]}
    return {
        "type": "object",
        "properties": {
            "present": fields,
            "absent": fields,
            "from": _TEXT,
            "equals": values,
            "in": values,
            "not": values,
        },
        "additionalProperties": False,
    }


def _rows(type_: str) -> dict[str, Json]:
    """Return the schema of the rows of a resource type: known paths by name, slices and deeper ones by pattern."""
    row = {"$ref": "#/$defs/row"}
    paths: dict[str, Json] = {}
    first: list[str] = []
    for name, child in definitions.json_children(type_).items():
        first.append(name)
        _offer(type_, name, name + ("[]" if child.is_list else ""), 1, paths)
    names = "|".join(first)
    return {
        "type": "object",
        "properties": dict.fromkeys(paths, row),
        "patternProperties": {rf"^_?({names})(\[[A-Za-z0-9_-]*\])?(\.|$)": row},
        "additionalProperties": False,
    }


def _offer(type_: str, path: str, written: str, depth: int, paths: dict[str, Any]) -> None:
    paths[written] = {}
    if depth == DEPTH or written.rpartition(".")[2] in ("extension[]", "modifierExtension[]", "contained[]"):
        return
    for name, child in definitions.json_children(type_, path).items():
        if name not in ("id", "extension", "modifierExtension"):
            brackets = "[]" if child.is_list else ""
            _offer(type_, f"{path}.{name}", f"{written}.{name}{brackets}", depth + 1, paths)
