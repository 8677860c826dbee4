"""The compiled mapping says what the rows say, and both forms of a Bundle tell the same record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.fhir.canonical import canonical
from adapter.mapping import Mapped, map_record, mapping_for, unmap
from adapter.mapping.compile import generated
from adapter.mapping.contained import CORE_TYPES, contain, kept_by_adapter
from adapter.mapping.interpret import Frame, Interpreter
from adapter.mapping.registry import record_types
from adapter.mapping.replay import Reading
from adapter.mapping.run import Hop, Run
from adapter.source import read, read_json
from adapter.types import Record, Resource, TraceRow
from tests.mapping.references import references

SCENARIOS = sorted(Path(__file__).resolve().parents[2].glob("fixtures/scenarios/SCN-*"))
KEY = b"key of the tests"
TYPES = record_types()


def interpreted(record: Record) -> tuple[Resource, list[TraceRow]]:
    """Return the Bundle and the trace that the rows make when they are read one by one."""
    mapping = mapping_for(record["record_type"]).mapping
    run = Run(mapping, record, KEY)
    reading = Interpreter(run)
    reading.resources(mapping.rules, Frame((record,), ("",)))
    assert reading.problems == []
    rows = [
        TraceRow(f"Bundle.entry[{number}].resource{mark.element}", *mark[1:])
        for number, entry in enumerate(run.bundle()["entry"])
        for mark in reading.trace[entry["fullUrl"]]
    ]
    return run.bundle(), rows


def check(record: Record) -> None:
    """Compare Bundle and trace of both ways."""
    mapped = map_record(record, id_key=KEY)
    bundle, rows = interpreted(mapped.record)
    assert canonical(mapped.bundle) == canonical(bundle)
    assert mapped.made.rows(mapped.bundle) == rows


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_compiled_is_interpreted(name: str, records: Any, data: st.DataObject) -> None:
    """For records drawn from the schema the generated Python makes the Bundle and notes the trace that the plain
    reading of the rows gives.
    """
    check(data.draw(records(name.replace("_", "-"))))


@pytest.mark.parametrize("folder", SCENARIOS, ids=lambda folder: folder.name)
def test_every_scenario_s_records_are_traced_as_interpreted(folder: Path) -> None:
    """So do the records of the scenarios; what a vendor's form notes is the trace of its plain reading, too."""
    for path in sorted((folder / "records").iterdir()):
        vendor = path.name.split(".")[1] if path.name.count(".") == 2 else None
        source = read(path.read_bytes(), vendor=vendor)
        check(map_record(source, id_key=KEY).record)
        if vendor is not None:
            check_hop(map_record(source, id_key=KEY))


def check_hop(mapped: Mapped) -> None:
    """Compare canonical record and trace of both ways from a vendor's record."""
    assert mapped.renamed is not None
    loaded = mapped.renamed.loaded
    reading = Interpreter(Hop(loaded.mapping, mapped.native))
    made = reading.object(loaded.mapping.rules[0].tree, Frame((mapped.native,), ("",)), {}, root=True)
    assert made.value == mapped.record
    notes = Reading(mapped.renamed.notes)
    loaded.read_record(notes, "", ("",))
    assert notes.rows == [TraceRow(*mark) for mark in made.trace]


def test_what_the_mapping_notes_stays_small() -> None:
    """A note is a number or `fullUrl`s, never a value of the record, and there are fewer of them than rows."""
    record = read_json((SCENARIOS[4] / "records" / "12-work-ability-plan.json").read_bytes())
    mapped = map_record(record, id_key=KEY)
    known = {None, *(entry["fullUrl"] for entry in mapped.bundle["entry"])}
    given = [note if isinstance(note, list) else [note] for note in mapped.made.notes if type(note) is not int]
    assert given
    assert all(known.issuperset(each) for each in given)
    assert len(mapped.made.notes) * 2 < len(mapped.trace)


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
    text, _, _ = generated(mapping_for(name).mapping)
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
