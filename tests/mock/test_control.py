"""The tester's control: namespaces, snapshots, clock, journal, exports, scenarios, plugin, command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from adapter.mock.assertions import RequestFilter
from adapter.mock.cli import app
from adapter.mock.client import MockClient
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings

TEAM = {"resourceType": "CareTeam", "id": "team"}
SCENARIO = """
name: drop-after-commit
title: The first create is stored, its answer is lost
seed: 7
clock: "2025-03-14T08:00:00+02:00"
resources: |
  [{"resourceType": "Patient", "id": "moona", "active": true}]
faults:
  - name: lost
    match: {method: POST}
    when: {nth: 1}
    effect: {kind: drop, commit: "true"}
steps:
  - {method: POST, path: CareTeam, status: broken, body: '{"resourceType":"CareTeam","identifier":[{"value":"1"}]}'}
  - {method: GET, path: Patient/moona, status: "200"}
expect:
  - {kind: stored-once, resource_type: CareTeam, identifier: "1"}
  - {kind: count, exactly: "1", requests: {fault: lost}}
"""


def test_namespaces_share_nothing(endpoint: str) -> None:
    """Data, journal, faults and clock of one namespace do not reach another."""
    with MockClient(endpoint, "one") as one, MockClient(endpoint, "two") as two:
        one.seed(TEAM)
        one.freeze(datetime(2030, 1, 1, tzinfo=UTC))
        one.fault("status")
        assert httpx.get(f"{two.fhir_url}/CareTeam").json()["total"] == 0
        assert len(two.journal()) == 1
        assert one.journal() == []
        assert not two.now().startswith("2030")
        one.drop()
        assert "one" not in httpx.get(f"{endpoint}/_mock/api").json()


def test_a_wrong_namespace_is_404(endpoint: str) -> None:
    """Only lower-case letters, digits and hyphens."""
    assert httpx.get(f"{endpoint}/t/NO_/fhir/Patient").status_code == 404
    assert httpx.get(f"{endpoint}/_mock/api/NO_/clock").status_code == 404


def test_snapshot_and_restore_give_byte_equal_exports(fhir: httpx.Client, control: MockClient) -> None:
    """After the restore everything is as it was, also for searches."""
    control.seed([TEAM, {"resourceType": "Patient", "id": "p", "active": True}])
    before = control.export()
    control.snapshot()
    fhir.delete("CareTeam/team")
    fhir.post("Patient", json={"resourceType": "Patient"})
    assert control.export() != before
    control.restore()
    assert control.export() == before
    assert fhir.get("CareTeam?_id=team").json()["total"] == 1
    with pytest.raises(ValueError, match="no such snapshot"):
        control.restore("unknown")


def test_reset_is_fast_and_whole(fhir: httpx.Client, control: MockClient) -> None:
    """Nothing is left, and it takes milliseconds (the median of ten, the round trip included)."""
    times = []
    for _ in range(10):
        control.seed([TEAM | {"id": f"t{number}"} for number in range(20)])
        begun = time.perf_counter()
        control.reset()
        times.append(time.perf_counter() - begun)
    assert fhir.get("CareTeam").json()["total"] == 0
    assert sorted(times)[5] < 0.1


def test_two_runs_with_the_same_seed_and_clock_are_byte_equal() -> None:
    """Ids, instants, headers and bodies are the same again."""

    def run() -> list[bytes]:
        settings = MockSettings(
            port=0, seed=5, clock=datetime(2025, 3, 14, 8, tzinfo=UTC), public_url="http://mock.example"
        )
        with running_mock(settings) as base, httpx.Client(base_url=f"{base}/") as client:
            answers = [client.post("Patient", json={"resourceType": "Patient"}) for _ in range(3)]
            answers.append(client.get("Patient?_count=2"))
            return [repr(sorted(one.headers.items())).encode() + one.content for one in answers]

    assert run() == run()


def test_the_clock_drives_last_updated(fhir: httpx.Client, control: MockClient) -> None:
    """Frozen it stands, stepped it moves, released it runs."""
    control.freeze(datetime(2025, 3, 14, 8, tzinfo=UTC))
    first = fhir.post("CareTeam", json={"resourceType": "CareTeam"}).json()
    control.step(3600)
    second = fhir.post("CareTeam", json={"resourceType": "CareTeam"})
    assert first["meta"]["lastUpdated"] == "2025-03-14T08:00:00.000Z"
    assert second.json()["meta"]["lastUpdated"] == "2025-03-14T09:00:00.000Z"
    assert second.headers["date"] == "Fri, 14 Mar 2025 09:00:00 GMT"
    assert not control.run_clock().startswith("2025-03-14")
    assert control.freeze(datetime(2025, 3, 14, 8)) == "2025-03-14T06:00:00.000Z"


def test_the_journal_tells_decision_rule_and_change(fhir: httpx.Client, control: MockClient) -> None:
    """Filters by status, rule and request id; before and after of what was written."""
    created = fhir.post("CareTeam", json={"resourceType": "CareTeam"}).json()
    fhir.put(f"CareTeam/{created['id']}", json=created, headers={"if-match": '"9"', "x-request-id": "mine"})
    fhir.put(f"CareTeam/{created['id']}", json=created)
    refused = control.journal(status="4xx")
    assert [one["rules"] for one in refused] == [["K7010"]]
    assert control.journal(rule="K7010") == control.journal(request_id="mine") == refused
    change = control.journal(method="PUT")[-1]["changes"][0]
    assert (change["before"], change["after"]) == (1, 2)
    control.assert_sequence(RequestFilter(method="POST"), RequestFilter(status="412"), RequestFilter(status="200"))
    control.assert_count(2, method="PUT")
    control.assert_never(method="DELETE")
    with pytest.raises(AssertionError, match="0 of 1 steps"):
        control.assert_sequence(RequestFilter(method="DELETE"))


def test_the_journal_masks_secrets_and_identity_codes(fhir: httpx.Client, control: MockClient) -> None:
    """Neither entry, HAR nor curl shows a token or an identity code."""
    body = {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2.246.21", "value": "010594Y9032"}]}
    fhir.post("Patient", json=body, headers={"authorization": "Bearer secret-token"})
    fhir.get("Patient?identifier=200594-904B")
    shown = str(control.entry(1)) + str(control.entry(2)) + str(control.har()) + control.curl(1)
    assert "secret-token" not in shown
    assert "010594Y9032" not in shown
    assert "200594-904B" not in shown
    assert "******-****" in shown
    assert "Bearer ***" in shown


def test_har_and_curl_can_be_used_elsewhere(fhir: httpx.Client, control: MockClient) -> None:
    """HAR 1.2 with request and response; curl with method, headers and body."""
    fhir.post("CareTeam?x=1", json={"resourceType": "CareTeam"})
    log = control.har()["log"]
    assert log["version"] == "1.2"
    assert log["entries"][0]["request"]["queryString"] == [{"name": "x", "value": "1"}]
    assert log["entries"][0]["response"]["status"] == 201
    assert control.curl(1).startswith("curl -i -X POST")


def test_dialects_change_how_the_repository_speaks(fhir: httpx.Client, control: MockClient) -> None:
    """409 for a version conflict, 200 for a delete."""
    created = fhir.post("CareTeam", json={"resourceType": "CareTeam"}).json()
    control.behave(dialect={"version-conflict": "409", "delete": "200"})
    url = f"CareTeam/{created['id']}"
    assert fhir.put(url, json=created, headers={"if-match": '"9"'}).status_code == 409
    assert fhir.delete(url).status_code == 200


def test_strict_mode_refuses_what_makes_duplicates(fhir: httpx.Client, control: MockClient) -> None:
    """POST with search parameters and unknown parameters are refused, with the hint."""
    assert fhir.post("CareTeam?identifier=1", json={"resourceType": "CareTeam"}).status_code == 201
    control.behave(strictness="strict")
    refused = fhir.post("CareTeam?identifier=1", json={"resourceType": "CareTeam"})
    assert (refused.status_code, "If-None-Exist" in refused.text) == (400, True)
    assert fhir.get("CareTeam?nonsense=1").status_code == 400


def test_a_policy_of_the_testers_own(fhir: httpx.Client, control: MockClient) -> None:
    """Transactions only, JSON only, two entries, If-Match demanded: the statement follows, the rest is refused."""
    control.behave(
        policy="name: danish\ninside-bundles-only: yes\nformats: [json]\nsystem: [transaction]\nbundle-entries: 2\n"
        "if-match: required\ntypes: {CarePlan: {interactions: [read, create, update]}, Patient: {}}\n"
    )
    statement = fhir.get("metadata").json()
    plan = statement["rest"][0]["resource"][0]
    assert statement["format"] == ["application/fhir+json", "json"]
    assert [one["code"] for one in statement["rest"][0]["interaction"]] == ["transaction"]
    assert [one["code"] for one in plan["interaction"]] == ["create", "read", "update"]
    assert plan["versioning"] == "versioned-update"
    assert fhir.post("CarePlan", json={"resourceType": "CarePlan"}).status_code == 405
    assert fhir.get("CareTeam/x").status_code == 404
    assert fhir.get("CarePlan").status_code == 405
    entry = {"resource": {"resourceType": "CarePlan"}, "request": {"method": "POST", "url": "CarePlan"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = fhir.post("", json=bundle)
    assert answer.status_code == 200
    assert fhir.post("", json=bundle | {"entry": [entry] * 3}).status_code == 413
    identity = answer.json()["entry"][0]["response"]["location"].split("/")[-3]
    update = {
        "resource": {"resourceType": "CarePlan", "id": identity},
        "request": {"method": "PUT", "url": f"CarePlan/{identity}"},
    }
    assert fhir.post("", json=bundle | {"entry": [update]}).status_code == 400
    with pytest.raises(ValueError, match="unknown key"):
        control.behave(policy="nonsense: yes\n")


def test_wrong_control_requests_are_422_or_404(endpoint: str) -> None:
    """No 5xx for nonsense."""
    with httpx.Client(base_url=f"{endpoint}/_mock/api/nonsense/") as client:
        tries: list[tuple[str, str, Any]] = [
            ("POST", "faults", {"effect": {"kind": "explode"}}),
            ("POST", "faults", {"match": {"path": "("}, "effect": {"kind": "drop"}}),
            ("POST", "clock", {"freeze": "soon"}),
            ("POST", "clock", {"step": 1e300}),
            ("POST", "seed", {"resourceType": "Foo"}),
            ("POST", "seed", [1]),
            ("POST", "assertions", {"kind": "stored-once", "resource_type": "Foo", "identifier": "x"}),
            ("POST", "assertions", {"kind": "count", "requests": {"path": "("}}),
            ("POST", "scenario", {"text": "a: ["}),
            ("POST", "scenario", {"text": "nonsense: 1"}),
            ("PATCH", "behaviour", {"policy": "unknown-policy"}),
            ("GET", "journal/7", None),
            ("DELETE", "faults/none", None),
        ]
        for method, path, body in tries:
            assert client.request(method, path, json=body).status_code in (404, 422), (method, path, body)
    assert httpx.get(f"{endpoint}/_mock/openapi.json").json()["paths"]


def test_a_scenario_file_runs_and_judges(tmp_path: Path) -> None:
    """The command prints a line for each step and expectation; exit code 0, and 1 when one fails."""
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    good = CliRunner().invoke(app, ["scenario", "run", str(file)])
    assert good.exit_code == 0, good.output
    assert good.output.count("ok  ") == 4
    file.write_text(SCENARIO.replace('exactly: "1"', 'exactly: "2"'), encoding="utf-8")
    bad = CliRunner().invoke(app, ["scenario", "run", str(file)])
    assert bad.exit_code == 1
    assert "FAIL" in bad.output
    file.write_text("nonsense: 1", encoding="utf-8")
    assert CliRunner().invoke(app, ["scenario", "run", str(file)]).exit_code == 2


def test_the_command_line_has_the_same_verbs(endpoint: str, tmp_path: Path) -> None:
    """Seed, clock, faults, journal and reset from the shell."""
    where = ["--url", endpoint, "--namespace", "shell"]
    file = tmp_path / "team.json"
    file.write_text('{"resourceType":"CareTeam","id":"a"}', encoding="utf-8")

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, *where])
        assert result.exit_code == 0, result.output
        return result.output

    assert "1 resources stored" in run("seed", str(file))
    assert run("clock", "freeze", "2025-03-14T08:00:00").startswith("2025-03-14")
    run("clock", "step", "10")
    run("clock", "run")
    run("fault", "add", "status", "--nth", "1", "--method", "GET")
    httpx.get(f"{endpoint}/t/shell/fhir/CareTeam")
    assert "fired 1" in run("fault", "list")
    assert "fault fault-1" in run("journal", "--status", "503")
    run("journal", "--har", str(tmp_path / "log.har"))
    assert (tmp_path / "log.har").is_file()
    run("fault", "clear")
    run("reset")
    assert CliRunner().invoke(app, ["reset", "--url", "http://127.0.0.1:1"]).exit_code == 2


def test_the_pytest_plugin_gives_each_test_its_namespace(tmp_path: Path) -> None:
    """Tests on two workers do not see each other's resources."""
    (tmp_path / "test_plugin.py").write_text(
        "import httpx, pytest\n"
        "@pytest.mark.parametrize('number', range(8))\n"
        "def test_alone(fhir_mock, number):\n"
        "    answer = httpx.post(f'{fhir_mock.fhir_url}/CareTeam', json={'resourceType': 'CareTeam'})\n"
        "    assert answer.status_code == 201\n"
        "    assert httpx.get(f'{fhir_mock.fhir_url}/CareTeam').json()['total'] == 1\n"
        "    fhir_mock.assert_count(1, method='POST')\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_with_tokens(fhir_mock_smart, number):\n"
        "    mock, tokens = fhir_mock_smart\n"
        "    assert httpx.get(f'{mock.fhir_url}/CareTeam').status_code == 401\n"
        "    answer = httpx.get(f'{mock.fhir_url}/CareTeam', headers=tokens.headers('system/CareTeam.rs'))\n"
        "    assert answer.json()['total'] == 0\n",
        encoding="utf-8",
    )
    plugins = ["-p", "xdist", "-p", "adapter.mock.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", *plugins, "-c", "/dev/null", "--rootdir", str(tmp_path)]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 passed" in done.stdout
