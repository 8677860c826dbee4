"""A copy of a SQLite database while it is in use, checked before it counts as one.

PostgreSQL has its own tool for this (`pg_dump`); see docs/operations.md.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from adapter.i18n import text
from adapter.store.database import Database


class NoBackupError(Exception):
    """There is no copy.

    Attributes:
        key: of the message that says why.
    """

    def __init__(self, key: str) -> None:
        super().__init__(text(key))
        self.key = key


def back_up(database: Database, target: Path) -> None:
    """Write a consistent copy of a SQLite database into a new file; writers go on meanwhile.

    Raises:
        NoBackupError: the database is no SQLite file, the target exists, or the copy is damaged.
        OSError: the target cannot be written.
    """
    if database.engine.dialect.name != "sqlite":
        raise NoBackupError("cli.backup-own-tool")
    if target.exists():
        raise NoBackupError("cli.backup-exists")
    target.touch(mode=0o600)
    with closing(sqlite3.connect(target)) as copy:
        raw = database.engine.raw_connection()
        try:
            raw.driver_connection.backup(copy)  # type: ignore[union-attr]
        finally:
            raw.close()
        if copy.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise NoBackupError("cli.backup-damaged")
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
