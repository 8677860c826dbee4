"""The control over HTTP, the Python client and the command line have the same verbs."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import typer
from typer.testing import CliRunner

from adapter.mock.cli import app
from adapter.mock.client import MockClient
from adapter.mock.serve import running_endpoint
from adapter.mock.settings import ClientSettings, MockSettings
from adapter.mock.token_client import TokenClient, make_key, write_keys

VERBS = {
    "GET /": ("namespaces", "namespaces"),
    "DELETE /{namespace}": ("drop", "drop"),
    "POST /{namespace}/reset": ("reset", "reset"),
    "POST /{namespace}/seed": ("seed", "seed"),
    "GET /{namespace}/export": ("export", "export"),
    "PUT /{namespace}/snapshots/{name}": ("snapshot", "snapshot"),
    "GET /{namespace}/snapshots/{name}": ("download", "snapshot"),
    "POST /{namespace}/snapshots/{name}/restore": ("restore", "restore"),
    "GET /{namespace}/clock": ("now", "clock now"),
    "POST /{namespace}/clock": ("step", "clock step"),
    "GET /{namespace}/behaviour": ("behaviour", "behave"),
    "PATCH /{namespace}/behaviour": ("behave", "behave"),
    "GET /{namespace}/faults": ("faults", "fault list"),
    "POST /{namespace}/faults": ("add_fault", "fault add"),
    "DELETE /{namespace}/faults": ("clear_faults", "fault clear"),
    "DELETE /{namespace}/faults/{name}": ("remove_fault", "fault remove"),
    "GET /{namespace}/journal": ("journal", "journal"),
    "DELETE /{namespace}/journal": ("clear_journal", "journal"),
    "GET /{namespace}/journal.har": ("har", "journal"),
    "GET /{namespace}/journal/{number}": ("entry", "show"),
    "GET /{namespace}/journal/{number}/curl": ("curl", "curl"),
    "GET /{namespace}/audit": ("audit", "audit"),
    "POST /{namespace}/assertions": ("judge", "assert"),
    "POST /{namespace}/scenario": ("scenario", "scenario begin"),
    "GET /{namespace}/recording": ("recording", "recording"),
    "PUT /{namespace}/recording": ("record", "record"),
    "GET /{namespace}/recording.har": ("recorded", "recording"),
    "PUT /{namespace}/recording.har": ("replay", "replay"),
    "POST /{namespace}/clients": ("register_client", "client add"),
    "POST /{namespace}/tokens/{token_id}/revoke": ("revoke_token", "client revoke-token"),
    "GET /certificates": ("refused_handshakes", "certificate refused"),
    "POST /certificates/{name}": ("issue_certificate", "certificate issue"),
    "POST /certificates/{name}/revoke": ("revoke_certificate", "certificate revoke"),
}
"""Every operation of the control, the method of the client and the command that do the same."""


def commands() -> set[str]:
    """The names of all commands, with their group."""
    root: Any = typer.main.get_command(app)
    found = set()
    for name, one in root.commands.items():
        found |= {f"{name} {inner}" for inner in one.commands} if hasattr(one, "commands") else {name}
    return found


def test_every_operation_has_a_method_and_a_command(endpoint: str) -> None:
    """Nothing is in the description that is not in the table, and the other way round."""
    paths = httpx.get(f"{endpoint}/_mock/openapi.json").json()["paths"]
    described = {
        f"{method.upper()} {path.removeprefix('/_mock/api') or '/'}" for path, one in paths.items() for method in one
    }
    assert described == set(VERBS)
    methods = {name for name, _ in inspect.getmembers(MockClient, inspect.isfunction)}
    assert {method for method, _ in VERBS.values()} <= methods
    assert {command for _, command in VERBS.values()} <= commands()


def run(*words: str, code: int = 0) -> str:
    """Run a command and return what it said."""
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, (words, result.output)
    return result.output


def test_the_verbs_of_data_and_judgement_work_in_the_shell(endpoint: str, tmp_path: Path) -> None:
    """Seed, export, snapshot, restore, behave, journal, show, curl, audit, assert, scenario, drop."""
    where = ["--url", endpoint, "--namespace", "verbs"]
    file, policy, scenario = tmp_path / "team.json", tmp_path / "mine.yaml", tmp_path / "scenario.yaml"
    file.write_text('[{"resourceType":"CareTeam","id":"a","identifier":[{"value":"1"}]}]', encoding="utf-8")
    policy.write_text("name: mine\nformats: [json]\ntypes: {CareTeam: {}}\n", encoding="utf-8")
    scenario.write_text('name: s\nresources: \'[{"resourceType":"Patient","id":"p"}]\'\n', encoding="utf-8")
    run("seed", str(file), *where)
    assert '"id":"a"' in run("export", *where)
    run("snapshot", "-o", str(tmp_path / "snapshot.sqlite"), *where)
    assert (tmp_path / "snapshot.sqlite").read_bytes().startswith(b"SQLite format 3")
    httpx.delete(f"{endpoint}/t/verbs/fhir/CareTeam/a")
    run("restore", *where)
    run("export", "-o", str(tmp_path / "all.ndjson"), *where)
    assert (tmp_path / "all.ndjson").read_bytes().count(b"\n") == 1
    assert "policy  mine" in run("behave", "--policy", str(policy), "--dialect", "delete=200", *where)
    run("behave", "--dialect", "nonsense", *where, code=2)
    httpx.get(f"{endpoint}/t/verbs/fhir/Patient")
    assert "404" in run("journal", "--status", "4xx", *where)
    assert '"rules"' in run("show", "1", *where)
    assert run("curl", "1", *where).startswith("curl")
    run("audit", *where)
    assert "ok" in run("assert", "stored-once", "--resource-type", "CareTeam", "--identifier", "1", *where)
    assert "FAIL" in run("assert", "never", "--path", "Patient", *where, code=1)
    run("assert", "nonsense", *where, code=2)
    assert "now" not in run("clock", "now", *where)
    run("fault", "add", "drop", "--name", "mine", *where)
    run("fault", "remove", "mine", *where)
    run("journal", "--clear", *where)
    assert run("journal", *where) == ""
    assert "1 resources stored" in run("scenario", "begin", str(scenario), *where)
    assert "verbs" in run("namespaces", "--url", endpoint)
    run("drop", "verbs", "--url", endpoint)
    assert "verbs" not in run("namespaces", "--url", endpoint)


def test_keys_and_tokens_from_the_shell(tmp_path: Path) -> None:
    """Make keys, register them while it runs, get a token, use it, revoke it."""
    assert "ehr.jwks.json" in run("keys", "ehr", "--folder", str(tmp_path))
    assert (tmp_path / "ehr.key.pem").stat().st_mode & 0o077 == 0
    run("keys", "ehr", "--folder", str(tmp_path), code=2)
    with running_endpoint(MockSettings(port=0, auth="smart")) as addresses:
        where = ["--url", addresses.control]
        key = ["--key", str(tmp_path / "ehr.key.pem"), "--url", addresses.fhir]
        run("token", "ehr", *key, code=2)
        run("client", "add", "ehr", str(tmp_path / "ehr.jwks.json"), "--scopes", "system/CareTeam.rs", *where)
        token = run("token", "ehr", *key).strip()
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{addresses.fhir}/CareTeam", headers=headers).status_code == 200
        identity = jwt.decode(token, options={"verify_signature": False})["jti"]
        run("client", "revoke-token", identity, *where)
        assert httpx.get(f"{addresses.fhir}/CareTeam", headers=headers).status_code == 401
        run("certificate", "issue", "x", *where, code=2)
    run("token", "ehr", *key, code=2)


def test_serve_says_where_it_is_only_when_it_is_there(endpoint: str, tmp_path: Path) -> None:
    """A port that is taken, a key set that is none, a file that is missing: exit code 2, and no address is told."""
    port = endpoint.rpartition(":")[2]
    (tmp_path / "bad.json").write_text("{}", encoding="utf-8")
    for words in (
        ["--port", port],
        ["--port", "0", "--policy", "nonsense"],
        ["--port", "0", "--auth", "smart", "--client", f"ehr={tmp_path / 'bad.json'}"],
        ["--port", "0", "--auth", "smart", "--client", f"ehr={tmp_path / 'none.json'}"],
        ["--port", "0", "--trusted", str(tmp_path / "none.pem")],
    ):
        assert "FHIR base" not in run("serve", *words, code=2)


def test_the_root_of_the_server_leads_to_the_page(endpoint: str) -> None:
    """Whoever opens the address in a browser is not met by a bare 404."""
    answer = httpx.get(endpoint, follow_redirects=True)
    assert (answer.status_code, answer.url.path, "<h1>" in answer.text) == (200, "/_mock/", True)


def test_a_token_client_follows_the_endpoints_clock(tmp_path: Path) -> None:
    """The tester steps the clock by a day; tokens are got all the same."""
    pem, key_set = make_key()
    settings = MockSettings(port=0, auth="smart", clients=(ClientSettings("ehr", key_set),))
    with running_endpoint(settings) as addresses, MockClient(addresses.control) as control:
        control.step(86_400)
        with TokenClient(addresses.fhir, "ehr", pem) as known:
            assert known.headers("system/*.r")["Authorization"].startswith("Bearer ")
        with TokenClient(addresses.fhir, "nobody", pem) as unknown, pytest.raises(ValueError, match="no token: 401"):
            unknown.token()
    assert write_keys(tmp_path, "x")[0].is_file()
