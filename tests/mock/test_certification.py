"""The certification run passes a good client and fails a bad one, with reports for machines and people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from lxml import html
from typer.testing import CliRunner

from adapter.mock.certify import (
    CertificationStep,
    Place,
    StepResult,
    as_html,
    as_json,
    as_junit,
    certification_steps,
    certify,
)
from adapter.mock.cli import app
from adapter.mock.client import MockClient
from adapter.mock.summary import read_summary, sign_summary
from adapter.mock.token_client import make_key
from adapter.security.key_files import read_private_key
from tests.mock.certification_client import bad, connected, good

NOW = datetime(2026, 3, 14, tzinfo=UTC)
CLIENT = Path(__file__).with_name("certification_client.py")


def certified(endpoint: str, behave: Callable[[httpx.Client, str], None], wait: float) -> list[StepResult]:
    """Lead a client through all steps in a namespace of its own."""

    def act(step: CertificationStep, place: Place) -> None:
        with connected(place.environment()) as client:
            behave(client, step.name)

    with MockClient(endpoint, behave.__name__) as control:
        return certify(control, act, wait=wait)


def test_a_good_client_passes_every_step(endpoint: str) -> None:
    """JSON, JUnit and one self-contained page tell the same."""
    results = certified(endpoint, good, 1)
    found = json.loads(as_json(results, NOW))
    assert found["ok"], found
    assert [one["name"] for one in found["steps"]] == [one.name for one in certification_steps()]
    suite = ET.fromstring(as_junit(results))
    assert (suite.get("tests"), suite.get("failures")) == (str(len(results)), "0")
    page = html.fromstring(as_html(results, NOW, "fi"))
    assert page.get("lang") == "fi"
    assert len(page.xpath("//h2")) == len(results)
    assert not page.xpath("//script | //link | //img")


def test_a_bad_client_fails_every_step(endpoint: str) -> None:
    """It makes duplicates, ignores Retry-After and repeats what was refused for good."""
    results = certified(endpoint, bad, 0)
    assert not any(one.ok for one in results)
    assert ET.fromstring(as_junit(results)).get("failures") == str(len(results))


@pytest.mark.parametrize(("kind", "code"), [("good", 0), ("bad", 1)])
def test_the_command_leads_a_program_and_writes_reports(endpoint: str, tmp_path: Path, kind: str, code: int) -> None:
    """The exit code tells; the three reports lie in the folder."""
    words = ["--command", f"{sys.executable} {CLIENT} {kind}", "--wait", "0", "--reports", str(tmp_path)]
    where = ["--url", endpoint, "--namespace", f"command-{kind}", "--step", "create"]
    result = CliRunner().invoke(app, ["certify", *where, *words])
    assert result.exit_code == code, result.output
    assert {one.suffix for one in tmp_path.iterdir()} == {".json", ".xml", ".html", ".jws"}
    checked = CliRunner().invoke(app, ["verify", str(tmp_path / "certification.jws")])
    assert checked.exit_code == code, checked.output
    (tmp_path / "certification.json").write_bytes((tmp_path / "certification.json").read_bytes() + b" ")
    changed = CliRunner().invoke(app, ["verify", str(tmp_path / "certification.jws")])
    assert (changed.exit_code, "changed after it was signed" in changed.output) == (1, True)


def test_an_unknown_step_is_wrong_use(tmp_path: Path) -> None:
    """Exit code 2."""
    result = CliRunner().invoke(app, ["certify", "--step", "fly", "--reports", str(tmp_path)])
    assert result.exit_code == 2


def test_the_summary_tells_who_signed_it(tmp_path: Path) -> None:
    """With the signer's key set it holds, with another's it does not; one changed letter breaks it."""
    (pem, keys), (_, others) = make_key(), make_key()
    summary = sign_summary([], b"{}", NOW, read_private_key(pem))
    assert read_summary(summary, b"{}", keys)["ok"] is True
    head, body, signature = summary.split(".")
    for wrong, key_set in ((summary, others), (f"{head}.{body[:-4]}AAAA.{signature}", keys), ("x", keys)):
        with pytest.raises(ValueError, match="does not hold"):
            read_summary(wrong, b"{}", key_set)
