"""Errors that a worker outlives stand in the log without filling it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from adapter.delivery import Outbox, Worker
from adapter.delivery.failures import AGAIN_SECONDS, Failures
from tests.delivery.test_worker import Steps, until


def test_what_goes_on_is_told_at_once_and_then_now_and_then() -> None:
    """The first one, the one after the pause with how many came since, and another kind at once."""
    now = [0.0]
    failures = Failures(clock=lambda: now[0])
    with capture_logs() as logs:
        for now[0] in (0.0, 0.1, 0.2, AGAIN_SECONDS, AGAIN_SECONDS + 0.1):
            failures.tell(OSError("moona"))
        failures.tell(ValueError())
    assert [(line["error_type"], line["count"]) for line in logs] == [("OSError", 1), ("OSError", 3), ("ValueError", 1)]
    assert "moona" not in str(logs)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_worker_without_a_database_does_not_fill_the_log(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many looks fail, and one line says so. On PostgreSQL a worker looks at the lanes that it was dealt."""
    looks: list[float] = []

    def away(*given: float) -> bool:
        looks.append(given[0])
        raise TimeoutError

    monkeypatch.setattr(outbox, "any_due", away)
    worker = Worker(outbox, Steps(), threads=1, idle=0.01)
    with capture_logs() as logs:
        worker.start()
        assert until(lambda: len(looks) > 20)
        worker.stop()
    assert [line["count"] for line in logs if line.get("error_type") == "TimeoutError"] == [1]
