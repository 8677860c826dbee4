"""The adapter is killed again and again in front of a faulty repository, and every record has its effect once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import crash


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'k.sqlite'}"
        return
    server = os.environ.get("KYKYSILTA_TEST_POSTGRESQL")
    if not server:
        pytest.skip("no PostgreSQL: run with scripts/with_postgresql.sh")
    with crash.postgresql(server) as database:
        yield database


def test_nothing_is_lost_and_nothing_arrives_twice(url: str, tmp_path: Path) -> None:
    """The small size of `benchmarks/crash.py`: one effect each, in order, all final, audit chain intact."""
    result = crash.run(24, 6, 2, database=url, folder=tmp_path)
    assert result.findings == []
    assert result.kills == 2
    assert result.faults > 0
