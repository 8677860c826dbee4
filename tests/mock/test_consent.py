"""Reads by another organisation: the consent engine decides, and refused looks like absent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.security.assertions import ASSERTION_TYPE, make_assertion

KEY = ec.generate_private_key(ec.SECP384R1())
JWKS = json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1"}]})
CODES = "http://terminology.hl7.org/CodeSystem"
PURPOSE = {"system": f"{CODES}/v3-ActReason", "code": "COC"}
NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)
PATIENT = {"reference": "Patient/p1"}


def organisation(name: str) -> dict[str, Any]:
    """An organisation with an identifier."""
    return {"resourceType": "Organization", "id": name, "identifier": [{"system": "urn:org", "value": name}]}


def concept(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of an HL7 code system."""
    return {"coding": [{"system": f"{CODES}/{system}", "code": code}]}


CONSENT = {
    "resourceType": "Consent",
    "id": "c1",
    "meta": {"versionId": "1"},
    "status": "active",
    "scope": concept("consentscope", "patient-privacy"),
    "category": [concept("v3-ActCode", "IDSCL")],
    "patient": PATIENT,
    "dateTime": "2026-01-15T09:00:00+02:00",
    "performer": [PATIENT],
    "organization": [{"reference": "Organization/hva"}],
    "sourceReference": {"reference": "DocumentReference/signed-form-1"},
    "policyRule": concept("v3-ActCode", "OPTIN"),
    "provision": {
        "type": "permit",
        "period": {"start": "2026-01-15", "end": "2026-12-31"},
        "actor": [{"role": concept("v3-ParticipationType", "IRCP"), "reference": {"reference": "Organization/tyolli"}}],
        "action": [concept("consentaction", "access")],
        "purpose": [PURPOSE],
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "CarePlan"}],
    },
}
RESOURCES = [
    organisation("hva"),
    organisation("tyolli"),
    organisation("kela"),
    {"resourceType": "Patient", "id": "p1"},
    {
        "resourceType": "CarePlan",
        "id": "cp1",
        "meta": {"security": [{"system": f"{CODES}/v3-Confidentiality", "code": "N"}]},
        "status": "active",
        "intent": "plan",
        "subject": PATIENT,
        "period": {"start": "2026-02-01", "end": "2026-12-31"},
    },
    {
        "resourceType": "Provenance",
        "id": "pr1",
        "target": [{"reference": "CarePlan/cp1"}],
        "recorded": "2026-02-01T08:00:00+02:00",
        "agent": [
            {
                "type": concept("v3-ParticipationType", "CST"),
                "who": {"identifier": {"system": "urn:org", "value": "hva"}},
            }
        ],
    },
    CONSENT,
]


@pytest.fixture(scope="module")
def repository() -> Iterator[str]:
    """An endpoint that enforces consents, with one plan and one consent."""
    purpose = f"{PURPOSE['system']}|{PURPOSE['code']}"
    clients = tuple(
        ClientSettings(name, JWKS, organization=f"urn:org|{name}", purpose=purpose)
        for name in ("hva", "tyolli", "kela")
    )
    with running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base:
        yield base


@pytest.fixture
def control(repository: str) -> Iterator[MockClient]:
    """The endpoint on the tenth of March 2026, as it was in the beginning."""
    with MockClient(repository.removesuffix("/fhir")) as client:
        client.reset()
        client.freeze(NOW)
        client.behave(policy="name: consent\nconsent-enforced: yes\naudited: yes\n")
        client.seed(RESOURCES)
        yield client


@contextmanager
def reader(base: str, name: str) -> Iterator[httpx.Client]:
    """The system of an organisation."""
    url = base.replace("/fhir", "/oauth/token")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(name, url, KEY, "k1", algorithm="ES384", now=NOW.timestamp()),
        "scope": "system/*.cruds",
    }
    token = httpx.post(url, data=form).json()["access_token"]
    with httpx.Client(base_url=f"{base}/", headers={"authorization": f"Bearer {token}"}) as client:
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
        included = client.get("Provenance?_include=Provenance:target").json()["entry"]
        assert {one["resource"]["resourceType"] for one in included} == {"Provenance"}


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
    assert {one["client"] for one in entries} == {"tyolli"}
    assert entries[0]["decided"] == "CarePlan/cp1:permit:CONSENT_PERMIT"
    assert "010594Y9032" not in answer.text


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
CUSTODY = RESOURCES[5] | {"id": "pr2", "target": [{"reference": "Patient/p1"}]}


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
