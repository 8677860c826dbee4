"""FHIRPath N1 on System values: operators, dates, quantities, text, numbers."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.fhirpath import FhirPathError, compile_expression

NOW = "2026-11-22T10:00:00+02:00"

RESULTS: list[tuple[str, list[Any]]] = [
    # arithmetic and its empty results
    ("1 + 2 * 3", [7]),
    ("(1 + 2) * 3", [9]),
    ("7 div 2", [3]),
    ("-7 div 2", [-3]),
    ("-7 mod 3", [-1]),
    ("1 / 0", []),
    ("1 div 0", []),
    ("{} + 1", []),
    ("'a' + 'b'", ["ab"]),
    ("'a' & {}", ["a"]),
    ("'a' & 1", ["a1"]),
    ("2147483647 * 2", [4294967294]),
    ("999999999999999999 * 100", []),
    # three-valued logic
    ("true and {}", []),
    ("false and {}", [False]),
    ("{} or true", [True]),
    ("{} or false", []),
    ("true xor {}", []),
    ("true xor false", [True]),
    ("{} implies true", [True]),
    ("{} implies false", []),
    ("false implies {}", [True]),
    ("true implies {}", []),
    ("'text' and true", [True]),
    ("true or false and false", [True]),
    # equality
    ("1.0 = 1.00", [True]),
    ("1 = true", [False]),
    ("{} = {}", []),
    ("(1 | 2) = (1 | 2)", [True]),
    ("(1 | 2) = 1", [False]),
    ("1 != 2", [True]),
    ("'Työ  kyky' ~ 'työ kyky'", [True]),
    ("1.1 ~ 1.14", [True]),
    ("(2 | 1) ~ (1 | 2)", [True]),
    ("{} ~ {}", [True]),
    ("2 in (1 | 2)", [True]),
    ("{} in (1 | 2)", []),
    ("(1 | 2) contains 3", [False]),
    # dates of partial precision
    ("@2014 = @2014-01", []),
    ("@2014 = @2015-01", [False]),
    ("@2014-01 < @2014-02-01", [True]),
    ("@2014-01 < @2014-01-15", []),
    ("@2014-01-15 ~ @2014-01", [False]),
    ("@2014-01-01T10:00:00Z = @2014-01-01T12:00:00+02:00", [True]),
    ("@2014-01-01T10:00:00Z = @2014-01-01T12:00:00+03:00", [False]),
    ("@2014-01-01T10:00:00 = @2014-01-01T10:00:00Z", []),
    ("@2014-01-01T10:00:00 < @2014-01-03T10:00:00Z", [True]),
    ("@2014-01-01T10:00:00.0 = @2014-01-01T10:00:00", [True]),
    ("@T10:30 < @T10:31", [True]),
    ("@T10:30 = @T10:30:00", []),
    # date arithmetic
    ("@2014-01-31 + 1 month", ["2014-02-28"]),
    ("@2016-02-29 + 1 year", ["2017-02-28"]),
    ("@2014 + 24 months", ["2016"]),
    ("@2014-01 + 40 days", ["2014-02"]),
    ("@2014-01-01 - 1 day", ["2013-12-31"]),
    ("@2014-01-01 + 25 hours", ["2014-01-02"]),
    ("@2014-01-01T23:30:00+02:00 + 45 minutes", ["2014-01-02T00:15:00+02:00"]),
    ("@2014-01-01T00:00:00.5Z + 1.25 seconds", ["2014-01-01T00:00:01.750Z"]),
    ("@T23:30 + 1 hour", ["00:30"]),
    ("@9999-12-31 + 1 day", []),
    ("@2014-01-01 + 1 'mg'", []),
    ("today() - 1 week", ["2026-11-15"]),
    ("now() > @2026-11-22T07:00:00Z", [True]),
    ("timeOfDay()", ["10:00:00"]),
    # quantities
    ("4 'mg' = 0.004 'g'", [True]),
    ("1 week = 7 days", [True]),
    ("1 year = 12 months", [True]),
    ("1 year = 1 'a'", []),
    ("1 year ~ 1 'a'", [True]),
    ("1 'mg' = 1 'm'", []),
    ("5 'mg' > 1 'mg'", [True]),
    ("1 second = 1000 'ms'", [True]),
    # text
    ("'työkyky'.upper()", ["TYÖKYKY"]),
    ("'abc'.substring(1, 1)", ["b"]),
    ("'abc'.substring(3)", []),
    ("'abc'.indexOf('c')", [2]),
    ("'abc'.startsWith('')", [True]),
    ("'abc'.replace('b', 'x')", ["axc"]),
    ("'a1b22'.matches('[0-9]{2}')", [True]),
    ("'a1b22'.matches('^[0-9]+$')", [False]),
    ("'a.b.c'.replaceMatches('\\\\..*', '')", ["a"]),
    ("'ab12'.replaceMatches('([a-z]{2})', '<$1>')", ["<ab>12"]),
    ("'ab'.toChars()", ["a", "b"]),
    ("'a,b'.split(',').join('-')", ["a-b"]),
    ("'\\u00e4\\'\\n'.length()", [3]),
    # numbers
    ("(-3).abs()", [3]),
    ("3.7.truncate()", [3]),
    ("2.power(10)", [1024]),
    ("100.log(10) = 2", [True]),
    ("(-1).sqrt()", []),
    ("1.25.round(1) = 1.3", [True]),
    # conversion
    ("'1.50'.toDecimal() = 1.5", [True]),
    ("'yes'.toBoolean()", [True]),
    ("'x'.toInteger()", []),
    ("'x'.convertsToInteger()", [False]),
    ("'2014-01-01T10:00:00Z'.toDate()", ["2014-01-01"]),
    ("'14:30'.toTime()", ["14:30"]),
    ("'5 \\'mg\\''.toQuantity() = 5 'mg'", [True]),
    ("(1.50).toString()", ["1.50"]),
    ("true.toString()", ["true"]),
    # collections
    ("(1 | 1 | 2)", [1, 2]),
    ("(1 | 2).combine(2)", [1, 2, 2]),
    ("(1 | 2 | 3).where($index > 0)", [2, 3]),
    ("(1 | 2 | 3).select($this * 2)", [2, 4, 6]),
    ("(1 | 2 | 3).aggregate($total + $this, 0)", [6]),
    ("(1 | 2 | 3).tail().first()", [2]),
    ("(1 | 2 | 3)[1]", [2]),
    ("(1 | 2 | 3)[7]", []),
    ("(1 | 2 | 3).skip(1).take(1)", [2]),
    ("(1 | 2 | 3).exclude(2)", [1, 3]),
    ("(1 | 2).subsetOf(1 | 2 | 3)", [True]),
    ("(true | false).anyFalse()", [True]),
    ("{}.allTrue()", [True]),
    ("(1 | 2).all($this > 1)", [False]),
    ("iif(1 > 2, 'a', 'b')", ["b"]),
    ("{}.iif(empty(), 'none', 'some')", ["none"]),
    ("(1 | 2).iif(count() = 2, 'two')", ["two"]),
    ("5.trace('name')", [5]),
    # types
    ("1 is Integer", [True]),
    ("1 is System.Integer", [True]),
    ("1.5 is Integer", [False]),
    ("@2014-01-01 is Date", [True]),
    ("@2014-01-01T is DateTime", [True]),
    ("(1 | 'a' | true).ofType(String)", ["a"]),
    # constants
    ("%ucum", ["http://unitsofmeasure.org"]),
    ("%`vs-administrative-gender`", ["http://hl7.org/fhir/ValueSet/administrative-gender"]),
    ("%'ext-data-absent-reason'", ["http://hl7.org/fhir/StructureDefinition/data-absent-reason"]),
]


@pytest.mark.parametrize(("text", "expected"), RESULTS, ids=[row[0] for row in RESULTS])
def test_language(text: str, expected: list[Any]) -> None:
    """Every row gives the result that FHIRPath N1 asks for."""
    assert compile_expression(text).evaluate({}, now=NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo(",
        "foo()",
        "a..b",
        "%nothing",
        "a is Nothing",
        "a.ofType(System.Patient)",
        "1 +",
        "'open",
        "/* open",
        "a.where()",
        "a.exists(b, c)",
        "iif(true)",
        "'\\x'",
        "@2014-13-01",
        "@T25",
        "a b",
        "a.$this",
        "'a'.matches('(')",
        "'a'.matches('(a)\\\\1')",
        "a.is('Patient')",
        "{ 1 }",
    ],
)
def test_broken_expressions_do_not_compile(text: str) -> None:
    """A syntax error, an unknown function, constant or type is found at compile time."""
    with pytest.raises(FhirPathError):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "(1 | 2) + 1",
        "(1 | 2) and true",
        "(1 | 2).toString()",
        "1 < 'a'",
        "@T10 < @2014",
        "1 + true",
        "(1 | 2).single()",
    ],
)
def test_no_answer_is_an_error(text: str) -> None:
    """Several items where one is expected, and values without order, are errors and no invariant is met by one."""
    expression = compile_expression(text)
    with pytest.raises(FhirPathError):
        expression.evaluate({})
    assert expression.holds({}) is False


def test_the_present_instant_comes_from_the_caller() -> None:
    """`now()` without an instant from the caller is an error, never the clock of the machine."""
    with pytest.raises(FhirPathError):
        compile_expression("now()").evaluate({})
    with pytest.raises(FhirPathError):
        compile_expression("now()").evaluate({}, now="2026-11-22")


def test_known_constants_have_values_from_the_environment() -> None:
    """A constant that was announced at compile time is read from the environment, empty when it is not there."""
    expression = compile_expression("%team.status", known_constants=["team"])
    assert expression.evaluate({}, environment={"team": [{"resourceType": "CareTeam", "status": "active"}]}) == [
        "active"
    ]
    assert expression.evaluate({}) == []


def test_trace_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`trace()` hands its input on and writes to no stream."""
    assert compile_expression("name.trace('n').family").evaluate(
        {"resourceType": "Patient", "name": [{"family": "T"}]}
    ) == ["T"]
    assert capsys.readouterr() == ("", "")
