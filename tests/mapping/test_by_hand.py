"""The plan mapped by hand, written without looking at the rows' machinery, is a second oracle."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.fhir.canonical import canonical
from adapter.mapping import map_record
from adapter.source import read_json

ROOT = Path(__file__).resolve().parents[2]
PLANS = sorted(
    path
    for path in ROOT.glob("fixtures/scenarios/*/records/*work-ability-plan*.json")
    if not path.stem.partition(".")[2]
)
KEY = b"key of the tests"


@pytest.fixture(scope="module")
def by_hand() -> Any:
    """Return the function of `benchmarks/plan_by_hand.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        return importlib.import_module("plan_by_hand").plan_by_hand


def check(record: dict[str, Any], by_hand: Any) -> None:
    """Compare both ways to the byte."""
    mapped = map_record(record, id_key=KEY)
    names = (mapped.mapping.id, mapped.mapping.version, mapped.mapping.digest)
    assert canonical(mapped.bundle) == canonical(by_hand(record, KEY, names))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_scenario_s_plan(path: Path, by_hand: Any) -> None:
    """The plans of the scenarios become the same Bundle both ways."""
    check(read_json(path.read_bytes()), by_hand)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_plan(records: Any, by_hand: Any, data: st.DataObject) -> None:
    """So does any plan that fits the schema."""
    check(data.draw(records("work-ability-plan")), by_hand)
