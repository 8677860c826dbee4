"""XML, dialects, policy files of a tester's own, and those that say something unknown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapter.data import DataFileError
from adapter.mock.client import MockClient
from adapter.mock.policy import load_policy, parse_policy


@pytest.fixture
def control(root: str) -> Iterator[MockClient]:
    """Control of the test's namespace."""
    endpoint, _, namespace = root.rpartition("/t/")
    with MockClient(endpoint, namespace) as client:
        yield client


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
