"""Scenario records in the formats of two vendors say the same as the canonical ones, in the vendors' own words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapter.errors import AdapterError
from adapter.fhir.canonical import canonical
from adapter.fhir.ids import DEMO_KEY
from adapter.mapping import explain, map_record
from adapter.source.json import read_json

ROOT = Path(__file__).resolve().parent.parent / "fixtures" / "scenarios"
FORMS = sorted((*ROOT.glob("SCN-*/records/*.lahde.json"), *ROOT.glob("SCN-*/records/*.silmu.xml")))
IDS = [f"{path.parts[-3][:5]}-{path.name}" for path in FORMS]
RECORDS = ("plan", "consent", "check", "team")


def vendor_of(path: Path) -> str:
    """Return the vendor whose format a file is in."""
    return path.suffixes[-2].removeprefix(".")


def canonical_form(path: Path) -> Path:
    """Return the canonical record beside a vendor's form."""
    return path.with_name(f"{path.name.partition('.')[0]}.json")


def test_two_scenarios_stand_in_both_formats() -> None:
    """Moona's and the complete path have every plan, consent, health check and team in both vendors' formats."""
    for scenario in ("SCN-3-moona", "SCN-5-tyoton-polku"):
        wanted = {
            path.stem
            for path in (ROOT / scenario / "records").glob("*.json")
            if path.suffixes == [".json"] and re.sub(r"-v[0-9]+$", "", path.stem).endswith(RECORDS)
        }
        assert len(wanted) > 7
        for vendor in ("lahde", "silmu"):
            there = {
                path.name.partition(".")[0]
                for path in FORMS
                if path.parts[-3] == scenario and vendor_of(path) == vendor
            }
            assert there == wanted


@pytest.mark.parametrize("path", FORMS, ids=IDS)
def test_vendor_forms_say_the_same(path: Path) -> None:
    """The vendor's form becomes the canonical record and the same Bundle, to the digit."""
    expected = read_json(canonical_form(path).read_bytes())
    mapped = map_record(path.read_bytes(), vendor=vendor_of(path), id_key=DEMO_KEY)
    assert canonical(mapped.record) == canonical(expected)
    assert canonical(mapped.bundle) == canonical(map_record(expected, id_key=DEMO_KEY).bundle)


@pytest.mark.parametrize("path", FORMS, ids=IDS)
def test_explanations_name_the_vendors_fields(path: Path) -> None:
    """What made the first resource is told in the vendor's own fields, which lead back to its elements."""
    mapped = map_record(path.read_bytes(), vendor=vendor_of(path), id_key=DEMO_KEY)
    rows = [row for row in explain(mapped, "Bundle.entry[0].resource") if row.source]
    canonical_names = set(mapped.record)
    assert len(rows) > 10
    for row in rows[::9]:
        assert row.source.partition(".")[0].partition("[")[0] not in canonical_names
        assert row.element in {back.element for back in explain(mapped, row.source)}


@pytest.mark.parametrize("path", FORMS[::9], ids=IDS[::9])
def test_errors_name_the_vendors_line(path: Path) -> None:
    """A wrong check character of the identity code is told with the vendor's field and line, without the code."""
    text = path.read_text(encoding="utf-8")
    code = re.search(r'"([0-9]{6}[-A][0-9]{3})([0-9A-Y])"', text)
    assert code is not None
    wrong = code[1] + ("X" if code[2] != "X" else "Y")
    with pytest.raises(AdapterError) as caught:
        map_record(text.replace(code[1] + code[2], wrong), vendor=vendor_of(path), id_key=DEMO_KEY)
    line = text[: code.start()].count("\n") + 1
    (issue,) = caught.value.issues
    assert issue.source is not None
    assert issue.source.line == line
    assert wrong not in issue.text("en") + issue.source.path
