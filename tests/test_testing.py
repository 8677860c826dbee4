"""What a vendor writes to test a mapping of their own, in a folder of their own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from adapter.data import DataFileError, data_root
from adapter.errors import SourceError
from adapter.mapping.problems import MappingFileError
from adapter.source import read
from adapter.testing import Example, Vendor
from adapter.types import CANONICAL_ROOT

GOLDEN = "expected/plan.bundle.json"


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """Return a vendor's folder outside the package, with an example and the Bundle expected of it."""
    folder = tmp_path / "acme"
    shutil.copytree(data_root() / "mappings" / "vendors" / "lahde", folder)
    for schema in folder.glob("*.schema.json"):
        text = schema.read_text(encoding="utf-8").replace("../../records/", f"{CANONICAL_ROOT}/schema/")
        schema.write_text(text, encoding="utf-8")
    (folder / "examples" / "SCN-3-plan.json").rename(folder / "examples" / "plan.json")
    Vendor(folder).example("plan.json").is_as_expected(GOLDEN, update=True)
    return folder


@pytest.fixture
def plan(acme: Path) -> Example:
    """Return the vendor's mapped example."""
    return Vendor(acme).example("plan.json")


def test_five_lines(acme: Path) -> None:
    """The five lines that the documentation shows."""
    plan = Vendor(acme).example("plan.json")
    plan.made("CarePlan.status", by="suunnitelma.tila")
    plan.loses_nothing()
    plan.comes_back()
    plan.is_as_expected("expected/plan.bundle.json")


def test_formats_that_come_with_the_adapter_are_known_by_name() -> None:
    """A name needs no folder; XML fields have their own paths."""
    plan = Vendor("silmu").example("SCN-3-plan.xml")
    plan.made("CarePlan.status", by="@status")
    plan.comes_back()


def test_the_folder_is_the_vendors_own(acme: Path) -> None:
    """Rows and schema come from the folder that was given, not from one of the same name in the package."""
    assert Vendor(str(acme)).folder == acme.resolve()
    changed = Path(shutil.copytree(acme, acme.with_name("changed")))
    rows = changed / "work-ability-plan.yaml"
    rows.write_text(rows.read_text(encoding="utf-8") + "nonsense: x\n", encoding="utf-8")
    with pytest.raises(MappingFileError, match=re.escape(str(rows))):
        Vendor(changed).example("plan.json")


def test_text_is_never_a_folder(acme: Path) -> None:
    """What comes over the wire names a format that is installed; a path in text opens nothing."""
    for text in (str(acme), "../../mappings/vendors/lahde"):
        with pytest.raises(SourceError) as caught:
            read(b"{}", vendor=text)
        assert [issue.key for issue in caught.value.issues] == ["source.unknown-vendor"]


def test_a_folder_without_a_format_is_refused(tmp_path: Path) -> None:
    """The folder must describe a vendor's format."""
    with pytest.raises(LookupError, match="no vendor"):
        Vendor(tmp_path)


def test_wrong_field_and_wrong_element_are_told(plan: Example) -> None:
    """Who expects another field hears which one it was."""
    with pytest.raises(AssertionError, match=r"suunnitelma\.tila"):
        plan.made("CarePlan.status", by="suunnitelma.otsikko")
    with pytest.raises(AssertionError, match="no field"):
        plan.made("CarePlan.nothing", by="suunnitelma.tila")


def test_changed_bundle_is_told_by_its_elements(plan: Example, acme: Path) -> None:
    """A difference from the expected Bundle is told by its path, down to a digit and an entry."""
    golden = acme / GOLDEN
    text = golden.read_text(encoding="utf-8")
    golden.write_text(text.replace('"status":"active"', '"status":"revoked"', 1), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"entry\[0\]\.resource\.status"):
        plan.is_as_expected(GOLDEN)
    with pytest.raises(AssertionError, match="update=True"):
        plan.is_as_expected("expected/other.json")


def test_loss_on_the_way_back_is_told_by_the_canonical_field(plan: Example) -> None:
    """A Bundle that lost an element does not come back whole."""
    del plan.mapped.bundle["entry"][0]["resource"]["title"]
    with pytest.raises(AssertionError, match="title"):
        plan.comes_back()


def test_field_without_a_place_is_told(acme: Path) -> None:
    """A field that an open schema lets in and no row reads is a loss."""
    opened = Path(shutil.copytree(acme, acme.with_name("opened")))
    for schema in opened.glob("*.schema.json"):
        text = schema.read_text(encoding="utf-8")
        schema.write_text(
            text.replace('"additionalProperties": false', '"additionalProperties": true'), encoding="utf-8"
        )
    example = opened / "examples" / "plan.json"
    example.write_text(example.read_text(encoding="utf-8").replace("{", '{"uusiKentta": "x",', 1), encoding="utf-8")
    with pytest.raises(AssertionError, match="uusiKentta"):
        Vendor(opened).example("plan.json").loses_nothing()


def test_problems_of_a_document_stand_in_the_output_of_the_test(acme: Path) -> None:
    """The error carries each problem in words with the vendor's field as a note."""
    example = acme / "examples" / "plan.json"
    example.write_text(
        example.read_text(encoding="utf-8").replace('"tila": "voimassa"', '"tila": "joskus"'), encoding="utf-8"
    )
    with pytest.raises(SourceError) as caught:
        Vendor(acme).example("plan.json")
    assert any("suunnitelma.tila" in note for note in caught.value.__notes__)
    assert all("joskus" not in note for note in caught.value.__notes__)


def test_a_code_list_that_is_missing_is_named_with_the_schema(acme: Path) -> None:
    """A schema whose `x-codes` leads nowhere is refused when it is loaded."""
    lacking = Path(shutil.copytree(acme, acme.with_name("lacking")))
    (lacking / "codes" / "suunnitelman-tila.conceptmap.json").unlink()
    with pytest.raises(DataFileError, match=r"schema\.json:31: x-codes 'suunnitelman-tila'"):
        Vendor(lacking).example("plan.json")
