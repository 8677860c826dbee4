"""`kykysilta storage`: a copy is made and checked, and after a rotation the old key is not needed any more."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.store import Database
from tests.store.test_backup import STORAGE_KEY, fill, holds_everything

OLD, NEW = STORAGE_KEY, b"the new storage key of the tests"


def run(*arguments: str, keys: dict[str, bytes], file: Path) -> tuple[int, str]:
    """Run a command with storage keys and a database."""
    texts = {name: base64.b64encode(key).decode() for name, key in keys.items()}
    environment = {
        "KYKYSILTA_DATABASE": f"sqlite:///{file}",
        "KYKYSILTA_STORAGE_KEYS": json.dumps(texts),
        "KYKYSILTA_ID_KEY": base64.b64encode(b"key of ids of tests of storage!!").decode(),
    }
    asked = (*arguments, "--lang", "en")
    result = CliRunner().invoke(command_line(asked), asked, env=environment)
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with one submission, encrypted with the old key."""
    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    fill(database)
    database.close()
    return tmp_path / "k.sqlite"


def test_a_backup_is_a_database(file: Path, tmp_path: Path) -> None:
    """The copy holds everything; a second one does not overwrite it."""
    target = tmp_path / "copy.sqlite"
    assert run("storage", "backup", str(target), keys={"test": OLD}, file=file) == (0, f"{target}\n")
    assert holds_everything(f"sqlite:///{target}")
    code, said = run("storage", "backup", str(target), keys={"test": OLD}, file=file)
    assert (code, "exists" in said) == (2, True)


def test_no_backup_is_made_of_nothing(file: Path, tmp_path: Path) -> None:
    """Where the database is not, or the folder of the copy is not, nothing is written and the reason is told."""
    elsewhere, target = tmp_path / "elsewhere.sqlite", tmp_path / "copy.sqlite"
    code, said = run("storage", "backup", str(target), keys={"test": OLD}, file=elsewhere)
    assert (code, "--config" in said) == (2, True)
    code, said = run("storage", "backup", str(tmp_path / "none" / "copy.sqlite"), keys={"test": OLD}, file=file)
    assert (code, "No such file or directory" in said) == (2, True)
    assert not elsewhere.exists()
    assert not target.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_only_the_owner_reads_a_backup(file: Path, tmp_path: Path) -> None:
    """The copy is as safe as its folder allows: nobody else may open it."""
    target = tmp_path / "copy.sqlite"
    assert run("storage", "backup", str(target), keys={"test": OLD}, file=file)[0] == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_after_re_encryption_the_old_key_can_go(file: Path) -> None:
    """With the new key in front everything is written anew; without the old one too early, it is told."""
    code, said = run("storage", "re-encrypt", keys={"new": NEW}, file=file)
    assert (code, "keep the old keys" in said) == (1, True)
    assert run("storage", "re-encrypt", keys={"new": NEW, "test": OLD}, file=file)[0] == 0
    code, said = run("storage", "re-encrypt", keys={"new": NEW}, file=file)
    assert (code, said) == (0, "rows encrypted anew: 0\n")
