"""Records after they were taken: invalidated, and fetched by others through the gate."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapter.fhir.canonical import dumps
from adapter.lifecycle.afterwards import Afterwards
from adapter.lifecycle.fetching import Elsewhere, Fetched
from adapter.source.json import read_json
from tests.api.conftest import Wait, example

NAMES = ("client", "consent", "functional-assessment", "team", "work-ability-plan", "health-check")


def fresh(name: str, **changes: Any) -> dict[str, Any]:
    """An example record with a record id of its own."""
    content = read_json(example(name))
    content.pop("release", None)
    return {**content, "record_id": f"{name}-{uuid4().hex[:12]}", **changes}


@pytest.mark.parametrize("name", NAMES)
def test_an_invalidated_record_reads_as_entered_in_error(
    client: httpx.Client, wait: Wait, repository: str, name: str
) -> None:
    """Every resource that the record owns is marked in the repository, by an update; a Provenance says why."""
    status = wait(client.post("/v1/records", content=dumps(fresh(name))).json()["id"])
    answer = client.post(f"/v1/records/{status['id']}/invalidate", json={"reason": "Kirjattu väärälle asiakkaalle"})
    assert answer.status_code == 202, answer.text
    done = wait(answer.json()["id"])
    assert (done["state"], done["record_version"]) == ("delivered", status["record_version"] + 1)
    new = set(done["receipts"]) - set(status["receipts"])
    (provenance,) = (httpx.get(f"{repository}/{done['receipts'][url]}").json() for url in new)
    assert provenance["activity"]["coding"][0]["code"] == "NULLIFY"
    assert provenance["reason"] == [{"text": "Kirjattu väärälle asiakkaalle"}]
    core = httpx.get(f"{repository}/{next(iter(status['receipts'].values()))}").json()
    marked = core.get("status", core.get("active"))
    assert marked in ("entered-in-error", False)
    assert int(core["meta"]["versionId"]) > 1


def test_nothing_of_an_invalidated_record_goes_out_afterwards(client: httpx.Client, wait: Wait) -> None:
    """Doing it again answers the same; no later version is taken, no earlier one sent again, the mark not cancelled."""
    content = fresh("work-ability-plan")
    first = wait(client.post("/v1/records", content=dumps(content)).json()["id"])["id"]
    done = client.post(f"/v1/records/{first}/invalidate", json={"reason": "väärä"}).json()
    assert client.post(f"/v1/records/{first}/invalidate", json={"reason": "taas"}).json() == done
    for version in (2, 3, 9):
        answer = client.post("/v1/records", content=dumps({**content, "record_version": version}))
        assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (409, "K6008")
    wait(done["id"])
    for submission, act in ((first, "replay"), (done["id"], "cancel")):
        assert client.post(f"/v1/records/{submission}/{act}").status_code == 409


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": 1}, {"reason": "x" * 1001}, {"r": 1}])
def test_an_invalidation_needs_a_reason(client: httpx.Client, body: dict[str, Any]) -> None:
    """Without a reason nothing changes (400); an unknown submission is 404."""
    taken = client.post("/v1/records", content=dumps(fresh("client"))).json()["id"]
    assert client.post(f"/v1/records/{taken}/invalidate", json=body).status_code == 400
    assert client.post(f"/v1/records/{'0' * 32}/invalidate", json={"reason": "x"}).status_code == 404


NOBODY = {"client": {"personal_identity_code": "010594Y9032"}, "organisation": {"id": "1.2.246.10.1"}}


def test_a_fetch_of_nobody_is_an_empty_list(client: httpx.Client) -> None:
    """A client who is not here is answered with 200 and nothing."""
    answer = client.post("/v1/clients/_fetch", json=NOBODY | {"purpose": "service-coordination"})
    assert (answer.status_code, answer.json()) == (200, {"records": [], "handling": []})


@pytest.mark.parametrize(("language", "word"), [("fi", "tietovarannosta"), ("sv", "datalagret"), ("en", "repository")])
def test_a_record_that_is_not_kept_any_more_is_named_with_its_place(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, language: str, word: str
) -> None:
    """Since when and where, as fields and as a warning in the caller's language."""
    gone = Fetched([], [Elsewhere("work_ability_plan", 1683300000.0, "CarePlan/7")])
    monkeypatch.setattr(Afterwards, "fetch", lambda *_: gone)
    question = NOBODY | {"purpose": "service-coordination"}
    answer = client.post("/v1/clients/_fetch", json=question, headers={"Accept-Language": language}).json()
    (place,) = answer["elsewhere"]
    assert (place["record_type"], place["location"]) == ("work_ability_plan", "CarePlan/7")
    assert place["since"].startswith("2023-05-05T")
    (issue,) = answer["outcome"]["issue"]
    assert issue["severity"] == "warning"
    assert all(part in issue["details"]["text"] for part in (word, "CarePlan/7", place["since"]))
    assert (answer["records"], answer["handling"]) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "curiosity"},
        {"purpose": None},
        {"client": {}},
        {"client": {"id": "1"}},
        {"client": {"personal_identity_code": 1}},
        {"organisation": {"name": "x"}},
        {"organisation": None},
        {"record_types": ["secret"]},
        {"record_types": "client"},
        {"practitioner": "me"},
        {"legal_basis": ["x"]},
        {"everything": True},
    ],
)
def test_a_fetch_says_what_it_does_not_understand(client: httpx.Client, change: dict[str, Any]) -> None:
    """A wrong or unknown field is 400, and the answer repeats no value."""
    answer = client.post("/v1/clients/_fetch", json=NOBODY | {"purpose": "service-coordination"} | change)
    assert answer.status_code == 400, answer.text
    assert "010594Y9032" not in answer.text


def test_a_consent_is_withdrawn_in_one_step(client: httpx.Client, wait: Wait, repository: str) -> None:
    """The answer holds receipt and version; the repository has the consent as inactive; a text can be printed."""
    taken = client.post("/v1/records", content=dumps(fresh("consent", consent_id=uuid4().hex))).json()
    given = wait(taken["id"])
    assert client.get(taken["receipt"], headers={"Accept-Language": "en"}).json()["act"] == "superseded"
    answer = client.post(f"/v1/records/{given['id']}/withdraw", json={}, headers={"Accept-Language": "fi"})
    assert answer.status_code == 202, answer.text
    done = answer.json()
    assert (done["act"], done["record_version"]) == ("withdrawn", given["record_version"] + 1)
    assert (done["is_kanta_permission"], done["ground_for_disclosure"]) == (False, "client-consent")
    core = next(iter(wait(done["id"])["receipts"].values()))
    assert httpx.get(f"{repository}/{core}").json()["status"] == "inactive"
    printed = client.get(f"/v1/records/{done['id']}/receipt", headers={"Accept": "text/plain", "Accept-Language": "fi"})
    assert printed.text.startswith("Kuitti suostumuksen peruuttamisesta\n")
    assert client.post(f"/v1/records/{given['id']}/withdraw", json={}).status_code == 409
    assert client.post(f"/v1/records/{given['id']}/withdraw", json={"why": "x"}).status_code == 400


def test_a_replaced_consent_is_ended_in_the_repository(client: httpx.Client, wait: Wait, repository: str) -> None:
    """The old Consent lies there as inactive once the new one is accepted."""
    old, new = uuid4().hex, uuid4().hex
    given = wait(client.post("/v1/records", content=dumps(fresh("consent", consent_id=old))).json()["id"])
    wait(client.post("/v1/records", content=dumps(fresh("consent", consent_id=new, replaces={"id": old}))).json()["id"])
    place = next(iter(given["receipts"].values()))
    until = time.monotonic() + 20
    while httpx.get(f"{repository}/{place}").json()["status"] == "active" and time.monotonic() < until:
        time.sleep(0.05)
    assert httpx.get(f"{repository}/{place}").json()["status"] == "inactive"
