"""The national policy, XML, dialects, and policy files that say something unknown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapter.data import DataFileError
from adapter.fhir.canonical import canonical
from adapter.mock.client import MockClient
from adapter.mock.policy import load_policy, parse_policy
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.security.certificates import Authority
from adapter.security.signatures import Signer

PROFILE = "https://kykysilta.example/fhir/StructureDefinition/kykysilta-{}"
PLAN = "urn:uuid:00000000-0000-4000-8000-000000000001"
NOW = datetime(2026, 3, 14, 8, tzinfo=UTC)


@pytest.fixture
def control(root: str) -> Iterator[MockClient]:
    """Control of the test's namespace."""
    endpoint, _, namespace = root.rpartition("/t/")
    with MockClient(endpoint, namespace) as client:
        yield client


@pytest.fixture
def national(fhir: httpx.Client, control: MockClient) -> httpx.Client:
    """A namespace under the national policy."""
    control.behave(policy="national")
    return fhir


def resource(kind: str, **more: Any) -> dict[str, Any]:
    """A resource that claims a profile of ours."""
    return {"resourceType": kind, "meta": {"profile": [PROFILE.format(kind.lower())]}, **more}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    """A transaction; the first resource is the plan."""
    entries = [{"resource": one, "request": {"method": "POST", "url": one["resourceType"]}} for one in resources]
    entries[0]["fullUrl"] = PLAN
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def test_profiles_are_mandatory(national: httpx.Client) -> None:
    """Without meta.profile, or with a foreign one, 422 names what is allowed."""
    assert national.post("CareTeam", json={"resourceType": "CareTeam"}).status_code == 422
    foreign = {"resourceType": "CareTeam", "meta": {"profile": ["https://foreign.example/x"]}}
    refused = national.post("CareTeam", json=foreign)
    assert (refused.status_code, "https://kykysilta.example/fhir/" in refused.text) == (422, True)
    assert national.post("CareTeam", json=resource("CareTeam")).status_code == 201


def test_search_by_post_only_and_always_about_a_client(national: httpx.Client) -> None:
    """Nothing personal in the URL; a search without a patient is 400."""
    assert national.get("CarePlan?patient:identifier=urn:oid:1.2.246.21|010594Y9032").status_code == 405
    assert national.post("CarePlan/_search", data={"status": "active"}).status_code == 400
    found = national.post("CarePlan/_search", data={"patient:identifier": "urn:oid:1.2.246.21|010594Y9032"})
    assert (found.status_code, found.json()["total"]) == (200, 0)


def test_a_plan_needs_its_provenance(national: httpx.Client) -> None:
    """The transaction is refused without, taken with it; batch and XML are off."""
    plan = resource("CarePlan", status="active", intent="plan")
    provenance = resource("Provenance", target=[{"reference": PLAN}])
    refused = national.post("", json=bundle(plan))
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource"]
    assert national.post("", json=bundle(plan, provenance)).status_code == 200
    assert national.post("", json=bundle(plan, provenance) | {"type": "batch"}).status_code == 400
    assert national.get("metadata", headers={"accept": "application/fhir+xml"}).status_code == 406


def test_ids_and_empty_answers(national: httpx.Client) -> None:
    """The caller's request id comes back as correlation id; an unreadable body is answered without one."""
    answer = national.post("CareTeam", content=b"{", headers={"x-request-id": "mine"})
    assert (answer.status_code, answer.content) == (400, b"")
    assert answer.headers["x-correlation-id"] == "mine"
    assert answer.headers["x-request-id"] != "mine"


def test_a_disclosure_notice_is_signed_by_a_trusted_certificate(tmp_path: Path) -> None:
    """Taken with a signature of a trusted authority's certificate; without, altered or foreign: 400 and the code."""
    authority, foreign = (Authority.create(name, NOW) for name in ("ours", "foreign"))
    (tmp_path / "ca.pem").write_bytes(authority.root.certificate_pem)
    settings = MockSettings(port=0, policy="national", trusted=str(tmp_path / "ca.pem"), clock=NOW)
    notice = bundle(resource("AuditEvent"), resource("Provenance", target=[{"reference": PLAN}]))

    def signed(issuer: Authority, days: int | None = None) -> bytes:
        issued = issuer.issue("org", "signature", NOW, days=days)
        who = {"identifier": {"value": "org"}}
        return Signer(issued.private_key, "k", "ES256", who, (issued.x5c,)).sign(notice, "2026-03-14T08:00:00Z")

    with running_mock(settings) as base:
        kind = {"content-type": "application/fhir+json"}
        assert httpx.post(base, content=signed(authority), headers=kind).status_code == 200
        altered = signed(authority).replace(b'AuditEvent"}', b'AuditEvent" }').replace(b"auditevent", b"auditEvent")
        for wrong in (canonical(notice), altered, signed(foreign), signed(authority, -1)):
            refused = httpx.post(base, content=wrong, headers=kind)
            assert refused.status_code == 400
            assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "4Y00007"


def test_xml_in_and_out(fhir: httpx.Client) -> None:
    """A resource in XML is the same in JSON, decimals included; refusals and Bundles come in XML too."""
    xml = (
        '<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="x"/></code>'
        '<valueQuantity><value value="5.10"/></valueQuantity></Observation>'
    )
    kind = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}
    created = fhir.post("Observation", content=xml.encode(), headers=kind)
    assert (created.status_code, created.headers["content-type"].split(";")[0]) == (201, "application/fhir+xml")
    identity = created.headers["location"].split("/")[-3]
    assert b'"value":5.10' in fhir.get(f"Observation/{identity}").content
    assert b'<value value="5.10"/>' in fhir.get(f"Observation/{identity}?_format=xml").content
    assert fhir.get("Observation", headers=kind).text.startswith("<")
    assert "OperationOutcome" in fhir.get("Observation/none", headers=kind).text
    for wrong in (b"<a", b'<!DOCTYPE x><Observation xmlns="http://hl7.org/fhir"/>', b"<Observation/>"):
        assert fhir.post("Observation", content=wrong, headers=kind).status_code == 400


def test_dialects(fhir: httpx.Client, control: MockClient, patient: dict[str, Any]) -> None:
    """ETag strong or bare, absolute references, no representation, 404 for a deleted resource."""
    subject = {"reference": f"Patient/{patient['id']}"}
    team = fhir.post("CareTeam", json={"resourceType": "CareTeam", "subject": subject}).json()
    url = f"CareTeam/{team['id']}"
    control.behave(dialect={"etag": "strong", "references": "absolute", "representation": "no", "deleted-read": "404"})
    shown = fhir.get(url)
    assert shown.headers["etag"] == '"1"'
    assert shown.json()["subject"]["reference"] == f"{fhir.base_url}Patient/{patient['id']}"
    assert fhir.put(url, json=team).content == b""
    control.behave(dialect={"etag": "unquoted"})
    assert fhir.get(url).headers["etag"] == "2"
    fhir.delete(url)
    assert fhir.get(url).status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "nonsense: 1",
        "types: {Foo: {}}",
        "types: {Patient: {nonsense: 1}}",
        "types: {Patient: {interactions: [fly]}}",
        "formats: [ttl]",
        "if-match: sometimes",
        "update-create: perhaps",
        "- a",
    ],
)
def test_a_policy_that_says_something_unknown_is_refused(text: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(DataFileError):
        parse_policy(text, "policy.yaml")


def test_packaged_policies_load() -> None:
    """Both can be read; an unknown name is an error."""
    assert len(load_policy("open").types) == 146
    assert load_policy("national").profile_required
    with pytest.raises(DataFileError):
        load_policy("unknown")
