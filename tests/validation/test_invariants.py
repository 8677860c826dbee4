"""Invariants of R4: the native functions agree with R4's own FHIRPath, and break where they must."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from adapter.fhir.definitions import element, type_definition
from adapter.validation import Validator
from adapter.validation.evaluation import compiled, holds
from adapter.validation.native_rules import NATIVE
from adapter.validation.run import Run
from tests.validation.conftest import Errors
from tests.validation.mutations import mutants
from tests.validation.specimens import OUR_TYPES, resource_of

BY_INTENT = {"ppc-2", "ppc-3", "ppc-4", "ppc-5", "con-3", "ctm-1", "ras-2"}
"""R4's expression misses its stated intent here; the functions check the intent."""


def _objects(value: Any, type_name: str, inside: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return every object of a resource with its definition path."""
    from adapter.fhir.definitions import json_children

    found = [(f"{type_name}.{inside}" if inside else type_name, value)]
    for key, definition in json_children(type_name, inside).items():
        held = value.get(key)
        code = definition.types[0].code if definition.types else ""
        for item in held if isinstance(held, list) else [held]:
            if not isinstance(item, dict) or definition.content:
                continue
            if code in ("BackboneElement", "Element"):
                found += _objects(item, type_name, f"{inside}.{key}" if inside else key)
            elif code not in ("Resource", "Extension", "Narrative"):
                found += _objects(item, code)
    return found


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_native_rules_agree_with_fhirpath(validator: Validator, type_name: str) -> None:
    """On every valid specimen of a type each native function answers as R4's expression does."""
    compared = 0
    for name, resource in mutants(type_name):
        if not name.startswith("valid "):
            continue
        run = Run(validator.registry, validator.settings, resource)
        for path, value in _objects(resource, type_name):
            owner, _, inside = path.partition(".")
            definition = element(owner, inside) if inside else type_definition(owner).elements[owner]
            assert definition is not None
            for constraint in definition.constraints:
                native = NATIVE.get(f"{path} {constraint.key}")
                if native is None or constraint.key in BY_INTENT:
                    continue
                run.work_left = 1000
                expected = holds(compiled(constraint.expression, path), value, run)
                assert native(value, run) == expected, (path, constraint.key, value)
                compared += 1
    assert compared or type_name in ("AuditEvent", "Bundle")


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("CarePlan", {"activity": [{"detail": {"status": "scheduled"}, "reference": {"reference": "Task/a"}}]}, "cpl-3"),
    ("Observation", {"valueInteger": 1, "dataAbsentReason": {"text": "a"}}, "obs-6"),
    ("Observation", {"referenceRange": [{"age": {"low": {"value": 1}}}]}, "obs-3"),
    ("Observation", {"effectivePeriod": {"start": "2025-02-01", "end": "2025-01-01"}}, "per-1"),
    ("Observation", {"effectivePeriod": {"start": "2025-02-01", "end": "2025-02"}}, "per-1"),
    ("Observation", {"valueQuantity": {"value": 1, "code": "kg"}}, "qty-3"),
    ("Observation", {"valueRange": {"low": {"value": 2}, "high": {"value": 1}}}, "rng-2"),
    ("Observation", {"valueRatio": {"numerator": {"value": 1}}}, "rat-1"),
    ("Observation", {"effectiveTiming": {"repeat": {"duration": 1}}}, "tim-1"),
    ("Observation", {"effectiveTiming": {"repeat": {"period": 1}}}, "tim-2"),
    ("Observation", {"effectiveTiming": {"repeat": {"duration": -1, "durationUnit": "h"}}}, "tim-4"),
    ("Observation", {"effectiveTiming": {"repeat": {"period": -1, "periodUnit": "h"}}}, "tim-5"),
    ("Observation", {"effectiveTiming": {"repeat": {"periodMax": 1}}}, "tim-6"),
    ("Observation", {"effectiveTiming": {"repeat": {"durationMax": 1}}}, "tim-7"),
    ("Observation", {"effectiveTiming": {"repeat": {"countMax": 1}}}, "tim-8"),
    ("Observation", {"effectiveTiming": {"repeat": {"offset": 1, "when": ["C"]}}}, "tim-9"),
    ("Observation", {"effectiveTiming": {"repeat": {"timeOfDay": ["09:00:00"], "when": ["C"]}}}, "tim-10"),
    ("Consent", {"policyRule": None}, "ppc-1"),
    ("Patient", {"telecom": [{"value": "a"}]}, "cpt-2"),
    ("Patient", {"photo": [{"data": "aGVp"}]}, "att-1"),
    ("Organization", {"name": None}, "org-1"),
    ("Organization", {"address": [{"use": "home", "city": "a"}]}, "org-2"),
    ("Organization", {"telecom": [{"use": "home", "system": "phone", "value": "a"}]}, "org-3"),
    ("AuditEvent", {"entity": [{"name": "a", "query": "aGVp"}]}, "sev-1"),
    (
        "QuestionnaireResponse",
        {"item": [{"linkId": "1", "answer": [{"valueString": "a"}], "item": [{"linkId": "2"}]}]},
        "qrs-1",
    ),
    ("Goal", {"target": [{"detailString": "a"}]}, "gol-1"),
    (
        "CareTeam",
        {"participant": [{"member": {"reference": "Patient/a"}, "onBehalfOf": {"reference": "Organization/b"}}]},
        "ctm-1",
    ),
    ("List", {"emptyReason": {"text": "a"}, "entry": [{"item": {"display": "a"}}]}, "lst-1"),
    ("Task", {"authoredOn": "2025-02-02", "lastModified": "2025-01-01"}, "inv-1"),
]


@pytest.mark.parametrize(("type_name", "change", "rule"), BROKEN)
def test_broken_invariant_is_named(errors: Errors, type_name: str, change: dict[str, Any], rule: str) -> None:
    """Each invariant is found under its own key, once, and the smallest resource does not break it."""
    resource = resource_of(type_name)
    assert rule not in [found for found, _ in errors(resource)]
    broken = {name: value for name, value in (deepcopy(resource) | change).items() if value is not None}
    assert [found for found, _ in errors(broken)] == [rule]


@pytest.mark.parametrize("scope", ["patient-privacy", "research", "adr", "treatment"])
def test_consent_scopes_need_a_patient(errors: Errors, scope: str) -> None:
    """ppc-2 … ppc-5 are checked by their intent: R4's expressions compare the system with a dummy word."""
    coding = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": scope}
    consent = resource_of("Consent") | {"scope": {"coding": [coding]}}
    assert errors(consent) == []
    del consent["patient"]
    assert len(errors(consent)) == 1


def test_component_may_not_repeat_the_code(errors: Errors) -> None:
    """obs-7: with a value, no component has the code of the Observation."""
    code = {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}
    other = {"coding": [{"system": "http://loinc.org", "code": "2-6"}]}
    observation = resource_of("Observation") | {"code": code, "valueInteger": 1}
    assert errors(observation | {"component": [{"code": other, "valueInteger": 2}]}) == []
    assert errors(observation | {"component": [{"code": code, "valueInteger": 2}]}) == [("obs-7", "Observation")]
