"""`read`: from a document to a checked record, in the canonical form."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.data import data_root
from adapter.errors import SourceError
from adapter.i18n import LANGUAGES
from adapter.source import DEFAULT, Limits, read, read_json, read_ndjson
from adapter.source.accept import pattern_matches
from adapter.source.straight import PLAIN_PATTERNS

FOLDER = data_root() / "mappings" / "records"
EXAMPLES = sorted((data_root() / "mappings" / "records").glob("*/examples/*.source.json"))
PLAN = data_root() / "mappings" / "records" / "work-ability-plan" / "examples" / "complete.source.json"


def issues_of(data: Any, **settings: Any) -> list[tuple[str, str, int | None, int | None]]:
    """Return key, path, line and column of every issue of a record that must be refused."""
    with pytest.raises(SourceError) as caught:
        read(data, **settings)
    found = []
    for issue in caught.value.issues:
        assert all(issue.text(language) for language in LANGUAGES)
        place = issue.source
        found.append(
            (issue.key.removeprefix("source."), place.path, place.line, place.column)
            if place
            else (issue.key, "", None, None)
        )
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_examples_are_read(path: Any) -> None:
    """Bytes, text and dict give the same record; the record type is the document's own."""
    data = path.read_bytes()
    record = read(data)
    assert record.record == read_json(data)
    assert record.record_type == record.record["record_type"]
    assert read(data.decode()) == record == read(record.record)
    assert record.vendor is None
    assert record.warnings == ()


@pytest.mark.parametrize("identifier", ["1234567-8", "unit 12", ""])
def test_a_custodian_is_named_by_an_oid(identifier: str) -> None:
    """The custodian's Provenance speaks of national registers, so another identifier is refused at its own place."""
    record = {**read_json(PLAN.read_bytes())}
    record["custodian"] = {**record["custodian"], "id": identifier}
    expected = "not-an-oid" if identifier else "empty-text"
    assert [entry[:2] for entry in issues_of(record)] == [(expected, "custodian.id")]


def test_every_problem_has_line_and_column() -> None:
    """Faults at several depths of an indented document are told together, each where it stands."""
    text = PLAN.read_text(encoding="utf-8")
    lines = text.splitlines()
    status = next(at for at, line in enumerate(lines) if '"service_code"' in line)
    lines[status] = lines[status].replace('"service_code"', '"service_kode"')
    title = next(at for at, line in enumerate(lines) if line.startswith('  "title"'))
    lines[title] = '  "title": 5,'
    found = issues_of("\n".join(lines))
    assert ("wrong-type", "title", title + 1, 3) in found
    assert ("unknown-field-near", "services[0].service_kode", status + 1, lines[status].index('"') + 1) in found
    missing = next(entry for entry in found if entry[0] == "missing-field")
    assert missing[:2] == ("missing-field", "services[0].service_code")
    assert missing[2] == status
    assert len(found) == 3


def test_the_place_of_any_field_can_be_asked() -> None:
    """The locator of a record that was read gives line and column of its fields."""
    record = read(PLAN.read_bytes())
    lines = PLAN.read_text(encoding="utf-8").splitlines()
    place = record.place("services[0].status")
    assert place.line is not None
    assert '"status"' in lines[place.line - 1]
    assert record.place("services[0].nothing").line is not None
    assert read(record.record).place("services[0].status").line is None


@pytest.mark.parametrize(
    ("document", "settings", "expected"),
    [
        ("[]", {}, ("record-not-an-object", "$", 1, 1)),
        ("{}", {}, ("record-type-missing", "record_type", 1, 1)),
        ('{"x": 1,\n "record_type": "plan"}', {}, ("unknown-record-type", "record_type", 2, 2)),
        ('{"record_type": 7}', {}, ("unknown-record-type", "record_type", 1, 2)),
        ('{"record_type": []}', {}, ("unknown-record-type", "record_type", 1, 2)),
        ("{}", {"record_type": "plan"}, ("unknown-record-type", "record_type", 1, 1)),
        ('{"record_type": "team"}', {"record_type": "consent"}, ("record-type-mismatch", "record_type", 1, 2)),
        ("{}", {"vendor": "nobody"}, ("source.unknown-vendor", "", None, None)),
        ("<plan/>", {}, ("unknown-record-type", "/plan/record_type", 1, 1)),
        ("{", {}, ("json-cut-short", "$", 1, 2)),
        ("<a>", {}, ("xml-cut-short", "$", 1, 4)),
    ],
)
def test_what_is_no_record_of_ours(document: str, settings: Any, expected: Any) -> None:
    """No object, no type, an unknown type, another type than asked for, an unknown vendor."""
    assert issues_of(document, **settings) == [expected]


def test_unknown_record_types_are_answered_with_the_known_ones() -> None:
    """The message names every record type."""
    with pytest.raises(SourceError) as caught:
        read('{"record_type": "plan"}')
    assert "work_ability_plan" in caught.value.text("en")
    assert caught.value.http_status == 400


def test_the_record_type_may_come_from_outside() -> None:
    """A document that does not say its type takes the one that the caller gives."""
    document = read_json(PLAN.read_bytes())
    del document["record_type"]
    record = read(json.dumps(document, default=float), record_type="work_ability_plan")
    assert record.record["record_type"] == "work_ability_plan"


def test_a_canonical_record_may_come_as_xml() -> None:
    """Elements named as the fields, lists by repetition, no namespace: the same record."""
    record = read(EXAMPLES[0].read_bytes()).record
    document = as_xml(record["record_type"], record)
    assert read(document).record == record
    broken = document.replace("<record_version>", "<record_version>x", 1)
    assert issues_of(broken)[0][:2] == ("wrong-type", "/client/record_version")


def as_xml(name: str, value: Any) -> str:
    """Write a record as plain XML."""
    if isinstance(value, list):
        return "".join(as_xml(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(as_xml(key, item) for key, item in value.items())}</{name}>"
    text = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    return f"<{name}>{str(text).replace('&', '&amp;').replace('<', '&lt;')}</{name}>"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"record_version": ', '"record_version": 1, "record_version": ', 1),
        lambda text: text.replace('"Työ', '"\\u0000Työ', 1),
        lambda text: text.replace('"record_version": 2', '"record_version": ' + "2" * 70, 1),
        lambda text: text.replace('"value": ', '"value": 1e999, "v": ', 1),
        lambda text: text.replace('"note": [', '"note": [' + "[" * 150 + "]" * 150 + ",", 1),
    ],
)
def test_the_fast_way_lets_nothing_through(damage: Any) -> None:
    """Duplicate keys, NUL, endless numbers, depth: a record is refused as any other document is."""
    text = damage(PLAN.read_text(encoding="utf-8"))
    assert text != PLAN.read_text(encoding="utf-8")
    assert issues_of(text)


def test_own_limits_hold_for_records() -> None:
    """Limits given by the caller are checked before the schema."""
    data = PLAN.read_bytes()
    assert issues_of(data, limits=Limits(size=1000))[0][0] == "too-large"
    assert issues_of(data, limits=Limits(nodes=20))[0][0] == "too-many-nodes"
    assert issues_of(data, limits=Limits(depth=2))[0][0] == "too-deep"


def test_ndjson_lines_keep_their_numbers() -> None:
    """Blank lines are skipped, line ends and byte order mark dropped, and issues name the line of the file."""
    record = json.dumps(json.loads(PLAN.read_bytes())).encode()
    stream = io.BytesIO(b"\xef\xbb\xbf" + record + b"\r\n\n  \n" + b'{"record_type": "x"}\n' + record)
    lines = list(read_ndjson(stream))
    assert [number for number, _ in lines] == [1, 4, 5]
    assert lines[0][1] == lines[2][1] == record
    assert issues_of(lines[1][1], first_line=4) == [("unknown-record-type", "record_type", 4, 2)]
    assert read(lines[2][1], first_line=5).place("status").line == 5


def test_ndjson_is_read_in_constant_memory() -> None:
    """Lines are taken one by one from a stream without end, and an endless line is cut at the limit."""

    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1, /) -> bytes:
            return b"{}\n"

    lines: Iterator[tuple[int, bytes]] = read_ndjson(Endless())  # type: ignore[arg-type]
    assert [next(lines) for _ in range(3)] == [(1, b"{}"), (2, b"{}"), (3, b"{}")]
    with pytest.raises(SourceError) as caught:
        list(read_ndjson(io.BytesIO(b"{}\n" + b"x" * 200), limits=Limits(size=100)))
    (issue,) = caught.value.issues
    assert (issue.key, issue.source and issue.source.line) == ("source.too-large", 2)


def test_a_line_as_large_as_the_limit_is_read() -> None:
    """The limit counts the document, not its line end."""
    data = b'"' + b"a" * 98 + b'"'
    assert list(read_ndjson(io.BytesIO(data + b"\r\n" + data), limits=Limits(size=100))) == [(1, data), (2, data)]
    assert DEFAULT.size == 10_000_000


@settings(max_examples=60)
@given(st.text('aä€\\"\n/u0', max_size=8), st.booleans(), st.booleans())
def test_a_name_that_stands_twice_is_always_seen(text: str, ascii_only: bool, twice: bool) -> None:
    """Whatever signs and escapes the texts hold, a record is taken as it is, and refused when a name stands twice."""
    plan = json.loads((FOLDER / "work-ability-plan" / "examples" / "small.source.json").read_text(encoding="utf-8"))
    plan["situation"] = f"a{text}z"
    written = json.dumps(plan, ensure_ascii=ascii_only)
    if twice:
        written = written.replace('"situation":', '"situation": "a", "situation":')
        assert [key for key, *_ in issues_of(written)] == ["duplicate-key"]
    else:
        assert read(written).record == plan


@given(st.text(max_size=12))
def test_a_plain_text_fits_the_patterns_of_line_and_text(text: str) -> None:
    """What the generated judgement takes for a plain line matches the patterns that it leaves out."""
    definitions = json.loads((FOLDER / "common.schema.json").read_text(encoding="utf-8"))["$defs"]
    assert {definitions["line"]["pattern"], definitions["text"]["pattern"]} == PLAIN_PATTERNS
    if text.isprintable() and text.strip() == text != "":
        assert all(pattern_matches(pattern)(text) for pattern in PLAIN_PATTERNS)
