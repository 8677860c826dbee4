"""Prepared statements find and add rows as statements of SQLAlchemy do; the same on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from adapter.store import Database
from adapter.store.among import among
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import audit_person, decision_trace, outbox, submission
from tests.databases import KINDS, empty_database

SUBMISSION = {
    "id": "1", "sender": "%s :x", "record_type": "team", "record_key": "k", "record_version": 1, "digest": "d",
    "received_at": 0.1, "mapping": "m", "warnings": "[]", "source": b"\x00\xff", "body": None,
}  # fmt: skip
MESSAGE = {"submission": "1", "lane": "l", "state": "queued", "final": False, "due": 1.5, "updated_at": 1.5}
MISSING = (KeyError, ProgrammingError)
"""PostgreSQL's driver finds it out itself."""
NEW_ONLY = {
    name: Insertion(of(audit_person).on_conflict_do_nothing(index_elements=["lookup"]))
    for name, of in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    with empty_database(str(request.param), tmp_path) as url:
        database = Database(url)
        yield database
        database.close()


def test_a_row_comes_back_as_it_was_given(database: Database) -> None:
    """Texts, numbers, bytes, truth values, nothing; what is not named gets its default, and the database counts."""
    with database.transaction() as connection:
        assert Insertion(insert(submission))(connection, [SUBMISSION]) == 1
        assert Insertion(insert(outbox))(connection, [MESSAGE]) == 1
    with database.reading() as connection:
        stored = connection.execute(select(submission)).mappings().one()
        queued = connection.execute(select(outbox)).mappings().one()
    assert stored == SUBMISSION | {"custodian": ""}
    assert queued == dict(queued) | MESSAGE | {"seq": 1, "attempts": 0, "leased_until": 0.0, "leased_by": None}


def test_rows_are_added_together_whatever_order_their_columns_have(database: Database) -> None:
    """None, several, and afterwards others with fewer columns."""
    add = Insertion(insert(audit_person))
    with database.transaction() as connection:
        assert add(connection, []) == 0
        one = {"pseudonym": "p", "kind": "client", "lookup": "a", "identity": b"i"}
        two = {"identity": b"j", "lookup": "b", "pseudonym": "q", "kind": "client"}
        assert add(connection, [one, two]) == 2
        assert add(connection, [{"pseudonym": "r", "kind": "client", "lookup": "c"}]) == 1
        rows = connection.execute(select(audit_person).order_by(audit_person.c.pseudonym)).all()
    assert rows == [("p", "client", "a", b"i"), ("q", "client", "b", b"j"), ("r", "client", "c", None)]


def test_only_what_was_added_is_counted(database: Database) -> None:
    """A row that is there already is left as it is."""
    rows = [{"pseudonym": name, "kind": "client", "lookup": name} for name in "abc"]
    add = NEW_ONLY[database.engine.dialect.name]
    with database.transaction() as connection:
        assert add(connection, rows[:1]) == 1
        assert add(connection, [rows[0] | {"pseudonym": "z"}]) == 0
        assert add(connection, rows) == 2
        assert set(connection.execute(select(audit_person.c.pseudonym)).scalars()) == {"a", "b", "c"}


def test_what_the_database_refuses_is_told_without_the_values(database: Database) -> None:
    """As of any statement: an error of the database carries nothing of what was to be stored into a log."""
    add = Insertion(insert(decision_trace))
    row = {"hash": "of-a-trace", "body": b"of-a-person"}
    with database.transaction() as connection:
        add(connection, [row])
    with pytest.raises(IntegrityError) as refused, database.transaction() as connection:
        add(connection, [row])
    assert "of-a-person" not in str(refused.value)


def test_rows_are_found_by_parameters_and_by_what_the_statement_says_itself(database: Database) -> None:
    """One value, many values as one, a constant, a limit; the rows name their columns."""
    persons = audit_person.c
    found = Selection(
        select(persons.lookup, persons.identity)
        .where(among(persons.lookup, "lookups"), persons.kind == "client", persons.pseudonym != bindparam("but"))
        .order_by(persons.lookup.desc())
        .limit(2)
    )
    rows = [{"pseudonym": name, "kind": "client", "lookup": name, "identity": b"\x00"} for name in "abcd"]
    with database.transaction() as connection:
        Insertion(insert(audit_person))(
            connection, [*rows, rows[0] | {"pseudonym": "x", "kind": "else", "lookup": "x"}]
        )
        assert found(connection, lookups={"a", "b", "c", "x"}, but="c") == [("b", b"\x00"), ("a", b"\x00")]
        (row,) = found(connection, lookups=["d"], but="")
        assert (row.lookup, row.identity) == ("d", b"\x00")
        assert found(connection, lookups=[], but="") == []


def test_a_parameter_that_is_missing_is_an_error(database: Database) -> None:
    """Not a search for nothing."""
    found = Selection(select(submission.c.id).where(among(submission.c.id, "ids"), submission.c.id == bindparam("id")))
    with database.reading() as connection:
        with pytest.raises(MISSING):
            found(connection, ids=["1"])
        with pytest.raises(MISSING):
            found(connection, id="1")


@pytest.mark.postgresql
def test_a_connection_that_is_lost_is_given_up(tmp_path: Path) -> None:
    """Its error says so, and what follows gets another one."""
    found = Selection(select(submission.c.id))
    with empty_database("postgresql", tmp_path) as url:
        database = Database(url)
        with database.reading() as connection, database.reading() as other:
            own = connection.execute(select(func.pg_backend_pid())).scalar_one()
            other.execute(select(func.pg_terminate_backend(own, 10_000)))
            with pytest.raises(OperationalError) as lost:
                found(connection)
        assert lost.value.connection_invalidated
        with database.reading() as connection:
            assert found(connection) == []
        database.close()
