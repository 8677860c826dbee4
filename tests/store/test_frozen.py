"""A program that stands still in the middle of a transaction does not hold up all others for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from adapter import audit
from adapter.store import DATABASE_PROBLEMS, Database, database
from tests.databases import KINDS, empty_database

LIMIT = "idle_in_transaction_session_timeout"


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_frozen_transaction_is_ended(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL, where it may be on another machine: others go on, and it is told when it wakes up."""
    with empty_database(kind, tmp_path) as url:
        other = Database(url)
        monkeypatch.setattr(database, "FROZEN_SECONDS", 0.3)
        frozen = Database(url)

        def stand_still() -> None:
            with frozen.transaction() as connection:
                audit.lock(connection)
                time.sleep(1.0)
                with other.transaction() as free:
                    audit.lock(free)
                audit.lock(connection)

        with pytest.raises(DATABASE_PROBLEMS):
            stand_still()
        with frozen.transaction() as connection:
            audit.lock(connection)
        frozen.close()
        other.close()


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_the_url_asks_for_is_kept(kind: str, tmp_path: Path) -> None:
    """Options of the connection that an operator gives stand beside ours."""
    with empty_database(kind, tmp_path) as url:
        asked = Database(f"{url}{'&' if '?' in url else '?'}options=-c%20statement_timeout%3D12345")
        with asked.reading() as connection:
            limits = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("statement_timeout", LIMIT)]
        asked.close()
    assert limits == ["12345ms", "1min"]
