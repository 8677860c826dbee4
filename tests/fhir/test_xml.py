"""FHIR XML and JSON say the same, in both directions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.fhir.xml import from_element, to_xml
from adapter.source.xml import parse_xml
from adapter.validation import Validator
from tests.validation.mutations import mutants
from tests.validation.specimens import OUR_TYPES

DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; ä</p></div>'

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "a",
    "text": {"status": "generated", "div": DIV},
    "contained": [{"resourceType": "Basic", "id": "b", "code": {"text": "<&\"'\n"}, "subject": {"reference": "#"}}],
    "extension": [{"url": "http://example.org/a", "valueDecimal": Decimal("5.10")}],
    "active": False,
    "name": [
        {
            "id": "n1",
            "given": ["a", None, "c"],
            "_given": [None, {"extension": [{"url": "http://example.org/b", "valueInteger": 3}]}, {"id": "x"}],
        },
    ],
    "_birthDate": {"extension": [{"url": "http://example.org/c", "valueCode": "d"}]},
    "multipleBirthInteger": 2,
}


def _back(resource: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    made, problems = from_element(parse_xml(to_xml(resource)))
    return made, list(problems)


def test_round_trip() -> None:
    """Siblings, nulls in arrays, contained resources, narrative, digits of decimals: all come back."""
    made, problems = _back(PATIENT)
    assert made == PATIENT
    assert problems == []
    assert str(made["extension"][0]["valueDecimal"]) == "5.10"


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_every_element_survives(type_name: str) -> None:
    """Each specimen of a type comes back from XML as it was."""
    for name, resource in mutants(type_name):
        if name.startswith("valid "):
            assert _back(resource) == (resource, []), name


def _xml(inside: str) -> bytes:
    return f'<Patient xmlns="http://hl7.org/fhir">{inside}</Patient>'.encode()


@pytest.mark.parametrize(
    ("inside", "key", "expression"),
    [
        ('<birthDate value="2025"/><active value="true"/>', "xml-order", "Patient"),
        ("<active value='true'/>tekstiä", "xml-text", "Patient"),
        ('<active xmlns="urn:a" value="true"/>', "xml-namespace", "Patient"),
        ('<name use2="a"><text value="b"/></name>', "xml-attribute", "Patient.name[0]"),
        ('<active value="kyllä"/>', "wrong-json-type", "Patient.active"),
        ('<eiSellaista value="a"/>', "unknown-element", "Patient.eiSellaista"),
        ("<active/>", "rule-ele-1", "Patient.active"),
        ('<active value="true"/><active value="true"/>', "not-single", "Patient.active"),
        ('<name><given value=""/></name>', "empty-string", "Patient.name[0].given[0]"),
    ],
)
def test_validator_reads_xml(inside: str, key: str, expression: str) -> None:
    """What is wrong in XML is told like in JSON, and what only XML can have wrong is told, too."""
    outcome = Validator().validate(_xml(inside))
    assert (f"validation.{key}", expression) in [(issue.key, issue.expression) for issue in outcome.issues]


def test_validator_accepts_xml() -> None:
    """A right document is accepted, with or without declaration."""
    assert Validator().validate(_xml('<active value="true"/><birthDate value="2025-01"/>')).issues == ()
    assert Validator().validate(to_xml(PATIENT)).ok
    assert not Validator().validate("<Patient/>").ok


def test_writer_refuses_what_it_cannot_say() -> None:
    """No resource type, or a narrative that is not well-formed, is refused."""
    for resource in ({"resourceType": "EiSellaista"}, PATIENT | {"text": {"status": "generated", "div": "<div>"}}):
        with pytest.raises(ValueError, match=r"needed|well-formed"):
            to_xml(resource)
