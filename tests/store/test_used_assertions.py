"""A client assertion is good once, wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from adapter.store import Database
from adapter.store.assertions import UsedAssertions
from adapter.store.tables import used_assertion
from tests.databases import KINDS, empty_database

NOW = 1_800_000_000.0


@pytest.fixture(params=KINDS)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Two processes' ways to one database."""
    with empty_database(request.param, tmp_path) as url:
        opened = Database(url), Database(url)
        yield opened
        for database in opened:
            database.close()


def test_an_assertion_is_used_once_at_all_processes(two: tuple[Database, Database]) -> None:
    """Twenty at the same time at two processes: one of them is the first; another id is another assertion."""
    sides = [UsedAssertions(database, clock=lambda: NOW) for database in two]
    with ThreadPoolExecutor(8) as pool:
        uses = list(pool.map(lambda number: sides[number % 2].first_use("ehr", "j", NOW + 9), range(20)))
    assert uses.count(True) == 1
    assert sides[0].first_use("ehr", "k", NOW + 9)
    assert sides[1].first_use("ehrj", "", NOW + 9)


def test_an_assertion_is_forgotten_when_it_has_ended(two: tuple[Database, Database]) -> None:
    """What ended is refused by its time, so nothing is kept of it."""
    now = [NOW]
    used = UsedAssertions(two[0], clock=lambda: now[0])
    for number in range(5):
        used.first_use("ehr", str(number), NOW + 9)
    now[0] += 10
    used.first_use("ehr", "new", now[0] + 9)
    with two[1].reading() as connection:
        assert connection.execute(select(func.count()).select_from(used_assertion)).scalar() == 1
