"""Scopes grant exactly what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.security.scopes import LETTERS, Scope, covering, granted, parse

TYPES = ("CarePlan", "Consent", "Observation", "*")


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("system/CarePlan.rs", "rs"),
        ("system/CarePlan.read", "rs"),
        ("system/CarePlan.write", "cud"),
        ("system/*.*", "cruds"),
        ("system/*.cruds", "cruds"),
    ],
)
def test_version_1_and_2_are_understood(text: str, letters: str) -> None:
    """Version 1 words stand for the letters of version 2."""
    assert parse(text)[0].letters == letters


@pytest.mark.parametrize(
    "text",
    [
        "system/CarePlan.dus",
        "system/CarePlan.",
        "CarePlan.rs",
        "system/careplan.rs",
        "system/CarePlan.rx",
        "openid",
        "",
    ],
)
def test_what_cannot_be_read_grants_nothing(text: str) -> None:
    """Letters out of order, unknown letters, types or contexts grant nothing."""
    assert parse(text) == ()


def test_a_query_narrows_and_is_kept() -> None:
    """A granular scope carries its query; it is never widened to the whole type."""
    scope = parse("system/Observation.rs?category=survey")[0]
    assert scope.query == (("category", "survey"),)
    assert granted([Scope("system", "Observation", "rs")], [scope]) == (scope,)


def test_covering_asks_type_and_letter() -> None:
    """A star covers each type, a type only itself."""
    scopes = parse("system/*.r system/Consent.c")
    assert covering(scopes, "CarePlan", "r")
    assert covering(scopes, "Consent", "c")
    assert not covering(scopes, "CarePlan", "c")


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    """Any system scope without a query."""
    letters = "".join(letter for letter in LETTERS if draw(st.booleans()))
    return Scope("system", draw(st.sampled_from(TYPES)), letters or "r")


@given(st.lists(scopes(), max_size=4), st.lists(scopes(), max_size=4))
def test_granted_scopes_never_exceed_asked_or_registered(asked: list[Scope], registered: list[Scope]) -> None:
    """For every type and letter: granted exactly when both asked for and registered."""
    result = granted(asked, registered)
    for resource_type in ("CarePlan", "Consent", "Patient"):
        for letter in LETTERS:
            both = bool(covering(asked, resource_type, letter)) and bool(covering(registered, resource_type, letter))
            assert bool(covering(result, resource_type, letter)) == both
