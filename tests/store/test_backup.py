"""A copy made while the service runs is whole and can take its place; on PostgreSQL by its own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from adapter import audit
from adapter.delivery import Outbox, submissions
from adapter.store import Cipher, Database
from adapter.store.backup import NoBackupError, back_up
from tests.databases import empty_database

STORAGE_KEY = b"the old storage key of the tests"
CIPHER = Cipher({"test": STORAGE_KEY})


def fill(database: Database) -> None:
    """Put one submission and its audit entry in."""
    arrival = submissions.Arrival(
        id="a" * 32,
        sender="ehr",
        record_type="client",
        record_key="r",
        record_version=1,
        digest="d",
        custodian="1.2.3",
        mapping="client",
        warnings="[]",
        source=b"{}",
        body=b'{"resourceType":"Bundle"}',
    )
    with database.transaction() as connection:
        submissions.store(connection, CIPHER, [arrival], 1.0)
        Outbox(database, CIPHER).put(connection, {arrival.id: "lane"}, 1.0)
        audit.append(connection, 1.0, "admin", {"act": "test"})


def holds_everything(url: str) -> bool:
    """Say whether the submission can be claimed and the chain is whole."""
    database = Database(url)
    with database.reading() as connection:
        intact = audit.verify(connection) is None and audit.size(connection) == 1
    claimed = [message.body for message in Outbox(database, CIPHER).claim("worker", 2.0)]
    database.close()
    return intact and claimed == [b'{"resourceType":"Bundle"}']


def test_a_copy_of_a_running_database_takes_its_place(tmp_path: Path) -> None:
    """One file, made while a connection is open, holds everything that was committed."""
    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    fill(database)
    back_up(database, tmp_path / "copy.sqlite")
    database.close()
    (tmp_path / "new").mkdir()
    restored = shutil.copy(tmp_path / "copy.sqlite", tmp_path / "new" / "k.sqlite")
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite"]
    assert holds_everything(f"sqlite:///{restored}")


def test_no_copy_is_written_over_a_file(tmp_path: Path) -> None:
    """An older copy is never lost to a newer one."""
    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    with pytest.raises(NoBackupError, match="exists"):
        back_up(database, tmp_path / "k.sqlite")
    database.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URLs of two empty PostgreSQL databases."""
    with empty_database("postgresql", tmp_path) as one, empty_database("postgresql", tmp_path) as other:
        yield one, other


@pytest.mark.postgresql
def test_postgresql_is_backed_up_by_its_own_tools(server: tuple[str, str], tmp_path: Path) -> None:
    """What docs/operations.md says: pg_dump while running, pg_restore into an empty database."""
    database = Database(server[0])
    fill(database)
    with pytest.raises(NoBackupError, match="pg_dump"):
        back_up(database, tmp_path / "copy")
    run("pg_dump", server[0], "--format=custom", f"--file={tmp_path / 'copy.dump'}")
    database.close()
    run("pg_restore", server[1], "--no-owner", str(tmp_path / "copy.dump"))
    assert holds_everything(server[1])


def run(tool: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools on a database."""
    place = make_url(url)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([*map(str, folders[::-1]), os.environ["PATH"]])
    found = shutil.which(tool, path=path)
    assert found, f"{tool} is there where a PostgreSQL is"
    options = [f"--host={place.query['host']}", f"--username={place.username}", f"--dbname={place.database}"]
    subprocess.run([found, *options, *arguments], check=True)
