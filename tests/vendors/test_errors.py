"""Broken vendor documents: each problem is told at the vendor's own field, with line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.data import DataFileError
from adapter.errors import AdapterError, SourceError
from adapter.i18n import LANGUAGES
from adapter.mapping import map_record
from adapter.source import Vendor, load_vendor, read, vendors
from adapter.source import vendor as vendor_module

KEY = b"a key for tests only"


def example(vendor: str, name: str) -> str:
    """Return an example document as text."""
    described = load_vendor(vendor)
    return (described.folder / "examples" / f"{name}.{described.format}").read_text(encoding="utf-8")


def issues_of(document: str | bytes, vendor: str, **settings: Any) -> list[tuple[str, str, int | None, int | None]]:
    """Return key, path, line and column of every issue of a document that must be refused; texts name no value."""
    with pytest.raises(AdapterError) as caught:
        read(document, vendor=vendor, **settings)
    found = []
    for issue in caught.value.issues:
        assert all(issue.text(language) for language in LANGUAGES)
        place = issue.source
        found.append((issue.key, place.path, place.line, place.column) if place else (issue.key, "", None, None))
    return found


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


JSON_FAULTS = [
    # what is replaced, by what, the key of the issue, the path; the issue stands where the field begins
    ('"tila": "voimassa"', '"tila": "voimasa"', "code-not-in-list-near", "suunnitelma.tila"),
    ('"laadittu": "', '"laadittu": "31.2.2021 klo 9.00x', "not-a-finnish-date-time", "suunnitelma.laadittu"),
    ('"alkaa": "10.8.2021"', '"alkaa": "31.9.2021"', "not-a-finnish-moment", "suunnitelma.voimassa.alkaa"),
    ('"hetu": "200594-904B"', '"hetu": "200594-904C"', "identity-code-check", "asiakas.hetu"),
    ('"asiakasLasna": "K"', '"asiakasLasna": "Kyllä"', "code-not-in-list", "suunnitelma.asiakasLasna"),
    ('"versio": 1', '"versio": "1"', "wrong-type", "lahde.versio"),
    ('"tilanne": ', '"tilane": ', "unknown-field-near", "suunnitelma.tilane"),
    ('"tyyppi": "TYP"', '"tyyppi": "typ"', "code-not-in-list", "suunnitelma.tyyppi"),
    ('"numero": "', '"numero": "200594-904B-', "identity-code-inside", "lahde.numero"),
    ('"rekisterinpitaja": {', '"rekisterinpitaja": {"nimi": "toinen",', "duplicate-key", "lahde.rekisterinpitaja.nimi"),
]


@pytest.mark.parametrize(("right", "wrong", "key", "path"), JSON_FAULTS, ids=[fault[3] for fault in JSON_FAULTS])
def test_json_faults_are_told_at_the_vendors_field(right: str, wrong: str, key: str, path: str) -> None:
    """One field of Lähde's plan broken: path, line and column of that field in the vendor's document."""
    text = example("lahde", "SCN-3-plan")
    offset = text.index(right)
    broken = text[:offset] + wrong + text[offset + len(right) :]
    if key == "duplicate-key":
        offset = broken.index('"nimi"', offset + len(wrong))
    assert (f"source.{key}", path, *position(broken, offset)) in issues_of(broken, "lahde")


XML_FAULTS = [
    (' status="20"', ' status="21"', "code-not-in-list", "/Plan/@status"),
    (' created="', ' created="2021-02-31T', "not-a-local-date-time", "/Plan/@created"),
    (' start="2021-08-10"', ' start="2021-09-31"', "not-a-local-moment", "/Plan/Period/@start"),
    (
        ' personalIdentityCode="200594-904B"',
        ' personalIdentityCode="200594-904C"',
        "identity-code-check",
        "/Plan/Client/@personalIdentityCode",
    ),
    (' clientPresent="true"', ' clientPresent="kyllä"', "wrong-type", "/Plan/@clientPresent"),
    (' recordVersion="1"', ' recordVersion="0"', "number-too-small", "/Plan/Header/@recordVersion"),
    (' planningMode="', ' planingMode="', "unknown-field-near", "/Plan/@planingMode"),
    ("<Header ", "<Extra/><Header ", "unknown-field", "/Plan/Extra"),
    ("<Header ", '<o:Extra xmlns:o="urn:other"/><Header ', "unknown-namespace", "/Plan/o:Extra"),
    ("<y:Name>", "<Name>x</Name><y:Name>", "unknown-field", "/Plan/Header/Custodian/Name"),
]


@pytest.mark.parametrize(("right", "wrong", "key", "path"), XML_FAULTS, ids=[fault[3] for fault in XML_FAULTS])
def test_xml_faults_are_told_at_the_vendors_field(right: str, wrong: str, key: str, path: str) -> None:
    """One attribute or element of Silmu's plan broken: XPath, line and column in the vendor's document."""
    text = example("silmu", "SCN-3-plan")
    offset = text.index(right)
    broken = text[:offset] + wrong + text[offset + len(right) :]
    found = {(issue[0], issue[1]): issue[2:] for issue in issues_of(broken, "silmu")}
    assert found[f"source.{key}", path] == position(broken, offset + right.startswith(" "))


@pytest.mark.parametrize(
    ("vendor", "pattern", "key", "path"),
    [
        ("lahde", r'    "tunnus": "[^"]+",\n    "tyyppi"', "source.missing-field", "suunnitelma.tunnus"),
        ("silmu", r' planId="[^"]+"', "source.missing-field", "/Plan/@planId"),
    ],
)
def test_a_missing_field_is_told_where_it_is_missing(vendor: str, pattern: str, key: str, path: str) -> None:
    """The path is that of the missing field, line and column are those of what it is missing from."""
    text = example(vendor, "SCN-3-plan")
    broken = re.sub(pattern, '    "tyyppi"' if vendor == "lahde" else "", text, count=1)
    around = broken.index('"suunnitelma": {') if vendor == "lahde" else broken.index("<Plan")
    assert issues_of(broken, vendor) == [(key, path, *position(broken, around))]


def test_several_faults_are_told_together() -> None:
    """Three broken fields, three issues, in Finnish with what is allowed."""
    text = example("lahde", "SCN-5-plan").replace('"kieli": "fi"', '"kieli": "suomi"')
    text = text.replace('"versio": 1,', '"versio": 0,', 1).replace('"puhelin": "', '"puhelin": "puh. ', 1)
    with pytest.raises(SourceError) as caught:
        map_record(text, vendor="lahde", id_key=KEY)
    assert {issue.source.path for issue in caught.value.issues if issue.source} == {
        "lahde.kieli",
        "lahde.versio",
        "lahde.kirjaaja.puhelin",
    }
    assert "Sallitut: fi, sv, en" in caught.value.text("fi")


def test_each_issue_is_told_once() -> None:
    """One field of the vendor may make several of ours; what is wrong with it is told once."""
    document = json.loads(example("lahde", "SCN-5-plan"))
    told = 0
    for owner, key in list(texts(document)):
        kept, owner[key] = owner[key], "x" * 300
        try:
            map_record(json.dumps(document), vendor="lahde", id_key=KEY)
        except AdapterError as error:
            issues = list(error.issues)
            told += len(issues)
            assert all(issue not in issues[:at] for at, issue in enumerate(issues))
        owner[key] = kept
    assert told


def texts(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield owner and key of every text of a document."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, str):
            yield node, key
        elif isinstance(value, dict | list):
            yield from texts(value)


def test_bare_numbers_are_named() -> None:
    """The allowed codes of a list of numbers are told with their names: a number alone helps nobody."""
    broken = re.sub(r' status="[0-9]+"', ' status="99"', example("silmu", "SCN-3-plan"), count=1)
    with pytest.raises(SourceError) as caught:
        read(broken, vendor="silmu")
    (text,) = {issue.text("fi") for issue in caught.value.issues}
    assert re.search(r"[0-9]+ \([a-zåäö ]+\)", text)


@pytest.mark.parametrize("vendor", ["lahde", "silmu"])
def test_an_element_of_the_bundle_leads_to_the_vendors_line(vendor: str) -> None:
    """The trace joins both hops: the status of the CarePlan is found in the vendor's document."""
    text = example(vendor, "SCN-3-plan")
    mapped = map_record(text, vendor=vendor, id_key=KEY)
    place = mapped.locate("Bundle.entry[0].resource.status")
    wanted = '"tila": "voimassa"' if vendor == "lahde" else 'status="20"'
    assert place is not None
    assert (place.line, place.column) == position(text, text.index(wanted))
    assert place.path == ("suunnitelma.tila" if vendor == "lahde" else "/Plan/@status")


@pytest.mark.parametrize(
    ("vendor", "document", "expected"),
    [
        ("lahde", '{"lomake": "X"}', ("source.vendor-record-type", "lomake", 1, 2)),
        ("lahde", "{}", ("source.vendor-record-type", "lomake", 1, 1)),
        ("lahde", "[]", ("source.record-not-an-object", "$", 1, 1)),
        ("lahde", "<Plan/>", ("source.json-expected-value", "$", 1, 1)),
        ("silmu", "<Plan/>", ("source.vendor-root", "/Plan", 1, 1)),
        ("silmu", '<Other xmlns="urn:silmu:tyokyky:3"/>', ("source.vendor-root", "/Other", 1, 1)),
        ("silmu", '<!DOCTYPE Plan><Plan xmlns="urn:silmu:tyokyky:3"/>', ("source.xml-doctype", "$", 1, 1)),
        ("silmu", "{}", ("source.xml-no-element", "$", 1, 1)),
    ],
)
def test_a_document_of_another_kind_is_refused(vendor: str, document: str, expected: Any) -> None:
    """Unknown kinds, other formats and a DOCTYPE are refused before anything is mapped; the known kinds are named."""
    assert issues_of(document, vendor) == [expected]


def test_format_and_record_type_must_agree_with_the_document() -> None:
    """A format or record type that the caller names and the document does not have is an issue."""
    text = example("lahde", "SCN-3-plan")
    assert issues_of(text, "lahde", format="xml")[0][0] == "source.unknown-format"
    assert issues_of(text, "lahde", record_type="consent")[0][:2] == ("source.record-type-mismatch", "lomake")
    assert read(text, vendor="lahde", record_type="work_ability_plan").record_type == "work_ability_plan"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title: X\nformat: json\nkinds: {}\n", "kind_field"),
        ("title: X\nformat: csv\nkinds: {}\n", "json or xml"),
        ("title: X\nformat: xml\n", "'kinds' is missing"),
        ("title: X\nformat: xml\nkinds: {}\ncolour: red\n", "unknown key 'colour'"),
    ],
)
def test_a_broken_description_is_refused_with_file_and_line(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`vendor.yaml` says what it must and nothing that is not understood."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "vendor.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(vendor_module, "_folder", lambda: tmp_path)
    monkeypatch.setattr(vendor_module, "vendors", lambda: ("other",))
    with pytest.raises(DataFileError, match=problem):
        load_vendor.__wrapped__("other")


def test_the_vendors_are_known() -> None:
    """Both vendors are listed, and a record type that one does not send is a look-up error."""
    assert {"lahde", "silmu"} <= set(vendors())
    described = load_vendor("silmu")
    assert isinstance(described, Vendor)
    with pytest.raises(LookupError, match="functional_assessment"):
        described.schema("functional_assessment")
    with pytest.raises(LookupError, match="nobody"):
        load_vendor("nobody")
