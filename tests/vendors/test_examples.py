"""The examples of the vendor formats are scenario records in the vendor's own words, and come back as these records."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapter.data import data_root
from adapter.mapping import map_record, mappings
from adapter.source import load_vendor, read, read_json, vendors
from tests.vendors.native import native_document, native_record

SCENARIOS = Path(__file__).resolve().parents[2] / "fixtures" / "scenarios"
SHOWN = {
    "SCN-3-plan": "SCN-3-moona/records/08-work-ability-plan.json",
    "SCN-3-consent": "SCN-3-moona/records/06-consent.json",
    "SCN-3-health-check": "SCN-3-moona/records/05-health-check.json",
    "SCN-3-team": "SCN-3-moona/records/07-team.json",
    "SCN-5-plan": "SCN-5-tyoton-polku/records/12-work-ability-plan.json",
    "SCN-5-consent": "SCN-5-tyoton-polku/records/10-consent.json",
    "SCN-5-health-check": "SCN-5-tyoton-polku/records/06-health-check.json",
    "SCN-5-team": "SCN-5-tyoton-polku/records/11-team-v2.json",
}
"""Name of the example to the scenario record that it is."""

CASES = [(vendor, name) for vendor in vendors() for name in SHOWN]
KEY = b"a key for tests only"


@pytest.mark.parametrize(("vendor", "name"), CASES)
def test_the_example_is_the_scenario_record(vendor: str, name: str, update_golden: bool) -> None:
    """Read in the vendor's form it is the canonical record, digit by digit; the same Bundle is made of both."""
    record = read_json((SCENARIOS / SHOWN[name]).read_bytes())
    described = load_vendor(vendor)
    path = described.folder / "examples" / f"{name}.{described.format}"
    if update_golden:
        path.write_text(native_document(record, vendor), encoding="utf-8")
    mapped = map_record(path.read_bytes(), vendor=vendor, id_key=KEY)
    assert mapped.record == record
    assert str(mapped.record) == str({key: mapped.record[key] for key in mapped.record})
    assert mapped.bundle["entry"][0] == map_record(record, id_key=KEY).bundle["entry"][0]
    assert [issue.key for issue in mapped.report.issues] == []


@pytest.mark.parametrize(("vendor", "name"), CASES)
def test_the_vendors_rows_lead_back(vendor: str, name: str) -> None:
    """From right to left the rows give the vendor's own record back: nothing of it was lost."""
    described = load_vendor(vendor)
    source = read((described.folder / "examples" / f"{name}.{described.format}").read_bytes(), vendor=vendor)
    canonical = map_record(source, id_key=KEY).record
    assert native_record(canonical, vendor) == source.record


RECORDS = sorted(path for path in SCENARIOS.glob("*/records/*.json") if ".lahde." not in path.name)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_scenario_record_can_be_said_in_both_formats(path: Path) -> None:
    """Plans, consents, health checks and teams of all scenarios survive the way through each vendor's document."""
    record = read_json(path.read_bytes())
    for vendor in vendors():
        if record["record_type"] in load_vendor(vendor).kinds.values():
            assert map_record(native_document(record, vendor), vendor=vendor, id_key=KEY).record == record


def test_each_vendor_maps_the_four_records() -> None:
    """Plan, consent, health check and team have a mapping for both vendors."""
    found = {(one["vendor"], one["record_type"]) for one in (mapping.describe() for mapping in mappings())}
    wanted = ("work_ability_plan", "consent", "health_check", "team")
    assert {(vendor, record_type) for vendor in ("lahde", "silmu") for record_type in wanted} <= found


def test_the_examples_hold_what_the_formats_are_for() -> None:
    """Finnish dates, decimal commas and own codes in Lähde; two namespaces, local times and numbers in Silmu."""
    folder = data_root() / "mappings" / "vendors"
    lahde = (folder / "lahde" / "examples" / "SCN-3-plan.json").read_text(encoding="utf-8")
    assert re.search(r'"laadittu": "[0-9]+[.][0-9]+[.][0-9]{4} klo [0-9]+[.][0-9]{2}"', lahde)
    assert '"tila": "voimassa"' in lahde
    silmu = (folder / "silmu" / "examples" / "SCN-3-plan.xml").read_text(encoding="utf-8")
    assert 'xmlns="urn:silmu:tyokyky:3" xmlns:y="urn:silmu:yhteiset:2"' in silmu
    assert re.search(r'created="[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"', silmu)
