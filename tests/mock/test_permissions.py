"""Disclosure permissions (sote-luovutuslupa) under the national policy, row by row of the published behaviour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings
from tests.mock.consent_world import JWKS, enforcing, reader
from tests.mock.national_world import (
    HETU,
    Change,
    agent,
    numbered,
    permission,
    permission_provenance,
    reference,
    rules_of,
    transaction,
)

NOTICE_PROVENANCE = "https://shark.kanta.fi/fhir/StructureDefinition/SocialWelfareAuditEventProvenance"


def test_a_permission_is_a_transaction_of_consent_and_provenance(national: httpx.Client) -> None:
    """The pair is taken, the server gives the ids; alone, without its Provenance or outside a transaction it is not."""
    answer = national.post("", json=transaction(permission(), permission_provenance()))
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["response"]["location"].split("/")[-4] == "Consent"
    assert national.post("", json=transaction(permission())).status_code == 400
    alone = national.post("Consent", json=permission())
    assert (alone.status_code, rules_of(alone)) == (400, {"4Y00007", "K7043"})


def test_a_permission_is_read_back_by_who_recorded_it_and_by_its_controller() -> None:
    """By search and by history; to another organisation it looks as if it were not there."""
    clients = tuple(
        ClientSettings(name, JWKS, organization=f"urn:ietf:rfc:3986|urn:oid:{oid}")
        for name, oid in (("recorder", "1.2.3"), ("kela", "1.2.246.10.2462460.19.1"), ("other", "1.2.4"))
    )
    with running_mock(replace(enforcing(), policy="national", clients=clients)) as base:

        def seen(name: str, path: str = "") -> tuple[int, int]:
            with reader(base, name, now=datetime.now(UTC)) as http:
                http.event_hooks["request"] = [numbered]
                form = {"patient:identifier": "{system}|{value}".format_map(HETU)}
                return http.post("Consent/_search", data=form).json()["total"], http.get(path).status_code

        with reader(base, "recorder", now=datetime.now(UTC)) as http:
            http.event_hooks["request"] = [numbered]
            done = http.post("", json=transaction(permission(), permission_provenance()))
            path = done.json()["entry"][0]["response"]["location"].replace("/_history/1", "/_history")
        assert [seen(name, path) for name in ("recorder", "kela", "other")] == [(1, 200), (1, 200), (0, 404)]


def test_two_pairs_only_when_the_directions_differ(national: httpx.Client) -> None:
    """Categories 1 and 2 together are taken; twice the same, or three, are not."""
    provenances = [permission_provenance(number) for number in range(3)]
    assert national.post("", json=transaction(permission("1"), permission("2"), *provenances[:2])).status_code == 200
    same = national.post("", json=transaction(permission("1"), permission("1"), *provenances[:2]))
    assert "national-permission-directions" in rules_of(same)
    many = national.post("", json=transaction(*(permission() for _ in range(3)), *provenances))
    assert "national-permission-pairs" in rules_of(many)


def test_a_permission_is_replaced_by_the_servers_id_and_version(national: httpx.Client) -> None:
    """PUT to the id of the receipt with ifMatch and a new Provenance; without ifMatch, or to an own id, it is not."""
    answer = national.post("", json=transaction(permission(), permission_provenance())).json()
    identity = answer["entry"][0]["response"]["location"].split("/")[-3]
    bundle = transaction(permission() | {"id": identity, "status": "inactive"}, permission_provenance())
    bundle["entry"][0]["request"] = {"method": "PUT", "url": f"Consent/{identity}"}
    assert "K7011" in rules_of(national.post("", json=bundle))
    bundle["entry"][0]["request"]["ifMatch"] = 'W/"1"'
    assert national.post("", json=bundle).status_code == 200
    own = transaction(permission() | {"id": "mine"}, permission_provenance())
    own["entry"][0]["request"] = {"method": "PUT", "url": "Consent/mine"}
    assert national.post("", json=own).status_code == 405


def test_permissions_are_read_by_search_and_history_only(national: httpx.Client) -> None:
    """POST with patient:identifier in the body, category if wanted; no GET, no other parameter, no read by id."""
    answer = national.post("", json=transaction(permission(), permission_provenance())).json()
    identity = answer["entry"][0]["response"]["location"].split("/")[-3]
    client = "{system}|{value}".format_map(HETU)
    found = national.post("Consent/_search", data={"patient:identifier": client, "category": "1"})
    assert (found.status_code, found.json()["total"]) == (200, 1)
    assert national.post("Consent/_search", data={"patient:identifier": client, "category": "2"}).json()["total"] == 0
    assert national.get(f"Consent/{identity}/_history").json()["total"] == 1
    for wrong in ({"category": "1"}, {"patient": "Patient/1"}, {"patient:identifier": client, "status": "active"}):
        assert national.post("Consent/_search", data=wrong).status_code == 400, wrong
    assert national.get("Consent", params={"patient:identifier": client}).status_code == 405
    assert national.get(f"Consent/{identity}").status_code == 405
    plan = national.get("metadata").json()["rest"][0]["resource"]
    consent = next(one for one in plan if one["type"] == "Consent")
    assert {one["name"] for one in consent["searchParam"] if one["name"][0] != "_"} == {
        "patient",
        "category",
        "identifier",
    }
    assert "read" not in {one["code"] for one in consent["interaction"]}


PERMISSION_CHANGES: dict[str, tuple[str, Change]] = {
    "no display": ("permission-category", lambda one: one["category"][0]["coding"][0].pop("display")),
    "no system": ("permission-category", lambda one: one["category"][0]["coding"][0].pop("system")),
    "unknown category": ("permission-category", lambda one: one["category"][0]["coding"][0].update(code="3")),
    "client without identity code": ("permission-client", lambda one: one.update(patient={"display": "Moona"})),
    "two nested provisions": (
        "permission-provision",
        lambda one: one["provision"].update(provision=[{"type": "permit"}, {"type": "permit"}]),
    ),
    "a nested denial": ("permission-provision", lambda one: one["provision"]["provision"][0].update(type="deny")),
    "four classes": (
        "permission-provision",
        lambda one: one["provision"]["provision"][0].update({"class": [{"system": "urn:x", "code": "a"}] * 4}),
    ),
}
PROVENANCE_CHANGES: dict[str, tuple[str, Change]] = {
    "two profiles": ("permission-provenance-target", lambda one: one["meta"]["profile"].append(NOTICE_PROVENANCE)),
    "two targets": ("permission-provenance-target", lambda one: one["target"].append({"reference": reference(1)})),
    "an activity": ("permission-provenance-elements", lambda one: one.update(activity={"text": "x"})),
    "a policy": ("permission-provenance-elements", lambda one: one.update(policy=["urn:x"])),
    "no controller": ("permission-provenance-agents", lambda one: one["agent"].pop(0)),
    "another controller": (
        "permission-provenance-controller",
        lambda one: one["agent"][0]["who"]["identifier"].update(value="urn:oid:1.2.246.10.1"),
    ),
    "two systems": ("permission-provenance-agents", lambda one: one["agent"].append(agent("4"))),
    "an unknown role": ("permission-provenance-agents", lambda one: one["agent"].append(agent("99"))),
    "no recorder": ("permission-provenance-recorder", lambda one: one["agent"].pop(1)),
    "two recorders": ("permission-provenance-recorder", lambda one: one["agent"].append(agent("12"))),
    "a professional without unit": ("permission-provenance-recorder", lambda one: one["agent"].pop(4)),
}


@pytest.mark.parametrize("name", PERMISSION_CHANGES)
def test_what_a_permission_must_be(national: httpx.Client, name: str) -> None:
    """Category with system, code and display; the client by identity code; one nested permit, three classes."""
    rule, change = PERMISSION_CHANGES[name]
    changed = permission()
    change(changed)
    answer = national.post("", json=transaction(changed, permission_provenance()))
    assert (answer.status_code, rules_of(answer)) == (400, {"4Y00007", f"national-{rule}"})


@pytest.mark.parametrize("name", PROVENANCE_CHANGES)
def test_what_the_provenance_of_a_permission_must_be(national: httpx.Client, name: str) -> None:
    """One profile, one target, closed roles, Kela as controller, exactly one recorder, the unit with a professional."""
    rule, change = PROVENANCE_CHANGES[name]
    changed = permission_provenance()
    change(changed)
    answer = national.post("", json=transaction(permission(), changed))
    assert answer.status_code == 400
    assert f"national-{rule}" in rules_of(answer)


def test_a_permission_may_be_recorded_by_the_client_or_a_proxy(national: httpx.Client) -> None:
    """Role 12 or 5 instead of the professional, then without a unit."""
    for role in ("12", "5"):
        changed = permission_provenance()
        changed["agent"] = [
            *(one for one in changed["agent"] if one["role"][0]["coding"][0]["code"] not in "27"),
            agent(role),
        ]
        assert national.post("", json=transaction(permission(), changed)).status_code == 200
