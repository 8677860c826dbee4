"""Records handed over together are answered as if each had come alone, and cost little more than one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from adapter import audit
from adapter.audit.rows import read_rows
from adapter.delivery.submissions import Wanted
from adapter.errors import AdapterError
from adapter.fhir.canonical import dumps
from adapter.pipeline import Accepted, Line
from adapter.store import Cipher, Database
from benchmarks.databases import statements
from tests.pipeline.conftest import EHR, record
from tests.pipeline.test_races import WITHDRAWN

SCAN = r"SCAN (?!anon_\d|audit_entry$|json_each )"
"""Not of what a statement has just found, nor the end of the log, of which one row is read."""

Hand = Callable[..., list[str]]


@pytest.fixture
def hand(line: Line) -> Hand:
    """Hand records over together; each answer is `taken`, `repeated` or what kind of error it is."""

    def over(*contents: dict[str, Any], keys: tuple[str, ...] = ()) -> list[str]:
        bodies = [dumps(content) for content in contents]
        answers = line.accept_many(zip(bodies, keys or [""] * len(bodies), strict=True), sender=EHR)
        return [said(answer) for answer in answers]

    return over


def said(answer: Accepted | Exception) -> str:
    """An answer in a word."""
    if isinstance(answer, Accepted):
        return "repeated" if answer.repeated else "taken"
    return type(answer).__name__


def of_client(number: int, **changes: Any) -> dict[str, Any]:
    """A record of a client of its own."""
    client = {"temporary_id": f"vt-{number}"}
    return record("04-functional-assessment", **({"record_id": f"measure-{number}", "client": client} | changes))


def test_records_of_many_clients_cost_little_more_than_one(hand: Hand, database: Database) -> None:
    """Sixteen need one commit and as many statements as one does."""
    commits: list[int] = []
    event.listen(database.engine, "commit", lambda _connection: commits.append(1))
    with statements(database.engine) as heard:
        hand(of_client(0))
        alone = len(heard)
        assert hand(*(of_client(number) for number in range(1, 17))) == ["taken"] * 16
    assert alone > 10
    assert (len(heard), len(commits)) == (2 * alone, 2)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_table_is_searched_through(hand: Hand, database: Database) -> None:
    """Every statement of an accepted record finds its rows by an index, however full the tables are.

    PostgreSQL plans by the size of its tables, so only SQLite can be asked.
    """
    with statements(database.engine) as heard:
        hand(of_client(1), of_client(2), keys=("k-1", "k-2"))
        hand(of_client(1, record_version=2), of_client(2, record_version=2))
    different = dict(heard)
    with database.reading() as connection:
        for statement, row in different.items():
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (None,) * len(row)).all()
                assert [row.detail for row in plan if re.match(SCAN, row.detail)] == [], statement
    assert len(different) > 10


def test_versions_and_contents_are_judged_in_their_order(hand: Hand, line: Line) -> None:
    """The second version, its repeat, the outdated first one, and other content under a version that was taken."""
    versions = [of_client(1, record_version=number) for number in (2, 2, 1)]
    assert hand(*versions, of_client(1, record_version=2, client={"temporary_id": "vt-2"}), of_client(3)) == [
        "taken",
        "repeated",
        "OutdatedVersion",
        "ChangedContent",
        "taken",
    ]
    assert len(line.search("ehr", Wanted())) == 2


def test_keys_are_kept_one_by_one(hand: Hand) -> None:
    """Each record has its own key: a repeat is answered again, another body under a key is refused."""
    keys = ("k-1", "k-2", "k-3")
    assert hand(*(of_client(number) for number in range(3)), keys=keys) == ["taken"] * 3
    assert hand(of_client(0), of_client(7), of_client(8), keys=("k-1", "k-2", "k-4")) == [
        "repeated",
        "KeyReused",
        "taken",
    ]
    assert hand(of_client(10), of_client(11), keys=("same", "same")) == ["taken", "KeyReused"]


@pytest.mark.usefixtures("agreed")
def test_a_release_after_a_withdrawal_of_the_same_moment_is_refused(hand: Hand) -> None:
    """The plan before the withdrawal goes out, the one after it does not, a stranger's record is none of this."""
    plans = [record("12-work-ability-plan", record_id=f"plan-{number}") for number in range(2)]
    assert hand(plans[0], record("10-consent", **WITHDRAWN), of_client(1), plans[1]) == [
        "taken",
        "taken",
        "taken",
        "ConsentRefused",
    ]


def test_what_is_refused_is_in_the_log_beside_what_is_taken(hand: Hand, line: Line, database: Database) -> None:
    """Each refusal has its entry, with the facts of the record as far as it could be read."""
    hand(of_client(1, record_version=2))
    outdated = of_client(1)
    answers = line.accept_many([(b"{", ""), (dumps(of_client(2)), ""), (dumps(outdated), "")], sender=EHR)
    assert [isinstance(answer, AdapterError) for answer in answers] == [True, False, True]
    with database.reading() as connection:
        rows = list(read_rows(connection))
    assert [row.kind for row in rows] == ["decision", "decision", "refusal", "refusal"]
    assert [row.fact("record_type") for row in rows[2:]] == ["", "functional_assessment"]
    assert rows[3].fact("client") == rows[0].fact("client") != rows[1].fact("client")


def test_a_record_that_cannot_be_stored_takes_nobody_with_it(
    hand: Hand, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One body does not go into the database: the others of its commit are taken, each once."""
    seal = Cipher.encrypt

    def fails(cipher: Cipher, row: str, plain: bytes) -> bytes:
        if b"measure-2" in plain and row.startswith("submission/source"):
            raise OSError("no")
        return seal(cipher, row, plain)

    monkeypatch.setattr(Cipher, "encrypt", fails)
    assert hand(*(of_client(number) for number in range(4))) == ["taken", "taken", "OSError", "taken"]
    assert len(line.search("ehr", Wanted())) == 3


def test_a_database_that_takes_nothing_is_asked_once(
    hand: Hand, line: Line, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a locked database once for each record that came with theirs; then all are taken."""
    asked: list[int] = []

    def locked(_act: Any) -> Any:
        asked.append(1)
        raise OperationalError("", {}, Exception("database is locked"))

    records = [of_client(number // 2, record_id=f"r-{number}") for number in range(8)]
    with monkeypatch.context() as patch:
        patch.setattr(database, "together", locked)
        assert hand(*records) == ["OperationalError"] * 8
    assert len(asked) == 1
    assert hand(*records) == ["taken"] * 8
    assert len(line.search("ehr", Wanted())) == 8


def test_a_refusal_that_cannot_be_kept_takes_nobody_with_it(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored is answered so, though the log does not take the refusal of another record; that is an error."""
    add = audit.append

    def full(connection: Any, at: float, kind: str, *entries: Any) -> int:
        if kind == "refusal":
            raise OperationalError("", {}, Exception("disk is full"))
        return add(connection, at, kind, *entries)

    monkeypatch.setattr(audit, "append", full)
    broken = of_client(2, record_version="first")
    assert hand(of_client(1), broken, of_client(3)) == ["taken", "OperationalError", "taken"]


def test_what_cannot_be_read_of_one_client_stops_nobody_else(hand: Hand, database: Database) -> None:
    """What is on file of a client does not open: that client's record fails alone."""
    assert hand(of_client(1), of_client(2)) == ["taken", "taken"]
    with database.transaction() as connection:
        connection.execute(
            text("UPDATE submission SET body = :cut WHERE id = (SELECT min(id) FROM submission)"), {"cut": b"\x04test"}
        )
    again = [of_client(number, record_id=f"again-{number}") for number in range(1, 4)]
    assert sorted(hand(*again)) == ["CipherError", "taken", "taken"]


def test_one_record_alone_is_answered_by_its_error(line: Line) -> None:
    """`accept` raises what `accept_many` returns."""
    with pytest.raises(AdapterError):
        line.accept(b"{", sender=EHR)
