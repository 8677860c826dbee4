"""What benchmarks and tests measure databases with hears the right one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from adapter.store import Database
from benchmarks.databases import statements


def test_statements_of_another_database_are_not_heard(tmp_path: Path) -> None:
    """Other tests' workers look at databases of theirs in threads of the same process."""
    one, other = (Database(f"sqlite:///{tmp_path}/{name}.sqlite") for name in ("one", "other"))
    with statements(one.engine) as heard:
        for database in (one, other):
            with database.transaction() as connection:
                connection.execute(text("SELECT 1"))
    assert [statement for statement, _ in heard] == ["BEGIN IMMEDIATE", "SELECT 1"]
    for database in (one, other):
        database.close()
