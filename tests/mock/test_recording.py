"""Recording a sandbox, replaying it offline, comparing the endpoint with what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from adapter.mock.cli import app
from adapter.mock.client import MockClient
from adapter.mock.comparing import compare
from adapter.mock.faults import Match

TEAM = {"resourceType": "CareTeam", "name": "tiimi", "identifier": [{"system": "urn:test", "value": "1"}]}


@pytest.fixture
def sandbox(endpoint: str, control: MockClient) -> Iterator[MockClient]:
    """Another namespace that stands for a real sandbox."""
    with MockClient(endpoint, f"{control.namespace}-sandbox") as client:
        yield client
        client.drop()


def exercise(http: httpx.Client) -> list[httpx.Response]:
    """What a client does: create, read, search, update."""
    created = http.post("CareTeam", json=TEAM, headers={"authorization": "Bearer secret-token"})
    url = created.headers["location"].rpartition("/_history")[0]
    body = created.json() | {"name": "uusi"}
    return [
        created,
        http.get(url),
        http.get("CareTeam", params={"identifier": "urn:test|1", "_sort": "_id"}),
        http.put(url, json=body, headers={"if-match": 'W/"1"'}),
    ]


def test_a_sandbox_is_recorded_and_replayed_without_it(
    fhir: httpx.Client, control: MockClient, sandbox: MockClient
) -> None:
    """The answers are the sandbox's with our URLs; replayed they are the same again, in any order of parameters."""
    control.record(sandbox.fhir_url)
    first = exercise(fhir)
    assert [one.status_code for one in first] == [201, 200, 200, 200]
    assert all(sandbox.fhir_url not in one.text + str(one.headers) for one in first)
    assert first[0].headers["location"].startswith(str(fhir.base_url))
    assert control.export() == b""
    assert len(sandbox.journal()) == 4
    sandbox.reset()
    assert control.replay() == 4
    again = exercise(fhir)
    assert [one.content for one in again] == [one.content for one in first]
    assert fhir.get("CareTeam?_sort=_id&identifier=urn:test%7C1").json()["total"] == 1
    assert sandbox.journal() == []
    control.stop_recording()
    assert fhir.get("CareTeam").json()["total"] == 0


def test_what_was_not_recorded_is_said(fhir: httpx.Client, control: MockClient, sandbox: MockClient) -> None:
    """404 that names the reason; an upstream that is away is 502; recording needs a URL."""
    control.record(sandbox.fhir_url)
    fhir.post("CareTeam", json=TEAM)
    control.replay()
    for answer in (fhir.get("CareTeam/none"), fhir.post("CareTeam", json=TEAM | {"name": "toinen"})):
        assert (answer.status_code, "K7065" in answer.text) == (404, True)
    control.record("http://127.0.0.1:1/fhir")
    assert fhir.get("metadata").status_code == 502
    with pytest.raises(ValueError, match="http or https"):
        control.record("sandbox")


def test_a_recording_is_a_har_without_secrets(fhir: httpx.Client, control: MockClient, sandbox: MockClient) -> None:
    """HAR 1.2 with bodies; no token; it can be replayed in another namespace."""
    control.record(sandbox.fhir_url)
    first = exercise(fhir)
    archive = control.recorded()
    log = json.loads(archive)["log"]
    assert (log["version"], len(log["entries"])) == ("1.2", 4)
    assert b"secret-token" not in archive
    with MockClient(control.root, f"{control.namespace}-other") as other, httpx.Client() as http:
        assert other.replay(archive) == 4
        answer = http.post(f"{other.fhir_url}/CareTeam", json=TEAM)
        assert answer.json() == first[0].json()
        with pytest.raises(ValueError, match="not an HTTP Archive"):
            other.replay(b'{"log": 1}')


def test_faults_break_a_recorded_sandbox_too(fhir: httpx.Client, control: MockClient, sandbox: MockClient) -> None:
    """An answer of the sandbox is lost behind its commit."""
    control.record(sandbox.fhir_url)
    control.fault("drop", commit=True, match=Match(method="POST"))
    with pytest.raises(httpx.TransportError):
        fhir.post("CareTeam", json=TEAM)
    assert b'"tiimi"' in sandbox.export()


def changed(archive: bytes, place: str, value: Any) -> dict[str, Any]:
    """The archive with another answer to the first request."""
    document: dict[str, Any] = json.loads(archive)
    response = document["log"]["entries"][0]["response"]
    if place == "status":
        response["status"] = value
    else:
        response["content"]["text"] = json.dumps(json.loads(response["content"]["text"]) | {place: value})
    return document


def test_the_endpoint_is_compared_with_a_recording(
    fhir: httpx.Client, control: MockClient, sandbox: MockClient, tmp_path: Path
) -> None:
    """Ids and versions drawn anew do not count; another status, element or value does, and no value is told."""
    control.record(sandbox.fhir_url)
    exercise(fhir)
    archive = control.recorded()
    control.stop_recording()
    with httpx.Client() as http:
        assert compare(control.fhir_url, json.loads(archive), http) == (4, [])
        for place, value, told in (
            ("status", 202, "status 202 there, 201 here"),
            ("name", "salainen", "CareTeam.name differs"),
            ("note", [{"text": "x"}], "CareTeam.note only there"),
        ):
            control.reset()
            _, found = compare(control.fhir_url, changed(archive, place, value), http)
            assert found[0].what == (told,)
            assert "salainen" not in str(found)
    file = tmp_path / "sandbox.har"
    file.write_bytes(archive)
    control.reset()
    where = ["--url", control.root, "--namespace", control.namespace]
    same = CliRunner().invoke(app, ["compare", str(file), *where])
    assert (same.exit_code, "4 requests, 0 answered differently" in same.output) == (0, True), same.output
    file.write_text(json.dumps(changed(archive, "status", 202)))
    control.reset()
    assert CliRunner().invoke(app, ["compare", str(file), *where]).exit_code == 1
    file.write_text("x")
    assert CliRunner().invoke(app, ["compare", str(file), *where]).exit_code == 2
