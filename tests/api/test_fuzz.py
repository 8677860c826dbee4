"""Nothing that a machine thinks of makes the vendor API fail: Schemathesis on its own description."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

requests = pytest.importorskip("requests", reason="comes with Schemathesis: pip install .[clients]")
schemathesis = pytest.importorskip("schemathesis", reason="Schemathesis is missing: pip install .[clients]")


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes:
    """NDJSON: one JSON value a line."""
    return b"\n".join(json.dumps(one, default=str).encode() for one in (value if isinstance(value, list) else [value]))


EXAMPLES = 3
"""Requests for each operation, and as many with a wrong body where it has one."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_to_the_api_fails_inside(adapter_url: str) -> None:
    """Fitting requests to every operation, unfitting ones to those with a body: no answer is 5xx."""
    schema = schemathesis.openapi.from_url(f"{adapter_url}/v1/openapi.json")
    asked: set[str] = set()
    operations = [one.ok() for one in schema.get_all_operations()]
    with requests.Session() as session:
        for operation in operations:
            modes = ["POSITIVE", "NEGATIVE"] if operation.body else ["POSITIVE"]
            for mode in modes:
                _send(operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]), session, asked)
    assert asked == {one.label for one in operations}


def _send(strategy: Any, session: Any, asked: set[str]) -> None:
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
        assert answer.status_code < 500, (case.method, case.path, answer.status_code, answer.text[:300])
        asked.add(case.operation.label)

    with contextlib.suppress(Unsatisfiable):  # nothing about it can be wrong
        send()
