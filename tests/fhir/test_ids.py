"""Keyed ids and search tokens."""

from __future__ import annotations

import re

from adapter.fhir.ids import Ids, search_token


def test_an_id_is_a_uuid_of_version_8() -> None:
    """Ids have the shape that FHIR and RFC 9562 ask for."""
    shape = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(shape, Ids(b"key").urn("urn:oid:1.2.246.21", "x"))


def test_the_key_decides() -> None:
    """The same identifier gives the same id under one key and another under another."""
    one, other = Ids(b"one"), Ids(b"other")
    assert one.urn("s", "v") == one.urn("s", "v")
    assert one.urn("s", "v") != other.urn("s", "v")
    assert one.urn("s", "v") != one.urn("s", "w")


def test_tokens_are_escaped_twice() -> None:
    """FHIR's own signs get a backslash, everything that a query cannot carry is percent-encoded."""
    assert search_token("urn:oid:1.2", "plan/goal.0") == "urn:oid:1.2|plan/goal.0"
    assert search_token("urn:x", "a|b,c$d\\e") == "urn:x|a%5C%7Cb%5C%2Cc%5C%24d%5C%5Ce"
    assert search_token("urn:x", "ä&+ 1") == "urn:x|%C3%A4%26%2B%201"
