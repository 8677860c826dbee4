"""XML in: what is refused, how elements become a record, and where everything stands."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import adapter
from adapter.errors import SourceError
from adapter.i18n import LANGUAGES
from adapter.source import Limits, Schema
from adapter.source.places import places
from adapter.source.xml import parse_xml, read_xml

PLAN = "urn:example:plan"
COMMON = "urn:example:common"
NAMESPACES = {"": PLAN, "c": COMMON}
SCHEMA = Schema(
    "test",
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "@id": {"type": "string"},
            "@version": {"type": "integer"},
            "Title": {"type": "string"},
            "Cost": {"type": "number"},
            "Ended": {"type": "boolean"},
            "c:Name": {"type": "string"},
            "Value": {
                "type": "object",
                "properties": {"@unit": {"type": "string"}, "#text": {"type": "number"}},
            },
            "Goal": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"@state": {"type": "string"}, "Text": {"type": "string"}},
                },
            },
            "Note": {"type": "array", "items": {"type": "string"}},
        },
    },
)
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<p:Plan xmlns:p="urn:example:plan" xmlns:k="urn:example:common" id="7" version="3">
  <p:Title>  Työkyvyn
tuki &amp; <![CDATA[<muu>]]> </p:Title>
  <p:Cost>5.10</p:Cost>
  <p:Ended>false</p:Ended>
  <k:Name>Ääkkönen</k:Name>
  <p:Value unit="kg/m2">24.50</p:Value>
  <p:Goal state="a>b"><p:Text>eka</p:Text></p:Goal>
  <?php nothing ?>
  <p:Goal state="open">
    <p:Text>toka</p:Text>
  </p:Goal>
  <p:Note>yksi</p:Note>
</p:Plan>
"""


def record_of(document: str | bytes, **settings: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the record and the keys of the issues with their paths."""
    record, issues = read_xml(document, SCHEMA, NAMESPACES, **settings)
    for issue in issues:
        assert all(issue.text(language) for language in LANGUAGES)
    return record, [f"{issue.key} {issue.source.path if issue.source else ''}" for issue in issues]


def refused(document: str | bytes, **settings: Any) -> tuple[str, int | None, int | None]:
    """Return key, line and column of the one issue of a document that must be refused."""
    with pytest.raises(SourceError) as caught:
        parse_xml(document, **settings)
    (issue,) = caught.value.issues
    assert all(issue.text(language) for language in LANGUAGES)
    assert issue.source is not None or issue.key in ("source.too-large", "source.xml-too-many-attributes")
    place = issue.source
    return issue.key.removeprefix("source."), place.line if place else None, place.column if place else None


def test_elements_become_a_record_as_the_schema_says() -> None:
    """Lists where the schema has them, numbers with their digits, attributes with `@`, foreign names with prefix."""
    record, issues = record_of(DOCUMENT)
    assert issues == []
    assert record == {
        "@id": "7",
        "@version": 3,
        "Title": "Työkyvyn\ntuki & <muu>",
        "Cost": Decimal("5.10"),
        "Ended": False,
        "c:Name": "Ääkkönen",
        "Value": {"@unit": "kg/m2", "#text": Decimal("24.50")},
        "Goal": [{"@state": "a>b", "Text": "eka"}, {"@state": "open", "Text": "toka"}],
        "Note": ["yksi"],
    }
    assert str(record["Cost"]) == "5.10"


def test_prefixes_are_the_senders_own_choice() -> None:
    """The namespace decides, not the prefix; a default namespace and other prefixes give the same record."""
    other = DOCUMENT.replace("p:", "").replace("xmlns:p", "xmlns").replace("xmlns=", "xmlns=", 1)
    other = other.replace("<Plan xmlns:p", "<Plan xmlns").replace("k:", "zz:").replace("xmlns:k", "xmlns:zz")
    assert record_of(other) == record_of(DOCUMENT)


@pytest.mark.parametrize(
    ("path", "shown", "line", "column"),
    [
        ("$", "/p:Plan", 3, 1),
        ("@id", "/p:Plan/@id", 3, 65),
        ("Title", "/p:Plan/p:Title", 4, 3),
        ("c:Name", "/p:Plan/k:Name", 8, 3),
        ("Value.#text", "/p:Plan/p:Value", 9, 3),
        ("Value.@unit", "/p:Plan/p:Value/@unit", 9, 12),
        ("Goal[0].Text", "/p:Plan/p:Goal[1]/p:Text", 10, 23),
        ("Goal[1].@state", "/p:Plan/p:Goal[2]/@state", 12, 11),
        ("Goal[1].Text", "/p:Plan/p:Goal[2]/p:Text", 13, 5),
        ("Goal[1].Missing.Deep", "/p:Plan/p:Goal[2]/p:Missing/p:Deep", 12, 3),
        ("Note[0]", "/p:Plan/p:Note", 15, 3),
        ("Note[1]", "/p:Plan/p:Note", 3, 1),
    ],
)
def test_every_place_is_found_by_the_records_path(path: str, shown: str, line: int, column: int) -> None:
    """The sender sees an XPath with the prefixes of the document, and the line and column where the thing begins."""
    place = places(DOCUMENT, "xml", namespaces=NAMESPACES)(path)
    assert (place.path, place.line, place.column) == (shown, line, column)


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ('<o:X xmlns:o="urn:other"/>', ["source.unknown-namespace unknown:X"]),
        ('<X xmlns=""/>', ["source.unknown-namespace unknown:X"]),
        ("<Title>a</Title><Title>b</Title>", ["source.element-twice Title"]),
        ("words", ["source.xml-mixed $"]),
        ("<Goal>words<Text>a</Text></Goal>", ["source.xml-mixed Goal[0]"]),
        ("<Goal state='a'>words</Goal>", ["source.xml-mixed Goal[0]"]),
        ("<Goal><Text>a</Text><![CDATA[words]]></Goal>", ["source.xml-mixed Goal[0]"]),
        ('<Title unit="kg">a</Title>', ["source.xml-text-only Title.@unit"]),
        ('<Note c:unit="kg">a</Note>', ["source.xml-text-only Note[1].@c:unit"]),
        ('<Cost xml:lang="fi">7</Cost>', ["source.xml-text-only Cost.@xml:lang"]),
        ("<Title>a<Text>b</Text></Title>", ["source.xml-text-only Title.Text"]),
        ('<Title xsi:type="x">a</Title>', ["source.xml-text-only Title.@unknown:type"]),
        ('<Goal xsi:type="x"/>', ["source.unknown-namespace Goal[0].@unknown:type"]),
        ('<Goal o:state="x" xmlns:o="urn:other"/>', ["source.unknown-namespace Goal[0].@unknown:state"]),
        ('<Goal xsi:nil="true" state="x"/>', ["source.xml-nil Goal"]),
        ('<Title xsi:nil="true">a</Title>', ["source.xml-nil Title"]),
        ('<Goal c:state="x"/>', []),
        ('<Other xsi:nil="true"/>', []),
    ],
)
def test_what_has_no_place_is_told(inner: str, expected: list[str]) -> None:
    """Foreign names, what stands twice, text between elements, attributes of texts are issues with a path.

    A name of a declared namespace that the schema lacks stays in the record, for the check to tell.
    """
    begin = f'<Plan xmlns="{PLAN}" xmlns:c="{COMMON}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    record, issues = record_of(f"{begin}<Note>x</Note>{inner}</Plan>")
    assert issues == expected
    assert expected or record != {"Note": ["x"]}


@pytest.mark.parametrize(
    ("inner", "shown"),
    [
        ('<p:Note unit="kg">b</p:Note>', "/p:Plan/p:Note[2]/@unit"),
        ('<p:Title k:unit="kg">b</p:Title>', "/p:Plan/p:Title/@k:unit"),
        ("<p:Title>b<p:Text/></p:Title>", "/p:Plan/p:Title/p:Text"),
    ],
)
def test_surplus_of_a_text_has_its_place(inner: str, shown: str) -> None:
    """An unknown attribute or element inside a text is shown with the XPath, line and column of its own."""
    document = f'<p:Plan xmlns:p="{PLAN}" xmlns:k="{COMMON}"><p:Note>x</p:Note>\n{inner}</p:Plan>'
    _, (issue,) = read_xml(document, SCHEMA, NAMESPACES)
    assert issue.source is not None
    place = places(document, "xml", namespaces=NAMESPACES)(issue.source.path)
    found = document.split("\n")[1].find(shown.rpartition("/")[2].removeprefix("@"))
    assert (place.path, place.line) == (shown, 2)
    assert place.column in (found, found + 1)


def test_nil_is_absence_and_layout_is_dropped() -> None:
    """`xsi:nil` leaves the field out, `xsi:schemaLocation` is not looked at, an empty element is an empty text."""
    record, issues = record_of(
        f'<Plan xmlns="{PLAN}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">'
        '<Title xsi:nil="true"/><Note/><Cost> 7 </Cost></Plan>'
    )
    assert (record, issues) == ({"Note": [""], "Cost": 7}, [])


def test_what_cannot_be_converted_stays_for_the_check() -> None:
    """A number that is none stays text, so that the check can name the field."""
    record, _ = record_of(f'<Plan xmlns="{PLAN}" version="x"><Cost>5,10</Cost><Ended>kyllä</Ended></Plan>')
    assert record == {"@version": "x", "Cost": "5,10", "Ended": "kyllä"}
    assert record_of(f'<Plan xmlns="{PLAN}"><Cost>{"1" * 65}</Cost></Plan>')[0] == {"Cost": "1" * 65}


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "document",
    [
        LAUGHS,
        "<!DOCTYPE x><x/>",
        '<?xml version="1.0"?>\n<!-- c -->\n<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        '<!DOCTYPE x PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://127.0.0.1:1/x.dtd"><x/>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/">%p;]><x/>',
        "\ufeff<!DOCTYPE x><x/>",
    ],
)
def test_every_doctype_is_refused(document: str) -> None:
    """Internal, external, parameter entities, none at all: a DOCTYPE is not even looked into."""
    assert refused(document)[0] == "xml-doctype"
    assert refused(document.encode())[0] == "xml-doctype"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("", ("xml-no-element", 1, 1)),
        ("text", ("xml-no-element", 1, 1)),
        ("<a>\n<b></a>", ("xml-end-tag", 2, 8)),
        ("<a/><b/>", ("xml-trailing", 1, 5)),
        ("<a>&hello;</a>", ("xml-entity", 1, 11)),
        ("<a>&#0;</a>", ("xml-character", 1, 8)),
        ('<a x="1" x="2"/>', ("xml-duplicate-attribute", 1, 15)),
        ("<p:a/>", ("xml-prefix", 1, 5)),
        ("<a>\n<b>", ("xml-cut-short", 2, 4)),
        ("<a x/>", ("xml-attribute", 1, 5)),
        ("<a>]]></a>", ("not-xml", 1, 4)),
    ],
)
def test_what_is_not_well_formed_is_refused_with_its_place(document: str, expected: tuple[str, int, int]) -> None:
    """Line and column of the fault and what to do about it in words, nothing of the content."""
    assert refused(document) == expected


def test_encodings() -> None:
    """UTF-8 by default, the vendor's when declared; bytes and declaration must agree with it."""
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<Plan xmlns="urn:example:plan"><Title>Ä</Title></Plan>'
    assert refused(latin.encode("latin-1"))[0] == "wrong-encoding"
    assert refused(latin.replace("Ä", "A").encode()) == ("xml-encoding", 1, 31)
    assert record_of(latin.encode("latin-1"), encoding="iso-8859-1")[0] == {"Title": "Ä"}
    assert record_of(latin)[0] == {"Title": "Ä"}
    assert refused("<a/>".encode("utf-16"))[0] == "utf-16"
    assert refused("<a>ä</a>".encode("latin-1")) == ("wrong-encoding", 1, 4)


def test_limits() -> None:
    """Depth, number of elements and attributes, and size are bounded."""
    assert parse_xml("<a>" * 100 + "</a>" * 100) is not None
    assert refused("<a>" * 101 + "</a>" * 101)[0] == "too-deep"
    assert refused("<a>" * 5000 + "</a>" * 5000)[0] == "too-deep"
    assert refused("<a>" + "<b/>" * 100_000 + "</a>")[0] == "too-many-nodes"
    assert refused('<a x="1" y="2"/>', limits=Limits(nodes=2))[0] == "too-many-nodes"
    assert refused("<a>" + "x" * 100 + "</a>", limits=Limits(size=100))[0] == "too-large"


def test_attributes_are_bounded_before_the_parser() -> None:
    """A tag with very many attributes, quadratic for libxml2, is refused at once; quoted text counts for nothing."""
    crowded = "<a " + " ".join(f'x{number}="1"' for number in range(90_000)) + "/>"
    begin = time.process_time()
    assert refused(crowded)[0] == "xml-too-many-attributes"
    assert refused(f"<b><c/>{crowded}</b>")[0] == "xml-too-many-attributes"
    assert time.process_time() - begin < 1
    assert parse_xml("<a x='" + 'y="1" ' * 500 + "'/>") is not None
    assert parse_xml("<a>" + 'y="1" ' * 500 + "</a>") is not None
    assert parse_xml("<a><!-- " + 'y="1" ' * 500 + "--></a>") is not None


def test_no_possessive_groups() -> None:
    """Python before 3.11.5 (Debian 12: 3.11.2) finds nothing with a possessive group, only with single characters."""
    folder = Path(adapter.__file__).parent
    texts = {path.relative_to(folder): path.read_text("utf-8") for path in folder.rglob("*.py")}
    assert [str(path) for path, text in texts.items() if re.search(r"\)(?:\*\+|\+\+|\?\+|\}\+)|\(\?>", text)] == []
