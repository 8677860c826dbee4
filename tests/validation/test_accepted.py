"""Codes of our own, at elements where the settings accept them, are no news; everything else about them still is."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation import ValidationSettings, Validator, sure_shapes
from adapter.validation.judge import packaged_validator

OWN = {"coding": [{"system": "https://example.org/codes", "code": "oma"}]}
LABEL = {"system": "https://example.org/labels", "code": "salainen"}
EXTENSIBLE = "validation.binding-extensible"


@pytest.fixture(params=[0, 1000], ids=["the yes", "the exact check"])
def first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Judge with the generated yes from the first document on, or without it."""
    monkeypatch.setattr(sure_shapes, "FIRST", request.param)
    return int(request.param)


def told(validator: Validator, document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return key and place of what is told."""
    return [(issue.key, issue.expression) for issue in validator.validate(document).issues]


def accepting(*elements: str, **settings: Any) -> Validator:
    """Return a validator that accepts codes of our own at these elements."""
    return Validator(settings=ValidationSettings(accepted=frozenset(elements), **settings))


def patient_with_codes(count: int) -> dict[str, Any]:
    """Return a patient with so many codes of our own, and an error behind them."""
    kinds = [{"type": OWN, "system": "urn:oid:1.2.3", "value": str(number)} for number in range(count)]
    return {"resourceType": "Patient", "identifier": kinds, "link": [{"type": "seealso"}]}


def consent(depth: int) -> dict[str, Any]:
    """Return a consent with a class of our own in a provision so deep."""
    provision: dict[str, Any] = {"class": [LABEL]}
    for _ in range(depth - 1):
        provision = {"provision": [provision]}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/1"},
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": provision,
    }


@pytest.mark.usefixtures("first")
def test_an_accepted_element_is_silent_and_its_neighbours_are_not() -> None:
    """What is accepted at one element of one type is told of at every other element and type."""
    person = {
        "resourceType": "Patient",
        "maritalStatus": OWN,
        "contact": [{"relationship": [OWN], "name": {"text": "Aino"}}],
    }
    neighbour, element = (EXTENSIBLE, "Patient.contact[0].relationship[0]"), (EXTENSIBLE, "Patient.maritalStatus")
    assert told(Validator(), person) == [element, neighbour]
    assert told(accepting("Patient.maritalStatus"), person) == [neighbour]
    assert told(accepting("Person.maritalStatus"), person) == [element, neighbour]
    around = {"resourceType": "Basic", "code": OWN, "subject": {"reference": "#p"}, "contained": [person | {"id": "p"}]}
    assert told(accepting("Patient.maritalStatus"), around) == [
        (EXTENSIBLE, "Basic.contained[0].contact[0].relationship[0]")
    ]


@pytest.mark.usefixtures("first")
def test_an_element_without_a_type_is_accepted_in_every_type() -> None:
    """`meta.security` stands for the labels of all resources, those in a Bundle included."""
    patient = {"resourceType": "Patient", "meta": {"security": [LABEL]}}
    entry = {"fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "resource": patient}
    bundle = {"resourceType": "Bundle", "type": "collection", "meta": {"security": [LABEL]}, "entry": [entry]}
    places = ("Bundle.meta.security[0]", "Bundle.entry[0].resource.meta.security[0]")
    assert told(Validator(), bundle) == [(EXTENSIBLE, place) for place in places]
    assert told(accepting("meta.security"), bundle) == []


@pytest.mark.usefixtures("first")
def test_an_element_of_every_type_is_accepted_there_alone() -> None:
    """`security` and `code` stand for an element right below a type, not for the same name deeper down."""
    patient = {"resourceType": "Patient", "meta": {"security": [LABEL]}}
    label = (EXTENSIBLE, "Patient.meta.security[0]")
    assert told(accepting("meta.security.code", "security"), patient) == [label]
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NNFIN"}]}
    numbered = {"resourceType": "Patient", "identifier": [{"type": kind, "system": "urn:oid:1.2.3", "value": "1"}]}
    code = ("validation.code-unknown", "Patient.identifier[0].type.coding[0].code")
    assert told(accepting("code"), numbered) == [code]


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(("depth", "count"), [(1, 0), (2, 0), (3, 1)])
def test_a_repeated_structure_is_accepted_where_it_is_named(depth: int, count: int) -> None:
    """Provisions lie in provisions; one deeper than those that are named is told of."""
    issues = packaged_validator().validate(consent(depth)).issues
    assert [issue.key for issue in issues] == [EXTENSIBLE] * count


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("system", "severity"),
    [("http://terminology.hl7.org/CodeSystem/v2-0203", None), ("http://hl7.org/fhir/administrative-gender", "error")],
)
def test_a_code_that_fhir_itself_lacks_is_never_accepted(system: str, severity: str | None) -> None:
    """Codes that HL7 Terminology lacks may be accepted; FHIR's own code systems are whole."""
    kind = {"coding": [{"system": system, "code": "NNFIN"}]}
    patient = {"resourceType": "Patient", "identifier": [{"type": kind, "system": "urn:oid:1.2.3", "value": "1"}]}
    validator = accepting("Patient.identifier.type", "Patient.identifier.type.coding.code")
    assert [issue.severity for issue in validator.validate(patient).issues] == ([severity] if severity else [])
    assert told(Validator(), patient) == [("validation.code-unknown", "Patient.identifier[0].type.coding[0].code")]


@pytest.mark.usefixtures("first")
def test_where_a_miss_refuses_nothing_is_accepted() -> None:
    """A caller for whom codes outside an extensible value set are errors is told of every one."""
    patient = {"resourceType": "Patient", "maritalStatus": OWN}
    assert told(accepting("Patient.maritalStatus", extensible="error"), patient) == [
        (EXTENSIBLE, "Patient.maritalStatus")
    ]


@pytest.mark.usefixtures("first")
def test_what_is_accepted_takes_no_room() -> None:
    """A report of few issues still has the error after many accepted codes."""
    patients = [{"resourceType": "Patient", "maritalStatus": OWN} for _ in range(9)]
    parameters = [{"name": "one", "resource": patient} for patient in (*patients, {"resourceType": "Patient", "x": 1})]
    validator = accepting("Patient.maritalStatus", most_issues=2)
    (issue,) = validator.validate({"resourceType": "Parameters", "parameter": parameters}).issues
    assert issue.expression == "Parameters.parameter[9].resource.x"


@pytest.mark.usefixtures("first")
def test_an_error_is_told_after_as_many_accepted_codes_as_fill_a_report() -> None:
    """Also when all of them stand in the one resource that has the error, at its end."""
    (issue,) = accepting("Patient.identifier.type").validate(patient_with_codes(500)).issues
    assert (issue.key, issue.expression) == ("validation.missing", "Patient.link[0]")


def test_an_error_is_told_before_however_many_warnings() -> None:
    """Warnings fill a report of their own; what is left out of it refuses nothing."""
    first, *others, last = Validator().validate(patient_with_codes(600)).issues
    assert (first.severity, first.expression) == ("error", "Patient.link[0]")
    assert {issue.severity for issue in others} == {"warning"}
    assert (len(others), last.key, last.severity) == (499, "validation.more-issues", "information")
