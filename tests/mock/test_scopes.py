"""SMART scopes and the resource server row by row (S, R): letters, granular scopes, tokens that do not hold."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest

from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from tests.mock.smart_world import (
    ALL,
    FULL,
    JWKS,
    holding,
    token_url,
)

_numbers = itertools.count()


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """Root URL of an endpoint that wants tokens."""
    clients = (ClientSettings("ehr", JWKS, ALL), ClientSettings("reader", JWKS, "system/CarePlan.rs"))
    with running_mock(MockSettings(port=0, auth="smart", clients=clients)) as base:
        yield base.removesuffix("/fhir")


@pytest.fixture
def control(root: str) -> Iterator[MockClient]:
    """Control of a namespace of its own."""
    with MockClient(root, f"smart-{next(_numbers)}") as client:
        yield client


@pytest.mark.parametrize(
    ("scope", "does", "does_not"),
    [
        ("system/CareTeam.r", "read vread history", "search create update patch delete type-history"),
        ("system/CareTeam.s", "search type-history", "read vread history create update patch delete"),
        ("system/CareTeam.c", "create", "read search update patch delete conditional-create"),
        ("system/CareTeam.u", "update patch", "read search create delete conditional-update"),
        ("system/CareTeam.d", "delete", "read search create update conditional-delete"),
        ("system/CareTeam.cs", "create conditional-create search", "read update delete"),
        ("system/CareTeam.us", "update conditional-update search", "read create delete"),
        ("system/CareTeam.ds", "conditional-delete search", "read create update"),
        ("system/CareTeam.read", "read vread search history", "create update delete"),
        ("system/CareTeam.write", "create update patch delete", "read search"),
        ("system/CareTeam.*", "create read update patch search delete", "system-history"),
        ("system/*.s", "system-history search", "read create"),
        ("system/Goal.cruds", "", "create read search update delete system-history"),
    ],
)
def test_s1_s2_s3_s7_s8_letters_of_a_scope(control: MockClient, scope: str, does: str, does_not: str) -> None:
    """S1–S3, S7, S8: exactly the interactions of the letters; the rest is 403 forbidden and names what is needed."""
    control.seed([FULL | {"id": "one", "identifier": [{"value": "1"}]}])
    patch = {"content-type": "application/json-patch+json"}
    ways: dict[str, Callable[[httpx.Client], httpx.Response]] = {
        "read": lambda http: http.get("CareTeam/one"),
        "vread": lambda http: http.get("CareTeam/one/_history/1"),
        "history": lambda http: http.get("CareTeam/one/_history"),
        "type-history": lambda http: http.get("CareTeam/_history"),
        "system-history": lambda http: http.get("_history"),
        "search": lambda http: http.get("CareTeam"),
        "create": lambda http: http.post("CareTeam", json=FULL),
        "conditional-create": lambda http: http.post("CareTeam", json=FULL, headers={"if-none-exist": "identifier=1"}),
        "update": lambda http: http.put("CareTeam/one", json=FULL | {"id": "one"}),
        "conditional-update": lambda http: http.put("CareTeam?identifier=1", json=FULL),
        "patch": lambda http: http.patch(
            "CareTeam/one", content=b'[{"op":"add","path":"/name","value":"x"}]', headers=patch
        ),
        "conditional-delete": lambda http: http.delete("CareTeam?identifier=none"),
        "delete": lambda http: http.delete("CareTeam/one"),
    }
    with holding(control, scope) as http:
        for way in does_not.split():
            refused = ways[way](http)
            assert refused.status_code == 403, way
            assert refused.json()["issue"][0]["code"] == "forbidden"
            assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
        for way in does.split():
            assert ways[way](http).status_code < 400, way


def observation(identity: str, category: str, value: str = "x") -> dict[str, Any]:
    """An Observation of a category."""
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"code": category}]}],
        "code": {"text": value},
        "subject": {"reference": "Patient/p"},
    }


SURVEY = "system/Observation.{}?category=survey"


@pytest.fixture
def stored(control: MockClient) -> MockClient:
    """Two surveys and one laboratory result of a patient."""
    control.seed(
        [
            {"resourceType": "Patient", "id": "p", "gender": "female"},
            observation("a", "survey"),
            observation("b", "laboratory"),
            observation("c", "survey"),
        ]
    )
    return control


def test_s6_a_granular_scope_reads_what_it_names(stored: MockClient) -> None:
    """S6: read, vread and history of one category; the others look as if they were not there."""
    with holding(stored, SURVEY.format("r")) as http:
        assert http.get("Observation/a").status_code == 200
        assert http.get("Observation/a/_history/1").status_code == 200
        assert http.get("Observation/a/_history").json()["total"] == 1
        for path in ("Observation/b", "Observation/b/_history/1", "Observation/b/_history", "Observation/none"):
            assert http.get(path).status_code == 404, path
        assert http.get("Observation").status_code == 403


def test_s6_a_granular_scope_searches_what_it_names(stored: MockClient) -> None:
    """S6: matches, totals, pages, counts and type history hold nothing else, however it is asked."""
    with holding(stored, SURVEY.format("rs")) as http:
        assert http.get("Observation").json()["total"] == 2
        assert http.get("Observation?_summary=count").json()["total"] == 2
        assert http.get("Observation?category=laboratory").json()["total"] == 0
        assert http.get("Observation?_id=b").json()["total"] == 0
        assert http.post("Observation/_search", data={"_id": "a"}).json()["total"] == 1
        assert http.get("Observation/_history").json()["total"] == 2
        first = http.get("Observation?_count=1").json()
        assert first["total"] == 2
        following = next(one["url"] for one in first["link"] if one["relation"] == "next")
        assert http.get(following).json()["entry"][0]["resource"]["id"] == "c"
        assert http.get("Patient/p/Observation").status_code in (200, 403)


def test_s6_a_granular_scope_writes_what_it_names(stored: MockClient) -> None:
    """S6: create, update, patch and delete inside the category only; a change may not lead out of it or into it."""
    with holding(stored, SURVEY.format("cud")) as http:
        new = {name: value for name, value in observation("", "survey").items() if name != "id"}
        assert http.post("Observation", json=new).status_code == 201
        assert http.post("Observation", json=new | {"category": []}).status_code in (403, 422)
        lab = {name: value for name, value in observation("", "laboratory").items() if name != "id"}
        assert http.post("Observation", json=lab).status_code == 403
        assert http.put("Observation/a", json=observation("a", "survey", "y")).status_code == 200
        assert http.put("Observation/a", json=observation("a", "laboratory")).status_code == 403
        assert http.put("Observation/b", json=observation("b", "survey")).status_code == 403
        change = [{"op": "replace", "path": "/category/0/coding/0/code", "value": "laboratory"}]
        kind = {"content-type": "application/json-patch+json"}
        assert http.patch("Observation/a", content=json.dumps(change), headers=kind).status_code == 403
        assert http.patch("Observation/b", content=json.dumps(change), headers=kind).status_code == 404
        assert http.delete("Observation/b").status_code == 403
        assert http.delete("Observation/c").status_code == 204
    with holding(stored, ALL) as http:
        found = {one["resource"]["id"] for one in http.get("Observation").json()["entry"]}
        assert {"a", "b"} <= found
        assert "c" not in found
        assert len(found) == 3
        assert http.get("Observation/a").json()["meta"]["versionId"] == "2"


def test_s6_in_bundles_includes_chains_and_conditions(stored: MockClient) -> None:
    """S4–S6: each entry, each included resource, each condition is judged; no chain looks into a narrowed type."""
    with holding(stored, f"{SURVEY.format('cruds')} system/Patient.rs") as http:
        lab = {name: value for name, value in observation("", "laboratory").items() if name != "id"}
        entries = [
            {"request": {"method": "GET", "url": "Observation/a"}},
            {"request": {"method": "GET", "url": "Observation/b"}},
            {"request": {"method": "GET", "url": "Observation"}},
            {"resource": lab, "request": {"method": "POST", "url": "Observation"}},
        ]
        batch = http.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries}).json()["entry"]
        assert [one["response"]["status"][:3] for one in batch] == ["200", "404", "200", "403"]
        assert batch[2]["resource"]["total"] == 2
        back = http.get("Patient?_revinclude=Observation:subject").json()["entry"]
        assert {one["resource"]["id"] for one in back} == {"p", "a", "c"}
        everything = http.get("Patient/p/$everything").json()["entry"]
        assert {one["resource"]["id"] for one in everything} == {"p", "a", "c"}
        assert http.get("Patient?_has:Observation:subject:category=laboratory").status_code == 403
        made = http.post("Observation", json=lab, headers={"if-none-exist": "category=laboratory"})
        assert made.status_code == 403
        assert http.delete("Observation?category=laboratory").status_code == 204
    with holding(stored, ALL) as http:
        assert http.get("Observation/b").status_code == 200


def test_s6_scopes_add_up_and_are_never_widened(stored: MockClient) -> None:
    """S6: two narrowed scopes give both categories; an unknown parameter gives nothing; an older version counts."""
    both = f"{SURVEY.format('rs')} system/Observation.rs?category=laboratory"
    with holding(stored, both) as http:
        assert http.get("Observation").json()["total"] == 3
    for nothing in ("system/Observation.rs?nonsense=1", "system/Observation.rs?subject:Patient.gender=female"):
        with holding(stored, nothing) as http:
            assert http.get("Observation").json()["total"] == 0
            assert http.get("Observation/a").status_code == 404
    with holding(stored, ALL) as http:
        http.put("Observation/a", json=observation("a", "laboratory"))
    with holding(stored, SURVEY.format("r")) as http:
        assert http.get("Observation/a").status_code == 404
        assert http.get("Observation/a/_history/1").status_code == 200
    with holding(stored, "system/CarePlan.rs?status=active", client="reader") as http:
        assert http.get("CarePlan").status_code == 200


def test_r1_r2_r4_tokens_that_do_not_hold(control: MockClient) -> None:
    """R1, R2, R4: none, garbled, of another namespace, in the URL: 401 with the challenge that RFC 6750 names."""
    url = f"{control.fhir_url}/CareTeam"
    assert httpx.get(url).headers["www-authenticate"] == "Bearer"
    with MockClient(control.root, "elsewhere") as elsewhere, holding(elsewhere, ALL) as http:
        foreign = http.headers["authorization"]
    with holding(control, ALL) as http:
        own = http.headers["authorization"]
    for wrong in ("Bearer x", foreign, own[:-4] + "AAAA", "Basic eDp5"):
        refused = httpx.get(url, headers={"authorization": wrong})
        assert refused.status_code == 401, wrong
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert httpx.get(url, params={"access_token": own.removeprefix("Bearer ")}).status_code == 401
    assert httpx.get(url, headers={"authorization": own}).status_code == 200


def test_r6_r7_r8_revoked_tokens_and_introspection(control: MockClient) -> None:
    """R6–R8: refused at once, and introspection knows; the error is 401 as the Finnish guide allows."""
    url = token_url(control).replace("/token", "/introspect")
    with holding(control, ALL) as http, holding(control, "system/CarePlan.r") as asking:
        token = http.headers["authorization"].removeprefix("Bearer ")
        assert asking.post(url, data={"token": token}, headers=FORM).json()["active"] is True
        identity = jwt.decode(token, options={"verify_signature": False})["jti"]
        httpx.post(f"{control.root}/_mock/api/{control.namespace}/tokens/{identity}/revoke")
        assert http.get("CareTeam").status_code == 401
        assert asking.post(url, data={"token": token}, headers=FORM).json() == {"active": False}


FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_r13_no_token_and_no_body_in_a_log(control: MockClient, caplog: pytest.LogCaptureFixture) -> None:
    """R13: neither log nor journal repeats token, assertion or identity code."""
    with caplog.at_level(logging.DEBUG), holding(control, ALL) as http:
        token = http.headers["authorization"].removeprefix("Bearer ")
        http.post("Patient", json={"resourceType": "Patient", "identifier": [{"value": "010594Y9032"}]})
        http.get("Patient?identifier=010594Y9032")
    own = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore")))
    kept = own + json.dumps([control.entry(one["number"]) for one in control.journal()])
    assert token not in kept
    assert "010594Y9032" not in kept
    assert control.journal()[-1]["scopes"] == ALL
