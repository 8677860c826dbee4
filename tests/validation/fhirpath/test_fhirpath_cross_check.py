"""Our FHIRPath beside `fhirpathpy` on a generated corpus: same answers, save where fhirpathpy errs.

Each way in which fhirpathpy errs stands in `KNOWN`, with the reason; `docs/fhirpath.md` explains them. Expressions
that fhirpathpy cannot evaluate at all (it raises) are left out: they are tested by their results elsewhere.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.data import read_yaml
from adapter.validation.fhirpath import FhirPathError, Node, Quantity, compile_expression

fhirpathpy = pytest.importorskip("fhirpathpy")
R4 = pytest.importorskip("fhirpathpy.models").models["r4"]

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "birthDate": "1994-05-01",
    "gender": "female",
    "multipleBirthInteger": 2,
    "name": [
        {"use": "official", "family": "Testi", "given": ["Aino", "Maria"]},
        {"use": "nickname", "given": ["Ainu"]},
    ],
    "telecom": [
        {"system": "phone", "value": "1", "use": "mobile", "rank": 1},
        {"system": "email", "value": "a@b.example"},
    ],
    "address": [{"city": "Joensuu", "period": {"start": "2020-01-01", "end": "2021-06-30"}}],
    "extension": [{"url": "http://x/e", "valueString": "yes"}, {"url": "http://x/f", "valueCode": "c"}],
    "managingOrganization": {"reference": "Organization/o1"},
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}], "text": "RR"},
    "effectiveDateTime": "2022-03-01T10:00:00+02:00",
    "valueQuantity": {
        "value": Decimal("120.5"),
        "unit": "mmHg",
        "system": "http://unitsofmeasure.org",
        "code": "mm[Hg]",
    },
    "component": [
        {"code": {"coding": [{"code": "1"}]}, "valueInteger": 3},
        {"code": {"coding": [{"code": "2"}]}, "valueString": "x"},
        {"code": {"text": "c"}, "dataAbsentReason": {"coding": [{"code": "unknown"}]}},
    ],
    "referenceRange": [{"low": {"value": 100}, "high": {"value": 140}}],
}
PLAN: dict[str, Any] = {
    "resourceType": "CarePlan",
    "status": "active",
    "intent": "plan",
    "period": {"start": "2022-01", "end": "2022-12-31"},
    "activity": [
        {
            "detail": {
                "kind": "ServiceRequest",
                "status": "scheduled",
                "scheduledPeriod": {"start": "2022-02-01"},
                "performer": [{"display": "a"}],
            }
        },
        {"detail": {"status": "completed", "scheduledString": "every week"}},
        {"reference": {"reference": "ServiceRequest/1"}},
    ],
}
CORPUS = read_yaml(Path(__file__).parent / "corpus.yaml")
_QUANTITY = r"(?:[0-9.]+ (?:'\w+'|years?|days?|weeks?|months?))"
_DATE = r"@[-0-9T:Z+]+"
KNOWN: list[tuple[str, str]] = [
    (
        r"\.repeat\(|\.where\(|\.select\(",
        "keeps $this of the last where, select or repeat for the next argument",
    ),
    (r"^id.*is string$", "does not know that FHIR id is a string"),
    (r"\.convertsTo(Date|DateTime|Time)\(\)$|\.to(Date|DateTime|Time)\(\)$", "does not convert dates and times"),
    (rf"^\({_DATE}\)\.is\(Date(Time)?\)$", "takes a Date literal for a DateTime"),
    (r"toString\(\)$", "writes Booleans, dates and calendar words as Python does"),
    (r"toQuantity\(\)$| \| |^\d+ (year|days|week) [+-]", "keeps the plural of calendar words"),
    (r"^\(\(1\|2\)\)\.(to|convertsTo|not)|^\(1\|2\) | \(1\|2\)$", "gives an answer where several items are an error"),
    (r"^\(''\)\.", "takes an empty text for no text"),
    (r"\.power\(|\.ln\(|\.log\(|\.sqrt\(", "has no powers of negative numbers and no fractions of whole exponents"),
    (rf"{_QUANTITY}", "compares quantities by the number, or not at all when units differ"),
    (r"^(true|false|0|1|2\.50?) \S+ (true|false|0|1|2\.50?)$", "counts with Booleans as Python does"),
    (
        rf"^{_DATE} (=|!=|~|!~|<|<=|>|>=) {_DATE}$",
        "ignores missing offsets, and compares DateTimes of one precision only",
    ),
    (
        rf"{_DATE} (in|contains|=|!=|~|!~|<|<=|>|>=|\+|-) |(in|contains|=|!=|<|<=|>|>=|\+|-) {_DATE}",
        "has no sets of dates, and orders dates beside other values",
    ),
]


def _corpus() -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in (PATIENT, OBSERVATION, PLAN):
        for path in CORPUS["paths"][resource["resourceType"]]:
            yield from ((form.format(path), resource) for form in CORPUS["on_paths"])
    for kind in ("literals", "texts", "numbers"):
        for value in CORPUS[kind]:
            yield from ((f"({value}).{form}", {}) for form in CORPUS[f"on_{kind}"])
    for operator in CORPUS["operators"]:
        for one in CORPUS["literals"]:
            yield from ((f"{one} {operator} {other}", {}) for other in CORPUS["literals"][::2])


def _comparable(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float, Decimal)):
        return round(float(value), 8)
    if isinstance(value, dict):
        return {name: _comparable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_comparable(inner) for inner in value]
    if isinstance(value, Quantity) or type(value).__name__ == "FP_Quantity":
        return float(value.value), value.unit.strip("'")
    return str(getattr(value, "asStr", value))


def _ours(text: str, resource: Any) -> Any:
    try:
        return _comparable(compile_expression(text).evaluate(resource))
    except FhirPathError:
        return "no answer"


def _theirs(text: str, resource: dict[str, Any]) -> Any:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return _comparable(fhirpathpy.evaluate(resource, text, {}, R4))
    except Exception:
        return None


def test_agrees_with_fhirpathpy_except_where_that_errs() -> None:
    """Of the thousands of expressions that both evaluate, all agree or fall under a listed error of fhirpathpy."""
    compared = agreed = 0
    unexplained: list[str] = []
    for text, resource in _corpus():
        theirs = _theirs(text, resource)
        if theirs is None:
            continue
        compared += 1
        ours = _ours(text, resource)
        agreed += ours == theirs
        if ours != theirs and not any(re.search(pattern, text) for pattern, _ in KNOWN):
            unexplained.append(f"{text}: {ours} / {theirs}")
    assert unexplained == []
    assert compared > 4_000
    assert agreed > 0.85 * compared


def test_plain_json_and_nodes_agree() -> None:
    """The two ways of compiling an expression give the same answers on the whole corpus."""
    differing = []
    for text, resource in _corpus():
        if resource and _ours(text, resource) != _ours(text, Node(resource, resource["resourceType"])):
            differing.append(text)
    assert differing == []
