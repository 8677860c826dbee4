"""Profiles from differentials: everything that an element may ask, over inheritance, and what is not understood."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from adapter.validation import ValidationSettings, Validator
from tests.validation.conftest import named
from tests.validation.specimens import resource_of

CORE = "http://hl7.org/fhir/StructureDefinition/"
OWN = "https://kykysilta.example/fhir/StructureDefinition/"


def profile(name: str, type_name: str, *elements: dict[str, Any], base: str = "", **more: Any) -> dict[str, Any]:
    """Return a StructureDefinition with a differential; ids are the paths unless given."""
    rows = [{"id": row["path"], **row} if "id" not in row and "sliceName" not in row else row for row in elements]
    return {
        "resourceType": "StructureDefinition",
        "url": OWN + name,
        "version": "1.0.0",
        "type": type_name,
        "derivation": "constraint",
        "baseDefinition": base or CORE + type_name,
        "differential": {"element": rows},
    } | more


def judged(resource: dict[str, Any], *definitions: dict[str, Any], name: str = "p") -> list[tuple[str, str]]:
    """Return rule and FHIRPath of every issue under the profile `name`, warnings marked."""
    validator = Validator(definitions)
    assert validator.load_issues == ()
    outcome = validator.validate(resource, profiles=[OWN + name])
    return [
        named(issue) if issue.severity != "warning" else ("warning " + named(issue)[0], issue.expression)
        for issue in outcome.issues
    ]


PATIENT: dict[str, Any] = {"resourceType": "Patient"}

ELEMENTS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    ("min", {"path": "Patient.name", "min": 1}, {"name": [{"text": "a"}]}, {}, [("profile-missing", "Patient")]),
    (
        "max",
        {"path": "Patient.name", "max": "1"},
        {},
        {"name": [{"text": "a"}, {"text": "b"}]},
        [("profile-too-many", "Patient.name")],
    ),
    (
        "max 0",
        {"path": "Patient.photo", "max": "0"},
        {},
        {"photo": [{"title": "a"}]},
        [("profile-forbidden", "Patient.photo")],
    ),
    (
        "fixed",
        {"path": "Patient.gender", "fixedCode": "female"},
        {"gender": "female"},
        {"gender": "male"},
        [("profile-fixed", "Patient.gender")],
    ),
    (
        "pattern",
        {
            "path": "Patient.communication.language",
            "patternCodeableConcept": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fi"}]},
        },
        {
            "communication": [
                {
                    "language": {
                        "coding": [
                            {"system": "urn:oid:1.3", "code": "b"},
                            {"system": "urn:ietf:bcp:47", "code": "fi", "display": "suomi"},
                        ]
                    }
                }
            ]
        },
        {"communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "sv"}]}}]},
        [("profile-pattern", "Patient.communication[0].language")],
    ),
    (
        "maxLength",
        {"path": "Patient.name.family", "max": "1", "maxLength": 3},
        {"name": [{"family": "abc"}]},
        {"name": [{"family": "abcd"}]},
        [("profile-max-length", "Patient.name[0].family")],
    ),
    (
        "minValue",
        {"path": "Patient.birthDate", "minValueDate": "1900-01-01"},
        {"birthDate": "1900-01-01"},
        {"birthDate": "1899-12-31"},
        [("profile-min-value", "Patient.birthDate")],
    ),
    (
        "maxValue",
        {"path": "Patient.multipleBirth[x]", "type": [{"code": "integer"}], "maxValueInteger": 9},
        {"multipleBirthInteger": 9},
        {"multipleBirthInteger": 10},
        [("profile-max-value", "Patient.multipleBirth")],
    ),
    (
        "type of a choice",
        {"path": "Patient.deceased[x]", "type": [{"code": "boolean"}]},
        {"deceasedBoolean": True},
        {"deceasedDateTime": "2025"},
        [("profile-type", "Patient.deceased")],
    ),
    (
        "target",
        {
            "path": "Patient.generalPractitioner",
            "type": [{"code": "Reference", "targetProfile": [CORE + "Organization"]}],
        },
        {"generalPractitioner": [{"reference": "Organization/1"}]},
        {"generalPractitioner": [{"reference": "Practitioner/1"}]},
        [("profile-target-type", "Patient.generalPractitioner[0]")],
    ),
    (
        "invariant",
        {
            "path": "Patient.name",
            "constraint": [{"key": "n-1", "severity": "error", "human": "a", "expression": "family.exists()"}],
        },
        {"name": [{"family": "a"}]},
        {"name": [{"text": "a"}]},
        [("n-1", "Patient.name[0]")],
    ),
    (
        "warning invariant",
        {
            "path": "Patient",
            "constraint": [{"key": "n-2", "severity": "warning", "human": "a", "expression": "active.exists()"}],
        },
        {"active": True},
        {},
        [("warning n-2", "Patient")],
    ),
    (
        "required binding",
        {
            "path": "Patient.communication.language",
            "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"},
        },
        {
            "communication": [
                {"language": {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}}
            ]
        },
        {"communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fi"}]}}]},
        [("binding-required-listed", "Patient.communication[0].language")],
    ),
    (
        "preferred binding",
        {
            "path": "Patient.contact.relationship",
            "binding": {"strength": "preferred", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"},
        },
        {},
        {"contact": [{"name": {"text": "a"}, "relationship": [{"coding": [{"system": "urn:oid:1.2", "code": "a"}]}]}]},
        [
            ("warning binding-extensible", "Patient.contact[0].relationship[0]"),
            ("warning binding-preferred", "Patient.contact[0].relationship[0]"),
        ],
    ),
    (
        "inside a data type",
        {"path": "Patient.identifier.system", "min": 1},
        {"identifier": [{"system": "urn:oid:1.2", "value": "1"}]},
        {"identifier": [{"value": "1"}]},
        [("profile-missing", "Patient.identifier[0]")],
    ),
    (
        "extension of a primitive",
        {"path": "Patient.birthDate.extension", "min": 1},
        {"_birthDate": {"extension": [{"url": CORE + "patient-birthTime", "valueDateTime": "2025"}]}},
        {"birthDate": "2025"},
        [("profile-missing", "Patient.birthDate")],
    ),
]


@pytest.mark.parametrize(
    ("element", "right", "wrong", "expected"), [pytest.param(*case[1:], id=case[0]) for case in ELEMENTS]
)
def test_element(
    element: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """What a profile asks of an element refuses the wrong and accepts the right."""
    definition = profile("p", "Patient", element)
    assert judged(PATIENT | right, definition) == []
    assert judged(PATIENT | wrong, definition) == expected


def test_issue_names_profile_and_version() -> None:
    """The issue carries `url|version` of the profile."""
    validator = Validator([profile("p", "Patient", {"path": "Patient.name", "min": 1})])
    (issue,) = validator.validate(PATIENT, profiles=[OWN + "p"]).issues
    assert issue.profile == OWN + "p|1.0.0"
    assert issue.as_fhir()["diagnostics"] == f"profile {OWN}p|1.0.0"


def test_constraints_of_all_parents_hold() -> None:
    """Three profiles on top of each other: each adds, none is forgotten; a slice keeps its discriminator."""
    first = profile(
        "a",
        "Patient",
        {"path": "Patient.active", "min": 1},
        {
            "path": "Patient.identifier",
            "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"},
        },
        {"id": "Patient.identifier:x", "path": "Patient.identifier", "sliceName": "x"},
        {"id": "Patient.identifier:x.system", "path": "Patient.identifier.system", "min": 1, "fixedUri": "urn:oid:1.2"},
    )
    second = profile("b", "Patient", {"path": "Patient.birthDate", "min": 1}, base=OWN + "a")
    third = profile(
        "p",
        "Patient",
        {"id": "Patient.identifier:x.value", "path": "Patient.identifier.value", "min": 1},
        base=OWN + "b",
    )
    assert judged(PATIENT | {"identifier": [{"system": "urn:oid:1.2"}]}, first, second, third) == [
        ("profile-missing", "Patient"),
        ("profile-missing", "Patient.identifier[0]"),
        ("profile-missing", "Patient"),
    ]


def test_claimed_profiles_are_checked_everywhere() -> None:
    """`meta.profile` counts in entries and contained resources; an unknown one is a warning, another type an error."""
    validator = Validator([profile("p", "Patient", {"path": "Patient.name", "min": 1})])
    claiming = PATIENT | {"id": "p", "meta": {"profile": [OWN + "p"]}}
    contained = resource_of("CarePlan") | {"subject": {"reference": "#p"}, "contained": [claiming]}
    assert [issue.expression for issue in validator.validate(contained).issues] == ["CarePlan.contained[0]"]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "https://example.org/Patient/p", "resource": claiming}],
    }
    assert [issue.expression for issue in validator.validate(bundle).issues] == ["Bundle.entry[0].resource"]
    (unknown,) = validator.validate(PATIENT | {"meta": {"profile": [OWN + "q"]}}).issues
    assert (unknown.severity, unknown.key, unknown.expression) == (
        "warning",
        "validation.profile-unknown",
        "Patient.meta.profile[0]",
    )
    (other,) = validator.validate(
        {"resourceType": "Basic", "code": {"text": "a"}, "meta": {"profile": [OWN + "p"]}}
    ).issues
    assert other.key == "validation.profile-of-other-type"


def test_versions_of_a_profile() -> None:
    """`url|version` picks the version, also by its beginning; without one the latest loaded counts."""
    old = profile("p", "Patient", {"path": "Patient.name", "max": "0"}, version="1.0.0")
    new = profile("p", "Patient", {"path": "Patient.name", "min": 1}, version="2.1.0")
    validator = Validator([old, new])
    with_name = PATIENT | {"name": [{"text": "a"}]}
    assert validator.validate(with_name, profiles=[OWN + "p"]).ok
    assert not validator.validate(with_name, profiles=[OWN + "p|1.0.0"]).ok
    assert validator.validate(with_name, profiles=[OWN + "p|2.1"]).ok


def test_known_unchecked_profiles() -> None:
    """Profiles under a known canonical that are not checked are mentioned as information."""
    settings = ValidationSettings(known_unchecked=("https://hl7.fi/",))
    validator, patient = Validator(settings=settings), PATIENT | {"meta": {"profile": ["https://hl7.fi/fhir/x"]}}
    (issue,) = validator.validate(patient).issues
    assert issue.severity == "information"
    assert validator.judge(patient, notes=False).issues == ()
    (issue,) = validator.judge(patient, ["https://hl7.fi/fhir/y"], notes=False).issues
    assert issue.severity == "error"


def test_profile_on_type_and_target() -> None:
    """A profile on a data type, and one on what a reference leads to inside a Bundle or among the contained."""
    address = profile("address", "Address", {"path": "Address.city", "min": 1})
    practitioner = profile("doctor", "Practitioner", {"path": "Practitioner.active", "min": 1})
    patient = profile(
        "p",
        "Patient",
        {"path": "Patient.address", "type": [{"code": "Address", "profile": [OWN + "address"]}]},
        {"path": "Patient.generalPractitioner", "type": [{"code": "Reference", "targetProfile": [OWN + "doctor"]}]},
    )
    definitions = (address, practitioner, patient)
    assert judged(PATIENT | {"address": [{"country": "FI"}]}, *definitions) == [
        ("profile-missing", "Patient.address[0]")
    ]
    doctor: dict[str, Any] = {"resourceType": "Practitioner", "id": "d"}
    plain = PATIENT | {"contained": [doctor], "generalPractitioner": [{"reference": "#d"}]}
    assert judged(plain, *definitions) == [("profile-target-profile", "Patient.generalPractitioner[0]")]
    plain["contained"] = [doctor | {"active": True}]
    assert judged(plain, *definitions) == []


def test_circle_of_profiles_ends() -> None:
    """A profile whose targets must meet the profile itself is checked once for each resource."""
    definition = profile(
        "p",
        "Patient",
        {"path": "Patient.active", "min": 1},
        {"path": "Patient.link.other", "type": [{"code": "Reference", "targetProfile": [OWN + "p"]}]},
    )
    link = [{"other": {"reference": "#"}, "type": "refer"}]
    assert judged(PATIENT | {"active": True, "link": link}, definition) == []


def test_complex_extension_and_modifier() -> None:
    """A complex extension asks for its parts; a modifier belongs into modifierExtension."""
    complex_ = profile(
        "kesto",
        "Extension",
        {"id": "Extension.extension:alku", "path": "Extension.extension", "sliceName": "alku", "min": 1, "max": "1"},
        {"id": "Extension.extension:alku.url", "path": "Extension.extension.url", "fixedUri": "alku"},
        {
            "id": "Extension.extension:alku.value[x]",
            "path": "Extension.extension.value[x]",
            "min": 1,
            "type": [{"code": "date"}],
        },
        {"path": "Extension.url", "fixedUri": OWN + "kesto"},
        {"path": "Extension.value[x]", "max": "0"},
        context=[{"type": "element", "expression": "Patient"}],
    )
    modifier = profile(
        "muuttaa",
        "Extension",
        {"path": "Extension", "isModifier": True},
        {"path": "Extension.url", "fixedUri": OWN + "muuttaa"},
        {"path": "Extension.value[x]", "type": [{"code": "boolean"}]},
        context=[{"type": "element", "expression": "Element"}, {"type": "element", "expression": "Resource"}],
    )
    validator = Validator([complex_, modifier])
    assert validator.load_issues == ()

    def found(change: dict[str, Any]) -> list[tuple[str, str]]:
        return [named(issue) for issue in validator.validate(PATIENT | change).issues]

    assert found({"extension": [{"url": OWN + "kesto", "extension": [{"url": "alku", "valueDate": "2025"}]}]}) == []
    assert found({"extension": [{"url": OWN + "kesto", "extension": [{"url": "alku", "valueString": "a"}]}]}) == [
        ("profile-type", "Patient.extension[0].extension[0].value")
    ]
    assert found({"extension": [{"url": OWN + "kesto", "extension": [{"url": "loppu", "valueDate": "2025"}]}]}) == [
        ("slice-missing", "Patient.extension[0]")
    ]
    assert found({"modifierExtension": [{"url": OWN + "muuttaa", "valueBoolean": True}]}) == []
    assert found({"extension": [{"url": OWN + "muuttaa", "valueBoolean": True}]}) == [
        ("extension-is-modifier", "Patient.extension[0]")
    ]


@pytest.mark.parametrize(
    "element",
    [
        {
            "path": "Patient.name",
            "constraint": [{"key": "x", "severity": "error", "human": "a", "expression": "tuntematon(1)"}],
        },
        {"path": "Patient.eiSellaista", "min": 1},
        {"id": "Patient.name:a", "path": "Patient.name", "sliceName": "a", "min": 1},
        {"path": "Patient.address", "type": [{"code": "Address", "profile": [OWN + "puuttuu"]}]},
        {"path": "Patient.name.period.eiSellaista", "min": 1},
    ],
)
def test_what_is_not_understood_is_said_at_load(element: dict[str, Any]) -> None:
    """An unknown function, element, slicing or profile is an issue that names profile and element."""
    (issue,) = Validator([profile("p", "Patient", element)]).load_issues
    assert issue.key == "validation.profile-not-understood"
    assert issue.profile == OWN + "p|1.0.0"
    assert "Patient" in issue.text()


@pytest.mark.parametrize("expression", ["gender.memberOf('urn:ei')", f"conformsTo('{OWN}ei')"])
def test_names_in_invariants_that_are_not_known(expression: str) -> None:
    """A value set or profile that an invariant asks about and nobody loaded is said at load."""
    constraint = {"key": "c-1", "severity": "error", "human": "a", "expression": expression}
    (issue,) = Validator([profile("p", "Patient", {"path": "Patient", "constraint": [constraint]})]).load_issues
    assert "ei" in issue.text()


def test_base_definition_that_is_missing_is_said_at_load() -> None:
    """A parent that is not loaded is named."""
    (issue,) = Validator([profile("p", "Patient", base=OWN + "puuttuu")]).load_issues
    assert OWN + "puuttuu" in issue.text()


def test_conforms_to_and_member_of() -> None:
    """FHIRPath may ask for profiles and value sets."""
    inner = profile("q", "Patient", {"path": "Patient.active", "min": 1})
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    outer = profile(
        "p",
        "Patient",
        {
            "path": "Patient",
            "constraint": [
                {"key": "c-1", "severity": "error", "human": "a", "expression": f"conformsTo('{OWN}q')"},
                {"key": "c-2", "severity": "error", "human": "a", "expression": f"gender.memberOf('{gender}')"},
            ],
        },
    )
    assert judged(PATIENT | {"active": True, "gender": "male"}, inner, outer) == []
    assert judged(PATIENT | {"gender": "male"}, inner, outer) == [("c-1", "Patient")]


def test_repeated_elements_follow_their_definition() -> None:
    """What a profile asks of `item` holds for items inside items, too (contentReference)."""
    definition = profile("p", "QuestionnaireResponse", {"path": "QuestionnaireResponse.item.text", "min": 1})
    inner = {"linkId": "2"}
    response = resource_of("QuestionnaireResponse") | {"item": [{"linkId": "1", "text": "a", "item": [inner]}]}
    assert judged(response, definition) == [("profile-missing", "QuestionnaireResponse.item[0].item[0]")]


def test_decimals_compare_by_value() -> None:
    """A fixed 5.1 accepts 5.10: the number is the same."""
    definition = profile(
        "p", "Observation", {"path": "Observation.valueQuantity.value", "fixedDecimal": Decimal("5.1")}
    )
    observation = resource_of("Observation") | {"valueQuantity": {"value": Decimal("5.10")}}
    assert judged(observation, definition) == []
    observation["valueQuantity"]["value"] = Decimal("5.2")
    assert [rule for rule, _ in judged(observation, definition)] == ["profile-fixed"]


def test_regex_extension() -> None:
    """HL7's `regex` extension on an element asks for the form of the whole text."""
    regex = {"url": CORE + "regex", "valueString": "[0-9]{6}'?"}
    definition = profile("p", "Patient", {"path": "Patient.identifier.value", "extension": [regex]})
    assert judged(PATIENT | {"identifier": [{"value": "123456"}]}, definition) == []
    assert judged(PATIENT | {"identifier": [{"value": "1234567"}]}, definition) == [
        ("profile-regex", "Patient.identifier[0].value")
    ]


def test_vital_signs_are_recognised_by_their_code(validator: Validator) -> None:
    """An Observation with the LOINC code of a body weight must meet R4's profile; the setting turns that off."""
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    weight = resource_of("Observation") | {"code": code}
    assert not validator.validate(weight).ok
    assert Validator(settings=ValidationSettings(vital_signs=False)).validate(weight).ok
