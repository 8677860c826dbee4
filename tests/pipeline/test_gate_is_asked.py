"""What leaves the adapter leaves through the gate: with a closed gate nothing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter.consent import decide
from adapter.errors import ConsentRefused
from adapter.lifecycle import fetching
from adapter.pipeline import Line
from adapter.release import Asked, Passed
from adapter.release import record as release_record
from tests.pipeline.conftest import Send, record
from tests.pipeline.test_fetching import PLAN


def closed(_reader: Any, asked: Asked, *_: Any) -> Passed:
    """A gate that lets nothing pass."""
    nothing = decide((), {})
    return Passed((None,) * len(asked.resources), nothing)


@pytest.mark.usefixtures("agreed")
def test_a_closed_gate_lets_no_record_out(line: Line, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a disclosure nor a preview of it, nor a fetch; what stays in the own register is taken."""
    monkeypatch.setattr(release_record, "pass_gate", closed)
    monkeypatch.setattr(fetching, "pass_gate", closed)
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan"))
    send(record("12-work-ability-plan", release=None))
    assert line.afterwards.fetch(replace(PLAN), "te-system").records == []
