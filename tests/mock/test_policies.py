"""XML, dialects, policy files of a tester's own, and those that say something unknown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from adapter.data import DataFileError
from adapter.mock.client import MockClient
from adapter.mock.policy import load_policy, parse_policy


def test_xml_in_and_out(fhir: httpx.Client) -> None:
    """A resource in XML is the same in JSON, decimals included; refusals and Bundles come in XML too."""
    xml = (
        '<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="x"/></code>'
        '<valueQuantity><value value="5.10"/></valueQuantity></Observation>'
    )
    kind = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}
    created = fhir.post("Observation", content=xml.encode(), headers=kind)
    assert (created.status_code, created.headers["content-type"].split(";")[0]) == (201, "application/fhir+xml")
    identity = created.headers["location"].split("/")[-3]
    assert b'"value":5.10' in fhir.get(f"Observation/{identity}").content
    assert b'<value value="5.10"/>' in fhir.get(f"Observation/{identity}?_format=xml").content
    assert fhir.get("Observation", headers=kind).text.startswith("<")
    assert "OperationOutcome" in fhir.get("Observation/none", headers=kind).text
    for wrong in (b"<a", b'<!DOCTYPE x><Observation xmlns="http://hl7.org/fhir"/>', b"<Observation/>"):
        assert fhir.post("Observation", content=wrong, headers=kind).status_code == 400


def test_dialects(fhir: httpx.Client, control: MockClient, patient: dict[str, Any]) -> None:
    """ETag strong or bare, absolute references, no representation, 404 for a deleted resource."""
    subject = {"reference": f"Patient/{patient['id']}"}
    team = fhir.post("CareTeam", json={"resourceType": "CareTeam", "subject": subject}).json()
    url = f"CareTeam/{team['id']}"
    control.behave(dialect={"etag": "strong", "references": "absolute", "representation": "no", "deleted-read": "404"})
    shown = fhir.get(url)
    assert shown.headers["etag"] == '"1"'
    assert shown.json()["subject"]["reference"] == f"{fhir.base_url}Patient/{patient['id']}"
    assert fhir.put(url, json=team).content == b""
    control.behave(dialect={"etag": "unquoted"})
    assert fhir.get(url).headers["etag"] == "2"
    fhir.delete(url)
    assert fhir.get(url).status_code == 404


def entry(method: str, url: str, resource: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    """An entry of a transaction."""
    found: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    return found | ({"resource": resource} if resource is not None else {})


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    """A transaction."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


TEAM = {"resourceType": "CareTeam", "identifier": [{"system": "urn:x", "value": "1"}]}


def test_a_repository_of_transactions_alone(fhir: httpx.Client, control: MockClient) -> None:
    """Transactions and JSON alone, a hundred entries, If-Match demanded, nothing conditional; the statement follows."""
    control.behave(policy="transactions")
    statement = fhir.get("metadata").json()
    rest = statement["rest"][0]
    team = next(one for one in rest["resource"] if one["type"] == "CareTeam")
    assert statement["format"] == ["application/fhir+json", "json"]
    assert rest["interaction"] == [{"code": "transaction"}]
    assert (team["versioning"], team["updateCreate"], team["conditionalCreate"]) == ("versioned-update", False, False)
    assert (team["conditionalUpdate"], team["conditionalDelete"]) == (False, "not-supported")
    for told in ("Writes only inside a Bundle of type transaction.", "At most 100 entries", "If-Match is demanded"):
        assert told in rest["documentation"]
    xml = {"content-type": "application/fhir+xml"}
    assert fhir.post("CareTeam", json=TEAM).status_code == 405
    assert fhir.post("", json=transaction() | {"type": "batch"}).status_code == 400
    assert fhir.post("", content=b"<Bundle xmlns='http://hl7.org/fhir'/>", headers=xml).status_code == 415
    assert fhir.get("CareTeam", headers={"accept": "application/fhir+xml"}).status_code == 406
    create = entry("POST", "CareTeam", TEAM)
    made = fhir.post("", json=transaction(create))
    assert made.status_code == 200
    assert fhir.post("", json=transaction(*[create] * 100)).status_code == 200
    assert fhir.post("", json=transaction(*[create] * 101)).status_code == 413
    conditional = entry("POST", "CareTeam", TEAM, ifNoneExist="identifier=urn:x|1")
    assert fhir.post("", json=transaction(conditional)).status_code == 405
    identity = made.json()["entry"][0]["response"]["location"].split("/")[-3]
    update = entry("PUT", f"CareTeam/{identity}", TEAM | {"id": identity})
    assert fhir.post("", json=transaction(update)).status_code == 400
    update["request"]["ifMatch"] = 'W/"1"'
    assert fhir.post("", json=transaction(update)).status_code == 200
    assert fhir.post("", json=transaction(entry("PUT", "CareTeam/new", TEAM | {"id": "new"}))).status_code == 405


def test_a_rate_limit_is_told_and_kept(fhir: httpx.Client, control: MockClient) -> None:
    """Of four requests in a minute the last is 429 with Retry-After by the endpoint's clock; then there is room."""
    control.behave(policy="name: narrow\nrequests-per-minute: 3\n")
    control.freeze()
    assert [fhir.get("CareTeam").status_code for _ in range(4)] == [200, 200, 200, 429]
    wait = int(fhir.get("CareTeam").headers["retry-after"])
    control.step(wait)
    assert fhir.get("CareTeam").status_code == 200
    assert "At most 3 requests" in fhir.get("metadata").json()["rest"][0]["documentation"]


def test_a_testers_own_rule_searches_and_statuses(fhir: httpx.Client, control: MockClient) -> None:
    """FHIRPath in the file refuses with its text, code and place; searches are narrowed; statuses are translated."""
    control.behave(
        policy="""
name: mine
statuses: {"422": "400"}
outcome-system: urn:mine
outcome-text: diagnostics
constants: {plans: "urn:plans"}
rules:
  one-category:
    on: CarePlan
    if: status = 'active'
    must: category.coding.where(system = %plans).count() = 1
    points: category
    code: E17
    en: An active plan has one category of ours.
types:
  CarePlan: {search: [identifier, status], search-needs: [identifier]}
"""
    )
    plan: dict[str, Any] = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"display": "x"},
    }
    refused = fhir.post("CarePlan", json=plan)
    issue = refused.json()["issue"][0]
    assert (refused.status_code, issue["expression"]) == (400, ["CarePlan.category"])
    assert issue["details"]["coding"][0] == {"system": "urn:mine", "code": "E17"}
    assert issue["diagnostics"] == "An active plan has one category of ours."
    plan["category"] = [{"coding": [{"system": "urn:plans", "code": "a"}]}]
    assert fhir.post("CarePlan", json=plan).status_code == 201
    assert fhir.post("CarePlan", json={"resourceType": "CarePlan", "status": "draft"}).status_code == 201
    assert fhir.get("CarePlan?identifier=1&status=active").status_code == 200
    assert fhir.get("CarePlan?status=active").status_code == 400
    assert fhir.get("CarePlan?identifier=1&subject=Patient/x").status_code == 400


CONDITION = {"if-none-exist": "identifier=urn:x|1"}
CREATE = transaction(entry("POST", "CareTeam", TEAM))


@pytest.mark.parametrize(
    ("text", "send", "status", "told"),
    [
        ("search-by: [post]", lambda http: http.get("CareTeam"), 405, "Search by POST only"),
        ("body-bytes: 30", lambda http: http.post("CareTeam", json=TEAM), 413, "At most 30 bytes"),
        ("operations: []", lambda http: http.post("CareTeam/$validate", json=TEAM), 405, ""),
        ("update-create: no", lambda http: http.put("CareTeam/x", json=TEAM | {"id": "x"}), 405, ""),
        ("conditional-create: no", lambda http: http.post("CareTeam", json=TEAM, headers=CONDITION), 405, ""),
        ("conditional-update: no", lambda http: http.put("CareTeam?identifier=1", json=TEAM), 405, ""),
        ("conditional-delete: not-supported", lambda http: http.delete("CareTeam?identifier=1"), 405, ""),
        ("system: [batch]", lambda http: http.post("", json=transaction()), 400, ""),
        ("interactions: [read]", lambda http: http.post("CareTeam", json=TEAM), 405, ""),
        ("types: {Patient: {}}", lambda http: http.get("CareTeam"), 404, ""),
        ("request-id: required", lambda http: http.get("CareTeam"), 400, "X-Request-Id is required"),
        ("patient-parameter-required: yes", lambda http: http.get("CareTeam"), 400, "A search names the client"),
        ("profile-required: yes\nprofiles: [urn:p]", lambda http: http.post("CareTeam", json=TEAM), 422, "mandatory"),
        ("provenance-for: [CareTeam]", lambda http: http.post("CareTeam", json=TEAM), 422, "Only with a Provenance"),
        (
            "signed: [CareTeam]",
            lambda http: http.post("", json=transaction(entry("POST", "CareTeam", TEAM))),
            400,
            "sig",
        ),
        ("if-match: required", lambda http: http.put("CareTeam/seeded", json=TEAM | {"id": "seeded"}), 400, "If-Match"),
    ],
)
def test_each_key_of_a_policy(
    fhir: httpx.Client, control: MockClient, text: str, send: Any, status: int, told: str
) -> None:
    """One key in a file refuses one thing, and the CapabilityStatement says so."""
    control.seed([TEAM | {"id": "seeded"}])
    control.behave(policy=f"name: one-key\n{text}\n")
    assert send(fhir).status_code == status
    assert told in fhir.get("metadata").json()["rest"][0].get("documentation", "")


@pytest.mark.parametrize(
    "text",
    [
        "bundle-entries: many",
        "search-by: [fly]",
        "types: {CarePlan: {search: [nonsense]}}",
        "rules: {a: {on: CarePlan, must: 'status.nonsense()', en: x}}",
        "rules: {a: {on: CarePlan, must: 'nonsense = 1', en: x}}",
        "rules: {a: {on: CarePlan, en: x}}",
        "rules: {a: {on: CarePlan, must: 'true', en: x, wants: y}}",
        "rules: []",
        "nonsense: 1",
        "types: {Foo: {}}",
        "types: {Patient: {nonsense: 1}}",
        "types: {Patient: {interactions: [fly]}}",
        "formats: [ttl]",
        "if-match: sometimes",
        "update-create: perhaps",
        "- a",
    ],
)
def test_a_policy_that_says_something_unknown_is_refused(text: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(DataFileError):
        parse_policy(text, "policy.yaml")


def test_packaged_policies_load() -> None:
    """All can be read; an unknown name is an error."""
    assert load_policy("transactions").bundle_entries == 100
    assert len(load_policy("open").types) == 146
    assert load_policy("national").profile_required
    with pytest.raises(DataFileError):
        load_policy("unknown")
