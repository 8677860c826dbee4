"""The check of a record: the same verdict as JSON Schema, in our own words, all problems at once."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from adapter.data import DataFileError, data_root
from adapter.i18n import LANGUAGES
from adapter.source import Schema, bundled_schema, identity_code, load_schema, read_json, record_types
from adapter.source.check import check, problems_of
from adapter.source.formats import FORMATS
from adapter.source.schema import bundled
from adapter.source.straight import names_and_texts

EXAMPLES = [
    read_json(path.read_bytes())
    for path in sorted((data_root() / "mappings" / "records").glob("*/examples/*.source.json"))
]
ODD_VALUES: list[Any] = [
    "", " ", " a", "a\n", "a\nb", "\u200b", "x" * 300, "2022-02-30", "2024-02-29", "2022-13-01", "2022", "2022-05",
    "0000", "2022-02-01T10:00:00", "2022-02-01T10:00:00Z", "2022-02-30T10:00:00Z", "2022-02-01T24:00:00+02:00",
    "urn:oid:1.2", "URN",
    "200594-904B", "200594-904C", "320594-904B", "no-such-code", "active", "true", 0, 1, -1, 10**60, Decimal("1.50"),
    Decimal("1E+30"), True, False, None, [], {}, [1], ["a", "a"], {"a": 1}, {"id": "x"}, {"id": "x", "name": "y"},
]  # fmt: skip


def oracle(record_type: str) -> Draft202012Validator:
    """Return the `jsonschema` validator with our two words, our list of codes, and formats judged by the library."""
    formats = FormatChecker(formats=())
    formats.checks("date", raises=ValueError)(lambda text: not isinstance(text, str) or bool(date.fromisoformat(text)))
    formats.checks("date-time", raises=ValueError)(
        lambda text: not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None
    )
    formats.checks("finnish-personal-identity-code")(
        lambda text: not isinstance(text, str) or identity_code.problem(text) is None
    )
    words = {"x-codes": codes, "x-no-identity-code": no_identity_code, "pattern": pattern}
    own = extend(Draft202012Validator, words)
    return own(bundled_schema(record_type), format_checker=formats)


def pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    """As in ECMA-262: `$` is the end of the text, which in Python's words is `\\Z`."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", wanted), value):
        yield ValidationError("not of the pattern")


def codes(validator: Any, name: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    """The text is one of the codes of the list."""
    if value not in load_schema("client").codes(name):
        yield ValidationError("not in the list")


def no_identity_code(validator: Any, wanted: bool, value: Any, schema: Any) -> Iterator[ValidationError]:
    """No identity code of the fixtures stands inside."""
    if isinstance(value, str) and any(code in value for code in ("200594-904B", "010594Y9032")):
        yield ValidationError("an identity code")


ORACLES = {record_type: oracle(record_type) for record_type in record_types()}


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value below the top."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from nodes(child, (*path, key))


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """An example with up to three values removed, replaced, added or moved."""
    record = copy.deepcopy(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(list(nodes(record))))
        holder = record
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(["remove", "replace", "add", "swap"])):
            case "remove":
                del holder[last]
            case "replace":
                holder[last] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
            case "add" if isinstance(holder, dict):
                name = draw(
                    st.sampled_from(["extra", "id", "system", "team", "practitioner", "start", "unit", "value"])
                )
                holder[name] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
            case _ if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[last]))
        if not list(nodes(record)):
            break
    return record


@pytest.mark.parametrize(
    ("field", "value", "right"),
    [
        ("name", "Kaija Kivisaari", True),
        ("name", " Kaija", False),
        ("name", True, False),
        ("role", "no-such-role", False),
        ("system", "not a URI", False),
        ("extra", "a", False),
        ("organisation", {"id": "te-6100", "name": ""}, False),
        ("id", ["te-1204"], False),
        ("phone", None, False),
    ],
)
def test_who_stands_in_many_places_is_judged_again_in_other_words(field: str, value: Any, right: bool) -> None:
    """The same professional is judged once in the same words, and again in any others."""
    record = copy.deepcopy(next(one for one in EXAMPLES if one["record_type"] == "work_ability_plan"))
    schema = load_schema("work_ability_plan")
    record["contributors"] = [copy.deepcopy(record["recorded_by"]) for _ in range(3)]
    assert schema.count(record) == names_and_texts(record)
    record["contributors"][1][field] = value
    assert schema.count(record) == (names_and_texts(record) if right else -1)
    assert (check(record, schema) == []) == right


@settings(max_examples=300)
@given(spoiled())
def test_the_verdict_is_that_of_json_schema(record: Any) -> None:
    """Right and spoiled records: fast check, exact check and the `jsonschema` library say the same."""
    record_type = record.get("record_type")
    if not isinstance(record_type, str) or record_type not in ORACLES:
        return
    schema = load_schema(record_type)
    right = ORACLES[record_type].is_valid(record)
    exact = problems_of(record, schema.document, schema)
    assert (not exact) == right
    if right:
        assert schema.accepts(record)
    else:
        assert not schema.accepts(record)
        assert check(record, schema)
    for issue in exact:
        assert issue.source is not None
        assert all(issue.text(language) for language in LANGUAGES)


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: f"{record['record_type']}-{record['record_id']}")
def test_examples_are_accepted_by_the_fast_check(record: Any) -> None:
    """No example needs the slow way."""
    assert load_schema(record["record_type"]).accepts(record)


def small_plan() -> Any:
    """Return a fresh copy of the smallest plan."""
    return copy.deepcopy(next(record for record in EXAMPLES if record["record_type"] == "work_ability_plan"))


def test_all_problems_are_told_at_once_with_paths() -> None:
    """Ten faults, ten issues, each with the path of its field."""
    plan = small_plan()
    plan["services"][0]["statuss"] = plan["services"][0].pop("status")
    plan["services"][0]["service_code"] = "work-activty"
    plan |= {"client": {"personal_identity_code": "200594-904C"}, "period": {"start": "2022-02-30"}, "author": {}}
    plan |= {"needs": [], "situation": " ", "record_version": 0, "client_present": "yes"}
    found = {(issue.source.path, issue.key) for issue in check(plan, load_schema("work_ability_plan")) if issue.source}
    assert found == {
        ("services[0].statuss", "source.unknown-field-near"),
        ("services[0].status", "source.missing-field"),
        ("services[0].service_code", "source.code-not-in-list-near"),
        ("client.personal_identity_code", "source.identity-code-check"),
        ("period.start", "source.not-a-date"),
        ("author", "source.one-of"),
        ("needs", "source.too-few-items"),
        ("situation", "source.empty-text"),
        ("record_version", "source.number-too-small"),
        ("client_present", "source.wrong-type"),
    }


def test_an_unknown_field_and_code_are_told_with_the_nearest_known_one() -> None:
    """The message names what was probably meant, and the codes that are allowed."""
    plan = small_plan()
    plan["services"][0]["service_code"] = "work-activty"
    plan["follow_upp"] = plan.pop("follow_up")
    texts = " ".join(issue.text("en") for issue in check(plan, load_schema("work_ability_plan")))
    assert "Did you mean work-activity?" in texts
    assert "physiotherapy" in texts or "physician-check" in texts
    assert "Unknown field follow_upp. Did you mean follow_up?" in texts


def test_no_message_holds_a_value_of_the_record() -> None:
    """Every text of a record replaced by a secret word: no message repeats it."""
    for record in EXAMPLES:
        spoiled_record = replaced(record)
        schema = load_schema(record["record_type"])
        issues = problems_of(spoiled_record, schema.document, schema)
        assert issues
        for issue in issues:
            assert "salaisuus" not in json.dumps([issue.values, *(issue.text(language) for language in LANGUAGES)])


def replaced(value: Any) -> Any:
    """Put a secret for every text."""
    if isinstance(value, dict):
        return {key: replaced(child) for key, child in value.items()}
    if isinstance(value, list):
        return [replaced(child) for child in value]
    return "salaisuus\x07" if isinstance(value, str) else value


def test_a_wrong_check_character_can_be_a_warning() -> None:
    """National samples carry wrong check characters: the severity is a setting, the rest of the code is not."""
    plan = small_plan()
    plan["client"] = {"personal_identity_code": "010190-999Y"}
    schema = load_schema("work_ability_plan")
    assert [issue.severity for issue in check(plan, schema)] == ["error"]
    assert [issue.severity for issue in check(plan, schema, check_character="warning")] == ["warning"]
    plan["client"] = {"personal_identity_code": "310290-999Y"}
    assert [issue.severity for issue in check(plan, schema, check_character="warning")] == ["error"]


def test_numbers_are_exact_or_refused() -> None:
    """A binary float and a fraction where an integer belongs are refused; `1.0` is no integer."""
    plan = small_plan()
    schema = load_schema("work_ability_plan")
    for value, key in ((1.5, "binary-float"), (Decimal("1.0"), "wrong-type"), (True, "wrong-type")):
        plan["record_version"] = value
        assert [issue.key for issue in check(plan, schema)] == [f"source.{key}"]


def test_endless_problems_are_cut() -> None:
    """A hundred problems are told, then how many more there are."""
    plan = small_plan()
    plan["note"] = [""] * 250
    issues = check(plan, load_schema("work_ability_plan"))
    assert len(issues) == 101
    assert issues[-1].values == {"count": "150"}


@given(st.dates())
def test_every_real_day_has_the_date_format(day: date) -> None:
    """The pattern of `date` knows the calendar, leap years included."""
    schema = Schema("test", {"type": "string", "format": "date"})
    assert schema.accepts(day.isoformat())


@pytest.mark.parametrize("year", [1, 4, 100, 400, 1900, 1999, 2000, 2023, 2024, 2100, 9999])
def test_only_real_days_have_the_date_formats(year: int) -> None:
    """Every combination of day and month of a year: ISO and Finnish date accept exactly the days that exist."""
    iso = Schema("test", {"type": "string", "format": "date"})
    finnish = Schema("test", {"type": "string", "format": "finnish-date"})
    for month in range(14):
        for day in range(33):
            try:
                exists = bool(date(year, month, day))
            except ValueError:
                exists = False
            assert iso.accepts(f"{year:04}-{month:02}-{day:02}") == exists
            assert finnish.accepts(f"{day}.{month}.{year:04}") == exists


FORMAT_CASES: dict[str, tuple[list[str], list[str]]] = {
    "partial-date": (["2022", "2022-05", "2022-05-01"], ["0000", "2022-00", "2022-02-30", "22"]),
    "date-time": (
        ["2022-09-20T09:20:00+03:00", "2022-09-20T09:20:00.123Z"],
        ["2022-09-20T09:20:00", "2022-09-20T09:20+03:00", "2022-09-20 09:20:00Z", "2022-09-20T09:20:00+15:00"],
    ),
    "local-date-time": (["2022-09-20T09:20:00"], ["2022-09-20T09:20:00Z", "2022-09-31T09:20:00"]),
    "finnish-date-time": (["7.3.2022 klo 9.20", "07.03.2022 klo 09.20.30"], ["7.3.2022 9.20", "7.3.2022 klo 24.00"]),
    "local-moment": (["2022", "2022-09-20", "2022-09-20T09:20:00"], ["2022-09-20T09:20:00Z", "2022-13"]),
    "finnish-moment": (
        ["2022", "3/2022", "7.3.2022", "7.3.2022 klo 9.20"],
        ["13/2022", "30.2.2022", "7.3.", "klo 9.20"],
    ),
    "finnish-decimal": (["5,10", "0", "-3,5"], ["5.10", "5,", ",5", "1 000"]),
    "time": (["09:20:00"], ["9:20", "24:00:00"]),
    "uri": (["urn:oid:1.2.246", "https://example.org/a?b#c"], ["no uri", "//x", "a b:c", "urn:x y"]),
    "oid": (["1.2.246.10.1234567.10.1"], ["1", "3.1", "1.02", "1.2."]),
    "email": (["a@example.org"], ["a@", "a@b", "a b@example.org"]),
    "finnish-business-id": (["0246246-0", "2606155-7"], ["0246246-1", "246246-0", "02462460"]),
    "finnish-personal-identity-code": (["200594-904B", "010594Y9032"], ["200594-904b", "200594_904B", "200594904B"]),
}


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"date", "finnish-date"}))
def test_formats(name: str) -> None:
    """Each format accepts and refuses, and the exact check agrees and has a text in three languages."""
    right, wrong = FORMAT_CASES[name]
    schema = Schema("test", {"type": "string", "format": name})
    assert all(schema.accepts(text) for text in right)
    for text in wrong:
        issues = check(text, schema)
        assert issues
        assert all(issue.text(language) for issue in issues for language in LANGUAGES)


KEYWORD_SCHEMAS: list[dict[str, Any]] = [
    {"type": ["string", "null"]},
    {"type": "number", "minimum": Decimal("0.5"), "exclusiveMaximum": 10},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 5},
    {"enum": ["a", 1, None, True]},
    {"const": Decimal("1.5")},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "maxItems": 3},
    {"type": "object", "required": ["x"], "additionalProperties": {"type": "string"}},
    {"type": "object", "properties": {"a": {}, "b": False}, "minProperties": 1, "maxProperties": 2},
    {"oneOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]},
    {"oneOf": [{"type": "string", "maxLength": 2}, {"type": "string", "minLength": 2}]},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
    {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    {"anyOf": [{"type": "string", "minLength": 2}, {"type": "integer"}]},
    {"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "b$", "maxLength": 3}]},
    {"allOf": [{"type": "object"}, {"properties": {"a": {"const": True}}}]},
    {"not": {"required": ["a", "b"]}},
    {"not": {"type": "string"}},
    {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"maxProperties": 1}},
    {"type": "object", "dependentRequired": {"a": ["b"], "c": ["a"]}},
    {"type": "string", "pattern": "^(?=a)a.*z$"},
]
SMALL = st.recursive(
    st.sampled_from(
        ["", "a", "ab", "abz", "b", None, True, False, 0, 1, 5, 10, Decimal("0.5"), Decimal("1.5"), Decimal("9.99")]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcx"), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.sampled_from(KEYWORD_SCHEMAS), SMALL)
def test_every_keyword_judges_as_json_schema_does(document: dict[str, Any], value: Any) -> None:
    """Small schemas, one for each keyword and idiom, against small values."""
    schema = Schema("test", document)
    right = Draft202012Validator(document).is_valid(value)
    assert (not problems_of(value, document, schema)) == right
    assert schema.accepts(value) == right


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"properties": {"a": {"multipleOf": 2}}}, "keyword 'multipleOf' is not understood"),
        ({"items": {"format": "ipv4"}}, "format 'ipv4' is not understood"),
        ({"$ref": "#/$defs/nowhere"}, "leads nowhere"),
        ({"$ref": "other.json#/$defs/x"}, "no such schema file"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/a"}}}}}, "contains itself"),
    ],
)
def test_a_schema_that_is_not_understood_is_refused(tmp_path: Path, schema: Any, problem: str) -> None:
    """No keyword, format or reference is silently ignored."""
    path = tmp_path / "x.schema.json"
    path.write_text(json.dumps(schema), encoding="utf-8")
    with pytest.raises(DataFileError, match=problem):
        bundled(path)


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ('"multipleOf": 2', 5),
        ('"format": "ipv4"', 5),
        ('"x-codes": "no-such-list"', 5),
        ('"$ref": "#/$defs/nowhere"', 5),
        ('"$ref": "other.json#/$defs/x"', 5),
    ],
)
def test_a_refused_schema_names_its_line(tmp_path: Path, part: str, line: int) -> None:
    """A fault is told with the line of the very keyword, be it deep in the file."""
    path = tmp_path / "x.schema.json"
    path.write_text(
        f'{{\n"type": "object",\n"properties": {{\n"a": {{"type": "string",\n{part}}}}}}}', encoding="utf-8"
    )
    with pytest.raises(DataFileError) as caught:
        bundled(path)
    assert caught.value.line == line


def test_bundled_schemas_stand_alone() -> None:
    """Every reference of a bundled schema leads into the document itself, and the document is a valid schema."""
    for record_type in record_types():
        document = bundled_schema(record_type)
        Draft202012Validator.check_schema(document)
        text = json.dumps(document)
        assert text.count('"$ref": "#/$defs/') == text.count('"$ref"')
