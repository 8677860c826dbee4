"""Hostile expressions and inputs: an answer within a moment, never a hang, a crash or a deep recursion."""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal
from typing import Any

import pytest

from adapter.validation.fhirpath import FhirPathError, compile_expression

HUGE = Decimal("1E+999999999")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200 + "1" + ")" * 200,
        "a" + ".b" * 500,
        "1" + " + 1" * 500,
        "not(" * 300,
        "-" * 300 + "1",
        "a[" * 200,
        "'" + "x" * 30_000 + "'",
        "1 | " * 6_000 + "1",
        "'a'.matches('(a{1000}){1000}')",
        "'a'.matches('" + "a" * 2_000 + "')",
        "a.where(" * 59 + "b" + ".c" * 99 + ")" * 59,
    ],
)
def test_expressions_over_the_limits_are_refused(text: str) -> None:
    """Depth, length, tokens and regular expressions are bounded at compile time."""
    with pytest.raises(FhirPathError):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "'0123456789'" + ".select($this + $this)" * 40,
        "'0123456789'" + ".select($this & $this)" * 40,
        "'" + "a" * 1_000 + "'" + (".replace('', '" + "b" * 1_000 + "')") * 3,
        "'" + "a" * 1_000 + "'.replaceMatches('a', '" + "b" * 2_000 + "')",
    ],
)
def test_texts_do_not_grow_without_bound(text: str) -> None:
    """What doubles or multiplies a text ends at the longest text of R4."""
    with pytest.raises(FhirPathError, match="longer than"):
        compile_expression(text).evaluate({})


def test_long_unions_and_conjunctions_are_fine() -> None:
    """Hundreds of operands of `|`, `and` and `or` need no recursion."""
    assert compile_expression(" | ".join(str(number) for number in range(800))).evaluate({})[-1] == 799
    assert compile_expression(" and ".join(["true"] * 800)).holds({})
    assert compile_expression(" or ".join(["false"] * 800)).evaluate({}) == [False]


@pytest.mark.parametrize(
    "text",
    [
        "value.value + 1",
        "value.value * value.value",
        "value.value.toString()",
        "value.value.toInteger()",
        "value.value.truncate()",
        "value.value.round(2)",
        "value.value.power(1000)",
        "value.value.exp()",
        "value.value.ln()",
        "value.value mod 7",
        "value.value div 7",
        "value.value = 1",
        "value.value ~ 1.5",
        "value > 5 'mg'",
        "value = 5 'g'",
        "value.value.distinct()",
        "(value.value | 1).isDistinct()",
        "@2014-01-01 + value",
        "10.power(2147483647)",
        "2.power(999999)",
        "(1|2|3|4|5|6|7|8|9).aggregate(iif($total.empty(), 9, $total * $total))",
        "1.5.power(1000000)",
    ],
)
def test_enormous_numbers_are_answered_at_once(text: str) -> None:
    """A number with a huge exponent gives a result or empty, at once."""
    quantity = {"value": HUGE, "code": "mg", "system": "http://unitsofmeasure.org"}
    start = time.process_time()
    expression = compile_expression(text)
    with contextlib.suppress(FhirPathError):
        expression.evaluate({"resourceType": "Observation", "valueQuantity": quantity})
    assert time.process_time() - start < 4


def _deep(depth: int) -> dict[str, Any]:
    resource: dict[str, Any] = {"linkId": "x"}
    for _ in range(depth):
        resource = {"linkId": "x", "item": [resource]}
    return {"resourceType": "Questionnaire", "item": [resource]}


def test_deep_documents_need_no_recursion() -> None:
    """Descendants of a document a thousand levels deep are walked in a loop."""
    assert compile_expression("descendants().linkId.count()").evaluate(_deep(1_000)) == [1_001]


def test_work_is_bounded() -> None:
    """Nested walks over a large document end with an error, not with a hang."""
    patient = {"resourceType": "Patient", "name": [{"given": ["a"] * 20} for _ in range(500)]}
    start = time.process_time()
    for text in (
        "descendants().where(%resource.descendants().exists()).count()",
        "name.select(%resource.name.given).count()",
    ):
        with pytest.raises(FhirPathError, match="too many"):
            compile_expression(text).evaluate(patient)
    assert time.process_time() - start < 8


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "([a-z]+)*!", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_catastrophic_patterns_are_linear(pattern: str) -> None:
    """Patterns that ruin a backtracking engine are answered at once on a long text."""
    start = time.process_time()
    compile_expression(f"id.matches('{pattern}')").evaluate({"resourceType": "Patient", "id": "a" * 20_000 + "?"})
    assert time.process_time() - start < 4


def test_replacing_refuses_what_could_be_slow() -> None:
    """`replaceMatches` takes simple patterns on texts of moderate length only."""
    node = {"resourceType": "Patient", "id": "a" * 5_000}
    for text in ("id.replaceMatches('a', 'b')", "'a'.replaceMatches('(a+)+', 'b')", "'a'.replaceMatches('.*.*x', '')"):
        with pytest.raises(FhirPathError):
            compile_expression(text).evaluate(node)


@pytest.mark.parametrize(
    "node",
    [
        None,
        5,
        "text",
        [],
        [1, "a", None],
        {"resourceType": 5},
        {"resourceType": "Patient", "name": "x"},
        {"resourceType": "Patient", "name": [None, 5, ["x"], {"given": {"a": 1}}]},
        {"resourceType": "Nothing", "name": [{}]},
    ],
)
def test_misshapen_json_never_crashes(node: Any) -> None:
    """JSON that is no FHIR gives some result or a FhirPathError, nothing else."""
    for text in (
        "name.given.exists()",
        "name.where(use = 'a').given.first() = 'x'",
        "Patient.name.family",
        "birthDate < today()",
    ):
        expression = compile_expression(text)
        try:
            expression.evaluate(node, now="2026-01-01T00:00:00Z")
        except FhirPathError:
            assert expression.holds(node) is False
