"""References, contained resources and extensions."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation import ValidationSettings, Validator
from tests.validation.conftest import Errors
from tests.validation.specimens import resource_of

BASIC: dict[str, Any] = {"resourceType": "Basic", "id": "a", "code": {"text": "a"}}
PATIENT: dict[str, Any] = {"resourceType": "Patient"}


def _plan(reference: dict[str, Any], **more: Any) -> dict[str, Any]:
    return resource_of("CarePlan") | {"subject": reference} | more


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/1"}, []),
        ({"reference": "https://example.org/fhir/Group/1/_history/2"}, []),
        ({"reference": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, []),
        ({"display": "asiakas"}, []),
        ({"reference": "Observation/1"}, [("reference-target", "CarePlan.subject")]),
        ({"reference": "https://example.org/fhir/Observation/1"}, [("reference-target", "CarePlan.subject")]),
        ({"reference": "#a"}, [("ref-1", "CarePlan.subject.reference")]),
        ({"reference": "Patient/1", "type": "Group"}, [("reference-type-differs", "CarePlan.subject.type")]),
        ({"identifier": {"value": "1"}, "type": "Device"}, [("reference-target", "CarePlan.subject.type")]),
        ({"display": "asiakas", "type": "Person2"}, [("reference-type-unknown", "CarePlan.subject.type")]),
        ({"display": "asiakas", "type": "https://example.org/logical/Client"}, []),
        ({"reference": "Patient/1 2"}, [("reference-blanks", "CarePlan.subject.reference")]),
        ({"reference": "Patient/1\n"}, [("reference-blanks", "CarePlan.subject.reference")]),
    ],
)
def test_reference(errors: Errors, reference: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """A reference may point to the types that R4 allows, by whatever way the type shows."""
    assert errors(_plan(reference)) == expected


def test_contained_reference_shows_its_type(errors: Errors) -> None:
    """The target of `#id` is looked at: a contained Patient is fine, a contained Basic is not."""
    assert errors(_plan({"reference": "#p"}, contained=[PATIENT | {"id": "p"}])) == []
    assert errors(_plan({"reference": "#p"}, contained=[BASIC | {"id": "p"}])) == [
        ("reference-target", "CarePlan.subject")
    ]


@pytest.mark.parametrize(
    ("contained", "expected"),
    [
        ([BASIC | {"subject": {"reference": "#"}}], []),
        ([BASIC], [("dom-3", "Patient.contained[0]")]),
        (
            [BASIC | {"subject": {"reference": "#"}, "contained": [PATIENT]}],
            [("dom-2", "Patient.contained[0].contained")],
        ),
        (
            [BASIC | {"subject": {"reference": "#"}, "meta": {"versionId": "1"}}],
            [("dom-4", "Patient.contained[0].meta.versionId")],
        ),
        (
            [BASIC | {"subject": {"reference": "#"}, "meta": {"lastUpdated": "2025-01-01T00:00:00Z"}}],
            [("dom-4", "Patient.contained[0].meta.lastUpdated")],
        ),
        (
            [BASIC | {"subject": {"reference": "#"}, "meta": {"security": [{"code": "R"}]}}],
            [("dom-5", "Patient.contained[0].meta.security")],
        ),
        (
            [BASIC | {"subject": {"reference": "#"}}, BASIC | {"subject": {"reference": "#"}}],
            [("contained-duplicate-id", "Patient.contained[1].id")],
        ),
        ([{"resourceType": "Basic", "code": {"text": "a"}}], [("contained-without-id", "Patient.contained[0]")]),
        (
            [{"resourceType": "Basicc", "id": "a"}],
            [("unknown-resource-type", "Patient.contained[0]")],
        ),
    ],
)
def test_contained(errors: Errors, contained: list[Any], expected: list[tuple[str, str]]) -> None:
    """dom-2 … dom-5, ids that exist and are unique, types that exist."""
    assert errors(PATIENT | {"contained": contained}) == expected


def test_narrative_may_link_a_contained_picture(errors: Errors) -> None:
    """An image of the narrative counts as a reference to a contained Binary."""
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><img src="#kuva" alt="kuva"/></div>'
    binary = {"resourceType": "Binary", "id": "kuva", "contentType": "image/png", "data": "aGVp"}
    assert errors(PATIENT | {"text": {"status": "generated", "div": div}, "contained": [binary]}) == []


def test_circle_of_contained_resources_is_told(validator: Validator) -> None:
    """Contained resources that only refer to each other keep dom-3 to the letter; a warning says so."""
    circle = [
        BASIC | {"id": "a", "subject": {"reference": "#b"}},
        BASIC | {"id": "b", "subject": {"reference": "#a"}},
    ]
    outcome = validator.validate(PATIENT | {"contained": circle})
    assert outcome.ok
    assert [issue.key for issue in outcome.issues] == ["validation.contained-circle"] * 2


CORE = "http://hl7.org/fhir/StructureDefinition/"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"extension": [{"url": CORE + "patient-birthPlace", "valueAddress": {"city": "a"}}]}, []),
        (
            {"extension": [{"url": CORE + "patient-birthPlace", "valueString": "a"}]},
            [("profile-type", "Patient.extension[0].value")],
        ),
        (
            {
                "name": [
                    {"text": "a", "extension": [{"url": CORE + "patient-birthPlace", "valueAddress": {"city": "a"}}]}
                ]
            },
            [("extension-context", "Patient.name[0].extension[0]")],
        ),
        (
            {"_birthDate": {"extension": [{"url": CORE + "patient-birthTime", "valueDateTime": "2025-01-01"}]}},
            [],
        ),
        (
            {"extension": [{"url": "https://kykysilta.example/ei", "valueString": "a"}]},
            [("extension-unknown", "Patient.extension[0]")],
        ),
        (
            {"extension": [{"url": "suhteellinen", "valueString": "a"}]},
            [("extension-url-relative", "Patient.extension[0].url")],
        ),
        (
            {"extension": [{"url": CORE + "patient-birthPlace|4.0.1", "valueAddress": {"city": "a"}}]},
            [("extension-url-version", "Patient.extension[0].url")],
        ),
        (
            {"extension": [{"url": CORE + "patient-birthPlace"}]},
            [("ext-1", "Patient.extension[0]")],
        ),
        (
            {"modifierExtension": [{"url": CORE + "patient-birthPlace", "valueAddress": {"city": "a"}}]},
            [("extension-not-modifier", "Patient.modifierExtension[0]")],
        ),
        ({"extension": [{"valueString": "a"}]}, [("missing", "Patient.extension[0]")]),
    ],
)
def test_extension(errors: Errors, change: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """An extension is known, where its definition allows it, of the type that it asks for."""
    assert errors(PATIENT | change) == expected


def test_unknown_extension_is_switchable() -> None:
    """Unknown extensions may be made warnings or ignored."""
    patient = PATIENT | {"extension": [{"url": "https://kykysilta.example/ei", "valueString": "a"}]}
    for answer, severities in (("warning", ["warning"]), ("ignore", [])):
        settings = ValidationSettings(unknown_extension=answer)  # type: ignore[arg-type]
        outcome = Validator(settings=settings).validate(patient)
        assert [issue.severity for issue in outcome.issues] == severities


def test_context_reaches_related_resources() -> None:
    """A reference may lead to a resource that the caller gave beside the document."""
    profile = {
        "resourceType": "StructureDefinition",
        "url": "https://kykysilta.example/fhir/StructureDefinition/p",
        "type": "CarePlan",
        "derivation": "constraint",
        "baseDefinition": CORE + "CarePlan",
        "differential": {
            "element": [
                {
                    "id": "CarePlan",
                    "path": "CarePlan",
                    "constraint": [
                        {"key": "x-1", "severity": "error", "human": "a", "expression": "subject.resolve().active"}
                    ],
                }
            ]
        },
    }
    validator = Validator([profile])
    plan = _plan({"reference": "Patient/1"}, meta={"profile": [profile["url"]]})
    assert not validator.validate(plan).ok
    assert validator.validate(plan, context=[PATIENT | {"id": "1", "active": True}]).ok
