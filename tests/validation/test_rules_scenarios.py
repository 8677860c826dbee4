"""The stories of `fixtures/scenarios/` break no business rule that refuses, record after record."""

from __future__ import annotations

import json
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.mapping import map_record
from adapter.validation.rules import check_rules

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "fixtures" / "scenarios").glob("SCN-*"))


@pytest.mark.parametrize("folder", SCENARIOS, ids=[folder.name for folder in SCENARIOS])
def test_scenario_breaks_no_error_rule(folder: Path) -> None:
    """Each record is judged at its time, beside the latest versions of the records before it."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(each for each in (folder / "records").glob("*.json") if ".lahde." not in each.name):
        record = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bundle = map_record(record).bundle
        issues = check_rules(bundle, at=record["recorded_at"], context=latest.values())
        assert [f"{path.name} {issue.rule}" for issue in issues if issue.severity == "error"] == []
        latest[record["record_type"], record["record_id"]] = bundle
    assert latest
