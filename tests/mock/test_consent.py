"""Reads by another organisation: the consent engine decides, and refused looks like absent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from adapter.audit.pieces import Site
from adapter.audit.projection import audit_events
from adapter.audit.rows import Row
from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.validation.judge import judge
from tests.mock.consent_world import (
    CODES,
    CONSENT,
    NORMAL,
    NOW,
    PATIENT,
    PLAN,
    POLICY,
    RESOURCES,
    custody,
    enforcing,
    reader,
    repository,
)

__all__ = ["repository"]


@pytest.fixture
def control(repository: str) -> Iterator[MockClient]:
    """The endpoint on the tenth of March 2026, as it was in the beginning."""
    with MockClient(repository.removesuffix("/fhir")) as client:
        client.reset()
        client.freeze(NOW)
        client.behave(policy=POLICY)
        client.seed(RESOURCES)
        yield client


def test_custodian_permitted_and_refused_organisations(repository: str, control: MockClient) -> None:
    """The custodian reads its own, the organisation named by the consent reads, another one sees nothing."""
    for name, status, total in (("hva", 200, 1), ("tyolli", 200, 1), ("kela", 404, 0)):
        with reader(repository, name) as client:
            assert client.get("CarePlan/cp1").status_code == status, name
            assert client.get("CarePlan?patient=Patient/p1").json()["total"] == total, name
    reasons = {(one["client"], one["consent"][0]["reason"]) for one in control.journal(path="^CarePlan/cp1")}
    assert ("hva", "OWN_REGISTER") in reasons
    assert ("tyolli", "CONSENT_PERMIT") in reasons


def test_refused_looks_exactly_like_absent(repository: str, control: MockClient) -> None:
    """Same status and same outcome for a plan that is refused and one that does not exist; history too."""
    with reader(repository, "kela") as client:
        for path in ("CarePlan/{}", "CarePlan/{}/_history", "CarePlan/{}/_history/1"):
            refused, absent = (client.get(path.format(name)) for name in ("cp1", "none"))
            assert refused.status_code == absent.status_code == 404
            assert refused.json() == absent.json()
            assert refused.headers.keys() == absent.headers.keys()
        assert "entry" not in client.get("Provenance?_include=Provenance:target").json()
    with reader(repository, "tyolli") as client:
        included = client.get("Provenance?_include=Provenance:target").json()["entry"]
        assert {one["resource"]["resourceType"] for one in included} == {"Provenance", "CarePlan"}


def test_a_withdrawn_consent_holds_at_once(repository: str, control: MockClient) -> None:
    """After the new version of the consent the organisation sees the plan no more."""
    with reader(repository, "tyolli") as client:
        assert client.get("CarePlan/cp1").status_code == 200
        control.seed([CONSENT | {"status": "inactive"}])
        assert client.get("CarePlan/cp1").status_code == 404


def test_every_act_is_audited(repository: str, control: MockClient) -> None:
    """Reads, refusals and writes stand in an intact chain with client, decision and reason; no identity code."""
    before = len(httpx.get(f"{control.root}/_mock/api/default/audit").json()["entries"])
    with reader(repository, "tyolli") as client:
        client.get("CarePlan/cp1")
        client.post("CareTeam", json={"resourceType": "CareTeam", "identifier": [{"value": "010594Y9032"}]})
        client.get("CarePlan/none")
    answer = httpx.get(f"{control.root}/_mock/api/default/audit")
    entries = answer.json()["entries"][before:]
    assert answer.json()["intact"]
    assert [one["kind"] for one in entries] == ["decision", "outcome", "refusal"]
    assert {one["sender"] for one in entries} == {"tyolli"}
    assert [one["act"] for one in entries] == ["read", "create", "read"]
    assert len(entries[0]["client"]) == 32
    site = Site("mock", repository, "1.2.246.10.2462460.19.1")
    facts = [{name: one[name] for name in one.keys() - {"seq", "at", "kind"}} for one in entries]
    rows = [Row(one["seq"], one["at"], one["kind"], told) for one, told in zip(entries, facts, strict=True)]
    assert [issue.rule_id for row in rows for event in audit_events(row, site) for issue in judge(event).issues] == []
    assert entries[0]["decided"] == "CarePlan/cp1:permit:CONSENT_PERMIT"
    assert entries[0]["consents"].endswith("/_history/1")
    assert [len(one.get("trace", "")) for one in entries] == [64, 64, 0]
    assert "010594Y9032" not in answer.text


def test_the_log_of_the_endpoint_is_not_intact_without_its_traces(tmp_path: Path) -> None:
    """What was decided alike is stored once; a trace that was changed shows like a changed entry."""
    with running_mock(replace(enforcing(), data=str(tmp_path))) as base:
        root = base.removesuffix("/fhir")
        with MockClient(root) as control:
            control.freeze(NOW)
            control.behave(policy=POLICY)
            control.seed(RESOURCES)
        with reader(base, "tyolli") as client:
            assert [client.get("CarePlan/cp1").status_code for _ in range(2)] == [200, 200]
        assert httpx.get(f"{root}/_mock/api/default/audit").json()["intact"]
        (file,) = tmp_path.rglob("*.audit*")
        with sqlite3.connect(file) as log:
            assert log.execute("SELECT count(*) FROM decision_trace").fetchone() == (1,)
            log.execute("UPDATE decision_trace SET body = substr(body, 2)")
        log.close()
        assert not httpx.get(f"{root}/_mock/api/default/audit").json()["intact"]


MARKED = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {
        "security": [
            {"system": f"{CODES}/v3-Confidentiality", "code": "N"},
            {
                "system": "https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs",
                "code": "TURVAKIELTO",
            },
        ]
    },
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Koulukatu 1</div>'},
    "gender": "female",
    "telecom": [{"system": "phone", "value": "+358 40 555 0111"}],
    "address": [{"line": ["Koulukatu 1"], "city": "Tampere"}],
    "contact": [{"name": {"family": "Virtanen"}, "telecom": [{"system": "phone", "value": "+358 40 555 0112"}]}],
}
FOR_ALL_CLASSES = CONSENT | {"provision": {k: v for k, v in CONSENT["provision"].items() if k != "class"}}
CUSTODY = custody("pr2", "Patient/p1")


def test_contact_data_of_a_protected_client_stay_with_the_custodian(repository: str, control: MockClient) -> None:
    """Consent opens the Patient, but not address, telecom, narrative and contacts' telecom; the label travels."""
    control.seed([MARKED, FOR_ALL_CLASSES, CUSTODY])
    withheld = ("Koulukatu", "Tampere", "555 011")
    with reader(repository, "tyolli") as client:
        for path in (
            "Patient/p1",
            "Patient/p1/_history/2",
            "Patient?_id=p1",
            "CarePlan?_id=cp1&_include=CarePlan:subject",
        ):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert not [word for word in withheld if word in answer.text], path
        shown = client.get("Patient/p1").json()
        assert [one["code"] for one in shown["meta"]["security"]] == ["N", "TURVAKIELTO"]
        assert shown["gender"] == "female"
        assert shown["contact"] == [{"name": {"family": "Virtanen"}}]
    with reader(repository, "hva") as client:
        assert client.get("Patient/p1").json()["address"] == MARKED["address"]


def test_no_search_tells_where_a_protected_client_lives(repository: str, control: MockClient) -> None:
    """Address and telephone as criterion, in a chain or as order find nothing; without the label they do."""
    searches = ("Patient?address-city=Tampere", "CarePlan?subject:Patient.address=Tampere", "Patient?_sort=address")
    open_patient = MARKED | {"meta": {}}
    for patient, total in ((open_patient, 1), (MARKED, 0)):
        control.seed([patient, FOR_ALL_CLASSES, CUSTODY])
        with reader(repository, "tyolli") as client:
            assert [client.get(one).json()["total"] for one in searches] == [total] * 3


OPEN_SEARCHES = ("CarePlan?patient=Patient/p1", "CarePlan?subject:Patient.identifier=urn:x|1")
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {"security": [NORMAL]},
    "status": "final",
    "code": {"coding": [{"system": "urn:tests", "code": "secret"}]},
    "subject": PATIENT,
}


def test_no_chain_tells_of_what_is_withheld(repository: str, control: MockClient) -> None:
    """The plan is shown, the observation and the Patient are not: no chain, `_has` or condition answers about them."""
    named = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": "urn:x", "value": "1"}], "gender": "male"}
    plan = PLAN | {"supportingInfo": [{"reference": "Observation/o1"}]}
    control.seed([named, plan, OBSERVATION, custody("pr3", "Observation/o1", "Patient/p1")])
    tellers = (
        "CarePlan?subject:Patient.gender=male",
        "CarePlan?subject:Patient._has:Observation:patient:code=secret",
    )
    with reader(repository, "tyolli") as client:
        assert [client.get(one).json()["total"] for one in (*OPEN_SEARCHES, *tellers)] == [1, 1, 0, 0]
        assert client.get("Observation/o1").status_code == 404
        included = client.get("CarePlan?_id=cp1&_include=CarePlan:*&_revinclude=Observation:patient").json()["entry"]
        assert [one["resource"]["resourceType"] for one in included] == ["CarePlan"]
        condition = {"If-None-Exist": "identifier=urn:x|1&_has:Observation:patient:code=secret"}
        assert client.post("Patient", json={"resourceType": "Patient"}, headers=condition).status_code == 201
    with reader(repository, "hva") as client:
        assert [client.get(one).json()["total"] for one in (*OPEN_SEARCHES, *tellers)] == [1, 1, 1, 1]


def test_withheld_targets_lose_their_names(repository: str, control: MockClient) -> None:
    """A plan that is shown does not tell the name of the Patient and the observation that are not."""
    plan = PLAN | {
        "subject": PATIENT | {"display": "Moona Mallikas"},
        "author": {"reference": "Organization/hva", "display": "Hyvinvointialue"},
    }
    control.seed([plan, custody("pr3", "Patient/p1")])
    with reader(repository, "tyolli") as client:
        shown = client.get("CarePlan/cp1").json()
    assert (shown["subject"], shown["author"]["display"]) == (PATIENT, "Hyvinvointialue")


def test_writing_shows_nothing_that_reading_would_not(repository: str, control: MockClient) -> None:
    """Answers to writes, patches and validations of somebody else's data hold nothing of them."""
    control.seed([PLAN | {"description": "salaisuus"}])
    wanted = {"Prefer": "return=representation"}
    with reader(repository, "kela") as client:
        condition = wanted | {"If-None-Exist": "_id=cp1"}
        found = client.post("CarePlan", json=PLAN, headers=condition)
        patched = client.patch(
            "CarePlan/cp1",
            json=[{"op": "test", "path": "/description", "value": "salaisuus"}],
            headers=wanted | {"Content-Type": "application/json-patch+json"},
        )
        validated = client.get("CarePlan/cp1/$validate")
    assert found.status_code == 200
    assert (patched.status_code, validated.status_code) == (404, 404)
    assert not [one for one in (found, patched, validated) if "salaisuus" in one.text]


def test_a_second_claim_to_a_record_takes_nothing(repository: str, control: MockClient) -> None:
    """Whoever writes a later Provenance that names itself as custodian does not read the record."""
    with reader(repository, "kela") as client:
        claim = custody("pr9", "CarePlan/cp1", custodian="kela")
        assert client.post("Provenance", json=claim).status_code == 201
        assert client.get("CarePlan/cp1").status_code == 404


def test_pages_and_deletions_belong_to_those_who_could_see(repository: str, control: MockClient) -> None:
    """Another system cannot turn the pages of a search, and what was deleted never was there for it."""
    control.seed([PLAN | {"id": f"cp{number}"} for number in (2, 3)])
    control.seed([custody("pr4", "CarePlan/cp2", "CarePlan/cp3")])
    with reader(repository, "hva") as client:
        links = client.get("CarePlan?_count=1").json()["link"]
        following = next(one["url"] for one in links if one["relation"] == "next")
        assert client.get(following).status_code == 200
        client.delete("CarePlan/cp3")
        assert client.get("CarePlan/cp3").status_code == 410
    with reader(repository, "kela") as client:
        assert client.get(following).status_code == 410
        assert client.get("CarePlan/cp3").status_code == 404


def test_a_claimed_right_is_judged_and_never_assumed(repository: str, control: MockClient) -> None:
    """A claim in the assertion reaches the gate: an unknown one closes even what a consent opens (R31)."""
    with reader(repository, "tyolli", legal_basis="urn:x|nothing") as client:
        assert client.get("CarePlan/cp1").status_code == 404
    last = control.journal(path="^CarePlan/cp1")[-1]
    assert last["consent"][0]["reason"] == "LEGAL_BASIS_UNKNOWN"


def test_released_bundles_say_how_the_data_may_be_handled(repository: str, control: MockClient) -> None:
    """No redisclosure and no other use of what a consent opened; the custodian's own data carry no such label."""
    for name, codes in (("tyolli", ["NORDSCLCD", "NOREUSE"]), ("hva", [])):
        with reader(repository, name) as client:
            for path in ("CarePlan?patient=Patient/p1", "CarePlan/cp1/_history"):
                labels = client.get(path).json()["meta"].get("security", [])
                assert [one["code"] for one in labels] == codes, path
