"""The fast tests accept nothing that the exact ones refuse, and what records mostly hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.validation.primitives import PRIMITIVES
from adapter.validation.sure_formats import SCHEMAS, surely
from tests.validation import specimens

SURE = {name: surely(name) for name in SCHEMAS}

PARTS = (
    *("2025", "-02", "-28", "-29", "-31", "T09:30:00", ":60", ".123", "Z", "+02:00", "+14:00", "0000", "24:00"),
    *("urn:oid:", "urn:uuid:", "urn:ietf:", "oid:", "uuid:", "1.2.246", ".01", "c757873d-ec9a-4326-a141-556f43239520"),
    *("http:", "https://a", "/b", "#c", "|1", "ä", "a", "A.b-c", "\ufffe", "\uffff", "\ud800"),
    *(" ", "\n", "\r", "\t", "\x00", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u200b", "\u3000"),
    *("<p>", "</p>", "<p>a</p>", "<br/>", "&", "&amp;", "]]>", "<div>", "</div>"),
    '<div xmlns="http://www.w3.org/1999/xhtml">',
)
NEAR = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
VALUES: st.SearchStrategy[object] = (
    NEAR | st.text(max_size=8) | st.integers() | st.sampled_from([True, False, None, 0, 2**31, -(2**31), [], {}])
)


@given(VALUES)
def test_what_is_surely_right_is_right(value: object) -> None:
    """Every value that a fast test accepts is accepted by the exact test of the same type."""
    for name, accepts in SURE.items():
        assert not accepts(value) or PRIMITIVES[name].exact(value) is None, name


@given(NEAR)
def test_narrative_that_is_surely_right_is_right(inside: str) -> None:
    """A narrative of paragraphs that the fast test accepts is well-formed, with content."""
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{inside}</p></div>'
    assert not SURE["xhtml"](div) or PRIMITIVES["xhtml"].exact(div) is None


@pytest.mark.parametrize("name", SCHEMAS)
def test_usual_values_are_surely_right(name: str) -> None:
    """The fast test of a type accepts what records hold, so that it saves anything."""
    usual = specimens.PRIMITIVES[name]
    assert SURE[name](usual.replace("teksti", "<p>teksti</p>") if name == "xhtml" else usual)
