"""Random and mutated input never does more than it may: refused by its own family of errors, in bounded time."""

from __future__ import annotations

import contextlib
import random
import string
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import adapter
from adapter.data import data_root
from adapter.errors import AdapterError
from adapter.fhir.canonical import canonical, dumps
from adapter.mapping import map_record
from adapter.source.json import read_json
from adapter.source.record import read
from adapter.source.xml import parse_xml
from adapter.validation.fhirpath import FhirPathError, compile_expression
from tests.attacks.conftest import Site, record

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
RECORDS = ("client", "consent", "functional-assessment", "health-check", "team", "work-ability-plan")
PLAN = (data_root() / "mappings" / "vendors" / "silmu" / "examples" / "SCN-3-plan.xml").read_bytes()
PATIENT = {
    "resourceType": "Patient",
    "active": True,
    "name": [{"family": "A", "given": ["B", "C"]}],
    "birthDate": "1985-08-08",
    "contact": [{"telecom": [{"value": "1", "rank": 1}]}],
}
WORDS = [
    "Patient",
    "name",
    "given",
    "where",
    "exists",
    "select",
    "repeat",
    "all",
    "first",
    "()",
    "(",
    ")",
    ".",
    "|",
    "&",
    "=",
    "!=",
    "~",
    "<",
    ">",
    "+",
    "-",
    "*",
    "/",
    "div",
    "mod",
    "and",
    "or",
    "xor",
    "implies",
    "is",
    "as",
    "in",
    "contains",
    "not()",
    "empty()",
    "count()",
    "$this",
    "$index",
    "%resource",
    "%x",
    "'a'",
    "1",
    "1.5",
    "@2020",
    "@T12",
    "true",
    "{}",
    "[0]",
    "matches('a+')",
    "substring(1)",
    "toInteger()",
    "iif(",
    ",",
    "ofType(",
    "resolve()",
    "children()",
    "descendants()",
    "now()",
    "today()",
    "4'mg'",
    "trace('x')",
    "`a`",
    "\\u0041",
    "'",
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.text(max_size=40),
    st.sampled_from(
        ["", " ", "\0", "\ud7ff", "2020-13-45", "080885-906S", "1" * 300, "../..", "<script>", "=1+1", "{{7*7}}"]
    ),
    st.lists(st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3),
)


def mutated(content: Any, seed: int, value: Any) -> Any:
    """The document with one place, drawn by the seed, replaced, removed or doubled."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, inner in items:
            places.append((node, key))
            walk(inner)

    walk(content)
    draw = random.Random(seed)
    node, key = draw.choice(places)
    act = draw.randrange(4)
    if act == 0 and isinstance(node, dict):
        del node[key]
    elif act == 1 and isinstance(node, list):
        node.append(node[key])
    else:
        node[key] = value
    return content


@FEW
@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf{}")
@example(b'{"a":1e5,"b":[1.50]}')
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    """What is read can be written again and means the same."""
    with contextlib.suppress(AdapterError):
        value = read_json(data)
        assert read_json(dumps(value)) == value


@FEW
@given(st.integers(0, 10**9), st.binary(max_size=8), st.integers(0, 12))
def test_any_bytes_are_xml_or_refused(place: int, inserted: bytes, gone: int) -> None:
    """A plan with a few bytes replaced anywhere."""
    at = place % len(PLAN)
    with contextlib.suppress(AdapterError):
        parse_xml(PLAN[:at] + inserted + PLAN[at + gone :])


@pytest.mark.parametrize("name", RECORDS)
@settings(FEW, max_examples=25)
@given(seed=st.integers(0, 10**9), value=ODD)
def test_any_mutation_of_a_record_is_mapped_or_refused(name: str, seed: int, value: Any) -> None:
    """A mapped one is a Bundle that can be written; anything else is an AdapterError."""
    document = dumps(mutated(record(name), seed, value))
    with contextlib.suppress(AdapterError):
        mapped = map_record(read(document), id_key=bytes(range(32)))
        assert canonical(mapped.bundle)
        assert mapped.bundle["entry"]


@settings(FEW, max_examples=25)
@given(seed=st.integers(0, 10**9), value=ODD)
def test_any_mutation_of_a_resource_is_judged(seed: int, value: Any) -> None:
    """The validator answers with issues, whatever stands where."""
    outcome = adapter.validate(dumps(mutated(read_json(dumps(PATIENT)), seed, value)))
    assert outcome.ok or outcome.issues


@settings(FEW, max_examples=200)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
@example("Patient.repeat($this)")
@example("Patient.select($this.select($this.select($this)))")
@example("1 = 1 = 1")
@example("'" + "\\" * 50)
def test_any_expression_compiles_or_is_refused(text: str) -> None:
    """And gives an answer or says that there is none."""
    with contextlib.suppress(FhirPathError):
        compile_expression(text).evaluate(PATIENT, now="2026-01-01T00:00:00Z")


@FEW
@given(st.text(string.printable, max_size=200))
def test_any_text_is_no_danger_as_expression(text: str) -> None:
    """The lexer and parser know how to say no."""
    with contextlib.suppress(FhirPathError):
        compile_expression(text).evaluate(PATIENT)


NAMES = [
    "name",
    "birthdate",
    "identifier",
    "_id",
    "_sort",
    "_count",
    "_include",
    "_has",
    "_lastUpdated",
    "general-practitioner",
    "x",
]
MODIFIERS = ["", *[":exact", ":contains", ":missing", ":not", ":of-type", ":Patient", ":x", ".name", ":identifier"]]
VALUES = [
    "",
    "\0",
    "9" * 30,
    *["a", "true", "2020", "gt2020-01-01", "a|b", "|", ",", "\\,", "$", "%", "'", "-1", "Patient/1", "ä"],
]


@pytest.fixture(scope="module")
def repository_client(attacked_repository: str) -> Iterator[httpx.Client]:
    """A client of the mock repository."""
    with httpx.Client(base_url=attacked_repository + "/", timeout=30) as opened:
        yield opened


@settings(FEW, max_examples=80)
@given(st.lists(st.tuples(*map(st.sampled_from, (NAMES, MODIFIERS, VALUES))), max_size=5))
def test_any_search_is_answered(repository_client: httpx.Client, parts: list[tuple[str, str, str]]) -> None:
    """200 or 400, never more."""
    form = [(name + modifier, value) for name, modifier, value in parts]
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = repository_client.post("Patient/_search", content=str(httpx.QueryParams(form)), headers=kind)
    assert answer.status_code in (200, 400), (form, answer.text[:300])


@settings(FEW, max_examples=40)
@given(seed=st.integers(0, 10**9), value=ODD, name=st.sampled_from(RECORDS))
def test_any_mutation_is_answered_over_http(attacker: httpx.Client, seed: int, value: Any, name: str) -> None:
    """200 or a 4xx with an outcome."""
    answer = attacker.post("/v1/records/preview", content=dumps(mutated(record(name), seed, value)))
    assert answer.status_code in (200, 400, 403, 422), answer.text[:300]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_whole_api_keeps_its_description(site: Site) -> None:
    """Schemathesis calls every act of the OpenAPI document with good and bad input: described statuses, no 5xx."""
    schemathesis: Any = pytest.importorskip("schemathesis", reason="Schemathesis is missing: pip install .[clients]")
    requests: Any = pytest.importorskip("requests", reason="comes with Schemathesis: pip install .[clients]")
    schemathesis.serializer("application/x-ndjson")(lambda _context, value: str(value).encode())
    schema = schemathesis.openapi.from_url(f"{site.url}/v1/openapi.json")
    asked: set[str] = set()
    with requests.Session() as session:
        for operation in (found.ok() for found in schema.get_all_operations()):
            # The other bodies are described so widely that nothing is outside their description.
            for mode in ["POSITIVE", "NEGATIVE"] if operation.path == "/v1/records/_search" else ["POSITIVE"]:
                strategy = operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode])
                _call(strategy, session, asked)
    assert len(asked) >= 14


def _call(strategy: Any, session: Any, asked: set[str]) -> None:
    @settings(FEW, max_examples=3, database=None, derandomize=True)
    @given(case=strategy)
    def call(case: Any) -> None:
        answer = case.call(session=session)
        described = case.operation.definition.raw["responses"]
        assert str(answer.status_code) in described, (case.path, answer.status_code)
        asked.add(case.operation.label)

    call()
