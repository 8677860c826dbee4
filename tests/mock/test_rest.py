"""Interactions, headers and conditions of R4 http."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from adapter.source.json import read_json
from adapter.validation import Validator

PLAN = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"display": "x"}}


def test_create_answers_with_versioned_location_and_keeps_decimals(fhir: httpx.Client) -> None:
    """A create gives 201, an absolute versioned Location, ETag and Last-Modified; 5.10 stays 5.10."""
    body = b'{"resourceType":"Observation","id":"mine","status":"final","valueQuantity":{"value":5.10}}'
    answer = fhir.post("Observation", content=body)
    created = answer.json()
    assert answer.status_code == 201
    assert created["id"] != "mine"
    assert answer.headers["location"] == f"{fhir.base_url}Observation/{created['id']}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"].endswith("GMT")
    assert b'"value":5.10}' in fhir.get(f"Observation/{created['id']}").content


def test_read_of_unknown_deleted_and_malformed(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Unknown is 404, deleted 410 with ETag, a malformed id 400."""
    assert fhir.get("Patient/unknown").status_code == 404
    assert fhir.get("Patient/a%20b").status_code == 400
    assert fhir.delete(f"Patient/{patient['id']}").status_code == 204
    gone = fhir.get(f"Patient/{patient['id']}")
    assert (gone.status_code, gone.headers["etag"]) == (410, 'W/"2"')
    assert fhir.get(f"Patient/{patient['id']}/_history/1").status_code == 200
    assert fhir.get(f"Patient/{patient['id']}/_history/2").status_code == 410
    assert fhir.get("Patient").json()["total"] == 0


def test_conditional_read(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """If-None-Match and If-Modified-Since give 304 without a body."""
    url = f"Patient/{patient['id']}"
    for condition in ('W/"1"', '"1"', "1"):
        answer = fhir.get(url, headers={"if-none-match": condition})
        assert (answer.status_code, answer.content) == (304, b"")
    assert fhir.get(url, headers={"if-none-match": 'W/"7"'}).status_code == 200
    modified = fhir.get(url).headers["last-modified"]
    assert fhir.get(url, headers={"if-modified-since": modified}).status_code == 304
    assert fhir.get(url, headers={"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}).status_code == 200


def test_head_is_get_without_body(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """HEAD has the headers of GET and no body."""
    answer = fhir.head(f"Patient/{patient['id']}")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", 'W/"1"')


def test_update_makes_versions_and_honours_if_match(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """If-Match of an old version is 412 and changes nothing; a bare number is read too."""
    url = f"Patient/{patient['id']}"
    assert fhir.put(url, json=patient, headers={"if-match": 'W/"1"'}).headers["etag"] == 'W/"2"'
    refused = fhir.put(url, json=patient, headers={"if-match": 'W/"1"'})
    assert refused.status_code == 412
    assert refused.json()["issue"][0]["code"] == "conflict"
    assert fhir.get(url).json()["meta"]["versionId"] == "2"
    assert fhir.put(url, json=patient, headers={"if-match": "2"}).status_code == 200


@pytest.mark.parametrize(("body_id", "status"), [(None, 400), ("other", 400)])
def test_update_needs_the_id_of_the_url(
    fhir: httpx.Client, patient: dict[str, Any], body_id: str | None, status: int
) -> None:
    """A body without id or with another one is refused with 400."""
    body = {name: value for name, value in patient.items() if name != "id"} | ({"id": body_id} if body_id else {})
    assert fhir.put(f"Patient/{patient['id']}", json=body).status_code == status


def test_update_as_create_and_resurrection(fhir: httpx.Client) -> None:
    """PUT to an unused id creates with 201; PUT after a delete brings the resource back."""
    plan = PLAN | {"id": "own-1"}
    created = fhir.put("CarePlan/own-1", json=plan)
    assert (created.status_code, "location" in created.headers) == (201, True)
    fhir.delete("CarePlan/own-1")
    assert fhir.put("CarePlan/own-1", json=plan).status_code == 201
    assert fhir.get("CarePlan/own-1").json()["meta"]["versionId"] == "3"


def test_if_none_match_star_only_creates(fhir: httpx.Client) -> None:
    """PUT with If-None-Match: * is refused when the resource exists."""
    plan = PLAN | {"id": "own-2"}
    star = {"if-none-match": "*"}
    assert fhir.put("CarePlan/own-2", json=plan, headers=star).status_code == 201
    assert fhir.put("CarePlan/own-2", json=plan, headers=star).status_code == 412


def test_the_five_rows_of_conditional_update(fhir: httpx.Client) -> None:
    """No match without and with id, one match with fitting and other id, many matches."""

    def put(identifier: str, **more: str) -> httpx.Response:
        body = PLAN | {"identifier": [{"system": "urn:x", "value": identifier}]} | more
        return fhir.put("CarePlan", params={"identifier": f"urn:x|{identifier}"}, json=body)

    first = put("1")
    assert first.status_code == 201
    assert put("2", id="given").json()["id"] == "given"
    assert put("1").status_code == 200
    assert put("1", id=first.json()["id"]).headers["etag"] == 'W/"3"'
    assert put("1", id="given").status_code == 400
    fhir.post("CarePlan", json=PLAN | {"identifier": [{"system": "urn:x", "value": "1"}]})
    assert put("1").status_code == 412
    assert fhir.put("CarePlan", json=PLAN).status_code == 412
    assert fhir.put("CarePlan?nonsense=1", json=PLAN).status_code == 400


def test_conditional_create_finds_creates_and_refuses(fhir: httpx.Client) -> None:
    """None found: 201; one: 200 with its Location; many: 412; unknown parameter: 400."""
    plan = PLAN | {"identifier": [{"system": "urn:x", "value": "7"}]}
    condition = {"if-none-exist": "identifier=urn:x|7"}
    first = fhir.post("CarePlan", json=plan, headers=condition)
    second = fhir.post("CarePlan", json=plan, headers={"if-none-exist": "CarePlan?identifier=urn:x|7"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["location"] == first.headers["location"]
    absolute = {"if-none-exist": f"{str(fhir.base_url).rstrip('/')}/CarePlan?identifier=urn:x|7"}
    assert fhir.post("CarePlan", json=plan, headers=absolute).status_code == 200
    fhir.post("CarePlan", json=plan)
    assert fhir.post("CarePlan", json=plan, headers=condition).status_code == 412
    assert fhir.post("CarePlan", json=plan, headers={"if-none-exist": "identifer=1"}).status_code == 400


def test_conditional_create_is_race_free(fhir: httpx.Client) -> None:
    """Sixteen posts at the same time make one resource."""
    plan = PLAN | {"identifier": [{"system": "urn:x", "value": "race"}]}

    def post(_: int) -> int:
        with httpx.Client(base_url=fhir.base_url) as client:
            return client.post("CarePlan", json=plan, headers={"if-none-exist": "identifier=urn:x|race"}).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(post, range(16)))
    assert statuses == [200] * 15 + [201]
    assert fhir.get("CarePlan?identifier=urn:x|race").json()["total"] == 1


def test_conditional_delete(fhir: httpx.Client) -> None:
    """It deletes all matches, is no error for none, and refuses to delete everything."""
    for _ in range(3):
        fhir.post("CarePlan", json=PLAN)
    assert fhir.delete("CarePlan?status=draft").status_code == 204
    assert fhir.delete("CarePlan").status_code == 412
    assert fhir.delete("CarePlan?status=active").status_code == 204
    assert fhir.get("CarePlan").json()["total"] == 0


def test_prefer_shapes_the_answer_of_a_write(fhir: httpx.Client) -> None:
    """return=minimal has no body, OperationOutcome only when asked for, and the answer says what was applied."""
    minimal = fhir.post("CarePlan", json=PLAN, headers={"prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal.headers["preference-applied"] == "return=minimal"
    outcome = fhir.post("CarePlan", json=PLAN, headers={"prefer": "return=OperationOutcome"})
    assert outcome.json()["resourceType"] == "OperationOutcome"
    assert fhir.post("CarePlan", json=PLAN).json()["resourceType"] == "CarePlan"


@pytest.mark.parametrize(
    ("method", "url", "content", "headers", "status"),
    [
        ("POST", "CarePlan", b"{", {}, 400),
        ("POST", "CarePlan", b'{"resourceType":"CarePlan","status":"a","status":"b"}', {}, 400),
        ("POST", "CarePlan", b'{"resourceType":"Patient"}', {}, 400),
        ("POST", "CarePlan", b"[]", {}, 400),
        ("POST", "Foo", b'{"resourceType":"Foo"}', {}, 404),
        ("POST", "CarePlan", b"x", {"content-type": "text/plain"}, 415),
        ("GET", "CarePlan", b"", {"accept": "text/turtle"}, 406),
        ("GET", "CarePlan?_format=ttl", b"", {}, 406),
        ("GET", "CarePlan", b"", {"accept": "application/fhir+json; fhirVersion=3.0"}, 406),
        ("GET", "CarePlan", b"", {"accept": "application/fhir+json; fhirVersion=4.0"}, 200),
        ("GET", "CarePlan?_format=json", b"", {"accept": "text/turtle"}, 200),
        ("DELETE", "metadata", b"", {}, 405),
        ("GET", "a/b/c/d/e", b"", {}, 404),
        ("POST", "", b'{"resourceType":"Bundle","type":"collection"}', {}, 400),
    ],
)
def test_refusals_are_operation_outcomes(
    fhir: httpx.Client, method: str, url: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    """Whatever is wrong, the status is the right one and the body says why."""
    answer = fhir.request(method, url, content=content, headers=headers)
    assert answer.status_code == status
    if status >= 400:
        assert answer.json()["issue"][0]["severity"] in ("error", "fatal")
        assert answer.headers["content-type"].startswith("application/fhir+json")


def test_request_id_is_on_every_answer(fhir: httpx.Client) -> None:
    """X-Request-Id of the caller comes back, also with a refusal; without one the endpoint gives its own."""
    assert fhir.get("Patient/none", headers={"x-request-id": "abc"}).headers["x-request-id"] == "abc"
    assert fhir.get("metadata").headers["x-request-id"]


def test_refusals_speak_finnish_and_never_tell_values(fhir: httpx.Client) -> None:
    """Accept-Language chooses the text; the value of a parameter is not in it."""
    answer = fhir.get("Patient?birthdate=010594Y9032", headers={"accept-language": "fi"})
    assert answer.json()["language"] == "fi"
    assert "arvo ei ole" in answer.text
    assert "010594Y9032" not in answer.text


def test_json_patch(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """A JSON Patch makes a version; one that fails changes nothing; another media type is 415."""
    url, kind = f"Patient/{patient['id']}", {"content-type": "application/json-patch+json"}
    change = [
        {"op": "test", "path": "/gender", "value": "female"},
        {"op": "add", "path": "/name/0/given/-", "value": "Maria"},
        {"op": "replace", "path": "/birthDate", "value": "1994-05-02"},
        {"op": "copy", "from": "/name/0", "path": "/name/-"},
        {"op": "move", "from": "/gender", "path": "/language"},
        {"op": "remove", "path": "/name/1/given"},
    ]
    done = fhir.patch(url, json=change, headers=kind)
    assert done.status_code == 200
    assert done.json()["name"] == [{"family": "Åkerström", "given": ["Moona", "Maria"]}, {"family": "Åkerström"}]
    fails = fhir.patch(url, json=[{"op": "remove", "path": "/photo/0"}], headers=kind)
    assert fails.status_code == 422
    assert fhir.patch(url, json=[{"op": "add", "path": "/id", "value": "x"}], headers=kind).status_code == 422
    assert fhir.get(url).json()["meta"]["versionId"] == "2"
    assert fhir.patch(url, json=change, headers=kind | {"if-match": 'W/"1"'}).status_code == 412
    assert fhir.patch(url, json={}, headers={"content-type": "application/merge-patch+json"}).status_code == 415
    assert fhir.patch("Patient/none", json=change, headers=kind).status_code == 404


def test_history_at_three_levels(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Newest first, every entry with its request, deletions without resource."""
    url = f"Patient/{patient['id']}"
    fhir.put(url, json=patient)
    fhir.delete(url)
    fhir.post("CarePlan", json=PLAN)
    entries = fhir.get(f"{url}/_history").json()["entry"]
    assert [one["request"]["method"] for one in entries] == ["DELETE", "PUT", "POST"]
    assert "resource" not in entries[0]
    assert entries[2]["request"]["url"] == "Patient"
    assert fhir.get("Patient/_history").json()["total"] == 3
    assert fhir.get("_history").json()["total"] == 4
    assert fhir.get("Patient/none/_history").status_code == 404
    since = entries[1]["response"]["lastModified"]
    assert fhir.get(f"{url}/_history", params={"_since": since}).json()["total"] == 2


def test_history_pages_are_stable(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """A page asked for before a write shows the same afterwards."""
    url = f"Patient/{patient['id']}"
    for _ in range(4):
        fhir.put(url, json=patient)
    first = fhir.get(f"{url}/_history?_count=2").json()
    links = {one["relation"]: one["url"] for one in first["link"]}
    assert list(links) == ["self", "first", "next", "last"]
    assert links["self"].endswith(f"{url}/_history?_count=2")
    assert fhir.get(links["next"].replace("_offset=2", "_offset=two")).status_code == 400
    following = links["next"]
    fhir.put(url, json=patient)
    assert [one["resource"]["meta"]["versionId"] for one in fhir.get(following).json()["entry"]] == ["3", "2"]


def test_everything_that_goes_out_is_valid_r4(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """CapabilityStatement, search sets, histories, responses and outcomes pass our own validator."""
    url = f"Patient/{patient['id']}"
    fhir.put(url, json=patient)
    batch = {"resourceType": "Bundle", "type": "batch"}
    entries = [
        {"request": {"method": "GET", "url": url}},
        {"request": {"method": "GET", "url": "Foo"}},
        {"resource": {"resourceType": "CareTeam"}, "request": {"method": "POST", "url": "CareTeam"}},
    ]
    answers = [
        *(fhir.get(one) for one in ("metadata", "_history", f"{url}/_history?_count=1", "Patient?_count=1&x=1", "Foo")),
        fhir.post("", json=batch | {"entry": entries}),
        fhir.post("", json=batch | {"type": "transaction", "entry": [entries[0], entries[2]]}),
    ]
    validator = Validator()
    for answer in answers:
        found = validator.validate(read_json(answer.content))
        assert [issue for issue in found.issues if issue.severity in ("fatal", "error")] == [], answer.request.url


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": "x"}),
        ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [1]}),
        ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": "x"}]}),
        ("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": [], "url": 1}}]}),
        ("POST", "Patient/$validate", {"resourceType": "Parameters", "parameter": 1}),
        (
            "POST",
            "Patient/$validate",
            {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": 1}]},
        ),
        ("POST", "Patient", {"resourceType": "Patient", "meta": "x"}),
        ("POST", "Patient", {"resourceType": "Patient", "identifier": [["x"]]}),
        ("PATCH", "Patient/{id}", {"resourceType": "Parameters", "parameter": 1}),
    ],
)
def test_nonsense_is_the_senders_fault(
    fhir: httpx.Client, patient: dict[str, Any], method: str, url: str, body: dict[str, Any]
) -> None:
    """Wrong shapes anywhere in an envelope are 4xx, never 5xx."""
    answer = fhir.request(method, url.format(id=patient["id"]), json=body)
    assert 400 <= answer.status_code < 500, answer.text


def test_a_system_search_can_be_paged(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """The next link of a search over several types works."""
    fhir.post("CareTeam", json={"resourceType": "CareTeam"})
    page = fhir.get("?_type=Patient,CareTeam&_count=1").json()
    following = next(one["url"] for one in page["link"] if one["relation"] == "next")
    assert fhir.get(following).json()["entry"][0]["resource"]["resourceType"] == "CareTeam"


def test_a_failure_of_the_endpoint_tells_no_value(
    fhir: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with an OperationOutcome; the log has type and place of the error, not its text."""

    value = "010594Y9032"

    def broken(_: object) -> None:
        raise KeyError(value)

    monkeypatch.setattr("adapter.mock.endpoint.respond", broken)
    answer = fhir.get("Patient/x")
    assert (answer.status_code, answer.json()["issue"][0]["severity"]) == (500, "error")
    assert "KeyError" in caplog.text
    assert value not in answer.text + caplog.text
