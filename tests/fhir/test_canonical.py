"""Canonical JSON: the bytes that are signed and sent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir.canonical import canonical, dumps

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("number", ["5.10", "0.0", "100", "1.000000000000000000000001", "-3.50"])
def test_numbers_are_written_as_they_were(number: str) -> None:
    """Every digit survives reading and writing."""
    read = json.loads(number, parse_float=Decimal)
    assert canonical({"value": read}) == f'{{"value":{number}}}'.encode()
    assert dumps([read]) == f"[{number}]".encode()


def test_keys_are_sorted_at_every_depth() -> None:
    """The order in which a resource was built does not show."""
    assert canonical({"b": [{"d": 1, "c": 2}], "a": {"z": None, "y": True}}) == (
        b'{"a":{"y":true,"z":null},"b":[{"c":2,"d":1}]}'
    )


def test_text_is_utf_8_with_the_shortest_escapes() -> None:
    """RFC 8785 §3.2.2.2: only what must be escaped is, in the shortest form, hexadecimal in lower case."""
    assert canonical('ä\u20ac\n\t\b\f\r"\\\x01\x1f/\x7f') == '"ä€\\n\\t\\b\\f\\r\\"\\\\\\u0001\\u001f/\x7f"'.encode()


@given(VALUES)
def test_both_writers_say_the_same(value: object) -> None:
    """The order of names is all that differs: digits of any length, and every character, are written alike."""
    read = json.loads(dumps(value), parse_float=Decimal)
    assert canonical(read) == canonical(value)
