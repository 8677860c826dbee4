"""`kykysilta storage`: a copy is made and checked, and after a rotation the old key is not needed any more."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.store import Database
from tests.store.test_backup import fill, holds_everything

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def run(*arguments: str, keys: dict[str, bytes], file: Path) -> tuple[int, str]:
    """Run a command with storage keys and a database."""
    texts = {name: base64.b64encode(key).decode() for name, key in keys.items()}
    environment = {
        "KYKYSILTA_DATABASE": f"sqlite:///{file}",
        "KYKYSILTA_STORAGE_KEYS": json.dumps(texts),
        "KYKYSILTA_ID_KEY": base64.b64encode(bytes(range(2, 34))).decode(),
    }
    result = CliRunner().invoke(command_line(arguments), arguments, env=environment)
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


def test_after_re_encryption_the_old_key_can_go(file: Path) -> None:
    """With the new key in front everything is written anew; without the old one too early, it is told."""
    code, said = run("storage", "re-encrypt", keys={"new": NEW}, file=file)
    assert (code, "keep the old keys" in said) == (1, True)
    assert run("storage", "re-encrypt", keys={"new": NEW, "test": OLD}, file=file)[0] == 0
    code, said = run("storage", "re-encrypt", keys={"new": NEW}, file=file)
    assert (code, said) == (0, "0 rows encrypted anew\n")
