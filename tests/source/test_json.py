"""`read_json`: what is read, what is refused, and where the problem is said to be."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import SourceError
from adapter.i18n import LANGUAGES
from adapter.source import DEFAULT, Limits, read_json
from adapter.source.json_places import scan

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6).filter(lambda k: "\0" not in k), inner, max_size=4)
    ),
    max_leaves=20,
)


def refused(data: bytes | str, limits: Limits = DEFAULT) -> list[tuple[str, int | None, int | None]]:
    """Return key, line and column of every issue of a document that must be refused."""
    with pytest.raises(SourceError) as caught:
        read_json(data, limits=limits)
    for issue in caught.value.issues:
        assert all(issue.text(language) for language in LANGUAGES)
    places = [issue.source for issue in caught.value.issues]
    return [
        (issue.key.removeprefix("source."), place.line if place else None, place.column if place else None)
        for issue, place in zip(caught.value.issues, places, strict=True)
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5.10", Decimal("5.10")),
        ("0.000", Decimal("0.000")),
        ("1e3", Decimal("1e3")),
        ("1E400", Decimal("1E+400")),
        ("-0.0", Decimal("-0.0")),
        ("7", 7),
        ("9" * 64, int("9" * 64)),
    ],
)
def test_numbers_keep_their_digits(written: str, value: Any) -> None:
    """A fraction or exponent makes a Decimal with the digits as written; other numbers are int."""
    read = read_json(f"[{written}]")[0]
    assert (type(read), str(read)) == (type(value), str(value))


@given(VALUES)
def test_what_json_writes_is_read_back(value: Any) -> None:
    """Any JSON value comes back as it was, and the exact scanner finds nothing wrong with it."""
    data = json.dumps(value, ensure_ascii=False).encode()
    assert read_json(data) == value
    assert scan(data).issues == []


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0123e+-. \n', max_size=40).map(str.encode))
def test_no_bytes_get_past_as_anything_but_a_value_or_a_source_error(data: bytes) -> None:
    """Whatever the bytes are: a value, or a SourceError with a place; the standard library agrees on the verdict."""
    try:
        read_json(data)
        problems = None
    except SourceError as error:
        problems = error.issues
    if problems is None:
        json.loads(data)
    else:
        assert problems
        assert all(issue.source is not None and issue.source.line is not None for issue in problems)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('{"a": 1,\n "a": 2}', [("duplicate-key", 2, 2)]),
        ('{"a": {"b": 1, "b": 2}, "c": [{"d": 1,\n"d": 2}]}', [("duplicate-key", 1, 16), ("duplicate-key", 2, 1)]),
        ('{"\\u0061": 1, "a": 2}', [("duplicate-key", 1, 15)]),
        ("", [("json-cut-short", 1, 1)]),
        ('{"a": [1, 2', [("json-cut-short", 1, 12)]),
        ('{"ä": "å",\n  "ö": x}', [("json-expected-value", 2, 8)]),
        ("{} {}", [("json-trailing", 1, 4)]),
        ("[1,]", [("json-trailing-comma", 1, 4)]),
        ('{"a": 1,}', [("json-trailing-comma", 1, 9)]),
        ("{a: 1}", [("json-expected-name", 1, 2)]),
        ('{"a" 1}', [("json-expected-sign", 1, 6)]),
        ("[1 2]", [("json-expected-sign", 1, 4)]),
        ("[NaN]", [("json-bad-number", 1, 2)]),
        ("[-Infinity]", [("json-bad-number", 1, 2)]),
        ("[01]", [("json-bad-number", 1, 2)]),
        ("[1.]", [("json-bad-number", 1, 2)]),
        ("[+1]", [("json-bad-number", 1, 2)]),
        ('["a\\x"]', [("json-bad-escape", 1, 4)]),
        ('["a\nb"]', [("json-control-character", 1, 4)]),
        ('["\\u0000"]', [("nul-character", 1, 2)]),
        ('{"a\\u0000": 1}', [("nul-character", 1, 2)]),
        ('["\\ud800"]', [("lone-surrogate", 1, 2)]),
        ('["\\udc00x"]', [("lone-surrogate", 1, 2)]),
        ("[1e401]", [("exponent-too-large", 1, 2)]),
        ("[1e-99999999999999999999]", [("exponent-too-large", 1, 2)]),
        ("[" + "1" * 65 + "]", [("number-too-long", 1, 2)]),
        ("[0." + "0" * 64 + "]", [("number-too-long", 1, 2)]),
        ("[" + "1" * 5000 + "]", [("number-too-long", 1, 2)]),
    ],
)
def test_each_fault_is_named_with_line_and_column(document: str, expected: list[tuple[str, int, int]]) -> None:
    """One message a fault, at the character where it is; faults that hide nothing are told together."""
    assert refused(document) == expected


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ('{"a": "ä"}'.encode("latin-1"), "not-utf-8"),
        ('{"a": 1}'.encode("utf-16"), "utf-16"),
        ('{"a": 1}'.encode("utf-16-le"), "utf-16"),
        ('{"a": 1}'.encode("utf-16-be"), "utf-16"),
        ('{"a": 1}'.encode("utf-32"), "utf-16"),
        (b'"\xed\xa0\x80"', "not-utf-8"),
        (b'"\xc0\x80"', "not-utf-8"),
        ('"\ud800"', "lone-surrogate"),
    ],
)
def test_other_encodings_are_refused_by_name(data: bytes | str, key: str) -> None:
    """Only UTF-8 is read; what looks like UTF-16 is called so."""
    assert [found[0] for found in refused(data)] == [key]


def test_a_byte_order_mark_is_skipped_and_not_counted() -> None:
    """A UTF-8 mark at the start is read over, and columns begin behind it."""
    assert read_json(b"\xef\xbb\xbf[1]") == [1]
    assert refused(b"\xef\xbb\xbf[x]") == [("json-expected-value", 1, 2)]


def test_depth_is_bounded_exactly() -> None:
    """A hundred levels are read, one more is refused; brackets in texts do not count."""
    assert read_json("[" * 100 + "]" * 100)
    assert refused("[" * 101 + "]" * 101)[0] == ("too-deep", 1, 101)
    assert refused("[" * 100_000)[0][0] == "too-deep"
    texts = ",".join(['"]"', '"[\\\\"', '"{\\""', '"}"'] * 60)
    assert len(read_json(f"[{texts}]")) == 240
    hidden = '["x\\\\",' * 101 + '"]"' + "]" * 101
    assert refused(hidden)[0][0] == "too-deep"


def test_nodes_and_bytes_are_bounded() -> None:
    """The limits of the caller hold: number of values, number of bytes."""
    limits = Limits(nodes=5)
    assert read_json("[1,2,3,4]", limits=limits) == [1, 2, 3, 4]
    assert refused("[1,2,3,4,5]", limits) == [("too-many-nodes", 1, 10)]
    assert refused("[" + "1," * 100_000 + "1]")[0][0] == "too-many-nodes"
    assert refused('"' + "a" * 99 + '"', Limits(size=100)) == [("too-large", None, None)]


@pytest.mark.parametrize("text", ["4e3e0", "1e999", "9" * 80, "[[[[", '\\"{', "0e0 1e5 x"])
def test_what_only_looks_dangerous_in_a_text_is_read(text: str) -> None:
    """Digits, exponents and brackets inside texts are texts."""
    assert read_json(json.dumps([text, f" {text}", text * 30])) == [text, f" {text}", text * 30]


def test_a_field_name_that_may_hide_a_person_is_not_shown() -> None:
    """An identity code used as a name stands neither in path nor in message."""
    with pytest.raises(SourceError) as caught:
        read_json('{"010594Y9032": {"x": 1, "x": 2}}')
    shown = json.dumps(caught.value.operation_outcome("fi"), ensure_ascii=False)
    assert "010594" not in shown
    assert "Kenttä x" in shown


def test_endless_faults_are_cut() -> None:
    """A document that repeats a key a thousand times gets a hundred issues, not a thousand."""
    assert len(refused("{" + ",".join(['"a": 1'] * 1000) + "}")) == 100
