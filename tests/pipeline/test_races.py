"""What happens in the same moment: a withdrawal is never missed, and a record is stored once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from adapter import pipeline
from adapter.delivery.submissions import Wanted
from adapter.errors import AdapterError, ConsentRefused
from adapter.fhir.canonical import dumps
from adapter.pipeline import Line
from adapter.types import Outcome, Resource
from tests.pipeline.conftest import EHR, Send, record

Result = TypeVar("Result")
WITHDRAWN = {
    "record_version": 2,
    "status": "withdrawn",
    "withdrawals": [
        {"withdrawn_at": "2023-05-05T09:00:00+03:00", "withdrawn_by": {"client": True}, "withdrawal_scope": "whole"}
    ],
}


@pytest.mark.usefixtures("agreed")
def test_a_withdrawal_between_decision_and_storing_is_not_missed(
    line: Line, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan was judged while the consent held; the consent is withdrawn before the plan is stored: refused."""
    judge = pipeline.judge

    def slowly(bundle: Resource, **more: Any) -> Outcome:
        if bundle["entry"][0]["resource"]["resourceType"] == "CarePlan":
            send(record("10-consent", **WITHDRAWN))
        return judge(bundle, **more)

    monkeypatch.setattr(pipeline, "judge", slowly)
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan"))
    assert [each.record_type for each in line.search("ehr", Wanted())].count("consent") == 2


@pytest.mark.usefixtures("agreed")
def test_in_any_order_of_threads_nothing_is_released_after_a_withdrawal(line: Line, send: Send) -> None:
    """Plans and the withdrawal arrive at once; whatever was taken was taken before the withdrawal."""
    plans = [record("12-work-ability-plan", record_id=f"plan-{number}") for number in range(6)]
    start = threading.Barrier(len(plans) + 1)

    def hand_over(content: dict[str, Any]) -> str:
        start.wait()
        try:
            return send(content).submission
        except ConsentRefused:
            return ""

    with ThreadPoolExecutor(len(plans) + 1) as pool:
        futures = [pool.submit(hand_over, content) for content in (*plans, record("10-consent", **WITHDRAWN))]
        taken = [future.result() for future in futures]
    withdrawal = taken.pop()
    order = [each.id for each in line.search("ehr", Wanted())][::-1]
    assert withdrawal
    assert all(order.index(plan) < order.index(withdrawal) for plan in taken if plan)
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan", record_id="later"))


def test_one_version_handed_over_many_times_at_once_is_stored_once(line: Line, send: Send) -> None:
    """Every caller gets the same submission; none gets an error."""
    content = record("01-client")
    answers = at_once(8, lambda _: send(content))
    assert len({answer.submission for answer in answers}) == 1
    assert [answer.repeated for answer in answers].count(False) == 1
    assert len(line.search("ehr", Wanted())) == 1


def test_one_version_with_different_contents_at_once_is_a_conflict(line: Line) -> None:
    """One content wins; the others are told that the version has another content (422), never a failure."""

    def hand_over(number: int) -> int:
        data = dumps(record("01-client", family_name=f"Nimi{number}"))
        try:
            line.accept(data, sender=EHR)
        except AdapterError as error:
            return error.http_status
        return 202

    assert sorted(at_once(6, hand_over)) == [202] + [422] * 5


def test_one_idempotency_key_at_once_is_one_record(send: Send) -> None:
    """The same body under one key, many times at once, is one submission."""
    content = record("01-client")
    answers = at_once(6, lambda _: send(content, idempotency_key="k-1"))
    assert len({answer.submission for answer in answers}) == 1


def at_once(count: int, act: Callable[[int], Result]) -> list[Result]:
    """Run an act in threads that begin together."""
    start = threading.Barrier(count)

    def begun(number: int) -> Result:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begun, range(count)))
