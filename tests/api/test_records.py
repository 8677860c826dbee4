"""A vendor hands records over and always knows where they are."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapter.fhir.canonical import dumps
from adapter.mapping.run import RECORD_VERSION_SYSTEM
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.json import read_json
from tests.api.conftest import Wait, record
from tests.cli.test_demo import free_port


@pytest.mark.parametrize(
    "name", ["client", "consent", "functional-assessment", "team", "work-ability-plan", "health-check"]
)
def test_every_record_type_arrives(client: httpx.Client, wait: Wait, repository: str, name: str) -> None:
    """Accepted with 202 and a Location, delivered with a receipt for every resource, readable at the repository."""
    answer = client.post("/v1/records", content=record(name))
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/records/{answer.json()['id']}"
    status = wait(answer.json()["id"])
    assert status["state"] == "delivered"
    assert len(status["receipts"]) == answer.json()["resources"]
    for location in status["receipts"].values():
        assert httpx.get(f"{repository}/{location}").status_code == 200
    steps = [(step["state"], step["attempt"]) for step in status["history"]]
    assert steps == [("queued", 0), ("sending", 1), ("delivered", 1)]
    assert status["invalidated"] is False


def test_the_same_record_twice_is_stored_once(client: httpx.Client, wait: Wait) -> None:
    """A repeat is answered with the first submission and stores nothing."""
    data = record("client")
    first = client.post("/v1/records", content=data).json()
    second = client.post("/v1/records", content=data).json()
    assert (second["id"], second["repeated"]) == (first["id"], True)


def test_versions_only_go_forward(client: httpx.Client) -> None:
    """A lower version is 409, the same version with other content 422, a higher one is taken."""
    content = read_json(record("client"))

    def send(**changes: Any) -> httpx.Response:
        return client.post("/v1/records", content=dumps({**content, **changes}))

    assert send(record_version=2).status_code == 202
    assert send(record_version=1).status_code == 409
    assert send(record_version=2, family_name="Toinen").status_code == 422
    assert send(record_version=3, family_name="Toinen").status_code == 202


def test_a_later_version_replaces_what_the_first_one_made(client: httpx.Client, wait: Wait, repository: str) -> None:
    """Version 2 updates the same Patient; what it no longer says is gone."""
    content = read_json(record("client"))
    first = wait(client.post("/v1/records", content=dumps(content)).json()["id"])
    content |= {"record_version": 2, "family_name": "Uusi"}
    second = wait(client.post("/v1/records", content=dumps(content)).json()["id"])
    patient = next(place for place in second["receipts"].values() if place.startswith("Patient/"))
    assert patient in first["receipts"].values()
    assert httpx.get(f"{repository}/{patient}").json()["name"][0]["family"] == "Uusi"


def test_a_client_whose_code_changes_stays_the_same_patient(client: httpx.Client, wait: Wait, repository: str) -> None:
    """A temporary identifier becomes an identity code: the Patient is replaced, not deleted and made again."""
    content = read_json(record("client"))
    for code in ("personal_identity_code", "previous_codes", "birth_date"):
        content.pop(code, None)
    content["temporary_id"] = f"tilap-{uuid4().hex[:8]}"
    first = wait(client.post("/v1/records", content=dumps(content)).json()["id"])
    content |= {"record_version": 2, "personal_identity_code": "020503F9037"}
    second = wait(client.post("/v1/records", content=dumps(content)).json()["id"])
    patients = [
        {place for place in status["receipts"].values() if place.startswith("Patient/")} for status in (first, second)
    ]
    assert second["state"] == "delivered"
    assert patients[0] == patients[1]
    assert httpx.get(f"{repository}/{patients[1].pop()}").status_code == 200


def test_a_part_that_is_gone_is_deleted(client: httpx.Client, wait: Wait, repository: str) -> None:
    """A strength that version 2 does not name any more is not left behind."""
    content = read_json(record("client"))
    content["strengths"] = ["motivoitunut", "tarkka"]
    first = wait(client.post("/v1/records", content=dumps(content)).json()["id"])
    content |= {"record_version": 2, "strengths": ["motivoitunut"]}
    second = wait(client.post("/v1/records", content=dumps(content)).json()["id"])
    gone = set(first["receipts"].values()) - set(second["receipts"].values())
    assert len(gone) == 1
    assert httpx.get(f"{repository}/{gone.pop()}").status_code == 410


def test_decimals_arrive_as_they_were_written(client: httpx.Client, wait: Wait, repository: str) -> None:
    """A score of 6.50 is 6.50 in the repository."""
    content = read_json(record("functional-assessment"))
    content["result"] = {"total_score": Decimal("6.50")}
    content["domain_scores"] = [{"domain": "mind", "score": Decimal("7.0")}]
    answer = client.post("/v1/records", content=dumps(content))
    assert answer.status_code == 202, answer.text
    core = next(iter(wait(answer.json()["id"])["receipts"].values()))
    found = httpx.get(f"{repository}/{core}").text.replace(" ", "")
    assert '"value":6.50' in found
    assert '"value":7.0' in found


def test_problems_come_all_at_once_in_the_senders_terms(client: httpx.Client) -> None:
    """Two wrong fields, two issues, each with path, line and column; nothing is stored."""
    data = json.dumps(
        {**read_json(record("client")), "client_group": "nobody", "birth_date": "2022-02-30"}, indent=1, default=str
    )
    answer = client.post("/v1/records", content=data, headers={"Accept-Language": "fi"})
    assert answer.status_code == 400
    issues = {issue["location"][0].partition(" ")[0]: issue for issue in answer.json()["issue"]}
    assert issues.keys() == {"client_group", "birth_date"}
    assert "(line " in issues["client_group"]["location"][0]
    assert "unemployed" in issues["client_group"]["details"]["text"]
    assert answer.json()["language"] == "fi"
    assert client.post("/v1/records/_search", json={}).json() == {"submissions": []}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff\xfe", b'{"record_type": "nothing"}', b"<x/>", b'{"a":1,"a":2}', b"null"]
)
def test_what_is_no_record_is_refused_with_an_outcome(client: httpx.Client, body: bytes) -> None:
    """Whatever comes in, the answer is an OperationOutcome with at least one issue."""
    answer = client.post("/v1/records", content=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"]


def test_problem_details_for_those_who_ask(client: httpx.Client) -> None:
    """RFC 9457 by Accept."""
    answer = client.post("/v1/records", content=b"{", headers={"Accept": "application/problem+json"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 400


def test_a_batch_is_answered_line_by_line(client: httpx.Client) -> None:
    """A broken line does not stop the others."""
    lines = [record("client"), b"{broken", record("team")]
    answer = client.post("/v1/records/batch", content=b"\n".join(lines))
    judged = [json.loads(line) for line in answer.text.splitlines()]
    assert [(each["line"], each["status"]) for each in judged] == [(1, 202), (2, 400), (3, 202)]


def test_a_preview_stores_nothing(client: httpx.Client) -> None:
    """The Bundle and everything to be said about it, and no submission."""
    answer = client.post("/v1/records/preview", content=record("work-ability-plan"))
    assert answer.json()["bundle"]["entry"][0]["resource"]["resourceType"] == "CarePlan"
    assert answer.json()["outcome"]["resourceType"] == "OperationOutcome"
    assert client.post("/v1/records/_search", json={}).json() == {"submissions": []}


def test_unknown_submissions_are_not_found(client: httpx.Client) -> None:
    """404 with an OperationOutcome."""
    answer = client.get("/v1/records/0123456789abcdef0123456789abcdef")
    assert answer.status_code == 404
    assert answer.json()["issue"][0]["code"] == "not-found"


def test_what_was_delivered_is_neither_replayed_nor_cancelled(client: httpx.Client, wait: Wait) -> None:
    """409 says in which state it is; an unknown submission is 404."""
    submission = client.post("/v1/records", content=record("client")).json()["id"]
    wait(submission)
    for act in ("replay", "cancel"):
        answer = client.post(f"/v1/records/{submission}/{act}")
        assert answer.status_code == 409
        assert "delivered" in answer.json()["issue"][0]["details"]["text"]
        assert client.post(f"/v1/records/{'0' * 32}/{act}").status_code == 404


def test_schemas_mappings_and_metrics_can_be_read(client: httpx.Client) -> None:
    """What the adapter understands is public; the metrics name nobody."""
    assert client.get("/v1/schemas/client").json()["title"]
    assert client.get("/v1/schemas/nothing").status_code == 404
    assert {each["record_type"] for each in client.get("/v1/mappings").json()["mappings"]} >= {"client", "team"}
    assert "kykysilta_outbox_messages" in client.get("/metrics").text
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_documentation_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    """The page works in a closed network: no script, no address of another host."""
    page = client.get("/v1/docs").text
    assert "/v1/records/preview" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_an_older_version_does_not_follow_a_newer_one(tmp_path: Path) -> None:
    """Taken back while the repository was away, it cannot be sent after the next version: 409, and nothing changes."""
    port = free_port()
    away = f"http://127.0.0.1:{port}/fhir"
    settings = load_settings(database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url=away, demo=True)
    content = read_json(record("functional-assessment"))
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, httpx.Client(base_url=url, timeout=60) as client:

        def sent(version: int) -> str:
            body = dumps(content | {"record_version": version})
            return str(client.post("/v1/records", content=body).json()["id"])

        older = sent(1)
        while client.get(f"/v1/records/{older}").json()["state"] != "cancelled":
            client.post(f"/v1/records/{older}/cancel")
        newer = sent(2)
        with running_mock(MockSettings(port=port)):
            status = client.get(f"/v1/records/{newer}", params={"wait": "60"}).json()
            answer = client.post(f"/v1/records/{older}/replay", headers={"Accept-Language": "fi"})
            assert (status["state"], answer.status_code) == ("delivered", 409)
            (issue,) = answer.json()["issue"]
            assert issue["details"]["coding"][0]["code"] == "K6010"
            assert "uudempi versio" in issue["details"]["text"]
            assert client.get(f"/v1/records/{older}").json()["state"] == "cancelled"
            place = next(each for each in status["receipts"].values() if each.startswith("Observation/"))
            tags = httpx.get(f"{away}/{place}").json()["meta"]["tag"]
            assert [tag["code"] for tag in tags if tag["system"] == RECORD_VERSION_SYSTEM] == ["2"]
