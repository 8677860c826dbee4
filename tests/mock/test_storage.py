"""A namespace forgets at once: its database is empty, its file goes on being used, its journal gives memory back."""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.i18n import text
from adapter.mock.cli import app
from adapter.mock.exchange import Request, Wire
from adapter.mock.journal import FREED_AT_ONCE, Entry, Journal
from adapter.mock.policy import load_policy
from adapter.mock.settings import MockSettings
from adapter.mock.storage import REMEMBERED, Store, StoreProblem
from adapter.mock.world import World

NOW = datetime(2026, 3, 14, tzinfo=UTC)
FOUND = "SELECT pk FROM index_token WHERE parameter = 'Patient.gender' AND code = 'female'"


def _fill(store: Store, count: int) -> None:
    with store.transaction():
        for number in range(count):
            resource = {"resourceType": "Patient", "id": f"p{number}", "gender": "female"}
            store.put(resource, "PUT", NOW, "http://mock/fhir")


def _write_until_it_fails(store: Store) -> None:
    store.put({"resourceType": "Patient", "id": "p0", "gender": "male"}, "PUT", NOW, "http://mock/fhir")
    store.delete("Patient", "p0", NOW)
    store.put({"resourceType": "Patient", "id": "new"}, "PUT", NOW, "http://mock/fhir")
    store.put({"resourceType": "Patient"}, "PUT", NOW, "http://mock/fhir")


@pytest.mark.parametrize("kept", ["file", "memory"])
def test_a_cleared_store_begins_anew(tmp_path: Path, kept: str) -> None:
    """No version, no search hit and no id is left; what is written afterwards is found, numbered from the start."""
    with closing(Store(tmp_path / "data.sqlite" if kept == "file" else ":memory:")) as store:
        _fill(store, 1200)
        assert len(store.rows(FOUND, [])) == 1200
        store.clear()
        assert (store.history(), store.export(), store.rows(FOUND, [])) == ([], b"", [])
        _fill(store, 1)
        assert len(store.rows(FOUND, [])) == 1
        assert [seq for seq, _ in store.history()] == [1]


def test_a_cleared_file_stays_the_durable_database_that_it_was(tmp_path: Path) -> None:
    """Journal mode and file survive: who opens the file again finds what came after the clearing, and nothing else."""
    path = tmp_path / "data.sqlite"
    with closing(Store(path)) as store:
        _fill(store, 50)
        store.clear()
        _fill(store, 2)
    with closing(Store(path)) as store:
        assert store.export().count(b"\n") == 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_rolled_back_is_not_remembered() -> None:
    """After a failed transaction the present version is the one before, whether it was read in between or not."""
    with closing(Store()) as store:
        _fill(store, 1)
        with pytest.raises(KeyError), store.transaction():
            _write_until_it_fails(store)
        found = store.current("Patient", "p0")
        assert found is not None
        assert (found.version, found.resource["gender"]) == (1, "female")
        assert store.current("Patient", "new") is None


def test_a_restored_snapshot_is_what_is_read() -> None:
    """A version that is remembered does not outlive the data that a snapshot brings back."""
    with closing(Store()) as store:
        _fill(store, 1)
        snapshot = store.snapshot()
        store.delete("Patient", "p0", NOW)
        store.put({"resourceType": "Patient", "id": "later"}, "PUT", NOW, "http://mock/fhir")
        store.restore(snapshot)
        found = store.current("Patient", "p0")
        assert found is not None
        assert found.version == 1
        assert store.current("Patient", "later") is None


def test_a_reference_replaced_in_the_transaction_is_what_is_read() -> None:
    """The version that got its conditional references resolved is the one that a read shows."""
    with closing(Store()) as store, store.transaction():
        plan = {"resourceType": "CarePlan", "id": "c", "subject": {"reference": "Patient?identifier=x"}}
        stored = store.put(plan, "POST", NOW, "http://mock/fhir")
        store.replace(stored, stored.resource | {"subject": {"reference": "Patient/p"}}, "http://mock/fhir")
        found = store.current("CarePlan", "c")
        assert found is not None
        assert found.resource["subject"] == {"reference": "Patient/p"}


def test_more_is_read_than_is_remembered() -> None:
    """Every resource is read in its present version, however many there are."""
    with closing(Store()) as store:
        _fill(store, REMEMBERED + 5)
        for number in (0, REMEMBERED - 1, REMEMBERED, REMEMBERED + 4):
            found = store.current("Patient", f"p{number}")
            assert found is not None
            assert found.id == f"p{number}"


def test_a_database_file_belongs_to_one_process(tmp_path: Path) -> None:
    """Nobody else writes into the file while the endpoint has it, because the endpoint remembers what it read."""
    path = tmp_path / "data.sqlite"
    with closing(Store(path)) as store:
        _fill(store, 1)
        with (
            closing(sqlite3.connect(path, timeout=0)) as other,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            other.execute("DELETE FROM version")


def test_a_cleared_journal_gives_its_memory_back_bit_by_bit() -> None:
    """The entries are gone at once for everybody; the memory of each goes with the next requests."""

    class Headers(dict[str, str]):
        """Headers whose end can be noticed."""

    world = World("w", MockSettings(data="memory"), load_policy("open"))
    journal = Journal(100)
    made: list[weakref.ref[Headers]] = []

    def add() -> None:
        headers = Headers()
        made.append(weakref.ref(headers))
        journal.add(Entry(0, NOW, 0.0, Request(world, "GET", ()), "/", Wire(200, headers, b""), 0.0))

    for _ in range(FREED_AT_ONCE * 2):
        add()
    journal.clear()
    assert journal.find() == []
    for number in (1, 2):
        add()
        assert journal.find()[-1].number == number
    assert sum(one() is not None for one in made) == 2
    world.close()


def test_a_database_belongs_to_one_endpoint(tmp_path: Path) -> None:
    """A second endpoint on the same folder is told so at its start, in one line without a traceback."""
    first = Store(tmp_path / "default.sqlite")
    second = CliRunner().invoke(app, ["serve", "--port", "0", "--data", str(tmp_path)])
    first.connection.close()
    assert second.exit_code == 2
    assert text("mock.store-in-use", "en", path=str(tmp_path / "default.sqlite")) in second.output


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    """Its rows would be missed by searches without a word."""
    with closing(sqlite3.connect(tmp_path / "default.sqlite")) as older:
        older.execute("CREATE TABLE version (seq INTEGER PRIMARY KEY)")
    with pytest.raises(StoreProblem, match="written by another version"):
        Store(tmp_path / "default.sqlite")
