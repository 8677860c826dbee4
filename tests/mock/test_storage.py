"""A namespace forgets at once: its database is empty, its file goes on being used, its journal gives memory back."""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapter.mock.exchange import Request, Wire
from adapter.mock.journal import FREED_AT_ONCE, Entry, Journal
from adapter.mock.policy import load_policy
from adapter.mock.settings import MockSettings
from adapter.mock.storage import Store
from adapter.mock.world import World

NOW = datetime(2026, 3, 14, tzinfo=UTC)
FOUND = "SELECT pk FROM index_token WHERE parameter = 'Patient.gender' AND code = 'female'"


def _fill(store: Store, count: int) -> None:
    with store.transaction():
        for number in range(count):
            resource = {"resourceType": "Patient", "id": f"p{number}", "gender": "female"}
            store.put(resource, "PUT", NOW, "http://mock/fhir")


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
