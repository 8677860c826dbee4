"""The adapter is killed again and again in front of a faulty repository, and every record has its effect once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import crash
from tests.databases import KINDS, empty_database


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database of each kind."""
    with empty_database(request.param, tmp_path) as found:
        yield found


def test_nothing_is_lost_and_nothing_arrives_twice(url: str, tmp_path: Path) -> None:
    """The small size of `benchmarks/crash.py`: one effect each, in order, all final, audit chain intact."""
    adapters = 1 if url.startswith("sqlite") else 2
    result = crash.run(24, 6, 2, database=url, folder=tmp_path, adapters=adapters)
    assert result.findings == []
    assert result.kills == 2
    assert result.faults > 0
