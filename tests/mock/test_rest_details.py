"""R4 http, row by row: what `test_rest`, `test_search`, `test_transactions` and `test_operations` do not show yet."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings

PLAN = {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": {"display": "x"}}
JSON_PATCH = {"content-type": "application/json-patch+json"}
FHIR_JSON = {"content-type": "application/fhir+json"}
XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'
SMALL_PAGE = 2


def test_metadata_has_an_etag_that_follows_its_content(fhir: httpx.Client, root: str) -> None:
    """The same statement has the same ETag, another policy another one; `mode` is accepted."""
    endpoint, _, namespace = root.rpartition("/t/")
    before = fhir.get("metadata").headers["etag"]
    assert fhir.get("metadata?mode=normative").headers["etag"] == before
    assert fhir.get("metadata", headers={"if-none-match": before}).status_code == 304
    assert fhir.get("metadata", headers={"accept": "text/html"}).status_code == 406
    with MockClient(endpoint, namespace) as control:
        control.behave(policy="national")
    assert fhir.get("metadata").headers["etag"] != before


def test_who_misses_the_fhir_base_is_told_where_it_is(root: str) -> None:
    """An OperationOutcome with the base, the request id coming back; wrong names of namespaces say what is right."""
    endpoint, _, _ = root.rpartition("/t/")
    missed = httpx.get(f"{endpoint}/Patient/1", headers={"x-request-id": "r-1", "accept-language": "fi"})
    assert (missed.status_code, missed.headers["x-request-id"]) == (404, "r-1")
    assert f"{endpoint}/fhir" in missed.json()["issue"][0]["details"]["text"]
    wrong = httpx.get(f"{endpoint}/t/Iso_nimi/fhir/Patient/1")
    assert (wrong.status_code, wrong.json()["resourceType"]) == (404, "OperationOutcome")
    assert wrong.headers["x-request-id"]
    assert httpx.get(f"{endpoint}/_mock/api/nothing/here").json() == {"detail": "Not Found"}


def test_ids_and_versions_that_cannot_be(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """65 letters are no id, an unknown version is 404, an unknown type too."""
    assert fhir.get(f"Patient/{'a' * 65}").status_code == 400
    assert fhir.get(f"Patient/{patient['id']}/_history/9").status_code == 404
    assert fhir.get(f"Patient/{patient['id']}/_history/first").status_code == 404
    assert fhir.get("Nonsense/1").status_code == 404
    assert fhir.get("patient/1").status_code == 404


def test_an_update_keeps_other_meta_and_ignores_the_senders_version(fhir: httpx.Client) -> None:
    """versionId and lastUpdated are the server's; profile, tag and security stay."""
    meta = {"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{"system": "urn:t", "code": "a"}]}
    stored = fhir.put("CarePlan/m", json=PLAN | {"id": "m", "meta": meta}).json()
    assert (stored["meta"]["versionId"], stored["meta"]["tag"]) == ("1", meta["tag"])
    assert not stored["meta"]["lastUpdated"].startswith("2001")
    read = fhir.get("CarePlan/m")
    assert read.headers["etag"] == 'W/"1"'
    assert read.headers["cache-control"] == "no-store"


def test_if_match_of_what_is_not_there_and_of_anything(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """A version of an unknown resource is 412, `*` needs an existing one; DELETE honours If-Match."""
    assert fhir.put("CarePlan/n", json=PLAN | {"id": "n"}, headers={"if-match": 'W/"1"'}).status_code == 412
    assert fhir.put("CarePlan/n", json=PLAN | {"id": "n"}, headers={"if-match": "*"}).status_code == 412
    url = f"Patient/{patient['id']}"
    assert fhir.put(url, json=patient, headers={"if-match": "*"}).status_code == 200
    assert fhir.delete(url, headers={"if-match": 'W/"1"'}).status_code == 412
    assert fhir.delete(url, headers={"if-match": 'W/"2"'}).status_code == 204


def test_deleting_twice_or_the_unknown_is_no_error(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """204 again; with Prefer: return=OperationOutcome 200 and an outcome; a PUT brings it back."""
    url = f"Patient/{patient['id']}"
    assert [fhir.delete(one).status_code for one in (url, url, "Patient/never-there")] == [204, 204, 204]
    told = fhir.delete("Patient/x", headers={"prefer": "return=OperationOutcome"})
    assert (told.status_code, told.json()["resourceType"]) == (200, "OperationOutcome")
    assert fhir.put(url, json=patient).status_code == 201
    assert fhir.get(f"{url}/_history").json()["total"] == 3


def test_conditional_patch(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """One match is patched, none is 404, many are 412, no criterion is refused."""
    change = [{"op": "replace", "path": "/gender", "value": "other"}]

    def patch(query: str) -> httpx.Response:
        return fhir.patch(f"Patient?{query}", json=change, headers=JSON_PATCH)

    done = patch("family=akerstrom")
    assert (done.status_code, done.json()["gender"]) == (200, "other")
    assert patch("family=nobody").status_code == 404
    fhir.post("Patient", json={"resourceType": "Patient", "name": [{"family": "Åkerström"}]})
    assert patch("family=akerstrom").status_code == 412
    assert patch("").status_code == 412
    assert patch("family:nonsense=x").status_code == 400


def test_a_patch_honours_prefer_and_if_match(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """As an update does, for FHIRPath Patch too; the JSON of a patch must be an array."""
    url, change = f"Patient/{patient['id']}", [{"op": "remove", "path": "/gender"}]
    done = fhir.patch(url, json=change, headers=JSON_PATCH | {"if-match": 'W/"1"', "prefer": "return=minimal"})
    assert (done.status_code, done.content, done.headers["etag"]) == (200, b"", 'W/"2"')
    empty = {"resourceType": "Parameters"}
    assert fhir.patch(url, json=empty, headers=FHIR_JSON | {"if-match": 'W/"1"'}).status_code == 412
    assert fhir.patch(url, json=empty).status_code == 415
    assert fhir.patch(url, json={"op": "x"}, headers=JSON_PATCH).status_code == 400
    assert fhir.patch(url, content=b"<diff/>", headers={"content-type": "application/xml-patch+xml"}).status_code == 415


@pytest.mark.parametrize("strictness", ["lenient", "national"])
def test_a_narrative_never_becomes_unsafe(root: str, fhir: httpx.Client, strictness: str) -> None:
    """A script or an event handler is refused by create and patch, whatever the strictness; nothing changes."""
    endpoint, _, namespace = root.rpartition("/t/")
    with MockClient(endpoint, namespace) as control:
        control.behave(strictness=strictness)
    text = {"status": "generated", "div": XHTML.format("x")}
    url = "Patient/" + fhir.post("Patient", json={"resourceType": "Patient", "text": text}).json()["id"]
    for unsafe in ("<script>x</script>", '<p onclick="x">x</p>', '<a href="javascript:x">x</a>'):
        div = XHTML.format(unsafe)
        change = [{"op": "replace", "path": "/text/div", "value": div}]
        assert fhir.patch(url, json=change, headers=JSON_PATCH).status_code == 422, unsafe
        body = {"resourceType": "Patient", "text": text | {"div": div}}
        assert fhir.post("Patient", json=body).status_code == 422, unsafe
    assert fhir.get(url).json()["meta"]["versionId"] == "1"


def test_conditional_create_with_nothing_to_look_for(fhir: httpx.Client) -> None:
    """An empty condition is refused, it never means everything."""
    assert fhir.post("CarePlan", json=PLAN, headers={"if-none-exist": ""}).status_code == 412
    assert fhir.get("CarePlan").json()["total"] == 0


def test_a_conditional_delete_takes_all_matches(fhir: httpx.Client, root: str) -> None:
    """More than a page of them, in one go."""
    many = [PLAN | {"id": f"p{number}"} for number in range(1200)]
    endpoint, _, namespace = root.rpartition("/t/")
    httpx.post(f"{endpoint}/_mock/api/{namespace}/seed", json=many)
    assert fhir.delete("CarePlan?status=active").status_code == 204
    assert fhir.get("CarePlan?_summary=count").json()["total"] == 0


def test_head_of_a_search_and_allow_on_405(fhir: httpx.Client) -> None:
    """HEAD tells the length of what GET would send; 405 names what is allowed."""
    head = fhir.head("Patient")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert fhir.delete("metadata").headers["allow"] == "GET, HEAD"
    assert fhir.get("Patient/_search").status_code == 405


def test_compartments_and_types_that_do_not_exist(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """404 for an unknown type, a type outside the compartment, and another compartment."""
    assert fhir.get(f"Patient/{patient['id']}/Observation").status_code == 200
    for url in (f"Patient/{patient['id']}/Nonsense", f"Patient/{patient['id']}/Organization", "Device/1/Observation"):
        assert fhir.get(url).status_code == 404, url


def test_history_by_time_and_count(fhir: httpx.Client, patient: dict[str, Any], root: str) -> None:
    """`_at` shows the version that was present then, `_count=0` only the total; a malformed instant is 400."""
    endpoint, _, namespace = root.rpartition("/t/")
    url = f"Patient/{patient['id']}"
    with MockClient(endpoint, namespace) as control:
        control.step(3600)
        fhir.put(url, json=patient | {"active": True})
    stored = fhir.get(f"{url}/_history").json()["entry"]
    first, second = stored[1]["response"]["lastModified"], stored[0]["response"]["lastModified"]

    def versions(instant: str) -> list[str]:
        found = fhir.get(f"{url}/_history", params={"_at": instant}).json()
        return [one["resource"]["meta"]["versionId"] for one in found.get("entry", [])]

    assert (versions(first), versions(second), versions("2001")) == (["1"], ["2"], [])
    assert "entry" not in fhir.get(f"{url}/_history?_count=0").json()
    assert fhir.get(f"{url}/_history?_since=soon").status_code == 400


@pytest.mark.parametrize("kind", ["json", "xml"])
@pytest.mark.parametrize("way", ["accept", "_format"])
def test_every_word_for_a_format(fhir: httpx.Client, patient: dict[str, Any], kind: str, way: str) -> None:
    """Short names, media types of FHIR and general ones, with parameters and weights; `_format` beats Accept."""
    words = [kind, f"application/{kind}", f"application/fhir+{kind}", f"text/{kind}", f"application/{kind}+fhir"]
    words.append(f"application/fhir+{kind}; charset=utf-8; fhirVersion=4.0")
    for word in words:
        if way == "accept":
            answer = fhir.get(f"Patient/{patient['id']}", headers={"accept": f"image/png;q=0.9, {word};q=0.5"})
        else:
            answer = fhir.get(f"Patient/{patient['id']}", params={"_format": word}, headers={"accept": "text/turtle"})
        assert answer.headers["content-type"] == f"application/fhir+{kind}; charset=utf-8", word


def test_bodies_in_every_media_type(fhir: httpx.Client) -> None:
    """JSON under its three names, XML; another FHIR version is 415; an error to an XML caller is XML."""
    for name in ("application/json", "text/json", "application/fhir+json; fhirVersion=4.0"):
        assert fhir.post("CarePlan", json=PLAN, headers={"content-type": name}).status_code == 201, name
    wrong = {"content-type": "application/fhir+json; fhirVersion=3.0"}
    assert fhir.post("CarePlan", json=PLAN, headers=wrong).status_code == 415
    refused = fhir.get("CarePlan/none", headers={"accept": "application/fhir+xml"})
    assert refused.content.startswith(b"<?xml")
    assert b"<OperationOutcome" in refused.content


def test_pretty_json(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """`_pretty=true` is the same resource on many lines."""
    pretty = fhir.get(f"Patient/{patient['id']}?_pretty=true")
    assert pretty.json() == fhir.get(f"Patient/{patient['id']}").json()
    assert pretty.text.count("\n") > 5


def test_preferences_are_echoed(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Preference-Applied names the handling; strict refuses an unknown parameter, a modifier is refused always."""
    lenient = fhir.get("Patient?nonsense=1", headers={"prefer": "handling=lenient"})
    assert (lenient.status_code, lenient.headers["preference-applied"]) == (200, "handling=lenient")
    assert lenient.json()["link"][0]["url"].endswith("/Patient")
    assert fhir.get("Patient?Name=x", headers={"prefer": "handling=strict"}).status_code == 400
    assert fhir.get("Patient?name:nonsense=x", headers={"prefer": "handling=lenient"}).status_code == 400
    updated = fhir.put(
        f"Patient/{patient['id']}", json=patient, headers={"prefer": "respond-async, return=representation"}
    )
    assert updated.headers["preference-applied"] == "return=representation"


def test_prefer_inside_a_transaction(fhir: httpx.Client) -> None:
    """return=representation puts the resources into the response, minimal leaves them out."""
    entry = {"resource": PLAN, "request": {"method": "POST", "url": "CarePlan"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    full = fhir.post("", json=bundle, headers={"prefer": "return=representation"}).json()["entry"][0]
    assert full["resource"]["status"] == "active"
    assert full["fullUrl"].endswith(f"CarePlan/{full['resource']['id']}")
    minimal = fhir.post("", json=bundle, headers={"prefer": "return=minimal"}).json()["entry"][0]
    assert set(minimal) == {"response"}
    assert set(minimal["response"]) == {"status", "location", "etag", "lastModified"}


def test_references_of_every_form_are_found(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Relative, absolute and versioned references to the same resource; a foreign URL is another one."""
    url = f"Patient/{patient['id']}"
    forms = [url, f"{fhir.base_url}{url}", f"{url}/_history/1", f"https://elsewhere.example/fhir/{url}"]
    for form in forms:
        fhir.post("CarePlan", json=PLAN | {"subject": {"reference": form}})
    assert fhir.get(f"CarePlan?subject={url}").json()["total"] == 3
    assert fhir.get(f"CarePlan?subject={fhir.base_url}{url}").json()["total"] == 3
    assert fhir.get(f"CarePlan?subject={url}/_history/1").json()["total"] == 1
    assert fhir.get(f"CarePlan?subject={forms[3]}").json()["total"] == 1


def test_escapes_or_and_and(fhir: httpx.Client) -> None:
    r"""`\,` `\|` and `\$` are letters, a comma means or, a repeated parameter and."""
    odd = r"a,b|c$d"
    identifiers = [{"system": "urn:x", "value": odd}, {"system": "urn:x", "value": "2"}]
    fhir.post("CareTeam", json={"resourceType": "CareTeam", "identifier": identifiers})
    fhir.post("CareTeam", json={"resourceType": "CareTeam", "identifier": identifiers[1:]})

    def total(query: str) -> int:
        found: int = fhir.get(f"CareTeam?{query}").json()["total"]
        return found

    assert total(r"identifier=a\,b\|c\$d") == 1
    assert total(r"identifier=a\,b\|c\$d,2") == 2
    assert total(r"identifier=a\,b\|c\$d&identifier=2") == 1
    assert total("identifier=a,b") == 0


def test_include_everything_and_elements_by_type(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """`_include=*` follows all references; `_elements` may name the type; `_count` is never raised."""
    for _ in range(3):
        fhir.post("CarePlan", json=PLAN | {"subject": {"reference": f"Patient/{patient['id']}"}, "title": "x"})
    found = fhir.get("CarePlan?_include=*").json()["entry"]
    assert [one["resource"]["resourceType"] for one in found if one["search"]["mode"] == "include"] == ["Patient"]
    plan = fhir.get("CarePlan?_elements=CarePlan.title").json()["entry"][0]["resource"]
    assert ("title" in plan, "status" in plan, "activity" in plan) == (True, True, False)
    page = fhir.get(f"CarePlan?_count={SMALL_PAGE}").json()
    assert (len(page["entry"]), page["total"]) == (SMALL_PAGE, 3)
    assert {"self", "first", "next", "last"} == {one["relation"] for one in page["link"]}


@pytest.mark.parametrize("summary", ["true", "text", "data", "false"])
def test_summaries(fhir: httpx.Client, summary: str) -> None:
    """Each kind keeps its elements and the mandatory ones, and says so; false keeps all."""
    text = {"status": "generated", "div": XHTML.format("x")}
    plan = PLAN | {"id": "s", "text": text, "title": "x", "note": [{"text": "x"}]}
    fhir.put("CarePlan/s", json=plan)
    found = fhir.get(f"CarePlan/s?_summary={summary}").json()
    kept = {"true": {"title"}, "text": {"text"}, "data": {"title", "note"}, "false": {"text", "title", "note"}}
    assert set(found) & {"text", "title", "note"} == kept[summary]
    assert set(PLAN) <= set(found)
    assert ("tag" in found["meta"]) == (summary != "false")


def test_two_runs_with_one_seed_and_clock_are_byte_equal() -> None:
    """Every answer, headers too, and the export are the same again: nothing comes from chance or the machine's time."""
    from datetime import UTC, datetime

    def run() -> list[bytes]:
        settings = MockSettings(port=0, seed=7, clock=datetime(2026, 3, 14, 8, tzinfo=UTC), public_url="http://mock")
        with running_mock(settings) as base, httpx.Client(base_url=f"{base}/") as client:
            entry = {"resource": PLAN, "request": {"method": "POST", "url": "CarePlan"}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 3}
            answers = [
                client.post("Patient", json={"resourceType": "Patient", "name": [{"family": "x"}]}),
                client.post("", json=bundle),
                client.get("CarePlan?_count=2"),
                client.get("_history"),
                client.get("CarePlan/none"),
                client.get("metadata"),
                client.get(f"{base.removesuffix('/fhir')}/_mock/api/default/export"),
            ]
            return [str(sorted(one.headers.items())).encode() + one.content for one in answers]

    assert run() == run()
