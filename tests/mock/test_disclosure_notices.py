"""Disclosure notices (luovutusilmoitus) under the national policy: signed transactions, judged rule by rule."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from adapter.fhir.canonical import canonical
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.security.certificates import Authority
from adapter.security.signatures import Signer
from tests.mock.national_world import (
    CODES,
    HETU,
    NATIONAL,
    Change,
    agent,
    issue_of,
    numbered,
    reference,
    rules_of,
    transaction,
)

NOTICE = "https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEvent"
NOTICE_PROVENANCE = "https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEventProvenance"
NOTICE_ROLE = "http://shark.kanta.fi/fishark-cs-auditeventrolecategory"
NOW = datetime(2026, 3, 14, 8, tzinfo=UTC)
KIND = {"content-type": "application/fhir+json"}


def notice() -> dict[str, Any]:
    """A disclosure notice (luovutusilmoitus)."""
    staff = agent("5", system=NOTICE_ROLE) | {"requestor": True}
    staff["who"] = {"identifier": {"system": "urn:oid:1.2.246.537.26", "value": "12345678901"}}
    document = {"type": {"system": f"{CODES}/audit-entity-type", "code": "4"}, "description": "Asiakassuunnitelma"}
    client = {"type": {"system": f"{CODES}/audit-entity-type", "code": "1"}, "what": {"identifier": HETU}}
    consent = {
        "resourceType": "Consent",
        "id": "consent",
        "status": "active",
        "scope": {"coding": [{"system": f"{CODES}/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": HETU},
        "dateTime": "2026-03-01",
        "performer": [{"identifier": HETU}],
        "policyRule": {"coding": [{"system": "urn:oid:1.2.246.537.5.40193.2013", "code": "1"}]},
    }
    return {
        "resourceType": "AuditEvent",
        "meta": {"profile": [NOTICE]},
        "contained": [consent],
        "extension": [
            {
                "url": "urn:example:disclosure-type",
                "valueCoding": {"system": "urn:oid:1.2.246.537.5.40165.202301", "code": "8"},
            }
        ],
        "type": {"system": f"{CODES}/iso-21089-lifecycle", "code": "disclose"},
        "period": {"start": "2026-03-14T08:00:00Z"},
        "recorded": "2026-03-14T08:00:00Z",
        "purposeOfEvent": [{"coding": [{"system": "urn:oid:1.2.246.537.6.3300.202201", "code": "1.2"}]}],
        "agent": [
            agent("1", system=NOTICE_ROLE) | {"requestor": False},
            staff,
            agent("7", system=NOTICE_ROLE) | {"requestor": False},
        ],
        "source": {"observer": {"identifier": {"system": "urn:oid:1.2.246.537.6.12.999.2003.34", "value": "1"}}},
        "entity": [client, document],
    }


def notice_provenance(target: int = 0) -> dict[str, Any]:
    """The Provenance of a disclosure notice."""
    status = {"system": "urn:oid:1.2.246.537.5.40154.2008", "code": "3"}
    return {
        "resourceType": "Provenance",
        "meta": {"profile": [NOTICE_PROVENANCE]},
        "extension": [{"url": "urn:example:status", "valueCoding": status}],
        "target": [{"reference": reference(target)}],
        "recorded": "2026-03-14T08:00:00Z",
        "agent": [agent(role, system=NOTICE_ROLE) for role in ("1", "2", "3", "4")],
    }


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority, Path]:
    """A trusted authority, a foreign one, and the PEM file of the trusted one."""
    folder = tmp_path_factory.mktemp("authorities")
    trusted, foreign = (Authority.create(name, NOW) for name in ("trusted", "foreign"))
    (folder / "ca.pem").write_bytes(trusted.root.certificate_pem)
    return trusted, foreign, folder / "ca.pem"


@pytest.fixture(scope="module")
def receiver(authorities: tuple[Authority, Authority, Path]) -> Iterator[httpx.Client]:
    """An endpoint that takes notices signed under the trusted authority."""
    settings = MockSettings(port=0, policy="national", strictness="lenient", trusted=str(authorities[2]), clock=NOW)
    with (
        running_mock(settings) as base,
        httpx.Client(base_url=base, headers=KIND, event_hooks={"request": [numbered]}) as client,
    ):
        yield client


def signed(bundle: dict[str, Any], issuer: Authority, days: int | None = None) -> bytes:
    """The Bundle, signed with a certificate of an authority."""
    issued = issuer.issue("organisation", "signature", NOW, days=days)
    who = {"identifier": {"value": "organisation"}}
    return Signer(issued.private_key, "k", "ES256", who, (issued.x5c,)).sign(bundle, "2026-03-14T08:00:00Z")


def test_a_disclosure_notice_is_taken_as_a_signed_transaction(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path]
) -> None:
    """One pair, or two about the same client; ids are the server's; nothing but create is offered."""
    trusted = authorities[0]
    one = receiver.post("", content=signed(transaction(notice(), notice_provenance()), trusted))
    assert one.status_code == 200, one.text
    assert one.json()["entry"][0]["response"]["location"].split("/")[-3] != "1"
    pairs = transaction(notice(), notice_provenance(0), notice(), notice_provenance(2))
    assert receiver.post("", content=signed(pairs, trusted)).status_code == 200
    identity = one.json()["entry"][0]["response"]["location"].split("/")[-3]
    assert receiver.get(f"/AuditEvent/{identity}").status_code == 405
    assert receiver.post("/AuditEvent/_search", data={"patient:identifier": "x"}).status_code == 405
    assert receiver.request("DELETE", f"/AuditEvent/{identity}").status_code == 405
    alone = receiver.post("/AuditEvent", json=notice())
    assert (alone.status_code, issue_of(alone)["details"]["coding"][0]["code"]) == (400, "4Y00007")


def test_the_signature_of_a_notice_is_verified_by_its_chain(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path]
) -> None:
    """Missing, altered, foreign or expired: 400 and the code of message integrity; RSA with RS512 holds as well."""
    trusted, foreign, _ = authorities
    bundle = transaction(notice(), notice_provenance())
    altered = signed(bundle, trusted).replace(b"Asiakassuunnitelma", b"Aktivointisuunnitelma")
    for wrong in (canonical(bundle), altered, signed(bundle, foreign), signed(bundle, trusted, -1)):
        refused = receiver.post("", content=wrong)
        assert (refused.status_code, issue_of(refused)["details"]["coding"][0]["code"]) == (400, "4Y00007")
    key = rsa.generate_private_key(65537, 2048)
    weak = Signer(key, "k", "RS384", {"identifier": {"value": "x"}}).sign(bundle, "2026-03-14T08:00:00Z")
    assert receiver.post("", content=weak).status_code == 400


def second_client(one: dict[str, Any]) -> None:
    """Make the notice be about another client."""
    one["entity"][0]["what"] = {"identifier": HETU | {"value": "020594X903P"}}


NOTICE_CHANGES: dict[str, tuple[str, Change]] = {
    "another event": ("notice-event", lambda one: one["type"].update(code="access")),
    "an action": ("notice-event", lambda one: one.update(action="R")),
    "an outcome": ("notice-event", lambda one: one.update(outcome="0")),
    "an end": ("notice-event", lambda one: one["period"].update(end="2026-03-14T09:00:00Z")),
    "no purpose": ("notice-purpose", lambda one: one.pop("purposeOfEvent")),
    "no type of disclosure": ("notice-disclosure-type", lambda one: one.pop("extension")),
    "no controller": ("notice-agents", lambda one: one["agent"].pop(0)),
    "no recipient": ("notice-agents", lambda one: one["agent"].pop()),
    "staff without a number": (
        "notice-staff",
        lambda one: one["agent"][1]["who"]["identifier"].update(system="urn:example:staff"),
    ),
    "no system": ("notice-device", lambda one: one["source"].pop("observer")),
    "no document": ("notice-documents", lambda one: one["entity"].pop()),
    "a document without a kind": ("notice-documents", lambda one: one["entity"][1].pop("description")),
    "no client": ("notice-one-client", lambda one: one["entity"].pop(0)),
    "a consent that is over": ("notice-consent", lambda one: one["contained"][0].update(status="inactive")),
    "a consent on no ground": ("notice-consent", lambda one: one["contained"][0].pop("policyRule")),
}


@pytest.mark.parametrize("name", NOTICE_CHANGES)
def test_what_a_disclosure_notice_must_be(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path], name: str
) -> None:
    """Event, purpose, type, agents, system, document and consent, each by a rule of its own."""
    rule, change = NOTICE_CHANGES[name]
    changed = notice()
    change(changed)
    answer = receiver.post("", content=signed(transaction(changed, notice_provenance()), authorities[0]))
    assert answer.status_code == 400
    assert f"national-{rule}" in rules_of(answer)
    assert issue_of(answer)["details"]["coding"][0] == {"system": NATIONAL, "code": "4Y00007"}


def test_a_notice_is_about_one_client_and_made_of_pairs(
    receiver: httpx.Client, authorities: tuple[Authority, Authority, Path]
) -> None:
    """Two clients, a lone notice, a stranger in the Bundle and an unfinished document are refused."""
    other = copy.deepcopy(notice())
    second_client(other)
    unfinished = notice_provenance()
    unfinished["extension"][0]["valueCoding"]["code"] = "1"
    tries = {
        "national-notice-one-client": (notice(), notice_provenance(0), other, notice_provenance(2)),
        "K7043": (notice(), notice_provenance(0), notice()),
        "national-notice-pairs": (notice(), notice_provenance(), notice_provenance()),
        "national-notice-provenance": (notice(), unfinished),
    }
    for rule, resources in tries.items():
        answer = receiver.post("", content=signed(transaction(*resources), authorities[0]))
        assert (answer.status_code, rule in rules_of(answer)) == (400, True), rule
