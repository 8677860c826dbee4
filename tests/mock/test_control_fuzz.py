"""Nothing that a machine thinks of makes the control fail: Schemathesis on its own description."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

requests = pytest.importorskip("requests", reason="comes with Schemathesis: pip install .[clients]")
schemathesis = pytest.importorskip("schemathesis", reason="Schemathesis is missing: pip install .[clients]")

EXAMPLES = 4
"""Requests for each operation, and as many with a wrong body where it has one."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_to_the_control_fails_inside(endpoint: str) -> None:
    """Fitting requests to every operation, unfitting ones to those with a body: no answer is 5xx."""
    schema = schemathesis.openapi.from_url(f"{endpoint}/_mock/openapi.json")
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) > 30
    asked: list[str] = []
    with requests.Session() as session:
        for operation in operations:
            modes = ["POSITIVE", "NEGATIVE"] if operation.body else ["POSITIVE"]
            for mode in modes:
                strategy = operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode])
                _send(strategy, session, asked)
    assert set(asked) == {one.label for one in operations}
    assert len(asked) > len(operations) * 2


def _send(strategy: Any, session: Any, asked: list[str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case: Any) -> None:
        answer = case.call(session=session)
        assert answer.status_code < 500, (case.method, case.path, answer.status_code)
        asked.append(case.operation.label)

    send()
