"""The compiled mapping says what the rows say, and both forms of a Bundle tell the same record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.fhir.canonical import canonical
from adapter.mapping import map_record, mapping_for, unmap
from adapter.mapping.compile import generated
from adapter.mapping.contained import CORE_TYPES, contain, kept_by_adapter
from adapter.mapping.interpret import Frame, Interpreter
from adapter.mapping.registry import record_types
from adapter.mapping.run import Run
from adapter.types import Record, Resource

KEY = b"key of the tests"
TYPES = record_types()


def interpreted(record: Record) -> Resource:
    """Return the Bundle that the rows make when they are read one by one."""
    mapping = mapping_for(record["record_type"]).mapping
    run = Run(mapping, record, KEY)
    reading = Interpreter(run)
    reading.resources(mapping.rules, Frame((record,), ("",)))
    assert reading.problems == []
    return run.bundle()


def references(node: Any) -> list[str]:
    """Return every literal reference below a node."""
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    if not isinstance(node, dict):
        return []
    own = [node["reference"]] if isinstance(node.get("reference"), str) else []
    return own + [found for child in node.values() for found in references(child)]


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_compiled_is_interpreted(name: str, records: Any, data: st.DataObject) -> None:
    """For records drawn from the schema the generated Python and the plain reading of the rows make the same Bundle."""
    record = data.draw(records(name.replace("_", "-")))
    mapped = map_record(record, id_key=KEY)
    assert canonical(mapped.bundle) == canonical(interpreted(record))


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_contained_form_is_sound_and_comes_back(name: str, records: Any, data: st.DataObject) -> None:
    """Core entries only; dom-2 to dom-5 hold; nothing refers to what is not there; the record comes back."""
    mapped = map_record(data.draw(records(name.replace("_", "-"))), id_key=KEY)
    bundle = contain(mapped.bundle)
    known = {entry["fullUrl"] for entry in bundle["entry"]}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert resource["resourceType"] in CORE_TYPES
        inside = {f"#{part['id']}" for part in resource.get("contained", ())}
        said = references({key: value for key, value in resource.items() if key != "contained"})
        for part in resource.get("contained", ()):
            assert "contained" not in part
            assert "security" not in part["meta"]
            from_others = [found for other in resource["contained"] if other is not part for found in references(other)]
            assert f"#{part['id']}" in {*said, *from_others} or "#" in references(part)
        assert set(references(resource)) <= known | inside | {"#"}
        levels = [label for label in resource["meta"]["security"] if label["system"].endswith("v3-Confidentiality")]
        assert len(levels) == 1
    assert unmap(bundle, kept=kept_by_adapter(mapped.bundle)) == unmap(mapped.bundle)


@pytest.mark.parametrize("name", TYPES)
def test_generated_code_names_its_rows(name: str) -> None:
    """A traceback through the generated code shows the row and its line."""
    text, _ = generated(mapping_for(name).mapping)
    assert "(line " in text
    compile(text, name, "exec")


def leaves(value: Any, path: str = "") -> list[str]:
    """Return the path of a value and of everything in it."""
    if isinstance(value, dict):
        below = [leaf for key, child in value.items() for leaf in leaves(child, f"{path}.{key}" if path else key)]
    elif isinstance(value, list):
        below = [leaf for position, child in enumerate(value) for leaf in leaves(child, f"{path}[{position}]")]
    else:
        below = []
    return [path, *below]
