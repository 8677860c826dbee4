"""Empty databases of both kinds, for tests that must hold on each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.databases import postgresql

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
"""Parameters of a fixture or test."""


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database; skips the test when there is no PostgreSQL."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'k.sqlite'}"
        return
    server = os.environ.get("KYKYSILTA_TEST_POSTGRESQL")
    if not server:
        pytest.skip("no PostgreSQL: run with scripts/with_postgresql.sh")
    with postgresql(server) as url:
        yield url
