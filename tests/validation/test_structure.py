"""Shape, cardinality, formats and codes of base R4, and what the messages say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.validation import Validator
from tests.validation.conftest import Errors
from tests.validation.specimens import resource_of

PATIENT: dict[str, Any] = {"resourceType": "Patient"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"genderr": "male"}, ("unknown-element-near", "Patient.genderr")),
        ({"gender": "mies"}, ("code-not-in-set", "Patient.gender")),
        ({"gender": ["male"]}, ("not-single", "Patient.gender")),
        ({"gender": None}, ("null-value", "Patient.gender")),
        ({"name": {"family": "a"}}, ("not-list", "Patient.name")),
        ({"name": []}, ("empty-list", "Patient.name")),
        ({"name": [{}]}, ("ele-1", "Patient.name[0]")),
        ({"name": [{"given": ["a", None]}]}, ("null-without-sibling", "Patient.name[0].given[1]")),
        ({"birthDate": "2025-02-29"}, ("format-calendar", "Patient.birthDate")),
        ({"birthDate": "2025-2-9"}, ("format-date", "Patient.birthDate")),
        ({"birthDate": 2025}, ("wrong-json-type", "Patient.birthDate")),
        ({"active": "true"}, ("wrong-json-type", "Patient.active")),
        ({"multipleBirthInteger": Decimal("1.0")}, ("format-integer", "Patient.multipleBirth")),
        ({"deceasedBoolean": True, "deceasedDateTime": "2025"}, ("choice-several", "Patient.deceased")),
        ({"contact": [{"gender": "male"}]}, ("pat-1", "Patient.contact[0]")),
        ({"link": [{"type": "refer"}]}, ("missing", "Patient.link[0]")),
        ({"_birthDate": {"id": "a"}}, ("ele-1", "Patient.birthDate")),
        ({"_id": {"extension": []}}, ("no-extension-here", "Patient.id")),
        ({"id": "a_b"}, ("format-id", "Patient.id")),
        ({"photo": [{"data": "a==="}]}, ("format-base64Binary", "Patient.photo[0].data")),
    ],
)
def test_one_broken_element(errors: Errors, change: dict[str, Any], expected: tuple[str, str]) -> None:
    """A broken element is named by its rule and its FHIRPath."""
    assert expected in errors(PATIENT | change)


@pytest.mark.parametrize(
    "change",
    [
        {"birthDate": "2024-02-29"},
        {"birthDate": "2025"},
        {
            "_birthDate": {
                "extension": [
                    {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
                ]
            }
        },
        {
            "name": [
                {
                    "given": ["a", None],
                    "_given": [None, {"extension": [{"url": "http://example.org/a", "valueCode": "b"}]}],
                }
            ]
        },
        {"deceasedDateTime": "2025-03-14T23:59:60.123+02:00"},
        {"name": [{"family": "Ääkkönen 😀\n"}]},
        {"identifier": [{"system": "urn:oid:1.2.246.21", "value": "a"}]},
    ],
)
def test_right_element(errors: Errors, change: dict[str, Any]) -> None:
    """Leap days, partial dates, siblings, leap seconds and any writing are accepted."""
    assert errors(PATIENT | change) == []


def test_expression_of_a_choice_is_fhirpath(errors: Errors) -> None:
    """FHIRPath names a choice without its type: `Observation.value`, not `Observation.valueQuantity`."""
    broken = resource_of("Observation") | {"valueQuantity": {"value": "5"}}
    assert errors(broken) == [("wrong-json-type", "Observation.value.value")]


def test_message_says_what_would_be_right(validator: Validator) -> None:
    """A wrong code is answered with the codes that are allowed, in both languages, and never with the value."""
    (issue,) = validator.validate(PATIENT | {"gender": "salainen"}).issues
    for language in ("fi", "en"):
        assert "female" in issue.text(language)
        assert "salainen" not in issue.text(language)


def test_unknown_key_that_is_no_word_is_not_shown(validator: Validator) -> None:
    """A key could be a value in disguise: it stands neither in the text nor in the path."""
    (issue,) = validator.validate(PATIENT | {"010594Y9032 nimi": 1}).issues
    assert "010594Y9032" not in issue.text() + issue.expression


def test_report_is_bounded(validator: Validator) -> None:
    """After 500 issues one issue says that there are more, and still refuses."""
    outcome = validator.validate(PATIENT | {"name": [{"x": 1}] * 2000})
    assert len(outcome.issues) == 501
    assert not outcome.ok
    assert outcome.issues[-1].key == "validation.more-issues"


@pytest.mark.parametrize("document", [b"", b"[]", b"5", b"null", b'"a"', {"resourceType": ["a"]}, {}, None, 5])
def test_what_is_no_resource(validator: Validator, document: Any) -> None:
    """Anything that is no resource is refused with an issue, never with an exception."""
    assert not validator.validate(document).ok


def test_unknown_code_of_an_hl7_code_system(validator: Validator) -> None:
    """FHIR's own code systems are closed; those of HL7 Terminology grow, so an unknown code there is a warning."""
    coding = {"system": "http://hl7.org/fhir/observation-status", "code": "valmis"}
    broken = resource_of("Observation") | {"code": {"coding": [coding]}}
    assert [issue.severity for issue in validator.validate(broken).issues] == ["error"]
    coding["system"] = "http://terminology.hl7.org/CodeSystem/observation-category"
    assert [issue.severity for issue in validator.validate(broken).issues] == ["warning"]


def test_element_ids_are_unique_in_a_resource(errors: Errors) -> None:
    """Two elements of a resource may not share an id."""
    broken = PATIENT | {"name": [{"id": "a", "text": "b"}, {"id": "a", "text": "c"}]}
    assert errors(broken) == [("element-id-twice", "Patient.name[1].id")]


def test_attachment_size(errors: Errors) -> None:
    """The stated size is that of the data before base64."""
    photo = {"contentType": "text/plain", "data": "aGVp", "size": 3}
    assert errors(PATIENT | {"photo": [photo]}) == []
    assert errors(PATIENT | {"photo": [photo | {"size": 4}]}) == [("attachment-size", "Patient.photo[0].size")]


NARRATIVES = [
    ("<p>a</p><ul><li><p>b</p></li></ul>", []),
    ("<p>a<ul><li>b</li></ul></p>", ["txt-1"]),
    ("<p><b>a<table><tr><td>b</td></tr></table></b></p>", ["txt-1"]),
    ("<p>a<br/><u>b</u></p>", ["txt-1"]),
    ("<style>p {}</style><p>a</p>", ["txt-1"]),
    ('<a href="https://example.org/a?b=%20c#d">a</a>', []),
    ('<a href="">a</a>', ["txt-1"]),
    ('<a href="https://example.org/a b">a</a>', ["txt-1"]),
    ('<img src="data:image/png;base64,AAAA" alt="a"/>', []),
    ('<a href="#">a</a>', []),
    ('<a href="#n">a</a><p id="n">b</p>', []),
    ('<a href="#n">a</a><a name="n">b</a>', []),
    ('<a href="#name-1">a</a>', []),
    ('<a href="#nowhere">a</a>', ["narrative-link"]),
    ('<img src="#nowhere" alt="a"/>', ["narrative-link"]),
]


@pytest.mark.parametrize(("inside", "expected"), NARRATIVES)
def test_blocks_and_links_of_a_narrative(errors: Errors, inside: str, expected: list[str]) -> None:
    """No block inside a paragraph, only what R4 lists, links are URLs, and `#id` leads somewhere in the resource."""
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'
    name = [{"id": "name-1", "text": "a"}]
    found = errors({"resourceType": "Patient", "name": name, "text": {"status": "generated", "div": div}})
    assert found == [(rule, "Patient.text.div") for rule in expected]


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("application/pdf", True),
        ("text/plain; charset=utf-8", True),
        ("application/fhir+json;fhirVersion=4.0", True),
        ("pdf", False),
        ("text/", False),
        ("/plain", False),
    ],
)
def test_a_media_type_has_its_form(errors: Errors, code: str, right: bool) -> None:
    """A required value set that is a grammar is checked by its form: BCP 13 wants type and subtype."""
    expected = [] if right else [("code-of-wrong-form", "Binary.contentType")]
    assert errors({"resourceType": "Binary", "contentType": code}) == expected


def test_a_currency_has_its_form(errors: Errors) -> None:
    """ISO 4217: three capital letters."""
    account = resource_of("ChargeItem") | {"priceOverride": {"value": 1, "currency": "euro"}}
    assert errors(account) == [("code-of-wrong-form", "ChargeItem.priceOverride.currency")]
    assert errors(account | {"priceOverride": {"value": 1, "currency": "EUR"}}) == []


def test_a_canonical_may_name_a_version_of_a_uuid(errors: Errors) -> None:
    """Version and fragment are no part of the UUID that they follow."""
    plan = resource_of("CarePlan")
    uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
    assert errors(plan | {"instantiatesCanonical": [uuid, f"{uuid}|1.0", f"{uuid}|1.0#a", f"{uuid}#a"]}) == []
    assert errors(plan | {"instantiatesCanonical": ["urn:uuid:c757873d|1.0"]}) == [
        ("format-uuid", "CarePlan.instantiatesCanonical[0]")
    ]


def test_a_blank_text_is_told_and_not_refused(validator: Validator) -> None:
    """R4 says that a text SHOULD hold more than white space: a warning; an empty text or a blank code is an error."""
    (issue,) = validator.validate(PATIENT | {"name": [{"text": " \t"}]}).issues
    assert (issue.severity, issue.key, issue.expression) == (
        "warning",
        "validation.blank-string",
        "Patient.name[0].text",
    )
    for name in ({"text": ""}, {"use": " "}, {"id": " "}):
        assert not validator.validate(PATIENT | {"name": [name]}).ok


def test_security_labels_are_a_set(errors: Errors) -> None:
    """The same system and code twice is an error; the same code of two systems is not."""
    first = {"system": "https://example.org/labels", "code": "R"}
    other = first | {"system": "https://example.org/others"}
    assert errors(PATIENT | {"meta": {"security": [first, other]}}) == []
    assert errors(PATIENT | {"meta": {"security": [first, other, first | {"display": "a"}]}}) == [
        ("security-twice", "Patient.meta.security")
    ]
