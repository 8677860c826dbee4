"""The certification run passes a good client and fails a bad one, with reports for machines and people."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from lxml import html
from typer.testing import CliRunner

from adapter.mock.certify import certification_steps
from adapter.mock.cli import app

CLIENT = Path(__file__).with_name("certification_client.py")


def run(endpoint: str, kind: str, folder: Path) -> int:
    """Certify the client and return the exit code."""
    words = ["--command", f"{sys.executable} {CLIENT} {kind}", "--wait", "0.3", "--reports", str(folder)]
    return (
        CliRunner().invoke(app, ["certify", "--url", endpoint, "--namespace", kind, "--lang", "fi", *words]).exit_code
    )


def test_a_good_client_passes_every_step(endpoint: str, tmp_path: Path) -> None:
    """Exit code 0; JSON, JUnit and one self-contained page tell the same."""
    assert run(endpoint, "good", tmp_path) == 0, (tmp_path / "certification.json").read_text(encoding="utf-8")
    found = json.loads((tmp_path / "certification.json").read_bytes())
    assert found["ok"]
    assert [one["name"] for one in found["steps"]] == [one.name for one in certification_steps()]
    suite = ET.parse(tmp_path / "certification.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(certification_steps())), "0")
    page = html.parse(tmp_path / "certification.html").getroot()
    assert page.get("lang") == "fi"
    assert len(page.xpath("//h2")) == len(certification_steps())
    assert not page.xpath("//script | //link | //img")


def test_a_bad_client_fails(endpoint: str, tmp_path: Path) -> None:
    """It makes duplicates, ignores Retry-After and repeats what was refused for good: exit code 1."""
    assert run(endpoint, "bad", tmp_path) == 1
    found = {one["name"]: one["ok"] for one in json.loads((tmp_path / "certification.json").read_bytes())["steps"]}
    assert not any(found.values())
    assert ET.parse(tmp_path / "certification.xml").getroot().get("failures") == str(len(found))


def test_an_unknown_step_is_wrong_use(tmp_path: Path) -> None:
    """Exit code 2."""
    result = CliRunner().invoke(app, ["certify", "--step", "fly", "--reports", str(tmp_path)])
    assert result.exit_code == 2
