"""What a sender was told is kept without a language and told again in each; what was kept in Finnish stays readable."""

from __future__ import annotations

import json

from adapter.delivery import warnings
from adapter.i18n import LANGUAGES
from adapter.types import Issue, SourcePlace

TOLD = (
    Issue("warning", "delivery.outdated-version", {"accepted": "3"}, source=SourcePlace("record_version", 4, 3)),
    Issue("warning", "mapping.demo-key", expression="Bundle.entry[0]", rule="R-1", fixed={"en": "own", "fi": "oma"}),
)


def test_what_was_told_comes_back_whole() -> None:
    """Keys, values, places and own texts: the same issues, so the same sentences in every language."""
    assert warnings.read(warnings.written(TOLD)) == TOLD


def test_what_was_kept_in_finnish_stays_readable() -> None:
    """The former form is told in its Finnish words to everybody; rule, place and path are the same as ever."""
    former = json.dumps([issue.as_fhir("fi") for issue in TOLD])
    for language in LANGUAGES:
        assert [issue.as_fhir(language) for issue in warnings.read(former)] == json.loads(former)
