"""SMART Backend Services and mutual TLS at the endpoint: what a token allows, and what leaks nowhere."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapter.mock.client import MockClient
from adapter.mock.faults import Match
from adapter.mock.serve import running_mock
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.security.assertions import ASSERTION_TYPE, make_assertion

KEY = ec.generate_private_key(ec.SECP384R1())
JWKS = json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1"}]})
ALL = "system/*.cruds"


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """FHIR base of an endpoint that wants tokens."""
    clients = (ClientSettings("ehr", JWKS, ALL), ClientSettings("reader", JWKS, "system/CarePlan.rs"))
    with running_mock(MockSettings(port=0, auth="smart", strictness="lenient", clients=clients)) as base:
        yield base


def token_form(base: str, client: str, scope: str) -> dict[str, str]:
    """A good token request."""
    url = base.replace("/fhir", "/oauth/token")
    assertion = make_assertion(client, url, KEY, "k1", algorithm="ES384", now=time.time())
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": scope,
    }


@contextmanager
def client_of(base: str, scope: str, client: str = "ehr", **more: Any) -> Iterator[httpx.Client]:
    """A client with a token of that scope."""
    with httpx.Client(base_url=f"{base}/", **more) as found:
        answer = found.post(base.replace("/fhir", "/oauth/token"), data=token_form(base, client, scope))
        assert answer.status_code == 200, answer.text
        found.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        yield found


def test_discovery_needs_no_token(guarded: str) -> None:
    """SMART configuration, capability statement with the older extension, token URL absolute."""
    found = httpx.get(f"{guarded}/.well-known/smart-configuration", headers={"accept": "text/turtle"})
    assert found.headers["content-type"] == "application/json"
    assert found.json()["token_endpoint"] == guarded.replace("/fhir", "/oauth/token")
    assert {"client-confidential-asymmetric", "permission-v2"} <= set(found.json()["capabilities"])
    security = httpx.get(f"{guarded}/metadata").json()["rest"][0]["security"]
    assert security["extension"][0]["extension"][0]["valueUri"] == found.json()["token_endpoint"]


def test_without_a_good_token_there_is_nothing(guarded: str) -> None:
    """401 with a challenge; a token in the URL does not count; discovery of an open endpoint is 404."""
    assert httpx.get(f"{guarded}/Patient").headers["www-authenticate"] == "Bearer"
    wrong = httpx.get(f"{guarded}/Patient", headers={"authorization": "Bearer x"})
    assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    with client_of(guarded, ALL) as client:
        token = client.headers.pop("authorization").removeprefix("Bearer ")
        assert client.get("Patient", params={"access_token": token}).status_code == 401
        assert client.get("Patient", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_the_token_endpoint_says_no_properly(guarded: str) -> None:
    """Wrong method, body, grant, client; a replayed assertion; no hint which clients exist."""
    url = guarded.replace("/fhir", "/oauth/token")
    form = token_form(guarded, "ehr", ALL)
    assert httpx.get(url).status_code == 405
    assert httpx.post(url, json=form).json()["error"] == "invalid_request"
    assert httpx.post(url, data=form | {"grant_type": "password"}).json()["error"] == "unsupported_grant_type"
    good = httpx.post(url, data=form)
    assert (good.status_code, good.headers["cache-control"], "refresh_token" in good.json()) == (200, "no-store", False)
    again = httpx.post(url, data=form)
    unknown = httpx.post(url, data=token_form(guarded, "nobody", ALL))
    assert again.status_code == unknown.status_code == 401
    assert again.json() == unknown.json()
    assert (again.json()["error"], "ehr" in again.text) == ("invalid_client", False)


def test_scopes_hold_for_every_interaction(guarded: str) -> None:
    """Exactly what the scope says; 403 names the scope that is needed."""
    with client_of(guarded, ALL) as full:
        plan = full.post("CarePlan", json={"resourceType": "CarePlan", "status": "draft"}).json()
    with client_of(guarded, "system/CarePlan.r") as reader:
        assert reader.get(f"CarePlan/{plan['id']}").status_code == 200
        refused = reader.get("CarePlan")
        assert refused.status_code == 403
        assert "system/CarePlan.s" in refused.text
        assert reader.delete(f"CarePlan/{plan['id']}").status_code == 403
        assert reader.get("Patient/x").status_code == 403
        assert reader.get("_history").status_code == 403
    with client_of(guarded, "system/CarePlan.rs system/Patient.cud", client="reader") as narrow:
        assert narrow.get("CarePlan").status_code == 200
        assert narrow.post("Patient", json={"resourceType": "Patient"}).status_code == 403


def test_conditional_create_needs_search_too(guarded: str) -> None:
    """Otherwise its answer would tell what is stored."""
    with client_of(guarded, "system/Patient.c") as writer:
        assert writer.post("Patient", json={"resourceType": "Patient"}).status_code == 201
        conditional = writer.post(
            "Patient", json={"resourceType": "Patient"}, headers={"if-none-exist": "identifier=1"}
        )
        assert conditional.status_code == 403


def test_each_entry_of_a_bundle_is_judged_by_itself(guarded: str) -> None:
    """A create token cannot delete inside a transaction; in a batch the other entries go on."""
    with client_of(guarded, "system/CareTeam.c") as writer:
        create = {"resource": {"resourceType": "CareTeam"}, "request": {"method": "POST", "url": "CareTeam"}}
        delete = {"request": {"method": "DELETE", "url": "CareTeam/x"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [create]}
        assert writer.post("", json=bundle).status_code == 200
        assert writer.post("", json=bundle | {"entry": [create, delete]}).status_code == 403
        batch = writer.post("", json=bundle | {"type": "batch", "entry": [create, delete]}).json()
        assert [one["response"]["status"][:3] for one in batch["entry"]] == ["201", "403"]


def test_nothing_leaks_through_includes_chains_and_has(guarded: str) -> None:
    """Resources outside the scopes are neither shown nor tested."""
    with client_of(guarded, ALL) as full:
        patient = full.post("Patient", json={"resourceType": "Patient", "gender": "female"}).json()
        subject = {"reference": f"Patient/{patient['id']}"}
        full.post("CareTeam", json={"resourceType": "CareTeam", "subject": subject})
    with client_of(guarded, "system/CareTeam.rs") as narrow:
        bundle = narrow.get("CareTeam?_include=CareTeam:subject").json()
        assert {one["resource"]["resourceType"] for one in bundle["entry"]} == {"CareTeam"}
        assert narrow.get("CareTeam?subject:Patient.gender=female").status_code == 403
    with client_of(guarded, "system/Patient.rs") as narrow:
        assert narrow.get("Patient?_has:CareTeam:subject:status=active").status_code == 403
        everything = narrow.get(f"Patient/{patient['id']}/$everything").json()
        assert [one["resource"]["resourceType"] for one in everything["entry"]] == ["Patient"]


def test_tokens_expire_by_the_endpoints_clock_and_can_be_revoked(guarded: str) -> None:
    """The frozen clock is stepped past the end of the token; keys can be rotated."""
    root = guarded.replace("/fhir", "")
    base, control = f"{root}/t/expiry/fhir", f"{root}/_mock/api/expiry"
    with client_of(base, ALL) as client:
        assert client.get("Patient").status_code == 200
        token = client.headers["authorization"].removeprefix("Bearer ")
        identity = jwt.decode(token, options={"verify_signature": False})["jti"]
        httpx.post(f"{control}/tokens/{identity}/revoke")
        assert client.get("Patient").status_code == 401
    with client_of(base, ALL) as client:
        httpx.post(f"{control}/clock", json={"step": 400})
        assert client.get("Patient").status_code == 401
        httpx.post(f"{control}/clock", json={"run": True})
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    rotated = json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(other)) | {"kid": "k2"}]})
    registered = httpx.post(f"{control}/clients", json={"id": "ehr", "keys": rotated})
    assert registered.status_code == 201
    answer = httpx.post(base.replace("/fhir", "/oauth/token"), data=token_form(base, "ehr", ALL))
    assert answer.json()["error"] == "invalid_client"


def test_mutual_tls_binds_certificate_client_and_token(tmp_path: Path) -> None:
    """No certificate, a foreign, expired, signing or revoked one is refused; a token holds with its own only."""
    clients = (ClientSettings("ehr", JWKS, ALL), ClientSettings("other", JWKS, ALL))
    settings = MockSettings(port=0, auth="mtls", clients=clients, certificates=str(tmp_path))
    with running_mock(settings) as base:

        def context(name: str = "") -> ssl.SSLContext:
            found = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            if name:
                found.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key.pem")
            return found

        root = base.removesuffix("/fhir")
        with httpx.Client(verify=context("ehr")) as admin:
            for name, wanted in (("expired", {"days": -1}), ("signing", {"kind": "signature"})):
                assert admin.post(f"{root}/_mock/api/certificates/{name}", json=wanted).status_code == 201
        for name in ("", "expired", "signing"):
            with pytest.raises(httpx.TransportError), httpx.Client(verify=context(name)) as client:
                client.get(f"{base}/metadata")
        with client_of(base, ALL, verify=context("ehr")) as client:
            assert client.get("Patient").status_code == 200
            token = client.headers["authorization"]
        with httpx.Client(verify=context("other"), headers={"authorization": token}) as thief:
            assert thief.get(f"{base}/Patient").status_code == 401
            form = token_form(base, "ehr", ALL)
            assert thief.post(base.replace("/fhir", "/oauth/token"), data=form).json()["error"] == "invalid_client"
        with httpx.Client(verify=context("ehr")) as admin:
            assert admin.post(f"{root}/_mock/api/certificates/other/revoke").status_code == 204
        with pytest.raises(httpx.TransportError), httpx.Client(verify=context("other")) as revoked:
            revoked.get(f"{base}/metadata")


def test_the_token_endpoint_is_journalled_and_breaks_on_demand(guarded: str) -> None:
    """Its requests stand in the journal without assertion and token; a fault makes it answer 429."""
    root = guarded.removesuffix("/fhir")
    with MockClient(root, "tokens") as control:
        url = f"{root}/t/tokens/oauth/token"
        form = token_form(control.fhir_url, "ehr", ALL)
        token = httpx.post(url, data=form).json()["access_token"]
        shown = str(control.entry(1))
        assert form["client_assertion"] not in shown
        assert token not in shown
        control.fault("status", status=429, retry_after="3", match=Match(path="^oauth/token$"))
        assert httpx.post(url, data=form).headers["retry-after"] == "3"
        assert [one["status"] for one in control.journal(path="^oauth")] == [200, 429]


def test_introspection_tells_a_client_what_a_token_is_worth(guarded: str) -> None:
    """Active with scope, client and end; anything else is merely not active; no token of one's own, no answer."""
    url = httpx.get(f"{guarded}/.well-known/smart-configuration").json()["introspection_endpoint"]
    with client_of(guarded, "system/CarePlan.rs", client="reader") as reader, client_of(guarded, ALL) as client:
        token = reader.headers["authorization"].removeprefix("Bearer ")
        told = client.post(url, data={"token": token}).json()
        assert (told["active"], told["client_id"], told["scope"]) == (True, "reader", "system/CarePlan.rs")
        assert 0 < told["exp"] - time.time() <= 300
        forged = token.rpartition(".")[0] + ".x"
        assert [client.post(url, data={"token": one}).json() for one in (forged, "x", "")] == [{"active": False}] * 3
    assert httpx.post(url, data={"token": token}).status_code == 401
