"""The worked examples of the specification, decided as `kykysilta decide` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.consent import decide_cases, explain
from adapter.consent.cases import configuration_of
from adapter.consent.decision import decide
from adapter.errors import SourceError
from adapter.source.json import read_json

DOCUMENT = read_json((Path(__file__).parent / "worked-examples.json").read_bytes())
ANSWERS = {answer["id"]: answer for answer in decide_cases(DOCUMENT)}


VECTORS = [pytest.param(vector, id=vector["id"]) for vector in DOCUMENT["vectors"]]


@pytest.mark.parametrize("vector", VECTORS)
def test_gives_the_expected_answer(vector: dict[str, Any]) -> None:
    """Decision, reason and, where the example states them, entries, obligations and deciding provisions."""
    expected, answer = vector["expected"], ANSWERS[vector["id"]]
    assert (answer["decision"], answer["reason"]) == (expected["decision"], expected["reason"])
    for name in ("entries", "decidedBy", "obligations"):
        if name in expected:
            assert answer[name] == expected[name]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_trace_ends_with_the_reason(vector: dict[str, Any]) -> None:
    """Every decision can say how it came about, in three languages, and its trace holds the reason given."""
    context = [*DOCUMENT["fixtures"]["resources"].values(), *vector.get("context", [])]
    decision = decide(vector["consents"], vector["request"], context=context, config=configuration_of(DOCUMENT))
    told = {step.outcome for step in decision.trace}
    assert decision.reason in told or {entry.reason for entry in decision.entries.values()} <= told
    for language in ("fi", "sv", "en"):
        assert len(explain(decision, language)) >= 2


def test_an_answer_is_one_json_line() -> None:
    """Each answer can be written as JSON."""
    assert all(json.loads(json.dumps(answer)) == answer for answer in ANSWERS.values())


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ([], "consent.cases-unreadable"),
        ({"vectors": {}}, "consent.cases-unreadable"),
        ({"vectors": [{"id": "x", "consents": {}, "request": {}}]}, "consent.case-unreadable"),
        ({"vectors": [{"consents": [], "request": {}}]}, "consent.case-unreadable"),
        ({"vectors": [], "timezone": "Europe/Nowhere"}, "consent.settings-unreadable"),
        ({"vectors": [], "statutoryRules": [{"id": "S"}]}, "consent.settings-unreadable"),
    ],
)
def test_an_unreadable_file_says_what_is_wrong(document: Any, key: str) -> None:
    """A document without the expected shape is refused with a message, not with a traceback."""
    with pytest.raises(SourceError) as caught:
        list(decide_cases(document))
    assert [issue.key for issue in caught.value.issues] == [key]
