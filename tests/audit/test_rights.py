"""The database itself keeps the log from being bent: the service needs no right to change or delete an entry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from adapter import audit
from adapter.store import Database
from tests.audit.conftest import bend
from tests.databases import empty_database

WRITER = "kykysilta_log_writer"
TABLES = "audit_entry, audit_checkpoint"


@pytest.fixture
def writable(tmp_path: Path) -> Iterator[Database]:
    """A database in which a role may read the log and add to it, as `docs/audit.md` says."""
    with empty_database("postgresql", tmp_path) as url:
        opened = Database(url)
        bend(
            opened,
            f"CREATE ROLE {WRITER}",
            f"GRANT SELECT, INSERT ON {TABLES} TO {WRITER}",
            f"GRANT USAGE ON SEQUENCE audit_checkpoint_id_seq TO {WRITER}",
        )
        yield opened
        bend(opened, f"DROP OWNED BY {WRITER}", f"DROP ROLE {WRITER}")
        opened.close()


@pytest.mark.postgresql
def test_whoever_writes_the_log_cannot_bend_it(writable: Database) -> None:
    """Entries and checkpoints are added and verified; a change, a deletion and emptying are refused."""
    with writable.transaction() as connection:
        connection.execute(text(f"SET LOCAL ROLE {WRITER}"))
        audit.append(connection, 1.0, "admin", {"act": "maintain"})
        audit.checkpoint(connection, 2.0, Ed25519PrivateKey.generate())
        assert audit.verify(connection) is None
    for statement in ("UPDATE audit_entry SET at = 2", "DELETE FROM audit_entry", f"TRUNCATE {TABLES}"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            bend(writable, f"SET LOCAL ROLE {WRITER}", statement)
