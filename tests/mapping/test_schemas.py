"""The canonical schemas: sound, closed, complete against the domain model, and true of their own examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from adapter.data import data_root, read_yaml
from adapter.source import identity_code
from adapter.terminology import PACKAGED

FIELDS: dict[str, Any] = read_yaml(Path(__file__).with_name("domain_fields.yaml"))
ENVELOPE: str = FIELDS["envelope"]
TYPES: dict[str, str] = FIELDS["types"]
RECORDS: dict[str, str] = FIELDS["records"]
FOLDER = data_root() / "mappings" / "records"
FILES = {path.parent.name: path for path in sorted(FOLDER.glob("*/source.schema.json"))}
COMMON = json.loads((FOLDER / "common.schema.json").read_text(encoding="utf-8"))
SCHEMAS: dict[str, dict[str, Any]] = {
    name: json.loads(path.read_text(encoding="utf-8")) for name, path in FILES.items()
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in (COMMON, *SCHEMAS.values())
)
EXAMPLES = sorted(FOLDER.glob("*/examples/*.source.json"))
ALLOWED_CODES = {"080885-906S", "200594-904B", "110101A905B", "010594Y9032", "010594Y9021"}


def places(table: str) -> dict[str, str]:
    """Return field name to schema path of one of the tables."""
    rows = (word.partition(":") for word in table.split())
    return {name: path or name for name, _, path in rows}


def nodes(schema: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every object of a schema document with its place."""
    if isinstance(schema, dict):
        yield path, schema
        for key, value in schema.items():
            yield from nodes(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for position, value in enumerate(schema):
            yield from nodes(value, f"{path}/{position}")


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Follow `$ref` until there is none; return the schema and the document it stands in."""
    while "$ref" in schema:
        file, _, pointer = schema["$ref"].partition("#")
        root = COMMON if file else root
        target: Any = root
        for step in pointer.strip("/").split("/"):
            target = target[step]
        schema = target
    return schema, root


def find(schema: dict[str, Any], root: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the schema of a dotted path; lists are walked through."""
    for step in path.split("."):
        schema, root = resolved(schema, root)
        while "items" in schema:
            schema, root = resolved(schema["items"], root)
        schema = schema["properties"][step]
    return schema


DOCUMENTS = [("common", COMMON), *SCHEMAS.items()]


@pytest.mark.parametrize(("name", "schema"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_schema_is_valid_2020_12(name: str, schema: dict[str, Any]) -> None:
    """Each file is a JSON Schema of draft 2020-12 and says so."""
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("name", "schema"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_every_object_is_closed_and_every_list_and_text_filled(name: str, schema: dict[str, Any]) -> None:
    """Unknown fields, empty lists and empty texts are refused everywhere."""
    bounded = ("pattern", "enum", "const", "x-codes", "format", "anyOf")
    for path, node in nodes(schema):
        if node.get("type") == "object":
            assert node.get("additionalProperties") is False, path
        if node.get("type") == "array":
            assert node.get("minItems", 0) >= 1, path
        if node.get("type") == "string":
            assert any(word in node for word in bounded), path


@pytest.mark.parametrize(("name", "schema"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_every_field_has_finnish_title_and_description(name: str, schema: dict[str, Any]) -> None:
    """Whoever reads the schema learns what a field is called and what it becomes."""
    for path, node in nodes(schema):
        if path.endswith(("/properties", "/$defs")):
            for field, field_schema in node.items():
                assert field_schema.get("title"), f"{path}/{field}"
                assert field_schema.get("description"), f"{path}/{field}"


@pytest.mark.parametrize(("name", "schema"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_every_code_list_exists(name: str, schema: dict[str, Any]) -> None:
    """`x-codes` names a list of the code folder, and a narrower `enum` beside it has only its codes."""
    for path, node in nodes(schema):
        if "x-codes" in node:
            codes = PACKAGED.code_system(node["x-codes"]).codes
            assert codes, path
            assert set(node.get("enum", ())) <= set(codes), path


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_domain_field_has_a_place(name: str) -> None:
    """Envelope and record: no field of the domain model is missing."""
    schema = SCHEMAS[name]
    for field, path in {**places(ENVELOPE), **places(RECORDS[name])}.items():
        assert find(schema, schema, path)["title"], field


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_field_of_the_embedded_types_has_a_place(name: str) -> None:
    """The types of the domain model stand in the common file with all their fields."""
    for field in TYPES[name].split():
        assert field in COMMON["$defs"][name]["properties"], field


def test_there_is_a_schema_for_each_record() -> None:
    """The folders are exactly the six records."""
    assert set(SCHEMAS) == set(RECORDS)


@pytest.mark.parametrize("path", EXAMPLES, ids=[f"{path.parts[-3]}/{path.name}" for path in EXAMPLES])
def test_examples_follow_their_schema_and_code_lists(path: Path) -> None:
    """Every example is accepted, its codes are in the lists, its identity codes are synthetic ones."""
    name = path.parts[-3]
    record = json.loads(path.read_text(encoding="utf-8"))
    errors = list(Draft202012Validator(SCHEMAS[name], registry=REGISTRY).iter_errors(record))
    assert not errors, [f"{error.json_path}: {error.message}" for error in errors]
    for used, value, schema in leaves(record, SCHEMAS[name], SCHEMAS[name]):
        if "x-codes" in schema:
            assert value in PACKAGED.code_system(schema["x-codes"]), used
        if schema.get("format") == "finnish-personal-identity-code":
            assert value in ALLOWED_CODES, used
            assert identity_code.problem(value) is None, used


def leaves(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "$") -> Iterator[tuple[str, Any, Any]]:
    """Give path, value and schema of everything in a record."""
    schema, root = resolved(schema, root)
    yield path, value, schema
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, schema["properties"][key], root, f"{path}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, schema["items"], root, f"{path}[{position}]")


def test_examples_show_every_field() -> None:
    """Taken together the examples use every property of every schema that they meet."""
    shown: dict[int, set[str]] = {}
    objects: dict[int, tuple[str, dict[str, Any]]] = {}
    for path in EXAMPLES:
        record = json.loads(path.read_text(encoding="utf-8"))
        schema = SCHEMAS[path.parts[-3]]
        for place, value, found in leaves(record, schema, schema):
            if isinstance(value, dict):
                shown.setdefault(id(found), set()).update(value)
                objects[id(found)] = (f"{path.parts[-3]}/{path.name} {place}", found)
    missing = {
        place: set(schema["properties"]) - shown[key]
        for key, (place, schema) in objects.items()
        if set(schema["properties"]) - shown[key] - set(ENVELOPE.split())
    }
    assert not missing
