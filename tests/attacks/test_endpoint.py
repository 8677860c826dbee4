"""The mock repository under attack: documents, searches, patches, paths and headers of somebody who means no good."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.attacks.conftest import Canary

JSON = {"Content-Type": "application/fhir+json"}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "attacked"}]}
SLOW = 8.0


@pytest.fixture(scope="module")
def fhir(attacked_repository: str) -> Iterator[httpx.Client]:
    """A client of the FHIR base."""
    with httpx.Client(base_url=attacked_repository + "/", timeout=30) as opened:
        yield opened


UNLIKE_400 = {
    "prototype": 422,
    "narrative script": 422,
    "narrative handler": 422,
    "narrative link": 422,
    "narrative entity": 422,
    "form": 415,
    "multipart": 415,
    "unknown type": 415,
    "address elsewhere": 404,
    "path out": 404,
    "control": 404,
}
"""Documents and entries that are refused with another status than 400."""


def refused(answer: httpx.Response, status: int, began: float) -> None:
    """Refused with this status and an OperationOutcome, in bounded time."""
    assert answer.status_code == status, (answer.status_code, answer.text[:300])
    assert time.monotonic() - began < SLOW
    assert answer.json()["resourceType"] == "OperationOutcome"


def narrative(inside: str, before: str = "") -> bytes:
    """A Patient whose narrative holds something."""
    div = f'{before}<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'
    return json.dumps({"resourceType": "Patient", "text": {"status": "generated", "div": div}}).encode()


def documents(canary: str) -> dict[str, tuple[bytes, str]]:
    """Hostile bodies with their content types."""
    entity = f'<!DOCTYPE Patient [<!ENTITY x SYSTEM "{canary}/x">]>'
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    xml, plain = "application/fhir+xml", "application/fhir+json"
    return {
        "external entity": (f'{entity}<Patient xmlns="http://hl7.org/fhir"><id value="&x;"/></Patient>'.encode(), xml),
        "file entity": (entity.replace(f"{canary}/x", "file:///etc/passwd").encode() + b"<Patient>&x;</Patient>", xml),
        "billion laughs": (f'<!DOCTYPE P [<!ENTITY l0 "ha">{laughs}]><Patient>&l9;</Patient>'.encode(), xml),
        "deep XML": (("<a>" * 20_000 + "</a>" * 20_000).encode(), xml),
        "XInclude": (
            b'<Patient xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></Patient>',
            xml,
        ),
        "deep lists": (b"[" * 50_000, plain),
        "deep extensions": (
            b'{"resourceType":"Patient","extension":'
            + b'[{"url":"urn:x","extension":' * 3_000
            + b"[]"
            + b"}]" * 3_000
            + b"}",
            plain,
        ),
        "duplicate key": (b'{"resourceType":"Patient","id":"a","id":"b"}', plain),
        "huge number": (b'{"resourceType":"Patient","multipleBirthInteger":1' + b"0" * 5_000 + b"}", plain),
        "exponent": (b'{"resourceType":"Observation","status":"final","valueQuantity":{"value":1e999999999}}', plain),
        "surrogate": (b'{"resourceType":"Patient","name":[{"text":"\\ud800"}]}', plain),
        "NUL": (b'{"resourceType":"Patient","name":[{"text":"a\\u0000b"}]}', plain),
        "another type": (b'{"resourceType":"Observation"}', plain),
        "type as list": (b'{"resourceType":["Patient"]}', plain),
        "type as path": (b'{"resourceType":"../Patient"}', plain),
        "prototype": (b'{"resourceType":"Patient","__proto__":{"admin":true}}', plain),
        "narrative script": (narrative("<script>x</script>"), plain),
        "narrative handler": (narrative('<p onclick="x()">a</p>'), plain),
        "narrative link": (narrative('<a href="javascript:x()">a</a>'), plain),
        "narrative entity": (narrative("&a;", '<!DOCTYPE x [<!ENTITY a "b">]>'), plain),
        "form": (b"resourceType=Patient", "application/x-www-form-urlencoded"),
        "multipart": (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        "unknown type": (json.dumps(PATIENT).encode(), "application/x-php"),
        "charset": (json.dumps(PATIENT).encode("utf-16"), "application/fhir+json; charset=utf-16"),
        "gzip without saying so": (b"\x1f\x8b\x08\x00" + b"\0" * 100, plain),
    }


@pytest.mark.parametrize("attack", documents(""), ids=str)
def test_hostile_documents_are_refused(fhir: httpx.Client, canary: Canary, attack: str) -> None:
    """400, 415 or 422 with an outcome; no file and no address is opened."""
    body, kind = documents(canary.url)[attack]
    began = time.monotonic()
    answer = fhir.post("Patient", content=body, headers={"Content-Type": kind})
    refused(answer, UNLIKE_400.get(attack, 400), began)


BUNDLES: dict[str, dict[str, Any]] = {
    "bundle in a bundle": {
        "request": {"method": "POST", "url": ""},
        "resource": {"resourceType": "Bundle", "type": "batch"},
    },
    "address elsewhere": {"request": {"method": "GET", "url": "http://127.0.0.1:9/Patient"}},
    "path out": {"request": {"method": "GET", "url": "../../etc/passwd"}},
    "control": {"request": {"method": "DELETE", "url": "/_mock/api/default/state"}},
    "unknown method": {"request": {"method": "CONNECT", "url": "Patient"}, "resource": PATIENT},
    "no request": {"resource": PATIENT},
    "id in the URL": {
        "request": {"method": "PUT", "url": "Patient/" + "a" * 65},
        "resource": {**PATIENT, "id": "a" * 65},
    },
    "dot as id": {"request": {"method": "PUT", "url": "Patient/.."}, "resource": {**PATIENT, "id": ".."}},
}


@pytest.mark.parametrize("attack", BUNDLES, ids=str)
def test_hostile_transactions_change_nothing(fhir: httpx.Client, attack: str) -> None:
    """All or nothing: the good entry before the hostile one is not kept."""
    good = {"fullUrl": "urn:uuid:0", "request": {"method": "POST", "url": "Patient"}, "resource": PATIENT}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [good, BUNDLES[attack]]}
    began = time.monotonic()
    answer = fhir.post("", content=json.dumps(bundle), headers=JSON)
    refused(answer, UNLIKE_400.get(attack, 400), began)


SEARCHES = {
    "identifier=' OR 1=1 --": 200,
    "identifier=" + "a|" * 5_000: 200,
    "_id=../../etc/passwd": 200,
    "birthdate=gt" + "9" * 400: 400,
    "birthdate=0000-00-00": 400,
    "_count=-1": 400,
    "_count=99999999999999999999999": 200,
    "_count=1e3": 400,
    "_sort=" + ",".join(["birthdate"] * 2_000): 200,
    "_sort=;drop table": 200,
    "_include=*:*:*:*": 400,
    "_include=Patient:" + "x" * 5_000: 400,
    "_has:Observation:patient:_has:Observation:patient:_has:Observation:patient:code=x": 200,
    "general-practitioner." * 200 + "name=x": 200,
    "_filter=" + "(" * 5_000: 400,
    "_lastUpdated=ge%00": 400,
    "_elements=" + "a," * 10_000: 200,
    "_type=Patient,../x": 200,
    "nothing=1": 200,
    "name:contains:exact=x": 400,
    "identifier:of-type=|||||": 400,
}


@pytest.mark.parametrize("query", SEARCHES, ids=lambda query: query[:24])
def test_hostile_searches_are_answered(fhir: httpx.Client, query: str) -> None:
    """400, or a searchset that says in its self link what was understood; never everything, never slow."""
    began = time.monotonic()
    answer = fhir.post(
        "Patient/_search", content=query.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == SEARCHES[query], answer.text[:300]
    assert time.monotonic() - began < SLOW
    assert "OR 1=1" not in answer.text
    assert answer.json().get("type") == ("searchset" if answer.status_code == 200 else None)


PATHS = {
    "../../etc/passwd": 404,
    "Patient/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 400,
    "Patient/%00": 400,
    "Patient/a%0d%0aX-Evil:%201": 400,
    "Patient/" + "a" * 65: 400,
    "Patient/%2e%2e": 400,
    "Patient/x/_history/..": 404,
    "Patient/x/_history/" + "9" * 100: 404,
    "Patient/x/$nothing": 404,
    "Patient/$everything%00": 404,
    "patient/x": 404,
    "Nothing/x": 404,
    "Patient//x": 404,
    "%ff%fe": 404,
    "metadata%2f..%2f..%2f_mock%2fapi": 404,
}


@pytest.mark.parametrize("path", PATHS)
def test_hostile_paths_lead_nowhere(fhir: httpx.Client, path: str) -> None:
    """400 or 404 that reflects no header and shows no file."""
    answer = fhir.send(httpx.Request("GET", f"{fhir.base_url}{path}"))
    assert answer.status_code == PATHS[path], answer.text[:200]
    assert "X-Evil" not in answer.headers


PATCHES: dict[str, tuple[Any, str]] = {
    "path bomb": ([{"op": "add", "path": "/a" * 20_000, "value": 1}], "application/json-patch+json"),
    "index without end": (
        [{"op": "add", "path": "/name/999999999999999999", "value": {}}],
        "application/json-patch+json",
    ),
    "prototype": ([{"op": "add", "path": "/__proto__/x", "value": 1}], "application/json-patch+json"),
    "the whole": ([{"op": "remove", "path": ""}], "application/json-patch+json"),
    "another id": ([{"op": "replace", "path": "/id", "value": "other"}], "application/json-patch+json"),
    "another type": ([{"op": "replace", "path": "/resourceType", "value": "Binary"}], "application/json-patch+json"),
    "copy that doubles": (
        [{"op": "add", "path": "/name", "value": [{"text": "a" * 1_000}]}]
        + [{"op": "copy", "from": "/name", "path": "/name/-"}] * 40,
        "application/json-patch+json",
    ),
    "no list": ({"op": "remove"}, "application/json-patch+json"),
}
EXPRESSIONS = {
    "loop": "Patient.repeat($this)",
    "nest": "Patient" + ".select($this" * 300 + ")" * 300,
    "brackets": "(" * 5_000,
    "unknown function": "Patient.system('id')",
    "resolve elsewhere": "'http://127.0.0.1:9/x'.resolve()",
    "matches": "Patient.where('" + "a" * 5_000 + "!'.matches('(a+)+$'))",
    "replace": "'" + "a" * 1_000 + "'.replaceMatches('(.*)*', 'x')",
    "union": " | ".join(["Patient"] * 3_000),
    "text without end": "'a",
    "division": "1 / 0",
}
PATCHES |= {
    f"FHIRPath {name}": (
        {
            "resourceType": "Parameters",
            "parameter": [
                {
                    "name": "operation",
                    "part": [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": expression}],
                }
            ],
        },
        "application/fhir+json",
    )
    for name, expression in EXPRESSIONS.items()
}


FINDS_NOTHING = "FHIRPath matches"
"""A good patch that slows down whoever looks for its pattern by trying everything; it finds nothing to delete."""


@pytest.fixture(scope="module")
def patched(fhir: httpx.Client) -> str:
    """Address of a Patient that is attacked."""
    return f"Patient/{fhir.post('Patient', content=json.dumps(PATIENT), headers=JSON).json()['id']}"


@pytest.mark.parametrize("attack", sorted(PATCHES.keys() - {FINDS_NOTHING}))
def test_hostile_patches_are_refused(fhir: httpx.Client, patched: str, attack: str) -> None:
    """400 for what is no patch, 422 for one that cannot be done; in bounded time."""
    body, kind = PATCHES[attack]
    began = time.monotonic()
    answer = fhir.patch(patched, content=json.dumps(body), headers={"Content-Type": kind})
    refused(answer, 400 if attack == "no list" else 422, began)


@pytest.mark.stores("a patch that finds nothing is a version all the same", versions=(1,))
def test_a_pattern_without_end_finds_nothing_quickly(fhir: httpx.Client, patched: str) -> None:
    """200, in bounded time, and the Patient is what it was."""
    body, kind = PATCHES[FINDS_NOTHING]
    before, began = fhir.get(patched).json(), time.monotonic()
    answer = fhir.patch(patched, content=json.dumps(body), headers={"Content-Type": kind})
    assert answer.status_code == 200
    assert time.monotonic() - began < SLOW
    assert answer.json() | {"meta": None} == before | {"meta": None}


BAD_HEADERS: dict[str, tuple[int, dict[str, str]]] = {
    "condition of everything": (412, {"If-None-Exist": ""}),
    "condition of another type": (400, {"If-None-Exist": "Observation?code=x"}),
    "condition elsewhere": (400, {"If-None-Exist": "http://127.0.0.1:9/Patient?x=1"}),
}
IDLE_HEADERS: dict[str, dict[str, str]] = {
    "condition as code": {"If-None-Exist": "identifier=x' OR '1'='1"},
    "version": {"If-Match": 'W/"' + "9" * 5_000 + '"'},
    "accept": {"Accept": ",".join(["application/fhir+json;q=0.1"] * 3_000)},
    "prefer": {"Prefer": "return=" + "x" * 20_000},
    "request id": {"X-Request-Id": "080885-906S"},
    "override": {"X-HTTP-Method-Override": "DELETE"},
    "forwarded": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "javascript"},
}


@pytest.mark.parametrize("attack", BAD_HEADERS)
def test_hostile_conditions_are_refused(fhir: httpx.Client, attack: str) -> None:
    """400, or 412 when the condition finds more than one."""
    status, headers = BAD_HEADERS[attack]
    answer = fhir.post("Patient", content=json.dumps(PATIENT), headers={**JSON, **headers})
    refused(answer, status, time.monotonic())


@pytest.mark.stores("a good Patient under a header that means nothing", versions=(1,))
@pytest.mark.parametrize("attack", IDLE_HEADERS)
def test_hostile_headers_are_harmless(fhir: httpx.Client, attack: str) -> None:
    """201 as without the header; nothing of it comes back in links or headers."""
    answer = fhir.post("Patient", content=json.dumps(PATIENT), headers={**JSON, **IDLE_HEADERS[attack]})
    assert answer.status_code == 201
    assert answer.json()["identifier"] == PATIENT["identifier"]
    for told in ("evil.example", "080885", "javascript"):
        assert told not in f"{answer.headers}{answer.text}"
