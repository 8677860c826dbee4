"""Container file, systemd units and the page that tells how to run the adapter name only what there is."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import typer
from pydantic import ValidationError

from adapter.cli.app import COMMANDS, GROUPS, command_line
from adapter.serve import SHUTDOWN_SECONDS
from adapter.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8").replace("\\\n", "")
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(rf"kykysilta (?:{'|'.join([*COMMANDS, *GROUPS])})\b[^`'\n|&>·]*")


class Unit(ConfigParser):
    """A unit file; of a name that stands twice the last value counts."""

    def __init__(self, file: Path) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
        self.read(file, encoding="utf-8")

    def optionxform(self, optionstr: str) -> str:
        """Keep the case of names."""
        return optionstr


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language, "" for commands."""
    return [body for kind, body in FENCE.findall(PAGE) if kind == language]


def commands() -> Iterator[str]:
    """Every command of ours in page, units and container file."""
    units = [file.read_text(encoding="utf-8") for file in sorted(DEPLOY.iterdir())]
    for text in (PAGE, *units):
        yield from (found.strip() for found in COMMAND.findall(text))
    started = instruction("ENTRYPOINT") + instruction("CMD")
    yield " ".join(started)


def instruction(name: str) -> list[str]:
    """The words of an instruction of the container file that is written as a list."""
    found = re.search(rf"^{name} (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert found
    words: list[str] = json.loads(found[1])
    return words


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_every_command_is_one_with_options_that_exist(line: str) -> None:
    """What an operator copies is understood."""
    words = shlex.split(line)[1:]
    command: Any = typer.main.get_command(command_line(words))
    while hasattr(command, "commands"):
        if not words:
            return
        command = command.commands[words.pop(0)]
    arguments = [each.name for each in command.params if each.required and each.param_type_name == "argument"]
    command.make_context("kykysilta", words or arguments)


@pytest.mark.parametrize("block", blocks("toml"))
def test_the_settings_of_the_page_exist(block: str) -> None:
    """What is wrong with them here are the files alone, which this machine does not have."""
    assert wrong(block) <= {"path_not_file"}


def wrong(block: str) -> set[str]:
    """What kinds of things are wrong with settings."""
    try:
        Settings(**tomllib.loads(block))
    except ValidationError as error:
        return {each["type"] for each in error.errors()}
    return set()


@pytest.mark.parametrize("block", blocks(""))
def test_the_commands_of_the_page_are_shell(block: str) -> None:
    """Quotes and parentheses close."""
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_the_keys_that_the_page_makes_are_settings_or_named_by_one() -> None:
    """A file `kykysilta_…` is read by its name, the others by their path."""
    made = set(re.findall(r"(?:> |-out )(\S+)$", PAGE, re.MULTILINE)) | {"kykysilta.key.pem"}
    read = {file for file in made if file.removeprefix("kykysilta_") in Settings.model_fields}
    assert read == {"kykysilta_id_key", "kykysilta_token_key", "kykysilta_storage_keys"}
    named = re.findall(r'_file = "/etc/kykysilta/secrets/(.+?)"', PAGE)
    assert sorted(file for file in made - read if not file.startswith("/")) == sorted(named)


def test_every_file_that_runs_the_adapter_is_told_of_on_the_page() -> None:
    """And every one that the page names is there."""
    named = set(re.findall(r"deploy/([\w.-]+)", PAGE))
    assert named == {file.name for file in DEPLOY.iterdir()}


@pytest.mark.parametrize("file", sorted(DEPLOY.iterdir()), ids=lambda file: file.name)
def test_units_read_what_the_page_sets_up(file: Path) -> None:
    """User, keys and folders are those of the page; a stop leaves requests in hand their time."""
    unit = Unit(file)
    if file.suffix == ".timer":
        assert file.with_suffix(".service").is_file()
        return
    service = unit["Service"]
    assert f"useradd --system --home-dir /var/lib/kykysilta --shell /usr/sbin/nologin {service['User']}\n" in PAGE
    name, _, folder = service["Environment"].partition("=")
    assert name == "CREDENTIALS_DIRECTORY"
    assert f"cd {folder} " in PAGE
    assert service["ProtectSystem"] == "strict"
    writable = [f"/var/lib/{service.get('StateDirectory', 'kykysilta')}", *service.get("ReadWritePaths", "").split()]
    assert set(writable) <= {"/var/lib/kykysilta", "/var/backups/kykysilta"}
    if service.get("Type") != "oneshot":
        assert int(service["TimeoutStopSec"]) > SHUTDOWN_SECONDS


def test_the_image_gets_what_the_wheel_is_built_from() -> None:
    """The list of what enters the build is complete, and everything on it is there."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    entering = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]}
    assert lines[1] == "*"
    assert entering == needed
    assert all((ROOT / each).exists() for each in needed)


def test_the_image_sets_settings_that_exist() -> None:
    """Its variables are read, its database lies in its volume, and it stops as the process wants to."""
    variables = dict(each.split("=", 1) for each in re.findall(r"[A-Z_]+=\S+", CONTAINERFILE))
    ours = {name.removeprefix("KYKYSILTA_").lower() for name in variables if name.startswith("KYKYSILTA_")}
    assert ours <= set(Settings.model_fields)
    assert f"EXPOSE {Settings.model_fields['port'].default}\n" in CONTAINERFILE
    assert "\nWORKDIR /var/lib/kykysilta\nVOLUME /var/lib/kykysilta\n" in CONTAINERFILE
    waits = re.search(r"--stop-timeout (\d+)", PAGE)
    assert waits
    assert int(waits[1]) > SHUTDOWN_SECONDS


@respx.mock
def test_the_health_check_of_the_image_tells_ready_from_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends well when `/readyz` does, and not when it answers 503."""
    *python, program = instruction("HEALTHCHECK CMD")
    address = re.search(r"READY_URL=(\S+)", CONTAINERFILE)
    assert address
    assert python == ["python", "-c"]
    monkeypatch.setenv("READY_URL", address[1])
    asked = respx.get(address[1])
    asked.respond(200)
    exec(program, {})
    asked.respond(503)
    with pytest.raises(httpx.HTTPStatusError):
        exec(program, {})
