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


@pytest.fixture
def endured(fhir: httpx.Client, canary: Canary) -> Iterator[None]:
    """Nothing created, nobody called, no 5xx on the next request."""

    def count() -> int:
        found = fhir.post("_search", data={"_type": "Patient,Binary,Observation", "_summary": "count"})
        return int(found.json().get("total", 0)) if found.status_code == 200 else -1

    before, called = count(), len(canary.calls)
    yield
    assert count() == before
    assert len(canary.calls) == called
    assert fhir.get("metadata").status_code == 200


def refused(answer: httpx.Response, began: float) -> None:
    """A 4xx with an OperationOutcome, in bounded time."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:300])
    assert time.monotonic() - began < SLOW
    if answer.status_code not in (401, 405, 414, 431) and answer.headers.get("Content-Type", "").startswith(
        "application/fhir"
    ):
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert "Traceback" not in answer.text
    assert "root:" not in answer.text


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
def test_hostile_documents_are_refused(fhir: httpx.Client, canary: Canary, endured: None, attack: str) -> None:
    """400, 415 or 422; no file and no address is opened."""
    body, kind = documents(canary.url)[attack]
    began = time.monotonic()
    refused(fhir.post("Patient", content=body, headers={"Content-Type": kind}), began)


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
def test_hostile_transactions_change_nothing(fhir: httpx.Client, endured: None, attack: str) -> None:
    """All or nothing: the good entry before the hostile one is not kept."""
    good = {"fullUrl": "urn:uuid:0", "request": {"method": "POST", "url": "Patient"}, "resource": PATIENT}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [good, BUNDLES[attack]]}
    began = time.monotonic()
    refused(fhir.post("", content=json.dumps(bundle), headers=JSON), began)


SEARCHES = [
    "identifier=' OR 1=1 --",
    "identifier=" + "a|" * 5_000,
    "_id=../../etc/passwd",
    "birthdate=gt" + "9" * 400,
    "birthdate=0000-00-00",
    "_count=-1",
    "_count=99999999999999999999999",
    "_count=1e3",
    "_sort=" + ",".join(["birthdate"] * 2_000),
    "_sort=;drop table",
    "_include=*:*:*:*",
    "_include=Patient:" + "x" * 5_000,
    "_has:Observation:patient:_has:Observation:patient:_has:Observation:patient:code=x",
    "general-practitioner." * 200 + "name=x",
    "_filter=" + "(" * 5_000,
    "_lastUpdated=ge%00",
    "_elements=" + "a," * 10_000,
    "_type=Patient,../x",
    "nothing=1",
    "name:contains:exact=x",
    "identifier:of-type=|||||",
]


@pytest.mark.parametrize("query", SEARCHES, ids=lambda query: query[:24])
def test_hostile_searches_are_answered(fhir: httpx.Client, endured: None, query: str) -> None:
    """400, or a searchset that says in its self link what was understood; never everything, never slow."""
    began = time.monotonic()
    answer = fhir.post(
        "Patient/_search", content=query.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code in (200, 400, 413, 414), answer.text[:300]
    assert time.monotonic() - began < SLOW
    assert "OR 1=1" not in answer.text
    if answer.status_code == 200:
        assert answer.json()["type"] == "searchset"


PATHS = [
    "../../etc/passwd",
    "Patient/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "Patient/%00",
    "Patient/a%0d%0aX-Evil:%201",
    "Patient/" + "a" * 65,
    "Patient/%2e%2e",
    "Patient/x/_history/..",
    "Patient/x/_history/" + "9" * 100,
    "Patient/x/$nothing",
    "Patient/$everything%00",
    "patient/x",
    "Nothing/x",
    "Patient//x",
    "%ff%fe",
    "metadata%2f..%2f..%2f_mock%2fapi",
]


@pytest.mark.parametrize("path", PATHS)
def test_hostile_paths_lead_nowhere(fhir: httpx.Client, endured: None, path: str) -> None:
    """A 4xx that reflects no header and shows no file."""
    answer = fhir.send(httpx.Request("GET", f"{fhir.base_url}{path}"))
    assert 400 <= answer.status_code < 500, answer.text[:200]
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


@pytest.mark.parametrize("attack", PATCHES, ids=str)
def test_hostile_patches_are_refused(fhir: httpx.Client, canary: Canary, attack: str) -> None:
    """The resource stays as it was, or a 4xx says why; in bounded time."""
    body, kind = PATCHES[attack]
    made = fhir.post("Patient", content=json.dumps(PATIENT), headers=JSON).json()
    began, called = time.monotonic(), len(canary.calls)
    answer = fhir.patch(f"Patient/{made['id']}", content=json.dumps(body), headers={"Content-Type": kind})
    took = time.monotonic() - began
    after = fhir.get(f"Patient/{made['id']}")
    fhir.delete(f"Patient/{made['id']}")
    assert 200 <= answer.status_code < 500, answer.text[:300]
    assert took < SLOW
    assert len(canary.calls) == called
    assert after.json()["id"] == made["id"]
    assert after.json()["resourceType"] == "Patient"


HEADERS: dict[str, dict[str, str]] = {
    "condition as code": {"If-None-Exist": "identifier=x' OR '1'='1"},
    "condition of everything": {"If-None-Exist": ""},
    "condition of another type": {"If-None-Exist": "Observation?code=x"},
    "condition elsewhere": {"If-None-Exist": "http://127.0.0.1:9/Patient?x=1"},
    "version": {"If-Match": 'W/"' + "9" * 5_000 + '"'},
    "accept": {"Accept": ",".join(["application/fhir+json;q=0.1"] * 3_000)},
    "prefer": {"Prefer": "return=" + "x" * 20_000},
    "request id": {"X-Request-Id": "080885-906S"},
    "override": {"X-HTTP-Method-Override": "DELETE"},
    "forwarded": {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "javascript"},
}


@pytest.mark.parametrize("attack", HEADERS, ids=str)
def test_hostile_headers_are_harmless(fhir: httpx.Client, canary: Canary, attack: str) -> None:
    """No 5xx; nothing of them comes back in links or logs; nobody is called."""
    called = len(canary.calls)
    answer = fhir.post("Patient", content=json.dumps(PATIENT), headers={**JSON, **HEADERS[attack]})
    assert answer.status_code < 500
    assert "evil.example" not in f"{answer.headers}{answer.text}"
    assert "080885" not in f"{answer.headers}{answer.text}"
    assert len(canary.calls) == called
    if answer.status_code == 201:
        fhir.delete(f"Patient/{answer.json()['id']}")
