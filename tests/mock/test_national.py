"""Transport and refusals of the national policy: profiles, custodians, searches, ids, outcomes, operations."""

from __future__ import annotations

from typing import Any

import httpx

from adapter.data import data_root
from adapter.mock.client import MockClient
from tests.mock.national_world import (
    CODES,
    HETU,
    NATIONAL,
    issue_of,
    permission,
    permission_provenance,
    reference,
    rules_of,
    transaction,
)


def team(**more: Any) -> dict[str, Any]:
    """A team that claims a profile of ours."""
    return {
        "resourceType": "CareTeam",
        "meta": {"profile": ["https://kykysilta.example/fhir/StructureDefinition/kykysilta-team"]},
        **more,
    }


def custodian() -> dict[str, Any]:
    """The Provenance that names the controller."""
    kind = {"coding": [{"system": f"{CODES}/v3-ParticipationType", "code": "CST"}]}
    profile = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-custodian-provenance"
    return {
        "resourceType": "Provenance",
        "meta": {"profile": [profile]},
        "target": [{"reference": reference(0)}],
        "recorded": "2026-03-14T08:00:00Z",
        "agent": [{"type": kind, "who": {"identifier": {"system": "urn:oid:1.2.246.537.6.40174", "value": "1.2.3"}}}],
    }


def test_profiles_are_mandatory(national: httpx.Client) -> None:
    """Without meta.profile, or with a foreign one, the refusal names what is allowed."""
    assert national.post("Goal", json={"resourceType": "Goal"}).status_code == 400
    foreign = {"resourceType": "Goal", "meta": {"profile": ["https://foreign.example/x"]}}
    refused = national.post("Goal", json=foreign)
    assert (refused.status_code, "https://kykysilta.example/fhir/" in refused.text) == (400, True)
    own = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-goal"
    for claimed, status in ((own, 201), (f"{own}|9.9", 400), (f"{own}-of-nobody", 400)):
        goal = {"resourceType": "Goal", "meta": {"profile": [claimed]}}
        assert national.post("Goal", json=goal).status_code == status, claimed


def test_what_is_stored_has_its_controller(national: httpx.Client) -> None:
    """The Provenance of a team names the custodian; one that names only an author does not do."""
    author = custodian()
    author["agent"][0]["type"]["coding"][0]["code"] = "AUT"
    assert "national-custodian-named" in rules_of(national.post("", json=transaction(team(), author)))
    refused = national.post("", json=transaction(team()))
    assert issue_of(refused)["expression"] == ["Bundle.entry[0].resource"]
    wrong = national.post("", json=transaction(team(nonsense="x"), custodian()))
    assert issue_of(wrong)["details"]["coding"][0] == {"system": NATIONAL, "code": "4Y00007"}
    assert national.post("", json=transaction(team(), custodian())).status_code == 200
    assert national.post("", json=transaction(team(), custodian()) | {"type": "batch"}).status_code == 400


def test_a_client_is_found_by_identifier_however_it_is_referred_to(national: httpx.Client, control: MockClient) -> None:
    """Logical and literal references alike; under a policy that does as R4 says only the logical one."""
    control.seed(
        [
            {"resourceType": "Patient", "id": "p", "identifier": [HETU]},
            {"resourceType": "CarePlan", "id": "literal", "subject": {"reference": "Patient/p"}},
            {"resourceType": "CarePlan", "id": "logical", "subject": {"type": "Patient", "identifier": HETU}},
            {"resourceType": "CarePlan", "id": "other", "subject": {"reference": "Patient/q"}},
        ]
    )
    form = {"patient:identifier": "{system}|{value}".format_map(HETU)}
    found = national.post("CarePlan/_search", data=form).json()["entry"]
    assert {one["resource"]["id"] for one in found} == {"literal", "logical"}
    control.behave(policy="open")
    assert national.post("CarePlan/_search", data=form).json()["total"] == 1


def test_search_by_post_only_and_always_about_a_client(national: httpx.Client) -> None:
    """Nothing personal in the URL; a search without a patient is 400."""
    client = "{system}|{value}".format_map(HETU)
    assert national.get("CarePlan", params={"patient:identifier": client}).status_code == 405
    assert national.post("CarePlan/_search", data={"status": "active"}).status_code == 400
    found = national.post("CarePlan/_search", data={"patient:identifier": client})
    assert (found.status_code, found.json()["total"]) == (200, 0)
    assert found.json()["link"][0]["url"].endswith("CarePlan/_search")
    in_url = national.post("CarePlan/_search", params={"patient:identifier": client})
    assert (in_url.status_code, "K7076" in rules_of(in_url)) == (400, True)
    assert national.get("CarePlan", params={"patient:identifier": client}).headers["allow"] == "POST"
    assert national.delete("CarePlan/x").headers["allow"] == "GET, HEAD, PUT"


def test_request_ids_are_demanded_once_each_and_come_back(national: httpx.Client) -> None:
    """The server's own id and the caller's as correlation id; none, or one that came before, is 400."""
    search = {"patient:identifier": "x"}
    first = national.post("Goal/_search", data=search, headers={"x-request-id": "mine"})
    assert first.status_code == 200
    assert first.headers["x-correlation-id"] == "mine"
    assert first.headers["x-request-id"] != "mine"
    assert "K7062" in rules_of(national.post("Goal/_search", data=search, headers={"x-request-id": "mine"}))
    assert "K7061" in rules_of(national.post("Goal/_search", data=search, headers={"x-request-id": ""}))
    assert national.get("metadata", headers={"x-request-id": ""}).status_code == 200


def test_json_only_and_its_content_type(national: httpx.Client) -> None:
    """XML is neither taken nor given; the answer says JSON and UTF-8."""
    assert national.get("metadata", headers={"accept": "application/fhir+xml"}).status_code == 406
    xml = {"content-type": "application/fhir+xml"}
    assert national.post("", content=b"<Bundle xmlns='http://hl7.org/fhir'/>", headers=xml).status_code == 415
    kind = national.get("metadata").headers["content-type"].replace(" ", "").lower()
    assert kind == "application/fhir+json;charset=utf-8"


def test_refusals_are_written_as_the_national_services_write_them(national: httpx.Client) -> None:
    """Severity error, code processing, national coding where there is one, text in diagnostics, several issues."""
    refused = national.post("", json=transaction(permission("3"), permission_provenance()))
    issue = issue_of(refused)
    assert (issue["severity"], issue["code"]) == ("error", "processing")
    assert issue["details"]["coding"][0] == {"system": NATIONAL, "code": "4Y00007"}
    assert "text" not in issue["details"]
    assert issue["diagnostics"]
    changed = permission("3") | {"patient": {"display": "Moona"}}
    assert len(national.post("", json=transaction(changed, permission_provenance())).json()["issue"]) == 2
    assert "010594Y9032" not in refused.text


def test_an_unreadable_body_is_answered_without_one(national: httpx.Client) -> None:
    """400 and nothing more."""
    for wrong in (b"{", b"[]", b""):
        answer = national.post("", content=wrong)
        assert (answer.status_code, answer.content) == (400, b"")


def test_the_documents_of_a_person(national: httpx.Client) -> None:
    """The operation demands patient, viewCode and reasonCode, and answers with the person's Communications."""
    profile = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-communication"
    message = {
        "resourceType": "Communication",
        "meta": {"profile": [profile]},
        "status": "completed",
        "subject": {"identifier": HETU},
    }
    assert national.post("Communication", json=message).status_code == 201
    parameters = [
        {"name": "patient", "valueIdentifier": HETU},
        {"name": "viewCode", "valueCode": "a"},
        {"name": "reasonCode", "valueCode": "b"},
    ]
    body = {"resourceType": "Parameters", "parameter": parameters}
    found = national.post("Communication/$get-persons-documents", json=body)
    assert (found.status_code, found.json()["total"]) == (200, 1)
    for missing in range(3):
        short = body | {"parameter": [one for number, one in enumerate(parameters) if number != missing]}
        assert "K7064" in rules_of(national.post("Communication/$get-persons-documents", json=short))
    statement = national.get("metadata").json()["rest"][0]["resource"]
    offered = {one["type"]: {each["name"] for each in one["operation"]} for one in statement}
    assert "get-persons-documents" in offered["Communication"]
    assert "get-persons-documents" not in offered["Patient"]


def test_functional_capacity_may_name_the_national_profile_beside_ours(
    national: httpx.Client, control: MockClient
) -> None:
    """A result coded by the ICF list of THL is taken; the national profile is known but not checked here."""
    control.behave(strictness="national")
    assessed = {
        "resourceType": "Observation",
        "meta": {
            "profile": [
                "https://kykysilta.example/fhir/StructureDefinition/kykysilta-observation",
                "https://gen.kanta.fi/fhir/StructureDefinition/KantaObservationFunctionalCapacityObservation",
            ]
        },
        "status": "final",
        "code": {"coding": [{"system": "urn:oid:1.2.246.537.6.48", "code": "d850"}]},
        "effectiveDateTime": "2026-03-14",
    }
    answer = national.post("Observation/$validate", json=assessed)
    assert not [one for one in answer.json()["issue"] if "gen.kanta.fi" in str(one) and one["severity"] == "error"]


def test_everything_that_the_adapter_maps_is_taken(national: httpx.Client, control: MockClient) -> None:
    """The Bundles of a whole path of care pass the policy at its strictest."""
    import adapter
    from adapter.mock.storage import to_json

    control.behave(strictness="national")
    records = data_root() / "fixtures" / "scenarios" / "SCN-6-tyossa-kayva" / "records"
    sent = 0
    for file in sorted(records.glob("*.json")):
        if "lahde" not in file.name:
            bundle = adapter.map_record(file.read_bytes(), id_key=bytes(range(32))).bundle
            answer = national.post("", content=to_json(bundle))
            assert answer.status_code == 200, (file.name, answer.text)
            sent += 1
    assert sent
