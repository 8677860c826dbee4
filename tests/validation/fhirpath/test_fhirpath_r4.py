"""FHIRPath on R4 resources: types, choices, `_name` siblings, references, terminology; every expression of R4."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir import definitions
from adapter.validation.fhirpath import Context, FhirPathError, Node, Quantity, compile_expression, reference_stub

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "birthDate": "1994-05-01",
    "_birthDate": {"extension": [{"url": "http://x/time", "valueDateTime": "1994-05-01T10:00:00+03:00"}]},
    "_gender": {"extension": [{"url": "http://x/absent", "valueCode": "unknown"}]},
    "name": [
        {"use": "official", "family": "Testi", "given": ["Aino", None], "_given": [None, {"id": "g2"}]},
        {"use": "nickname", "given": ["Ainu"]},
    ],
    "contained": [
        {"resourceType": "Organization", "id": "o1", "name": "Siun sote"},
        {"resourceType": "Observation", "id": "b1", "status": "final", "valueQuantity": {"value": Decimal("5.10")}},
    ],
    "managingOrganization": {"reference": "#o1"},
    "generalPractitioner": [{"reference": "Practitioner/1"}],
    "multipleBirthInteger": 2,
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
    "effectiveDateTime": "2022-03-01",
    "valueQuantity": {"value": Decimal("5.10"), "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
    "component": [{"valueString": "x"}, {"valueInteger": 3}, {"valueBoolean": False}],
}

ON_PATIENT: list[tuple[str, list[Any]]] = [
    ("Patient.name.family", ["Testi"]),
    ("Observation.status", []),
    ("DomainResource.id", ["p1"]),
    ("name.given", ["Aino", None, "Ainu"]),
    ("name.given.id", ["g2"]),
    ("name.where(use = 'official').given.first()", ["Aino"]),
    ("gender.exists()", [True]),
    ("gender.hasValue()", [False]),
    ("gender = 'female'", []),
    ("gender.extension('http://x/absent').value", ["unknown"]),
    ("birthDate.hasExtension('http://x/time')", [True]),
    ("birthDate.extension('http://x/time').value.ofType(dateTime) > @1994-05-01T06:59:00Z", [True]),
    ("birthDate < @1994-06", [True]),
    ("birthDate = '1994-05-01'", [True]),
    ("birthDate is date", [True]),
    ("birthDate.toString().length()", [10]),
    ("birthDate + 18 years <= today()", [True]),
    ("active is Boolean", [True]),
    ("active is System.Boolean", [False]),
    ("active is FHIR.boolean", [True]),
    ("name.first() is HumanName", [True]),
    ("name.first() is Element", [True]),
    ("contained.ofType(Organization).name", ["Siun sote"]),
    ("contained[0] is DomainResource", [True]),
    ("contained.ofType(Observation).value.ofType(Quantity).value", [Decimal("5.10")]),
    ("managingOrganization.resolve().name", ["Siun sote"]),
    ("managingOrganization.resolve() is Organization", [True]),
    ("generalPractitioner.resolve().exists()", [False]),
    ("multipleBirth is integer", [True]),
    ("multipleBirth.ofType(boolean)", []),
    ("deceased.exists()", [False]),
    ("children().where($this is HumanName).count()", [2]),
    ("descendants().ofType(code).where(hasValue())", ["official", "nickname", "final", "unknown"]),
    ("repeat(contained).count()", [2]),
    ("%resource.id = %context.id", [True]),
    ("photo.empty()", [True]),
    ("name.family = 'Testi'", [True]),
    ("'Koe' = name.family", [False]),
    ("name.use = 'official'", [False]),
    ("contact.name.family = 'Testi'", []),
    ("name.where(use = 'official').given.skip(1) = 'Aino'", []),
]

ON_OBSERVATION: list[tuple[str, list[Any]]] = [
    ("value is Quantity", [True]),
    ("(value as Quantity).unit", ["g"]),
    ("value.as(Quantity).value", [Decimal("5.10")]),
    ("value.ofType(string).empty()", [True]),
    ("value > 5 'g'", [True]),
    ("value = 5100 'mg'", [True]),
    ("value.toString()", ["5.10 'g'"]),
    ("effective.ofType(dateTime) >= @2022-03-01", [True]),
    ("effective = @2022", []),
    ("component.value.ofType(string)", ["x"]),
    ("component.value.ofType(integer) > 2", [True]),
    ("component.value.count()", [3]),
    ("component.where(value is boolean).value", [False]),
    ("component[1].value = 3", [True]),
    ("code.coding.exists(system = %loinc and code = '1')", [True]),
    ("status in ('final' | 'amended')", [True]),
    ("code.coding.code.intersect('1')", ["1"]),
]


@pytest.mark.parametrize("exact", [False, True], ids=["plain", "nodes"])
@pytest.mark.parametrize(
    ("resource", "text", "expected"),
    [(PATIENT, *row) for row in ON_PATIENT] + [(OBSERVATION, *row) for row in ON_OBSERVATION],
    ids=[row[0] for row in ON_PATIENT + ON_OBSERVATION],
)
def test_expressions_on_resources(resource: dict[str, Any], text: str, expected: list[Any], exact: bool) -> None:
    """Every row gives its result, on plain JSON and when all types are carried along."""
    focus = Node(resource, resource["resourceType"]) if exact else resource
    result = compile_expression(text).evaluate(focus, resource=resource, root=resource, now="2026-11-22T10:00:00+02:00")
    assert result == expected


@pytest.mark.parametrize(
    ("context_type", "node", "text", "met"),
    [
        ("Period", {"start": "2022-01-01", "end": "2022-02-01"}, "start <= end", True),
        ("Period", {"start": "2022-03-01", "end": "2022-02-01"}, "start <= end", False),
        ("Period", {"start": "2022-03-01T10:00:00Z", "end": "2022-03-01T09:59:59Z"}, "start <= end", False),
        ("Period", {"start": "2022-03-01T10:00:00.5Z", "end": "2022-03-01T10:00:00.6Z"}, "start <= end", True),
        ("Period", {"start": "2022-01", "end": "2022-01-05"}, "start <= end", False),
        ("Period", {"start": "2022-01-01T10:00:00+02:00", "end": "2022-01-01T08:00:00Z"}, "start <= end", True),
        ("CarePlan.activity", {"detail": {}, "reference": {}}, "detail.empty() or reference.empty()", False),
        ("Extension", {"url": "u", "valueCode": "a"}, "extension.exists() != value.exists()", True),
        ("Extension", {"url": "u", "_valueCode": {"id": "1"}}, "extension.exists() != value.exists()", True),
        ("Extension", {"url": "u"}, "extension.exists() != value.exists()", False),
        ("Range", {"low": {"value": 1}, "high": {"value": 2}}, "low.empty() or high.empty() or (low <= high)", True),
        ("Range", {"low": {"value": 3}, "high": {"value": 2}}, "low.empty() or high.empty() or (low <= high)", False),
        ("code", "*", "$this = '*' or toInteger() >= 0", True),
        ("dateTime", "2022", "($this as dateTime).toString().length() >= 8", False),
        (
            "Questionnaire.item.enableWhen",
            {"operator": "exists", "answerBoolean": True},
            "operator = 'exists' implies (answer is Boolean)",
            True,
        ),
        (
            "Questionnaire.item.enableWhen",
            {"operator": "exists", "answerInteger": 1},
            "operator = 'exists' implies (answer is Boolean)",
            False,
        ),
        (
            "CarePlan.activity.detail",
            {"status": 5, "goal": "no list"},
            "goal.reference.exists() or status = 'x'",
            False,
        ),
    ],
)
def test_invariants_on_elements(context_type: str, node: Any, text: str, met: bool) -> None:
    """An invariant on an element is judged with the type of the element, also when its JSON is misshapen."""
    assert compile_expression(text, context_type=context_type).holds(node) is met


def test_empty_is_not_met_and_several_items_are() -> None:
    """As in the Java validator an invariant with an empty result is broken, one with several items is met."""
    assert not compile_expression("name").holds({"resourceType": "Patient"})
    assert compile_expression("name").holds({"resourceType": "Patient", "name": [{}, {}]})


def test_a_primitive_can_be_the_focus_with_its_sibling() -> None:
    """A primitive without value is met by ele-1 through its extension, one without both is not."""
    expression = compile_expression("hasValue() or (children().count() > id.count())")
    assert expression.holds(Node("x", "string"))
    assert expression.holds(Node(None, "string", {"extension": [{"url": "u"}]}))
    assert not expression.holds(Node(None, "string", {"id": "only"}))


def test_references_are_found_in_a_bundle_and_by_the_caller() -> None:
    """`resolve()` looks into the Bundle by fullUrl or relative URL, then asks the caller."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "p"}},
            {"fullUrl": "http://x/fhir/Goal/g", "resource": {"resourceType": "Goal", "id": "g"}},
            {
                "fullUrl": "urn:uuid:2",
                "resource": {
                    "resourceType": "CarePlan",
                    "subject": {"reference": "urn:uuid:1"},
                    "goal": [{"reference": "Goal/g"}, {"reference": "Goal/unknown"}],
                },
            },
        ],
    }
    text = "Bundle.entry.resource.ofType(CarePlan).select(subject | goal).resolve().id"
    assert compile_expression(text).evaluate(bundle) == ["p", "g"]
    asked: list[str] = []
    compile_expression(text).evaluate(bundle, resolve=asked.append)
    assert asked == ["Goal/unknown"]


def test_search_parameters_see_the_type_of_a_reference() -> None:
    """With `reference_stub` the type in a literal reference is enough for `resolve() is Patient`."""
    expression = compile_expression("Observation.subject.where(resolve() is Patient)")
    observation = {"resourceType": "Observation", "subject": {"reference": "https://x/fhir/Patient/1/_history/2"}}
    context = Context(observation, observation, resolve=reference_stub)
    assert [node.type for node in expression.evaluate_nodes(observation, context)] == ["Reference"]
    assert expression.evaluate(observation) == []
    assert reference_stub("urn:uuid:1") is None


def test_results_carry_their_types_on_request() -> None:
    """`evaluate_nodes` says what each item is, System values included."""
    context = Context(OBSERVATION, OBSERVATION)
    found = compile_expression("value | status | 1").evaluate_nodes(OBSERVATION, context)
    assert [node.type for node in found] == ["Quantity", "code", "System.Integer"]


def test_terminology_and_profiles_come_from_the_caller() -> None:
    """`memberOf` and `conformsTo` ask the caller; without an answer from anybody they are errors."""
    member = compile_expression("code.memberOf('http://x/vs')")
    assert member.holds(OBSERVATION, member_of=lambda value, url: value == OBSERVATION["code"] and url == "http://x/vs")
    assert member.evaluate(OBSERVATION, member_of=lambda _value, _url: None) == []
    with pytest.raises(FhirPathError):
        member.evaluate(OBSERVATION)
    conforms = compile_expression("conformsTo('http://x/profile')")
    assert conforms.holds(OBSERVATION, conforms_to=lambda value, _url: value is OBSERVATION)
    with pytest.raises(FhirPathError):
        conforms.evaluate(OBSERVATION)


def test_narrative_is_checked() -> None:
    """`htmlChecks()` is R4's narrative whitelist."""
    expression = compile_expression("text.`div`.htmlChecks()")
    good = '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>'
    assert expression.holds({"resourceType": "Patient", "text": {"div": good}})
    assert not expression.holds({"resourceType": "Patient", "text": {"div": good.replace("p>", "script>")}})


def test_strict_refuses_elements_that_r4_does_not_have() -> None:
    """A misspelt element is an error on request, otherwise always empty."""
    assert compile_expression("statuss.empty()", context_type="CarePlan").holds({"resourceType": "CarePlan"})
    with pytest.raises(FhirPathError, match="statuss"):
        compile_expression("activity.detail.statuss.empty()", context_type="CarePlan", strict=True)


def test_decimals_and_quantities_keep_their_digits() -> None:
    """5.10 stays 5.10 through evaluation."""
    (quantity,) = compile_expression("value.toQuantity()").evaluate(OBSERVATION)
    assert quantity == Quantity(Decimal("5.10"), "g")
    assert str(quantity.value) == "5.10"


def _invariants() -> Iterator[tuple[str, str]]:
    for name in [
        *definitions.resource_types(),
        "Extension",
        "Timing",
        "ElementDefinition",
        "Narrative",
        "Age",
        "Dosage",
    ]:
        for path, element in definitions.type_definition(name).elements.items():
            for constraint in element.constraints:
                if constraint.expression:
                    yield path, constraint.expression


def test_every_invariant_of_r4_compiles() -> None:
    """All invariants of the 146 resource types compile."""
    texts = dict.fromkeys(_invariants())
    assert len({text for _, text in texts}) > 150
    for _, text in texts:
        compile_expression(text)


def test_every_search_expression_of_r4_compiles() -> None:
    """All expressions of R4's search parameters compile."""
    texts = (Path(__file__).parent / "search_expressions.txt").read_text(encoding="utf-8").splitlines()
    assert len(texts) > 1_300
    for text in texts:
        compile_expression(text)
