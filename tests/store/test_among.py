"""One of many values: found by one statement and one parameter, by the index, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from adapter.store import Database
from adapter.store.among import among
from adapter.store.tables import audit_entry, client_identity
from tests.databases import KINDS, empty_database

BY_TEXT = select(client_identity.c.lane).where(among(client_identity.c.lookup, "lookups")).order_by("lane")
BY_NUMBER = select(audit_entry.c.kind).where(among(audit_entry.c.seq, "numbers"))
BUT = select(client_identity.c.lane).where(~among(client_identity.c.lookup, "lookups"))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Two look-up values, one of them with everything that a text may hold, and two entries."""
    with empty_database(str(request.param), tmp_path) as url:
        database = Database(url)
        entry = {"at": 1.0, "entry": "{}", "previous": "", "hash": ""}
        with database.transaction() as connection:
            connection.execute(
                insert(client_identity), [{"lookup": "a", "lane": "1"}, {"lookup": '"ä\\{%s:', "lane": "2"}]
            )
            connection.execute(
                insert(audit_entry), [entry | {"seq": 1, "kind": "admin"}, entry | {"seq": 2, "kind": "review"}]
            )
        yield database
        database.close()


def test_rows_with_one_of_the_values_are_found(database: Database) -> None:
    """None, one, several, and more than a statement may have parameters; a value given twice finds its row once."""
    with database.reading() as connection:

        def found(*lookups: str) -> list[str]:
            return list(connection.execute(BY_TEXT, {"lookups": lookups}).scalars())

        assert found() == []
        assert found("b") == []
        assert found("a") == ["1"]
        assert found('"ä\\{%s:', "a", "a") == ["1", "2"]
        assert found("a", *(f"x{number}" for number in range(70_000))) == ["1"]


def test_whole_numbers_are_values_too(database: Database) -> None:
    """A column of whole numbers is compared with whole numbers."""
    with database.reading() as connection:
        assert list(connection.execute(BY_NUMBER, {"numbers": [2, 3]}).scalars()) == ["review"]


def test_the_condition_can_be_turned_round(database: Database) -> None:
    """Rows with none of the values."""
    with database.reading() as connection:
        assert list(connection.execute(BUT, {"lookups": ["a", "b"]}).scalars()) == ["2"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_rows_are_found_by_the_index(database: Database) -> None:
    """PostgreSQL plans by the size of its tables, so only SQLite can be asked."""
    statement = str(BY_TEXT.compile(database.engine))
    with database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("[]",)).all()
    assert plan[0].detail.startswith("SEARCH client_identity USING INDEX")
