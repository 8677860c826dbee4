"""What is no resource is answered with an issue; what is no argument is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import adapter
from adapter.errors import AdapterError

PATIENT = {"resourceType": "Patient"}


@pytest.mark.parametrize("document", [None, 5, [], bytearray(b"{}"), object(), {}, b"", "", "null", "[]"])
def test_what_is_no_resource_is_an_issue(document: Any) -> None:
    """Whatever is given to be judged, the answer is an outcome."""
    outcome = adapter.validate(document)
    assert not outcome.ok
    assert len(outcome.issues) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"definitions": [5]}, "definitions holds int, but takes dict or str or Path"),
        ({"definitions": "package.tgz"}, "definitions takes a list, not str"),
        ({"definitions": Path("package.tgz")}, "definitions takes a list"),
        ({"profiles": "https://kykysilta.example/x"}, "profiles takes a list, not str"),
        ({"profiles": [5]}, "profiles holds int, but takes str"),
        ({"context": PATIENT}, "context takes a list, not dict"),
        ({"context": [None]}, "context holds NoneType, but takes dict"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments: dict[str, Any], text: str) -> None:
    """A TypeError says which argument takes what."""
    with pytest.raises(TypeError, match=text):
        adapter.validate(PATIENT, **arguments)


@pytest.mark.parametrize("at", ["eilen", "2025-03-14", 5])
def test_the_present_instant_has_an_offset(at: Any) -> None:
    """What is no instant is refused in words."""
    with pytest.raises(ValueError, match="instant needs date, time with seconds and offset"):
        adapter.validate(PATIENT, at=at)


@pytest.mark.parametrize("definition", [{}, PATIENT, {"resourceType": "StructureDefinition", "type": "Patient"}])
def test_a_definition_that_is_none_is_named(definition: dict[str, Any]) -> None:
    """What is given as a definition and cannot be one is told, never passed over."""
    (issue,) = adapter.validate(PATIENT, definitions=[definition]).issues
    assert issue.key == "validation.definition-unreadable"


def test_an_error_is_readable_as_text() -> None:
    """`str()` of an error is a sentence behind its rule, without any value of the record."""
    with pytest.raises(AdapterError) as caught:
        adapter.map_record(b'{"record_type": "salainen", "record_type": "salainen"}')
    assert str(caught.value).startswith("K1030 The field record_type is given twice")
    assert "salainen" not in str(caught.value)
