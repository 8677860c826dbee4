"""`kykysilta mappings check` and `docs`: all files are looked at, and the tables are those of the repository."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.data import DataFileError
from adapter.mapping import mappings

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_said() -> None:
    """`kykysilta --version` says the version of the package and nothing else."""
    result = CliRunner().invoke(command_line(["--version"]), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"kykysilta {version('kykysilta')}\n")


def test_check_names_every_mapping() -> None:
    """Each mapping is a line with vendor, id and version; exit 0."""
    result = CliRunner().invoke(command_line(), ["mappings", "check"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    wanted = [each.describe() for each in mappings()]
    assert lines == [[each["vendor"] or "records", each["id"], each["version"], "ok"] for each in wanted]


def test_check_tells_file_and_line_of_a_broken_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loader refuses is printed as it says it; exit 1."""

    def broken() -> None:
        raise DataFileError("mappings/records/team/mapping.yaml", 7, "unknown verb 'copi'")

    monkeypatch.setattr("adapter.mapping.mappings", broken)
    result = CliRunner().invoke(command_line(), ["mappings", "check"])
    assert result.exit_code == 1
    assert result.stdout == "mappings/records/team/mapping.yaml:7: unknown verb 'copi'\n"


def test_docs_writes_the_tables_of_the_repository(tmp_path: Path) -> None:
    """The folder is made, and every page in it is the one in `docs/mappings/`."""
    folder = tmp_path / "new" / "tables"
    result = CliRunner().invoke(command_line(), ["mappings", "docs", "--folder", str(folder)])
    assert result.exit_code == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "mappings").glob("*.md")}
    assert written == kept
    assert sorted(result.stdout.splitlines()) == sorted(str(folder / name) for name in written)
