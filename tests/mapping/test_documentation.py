"""What is generated from the rows is current: tables for people, completion for editors."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from adapter.data import data_root, read_yaml
from adapter.mapping import mappings
from adapter.mapping.conversions import CONVERSIONS
from adapter.mapping.verbs import VERBS

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((data_root() / "mappings" / "records").glob("*/mapping.yaml"))


@pytest.fixture(scope="module")
def generated() -> dict[Path, str]:
    """Return what `scripts/make_mapping_docs.py` would write."""
    place = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_mapping_docs.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    found: dict[Path, str] = module.files()
    return found


def test_generated_files_are_current(generated: dict[Path, str]) -> None:
    """Whoever changes a row runs `python scripts/make_mapping_docs.py`."""
    stale = [path.name for path, text in generated.items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_every_mapping_has_a_page_with_its_losses(generated: dict[Path, str]) -> None:
    """Each page lists what does not come back the same, with the reasons of the file."""
    pages = {path.stem: text for path, text in generated.items()}
    for loaded in mappings():
        text = pages[loaded.mapping.id]
        assert "What does not come back the same" in text
        for reason in loaded.mapping.ignored.values():
            assert reason in text


@cache
def validator() -> Draft202012Validator:
    """Return the schema that editors use."""
    schema: dict[str, Any] = json.loads((ROOT / "mappings" / "mapping.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_our_own_files_fit_the_editor_s_schema(path: Path) -> None:
    """An editor has nothing to say about the packaged mappings."""
    assert [error.message for error in validator().iter_errors(read_yaml(path))] == []


@pytest.mark.parametrize(
    ("left", "right"),
    [("perriod.start", "a"), ("status", {"frm": "a"}), ("status", {"from": "a", "code": "no-such-list"})],
)
def test_an_editor_sees_typing_mistakes(left: str, right: Any) -> None:
    """A wrong element, verb or code list is red before the loader is asked."""
    rule = {"type": "CarePlan", "fields": {left: right}}
    assert not validator().is_valid({"mapping": "x", "version": "1.0.0", "resources": {"plan": rule}})


def test_the_page_about_the_format_names_everything() -> None:
    """`mappings/README.md` has a line for every verb and every named conversion, and invents none."""
    text = (ROOT / "mappings" / "README.md").read_text(encoding="utf-8")
    conversions = text.partition("## Named conversions")[2].partition("## Vendors")[0]
    first_cells = (line.split("|")[1] for line in conversions.splitlines() if line.startswith("| `"))
    assert {name for cell in first_cells for name in re.findall(r"`([a-z0-9-]+)`", cell)} == set(CONVERSIONS)
    verbs = text.partition("## Right side: verbs")[2].partition("## Rules")[0]
    assert set(re.findall(r"[`{ ]([a-z_]+):", verbs)) >= VERBS
