"""A repository with one client, one plan and one consent: who is who in the tests of the gate."""

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

from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.security.assertions import ASSERTION_TYPE, make_assertion

KEY = ec.generate_private_key(ec.SECP384R1())
JWKS = json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1"}]})
CODES = "http://terminology.hl7.org/CodeSystem"
PURPOSE = {"system": f"{CODES}/v3-ActReason", "code": "COC"}
NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)
PATIENT = {"reference": "Patient/p1"}
POLICY = "name: consent\nconsent-enforced: yes\naudited: yes\n"
NORMAL = {"system": f"{CODES}/v3-Confidentiality", "code": "N"}


def organisation(name: str) -> dict[str, Any]:
    """An organisation with an identifier."""
    return {"resourceType": "Organization", "id": name, "identifier": [{"system": "urn:org", "value": name}]}


def concept(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of an HL7 code system."""
    return {"coding": [{"system": f"{CODES}/{system}", "code": code}]}


def custody(name: str, *targets: str, custodian: str = "hva") -> dict[str, Any]:
    """A Provenance that names the controller of its targets."""
    who = {"reference": f"Organization/{custodian}"}
    return {
        "resourceType": "Provenance",
        "id": name,
        "target": [{"reference": target} for target in targets],
        "recorded": "2026-02-01T08:00:00+02:00",
        "agent": [{"type": concept("provenance-participant-type", "custodian"), "who": who}],
    }


CONSENT: dict[str, Any] = {
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
PLAN: dict[str, Any] = {
    "resourceType": "CarePlan",
    "id": "cp1",
    "meta": {"security": [NORMAL]},
    "status": "active",
    "intent": "plan",
    "subject": PATIENT,
    "period": {"start": "2026-02-01", "end": "2026-12-31"},
}
RESOURCES: list[dict[str, Any]] = [
    organisation("hva"),
    organisation("tyolli"),
    organisation("kela"),
    {"resourceType": "Patient", "id": "p1"},
    PLAN,
    custody("pr1", "CarePlan/cp1"),
    CONSENT,
]


def enforcing() -> MockSettings:
    """Settings of an endpoint that knows three organisations: `hva` keeps the register, `tyolli` is in the consent."""
    purpose = f"{PURPOSE['system']}|{PURPOSE['code']}"
    clients = tuple(
        ClientSettings(name, JWKS, organization=f"urn:org|{name}", purpose=purpose)
        for name in ("hva", "tyolli", "kela")
    )
    return MockSettings(port=0, auth="smart", clients=clients)


@pytest.fixture(scope="module")
def repository() -> Iterator[str]:
    """An endpoint that enforces consents."""
    with running_mock(enforcing()) as base:
        yield base


@contextmanager
def reader(base: str, name: str, *, now: datetime = NOW, **b2b: str) -> Iterator[httpx.Client]:
    """The system of an organisation; `b2b` is what its assertion says about the request."""
    url = base.replace("/fhir", "/oauth/token")
    more = {"hl7-b2b": b2b} if b2b else None
    assertion = make_assertion(name, url, KEY, "k1", algorithm="ES384", now=now.timestamp(), extensions=more)
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": "system/*.cruds",
    }
    token = httpx.post(url, data=form).json()["access_token"]
    with httpx.Client(base_url=f"{base}/", headers={"authorization": f"Bearer {token}"}) as client:
        yield client
