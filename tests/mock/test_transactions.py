"""Batch and transaction: atomic, order-independent, references rewritten everywhere."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

PATIENT_URN = "urn:uuid:0a2f1f6c-0000-4000-8000-000000000001"
PLAN_URN = "urn:uuid:0a2f1f6c-0000-4000-8000-000000000002"
TEAM_URN = "urn:uuid:0a2f1f6c-0000-4000-8000-000000000003"


def entry(
    url: str, resource: dict[str, Any], full_url: str = "", method: str = "POST", **request: str
) -> dict[str, Any]:
    """An entry of a transaction."""
    found = {"resource": resource, "request": {"method": method, "url": url, **request}}
    return found | ({"fullUrl": full_url} if full_url else {})


def transaction(*entries: dict[str, Any]) -> dict[str, Any]:
    """A transaction Bundle."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def plan_entries() -> list[dict[str, Any]]:
    """A plan, its patient and a team that all point to each other in every possible way."""
    plan = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": PATIENT_URN}],
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{PATIENT_URN}">x</a></div>',
        },
        "contained": [{"resourceType": "Goal", "id": "g", "subject": {"reference": PATIENT_URN}}],
        "extension": [
            {"url": "https://kykysilta.example/e", "valueReference": {"reference": TEAM_URN}},
            {"url": "https://kykysilta.example/u", "valueUri": PATIENT_URN},
        ],
        "subject": {"reference": PATIENT_URN},
        "careTeam": [{"reference": TEAM_URN}],
        "goal": [{"reference": "#g"}],
        "author": {"reference": "Practitioner?identifier=urn:p|1"},
    }
    return [
        entry("CarePlan", plan, PLAN_URN),
        entry("CareTeam", {"resourceType": "CareTeam", "subject": {"reference": PATIENT_URN}}, TEAM_URN),
        entry("Patient", {"resourceType": "Patient"}, PATIENT_URN),
        entry("Practitioner", {"resourceType": "Practitioner", "identifier": [{"system": "urn:p", "value": "1"}]}),
    ]


def located(answer: httpx.Response) -> list[str]:
    """`Type/id` of every entry of the response."""
    return ["/".join(one["response"]["location"].split("/")[-4:-2]) for one in answer.json()["entry"]]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_references_are_rewritten_everywhere_in_any_order(fhir: httpx.Client, order: tuple[int, ...]) -> None:
    """Nested, contained, extension, uri and narrative links lead to the new ids; an identifier's value stays."""
    entries = plan_entries()
    answer = fhir.post("", json=transaction(*(entries[one] for one in order)))
    assert answer.status_code == 200, answer.text
    by_type = {one.split("/")[0]: one for one in located(answer)}
    plan = fhir.get(by_type["CarePlan"]).json()
    patient = by_type["Patient"]
    assert plan["subject"]["reference"] == patient
    assert plan["contained"][0]["subject"]["reference"] == patient
    assert plan["extension"][0]["valueReference"]["reference"] == by_type["CareTeam"]
    assert plan["extension"][1]["valueUri"] == patient
    assert f'href="{patient}"' in plan["text"]["div"]
    assert plan["identifier"][0]["value"] == PATIENT_URN
    assert plan["goal"][0]["reference"] == "#g"
    assert plan["author"]["reference"] == by_type["Practitioner"]
    assert plan["meta"]["versionId"] == "1"
    assert fhir.get(f"CarePlan?performer:missing=true&subject={patient}").json()["total"] == 1


def test_a_failing_entry_undoes_everything_and_says_which(fhir: httpx.Client) -> None:
    """Nothing is stored, and the issue names the entry."""
    wrong = entry("CarePlan", {"resourceType": "CareTeam"})
    answer = fhir.post("", json=transaction(entry("Patient", {"resourceType": "Patient"}), wrong))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].resource"]
    assert fhir.get("_history").json()["total"] == 0


def test_if_none_exist_inside_a_transaction(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """References point to the resource that was found, which stays as it is."""
    condition = "identifier=urn:oid:1.2.246.21|010594Y9032"
    answer = fhir.post(
        "",
        json=transaction(
            entry("Patient", {"resourceType": "Patient"}, PATIENT_URN, ifNoneExist=condition),
            entry("CareTeam", {"resourceType": "CareTeam", "subject": {"reference": PATIENT_URN}}),
        ),
    )
    statuses = [one["response"]["status"] for one in answer.json()["entry"]]
    assert statuses == ["200 OK", "201 Created"]
    team = fhir.get(located(answer)[1]).json()
    assert team["subject"]["reference"] == f"Patient/{patient['id']}"
    assert fhir.get(f"Patient/{patient['id']}").json()["meta"]["versionId"] == "1"


def test_put_and_delete_and_get_inside_a_transaction(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """DELETE first, then writes, then reads; ifMatch is honoured."""
    url = f"Patient/{patient['id']}"
    team = fhir.post("CareTeam", json={"resourceType": "CareTeam"}).json()
    bundle = transaction(
        {"request": {"method": "GET", "url": url}},
        entry(url, patient | {"active": True}, method="PUT", ifMatch='W/"1"'),
        {"request": {"method": "DELETE", "url": f"CareTeam/{team['id']}"}},
    )
    entries = fhir.post("", json=bundle).json()["entry"]
    assert entries[0]["resource"]["active"] is True
    assert [one["response"]["status"] for one in entries] == ["200 OK", "200 OK", "204 No Content"]
    assert fhir.post("", json=bundle).status_code == 412


@pytest.mark.parametrize(
    "entries",
    [
        [entry("Patient/a", {"resourceType": "Patient", "id": "a"}, method="PUT")] * 2,
        [entry("Patient", {"resourceType": "Patient"}, ifNoneExist="identifier=1")] * 2,
        [entry("Patient", {"resourceType": "Patient"}, PATIENT_URN)] * 2,
        [entry("Patient/a", {"resourceType": "Patient"})],
        [entry("CareTeam", {"resourceType": "CareTeam", "subject": {"reference": PATIENT_URN}})],
        [entry("CareTeam", {"resourceType": "CareTeam", "subject": {"reference": "Patient?identifier=none"}})],
        [{"request": {"method": "POST", "url": "Patient"}}],
        [{"resource": {"resourceType": "Patient"}}],
    ],
    ids=[
        "same id",
        "same condition",
        "same fullUrl",
        "POST to an id",
        "dangling urn",
        "no conditional target",
        "no resource",
        "no request",
    ],
)
def test_broken_transactions_are_refused(fhir: httpx.Client, entries: list[dict[str, Any]]) -> None:
    """The same identity twice, links that lead nowhere and incomplete entries fail as a whole."""
    assert fhir.post("", json=transaction(*entries)).status_code in (400, 405, 412)
    assert fhir.get("_history").json()["total"] == 0


@pytest.mark.parametrize(
    "other",
    [
        {"request": {"method": "DELETE", "url": "Patient?identifier=urn:x|1"}},
        entry("Patient?identifier=urn:x|1", {"resourceType": "Patient"}, method="PUT"),
        entry("Patient?identifier=urn:x|1", {"resourceType": "Parameters"}, method="PATCH"),
    ],
    ids=["DELETE", "PUT", "PATCH"],
)
def test_a_condition_may_not_mean_what_another_entry_changes(fhir: httpx.Client, other: dict[str, Any]) -> None:
    """Identities that a condition finds count too (R4 "transaction": overlapping identities fail)."""
    patient = {"resourceType": "Patient", "id": "a", "identifier": [{"system": "urn:x", "value": "1"}]}
    fhir.put("Patient/a", json=patient)
    answer = fhir.post("", json=transaction(entry("Patient/a", patient, method="PUT"), other))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert fhir.get("Patient/a").headers["etag"] == 'W/"1"'


def test_a_conditional_create_comes_after_the_deletions(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """What the same transaction deletes is not found any more, in whatever order the entries stand."""
    kept = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "1"}]}
    fhir.put(f"Patient/{patient['id']}", json=kept | {"id": patient["id"]})
    deleted = {"request": {"method": "DELETE", "url": f"Patient/{patient['id']}"}}
    answer = fhir.post("", json=transaction(entry("Patient", kept, ifNoneExist="identifier=urn:x|1"), deleted))
    assert answer.json()["entry"][0]["response"]["status"] == "201 Created"
    assert fhir.get("Patient?identifier=urn:x|1").json()["total"] == 1


def test_relative_references_continue_the_base_of_the_full_url(fhir: httpx.Client) -> None:
    """`Patient/5` beside a fullUrl of a server is the entry with that server's Patient/5 (R4 Bundle, "references")."""
    team = {"resourceType": "CareTeam", "subject": {"reference": "Patient/5"}}
    root = "https://elsewhere.example/fhir"
    answer = fhir.post(
        "",
        json=transaction(
            entry("CareTeam", team, f"{root}/CareTeam/1"),
            entry("Patient", {"resourceType": "Patient", "id": "5"}, f"{root}/Patient/5"),
        ),
    )
    stored = located(answer)
    assert fhir.get(stored[0]).json()["subject"]["reference"] == stored[1]
    assert stored[1] != "Patient/5"


def test_elements_that_cannot_hold_a_url_keep_their_uuid(fhir: httpx.Client) -> None:
    """A valueUuid equal to a fullUrl stays a UUID, so that the resource stays valid."""
    extension = [{"url": "https://kykysilta.example/e", "valueUuid": PATIENT_URN}]
    answer = fhir.post(
        "", json=transaction(entry("Patient", {"resourceType": "Patient", "extension": extension}, PATIENT_URN))
    )
    assert fhir.get(located(answer)[0]).json()["extension"] == extension


def test_conditional_references_belong_into_a_transaction(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """A create, an update and a batch refuse them with their place: they would be stored as a link to nowhere."""
    team = {"resourceType": "CareTeam", "subject": {"reference": "Patient?identifier=1"}}
    alone = fhir.post("CareTeam", json=team)
    assert (alone.status_code, alone.json()["issue"][0]["expression"]) == (400, ["CareTeam.subject.reference"])
    assert fhir.put("CareTeam/a", json=team | {"id": "a"}).status_code == 400
    batch = transaction(entry("CareTeam", team)) | {"type": "batch"}
    assert fhir.post("", json=batch).json()["entry"][0]["response"]["status"] == "400"
    link = {"reference": f"https://elsewhere.example/{patient['id']}?x=1"}
    assert fhir.post("CareTeam", json=team | {"subject": link}).status_code == 201


def test_an_empty_transaction_is_fine(fhir: httpx.Client) -> None:
    """No entries, no problem."""
    answer = fhir.post("", json={"resourceType": "Bundle", "type": "transaction"})
    assert (answer.status_code, answer.json()["type"]) == (200, "transaction-response")


def test_a_batch_answers_each_entry_by_itself(fhir: httpx.Client, patient: dict[str, Any]) -> None:
    """Same order, one status each, a failure does not touch the others."""
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            entry("Patient", {"resourceType": "Patient"}),
            entry("Patient", {"resourceType": "CarePlan"}),
            {"request": {"method": "GET", "url": f"Patient/{patient['id']}"}},
            {"request": {"method": "GET", "url": "Patient?gender=female"}},
        ],
    }
    entries = fhir.post("", json=bundle).json()["entry"]
    assert [one["response"]["status"][:3] for one in entries] == ["201", "400", "200", "200"]
    assert entries[1]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert entries[3]["resource"]["total"] == 1
