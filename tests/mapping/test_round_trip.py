"""What a record says survives the way to FHIR and back; what does not is listed here by its reason."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.data import data_root
from adapter.fhir.canonical import canonical
from adapter.mapping import map_record, unmap
from adapter.source.json import read_json

FOLDER = data_root() / "mappings" / "records"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/mapping.yaml"))
EXAMPLES = sorted(FOLDER.glob("*/examples/*.source.json"))
IDS = [f"{path.parts[-3]}/{path.name}" for path in EXAMPLES]
KEY = b"key of the tests"


def completed(record: Any) -> Any:
    """Return what comes back.

    That is the record without what is never written (`release`, `sha256`), with the end that the mapping assumes of
    a meeting, and without the system of an identifier where it says no more than the record's source_system.
    """
    expected = copy.deepcopy(record)
    expected.pop("release", None)
    _complete(expected, record["source_system"])
    return expected


def _complete(node: Any, source_system: str) -> None:
    if isinstance(node, list):
        for item in node:
            _complete(item, source_system)
    if not isinstance(node, dict):
        return
    node.pop("sha256", None)
    if "id" in node and node.get("system") == source_system:
        del node["system"]
    for name, value in node.items():
        if name in ("booked_time", "next_meeting", "meeting_time"):
            value.setdefault("end", (datetime.fromisoformat(value["start"]) + timedelta(hours=1)).isoformat())
        _complete(value, source_system)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_record_comes_back(name: str, records: Any, data: st.DataObject) -> None:
    """unmap(map(record)) is the record, for records drawn from the schema."""
    record = data.draw(records(name))
    assert unmap(map_record(record, id_key=KEY).bundle) == [completed(record)]


@pytest.mark.parametrize("path", EXAMPLES, ids=IDS)
def test_examples_come_back_to_the_digit(path: Path) -> None:
    """The examples come back with every digit of their numbers, and give a valid R4 Bundle, the same every time."""
    record = read_json(path.read_bytes())
    mapped = map_record(record, id_key=KEY)
    back = unmap(mapped.bundle)
    assert [canonical(each) for each in back] == [canonical(completed(record))]
    assert canonical(map_record(record, id_key=KEY).bundle) == canonical(mapped.bundle)
    assert mapped.models().entry
