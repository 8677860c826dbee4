"""The scenarios use every field that a canonical record can have, so the golden files show every mapping row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.source.json import read_json

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "mappings" / "records"
COMMON = SCHEMAS / "common.schema.json"
RECORD_TYPES = sorted(path.parent.name for path in SCHEMAS.glob("*/source.schema.json"))

Field = tuple[str, str]
"""Schema file and the place of one property in it, e.g. `team`, `$defs.Member.member_period`."""


class SchemaFile:
    """One schema file and the definitions that its references lead to."""

    def __init__(self, path: Path) -> None:
        self.name = path.parent.name if path != COMMON else "common"
        self.document: Any = read_json(path.read_bytes())

    def fields(self) -> Iterator[Field]:
        """Yield every property of the file, each at the place where it is declared."""
        yield from self._below(self.document, "")
        for name, node in self.document.get("$defs", {}).items():
            yield from self._below(node, f"$defs.{name}")

    def _below(self, node: Any, place: str) -> Iterator[Field]:
        for name, child in node.get("properties", {}).items():
            yield self.name, f"{place}.{name}"
            yield from self._below(child, f"{place}.{name}")
        if "items" in node:
            yield from self._below(node["items"], place)

    def used(self, value: Any, node: Any, place: str) -> Iterator[Field]:
        """Yield the properties that a value uses, its references followed."""
        if "$ref" in node:
            file, _, name = node["$ref"].partition("#/$defs/")
            home = schema_file(COMMON) if file else self
            yield from home.used(value, home.document["$defs"][name], f"$defs.{name}")
        elif isinstance(value, list):
            for item in value:
                yield from self.used(item, node.get("items", {}), place)
        elif isinstance(value, dict):
            for name, child in value.items():
                yield self.name, f"{place}.{name}"
                yield from self.used(child, node["properties"][name], f"{place}.{name}")


_FILES: dict[Path, SchemaFile] = {}


def schema_file(path: Path) -> SchemaFile:
    """Return a schema file, read once."""
    if path not in _FILES:
        _FILES[path] = SchemaFile(path)
    return _FILES[path]


@pytest.fixture(scope="module")
def used() -> frozenset[Field]:
    """Every property that some scenario record uses, records that must be refused included."""
    found: set[Field] = set()
    for path in sorted(ROOT.glob("fixtures/scenarios/SCN-*/re*/*.json")):
        if path.suffixes != [".json"]:
            continue
        record: Any = read_json(path.read_bytes())
        schema = schema_file(SCHEMAS / record["record_type"].replace("_", "-") / "source.schema.json")
        found.update(schema.used(record, schema.document, ""))
    return frozenset(found)


@pytest.mark.parametrize("record_type", RECORD_TYPES)
def test_scenarios_use_every_field_of_a_record_type(record_type: str, used: frozenset[Field]) -> None:
    """Each property of the record's schema stands in at least one scenario record."""
    declared = set(schema_file(SCHEMAS / record_type / "source.schema.json").fields())
    assert len(declared) > 20
    assert declared - used == set()


def test_scenarios_use_every_field_of_the_shared_types(used: frozenset[Field]) -> None:
    """Each property of the embedded types stands in at least one scenario record."""
    declared = set(schema_file(COMMON).fields())
    assert len(declared) > 50
    assert declared - used == set()


def test_every_record_type_has_a_scenario(used: frozenset[Field]) -> None:
    """All record types that have a schema occur."""
    assert {name for name, place in used if place == ".record_id"} == set(RECORD_TYPES)
