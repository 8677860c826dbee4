"""Hostile documents are answered with an issue, in bounded time and without an exception."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.validation import Validator
from tests.validation.specimens import OUR_TYPES, resource_of

VALIDATOR = Validator()
CORE = "http://hl7.org/fhir/StructureDefinition/"
DIV = '<div xmlns=\\"http://www.w3.org/1999/xhtml\\">'


def _patient(inside: str) -> bytes:
    return ('{"resourceType":"Patient",' + inside + "}").encode()


def _cycle() -> dict[str, Any]:
    patient: dict[str, Any] = {"resourceType": "Patient"}
    patient["contained"] = [patient]
    return patient


def _questions() -> bytes:
    items = ",".join('{"linkId":"a","type":"string"}' for _ in range(20_000))
    return ('{"resourceType":"Questionnaire","status":"draft","item":[' + items + "]}").encode()


def _same_urls() -> bytes:
    entry = '{"fullUrl":"http://a/Basic/1","resource":{"resourceType":"Basic","id":"1","code":{"text":"a"},"subject":{"reference":"Basic/1"}}}'
    return ('{"resourceType":"Bundle","type":"document","entry":[' + ",".join([entry] * 5000) + "]}").encode()


def _json(resource: dict[str, Any]) -> bytes:
    return json.dumps(resource).encode()


def _attributes(count: int) -> str:
    return " ".join(f"x{number}='1'" for number in range(count))


def _graph() -> bytes:
    """Codes that all look a little like a code of a large list: advice for each would be costly."""
    targets = [{"type": f"Pati{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}"} for number in range(9_000)]
    return _json({"resourceType": "GraphDefinition", "link": [{"path": "a", "target": targets}]})


def _claims() -> bytes:
    """One resource that claims very many versions of one profile."""
    profiles = [f"{CORE}bp|{number}" for number in range(20_000)]
    return _json({"resourceType": "Observation", "meta": {"profile": profiles}})


def _extensions_out_of_place() -> bytes:
    extension = {"url": f"{CORE}patient-birthPlace", "valueAddress": {"city": "a"}}
    return _json({"resourceType": "Patient", "name": [{"family": "a", "extension": [extension]}] * 9_000})


def _contained_circle() -> bytes:
    contained = [
        {"resourceType": "Basic", "id": f"a{number}", "subject": {"reference": f"#a{(number + 1) % 10_000}"}}
        for number in range(10_000)
    ]
    return _json({"resourceType": "Patient", "contained": contained})


def _members() -> bytes:
    """A panel whose members are all looked at, each by every one of them."""
    members = [{"reference": f"Observation/{number}"} for number in range(100)]
    observation = {"resourceType": "Observation", "meta": {"profile": [f"{CORE}vitalspanel"]}, "hasMember": members}
    entries = [
        {"fullUrl": f"http://a/Observation/{number}", "resource": observation | {"id": str(number)}}
        for number in range(100)
    ]
    return _json({"resourceType": "Bundle", "type": "collection", "entry": entries})


HOSTILE: dict[str, Callable[[], Any]] = {
    "deep arrays": lambda: b"[" * 100_000,
    "deep objects": lambda: _patient('"a":' + '{"a":' * 5000 + "1" + "}" * 5000),
    "too large": lambda: _patient('"name":[{"family":"' + "a" * 11_000_000 + '"}]'),
    "long string": lambda: _patient('"name":[{"family":"' + "a" * 9_000_000 + '"}]'),
    "blanks": lambda: _patient('"name":[{"family":"' + " " * 5_000_000 + '"}]'),
    "base64": lambda: b'{"resourceType":"Binary","contentType":"a/b","data":"' + b"a " * 4_000_000 + b'!"}',
    "code of blanks": lambda: _patient('"gender":"' + "a " * 2_000_000 + '"'),
    "fraction of a second": lambda: _patient('"deceasedDateTime":"2025-03-14T09:30:00.' + "1" * 8_000_000 + '"'),
    "oid": lambda: _patient('"identifier":[{"system":"urn:oid:1' + ".1" * 4_000_000 + 'x"}]'),
    "reference": lambda: _patient('"managingOrganization":{"reference":"' + "A/" * 4_000_000 + '"}'),
    "id that is a list": lambda: _patient(
        '"contained":[{"resourceType":"Basic","id":"a"},{"resourceType":"Basic","id":["a"]}]'
    ),
    "duplicate key": lambda: _patient('"active":true,"active":false'),
    "huge exponent": lambda: (
        b'{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueQuantity":{"value":1e999999999}}'
    ),
    "huge integer": lambda: (
        b'{"resourceType":"Observation","status":"final","code":{"text":"a"},"valueInteger":' + b"9" * 4000 + b"}"
    ),
    "lone surrogate": lambda: _patient('"name":[{"family":"\\ud800"}]'),
    "NUL": lambda: _patient('"name":[{"family":"\\u0000"}]'),
    "not UTF-8": lambda: b'{"resourceType":"Patient","name":[{"family":"\xff"}]}',
    "XML bomb": lambda: b'<!DOCTYPE a [<!ENTITY a "aa">]><Patient xmlns="http://hl7.org/fhir"/>',
    "deep XML": lambda: b'<Patient xmlns="http://hl7.org/fhir">' + b"<a>" * 5000 + b"</a>" * 5000 + b"</Patient>",
    "deep narrative": lambda: _patient('"text":{"status":"generated","div":"' + DIV + "<p>" * 100_000 + '"}'),
    "narrative entity": lambda: _patient(
        '"text":{"status":"generated","div":"<!DOCTYPE a [<!ENTITY b \\"c\\">]><div>&b;</div>"}'
    ),
    "circle in Python": _cycle,
    "many questions": _questions,
    "same full URLs": _same_urls,
    "crowded XML tag": lambda: f'<Patient xmlns="http://hl7.org/fhir" {_attributes(90_000)}/>'.encode(),
    "crowded narrative tag": lambda: _patient(
        '"text":{"status":"generated","div":"' + DIV[:-1] + " " + _attributes(60_000) + '>a</div>"}'
    ),
    "XML out of order": lambda: (
        b'<Patient xmlns="http://hl7.org/fhir">' + b'<extension url="a"/><name/>' * 20_000 + b"</Patient>"
    ),
    "many wrong codes": _graph,
    "many claims": _claims,
    "extensions out of place": _extensions_out_of_place,
    "circle of contained resources": _contained_circle,
    "members of members": _members,
    "texts of both directions": lambda: _patient('"gender":"' + "\\u202e" * 1_000_000 + '"'),
    "many escapes": lambda: _patient('"gender":"' + "\\u0041" * 1_500_000 + '"'),
    "integers of 4,000 digits": lambda: _patient('"name":[' + ",".join(["9" * 4000] * 2000) + "]"),
    "empty brackets": lambda: _patient('"name":[' + ",".join(["[]"] * 90_000) + "]"),
    "resource type that is a list": lambda: (
        b'{"resourceType":"CarePlan","status":"active","intent":"plan","contained":[{"resourceType":[],"id":"p"}],'
        b'"subject":{"reference":"#p"}}'
    ),
    "many unknown keys": lambda: _patient(",".join(f'"x{number}":1' for number in range(50_000))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_document(name: str) -> None:
    """The answer is an issue within a few seconds even on a busy machine (a second on a quiet one), and no book."""
    document = HOSTILE[name]()
    begin = time.process_time()
    outcome = VALIDATOR.validate(document)
    assert time.process_time() - begin < 3
    assert not outcome.ok
    assert len(outcome.issues) <= VALIDATOR.settings.most_issues + 2


@pytest.mark.parametrize(
    "expression",
    ["%resource.name.family.isDistinct()", "%resource.name.select(%resource.name.select(%resource.name)).exists()"],
)
def test_costly_invariant_is_given_up(expression: str) -> None:
    """An invariant that looks at everything from everywhere ends with an error that says so."""
    constraint = {"key": "x-1", "severity": "error", "human": "kallis", "expression": expression}
    profile = {
        "resourceType": "StructureDefinition",
        "url": "https://kykysilta.example/costly",
        "type": "Patient",
        "derivation": "constraint",
        "baseDefinition": f"{CORE}Patient",
        "differential": {"element": [{"path": "Patient.name", "constraint": [constraint]}]},
    }
    patient = {"resourceType": "Patient", "name": [{"family": str(number)} for number in range(30_000)]}
    begin = time.process_time()
    outcome = Validator([profile]).validate(patient, profiles=[str(profile["url"])])
    assert time.process_time() - begin < 5
    assert outcome.issues[0].key == "validation.too-much-work"


def test_unknown_canonicals_are_not_kept() -> None:
    """Documents may name any number of unknown profiles and extensions: what is remembered of them stays small."""
    validator = Validator()
    tracemalloc.start()
    for number in range(200):
        names = [f"https://kykysilta.example/{number}-{position}/{'a' * 1000}" for position in range(50)]
        extensions = [{"url": name, "valueString": "a"} for name in names]
        validator.validate({"resourceType": "Patient", "meta": {"profile": names}, "extension": extensions})
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 5_000_000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "value", "code", "reference", "a"]), below, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(OUR_TYPES), st.data())
def test_any_json_is_answered(type_name: str, data: st.DataObject) -> None:
    """Whatever stands in an element of any type, the validator answers and does not fail."""
    from adapter.fhir.definitions import json_children

    resource = resource_of(type_name)
    for key in data.draw(st.lists(st.sampled_from(sorted(json_children(type_name))), max_size=4)):
        resource[data.draw(st.sampled_from([key, f"_{key}"]))] = data.draw(VALUES)
    resource["meta"] = {"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]} if type_name == "Observation" else {}
    VALIDATOR.validate(resource)
