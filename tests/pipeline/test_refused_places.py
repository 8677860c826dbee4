"""A refused release names the sender's own field with line and column, in every format, and what is not covered."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.errors import ConsentRefused
from adapter.i18n import LANGUAGES, text
from adapter.pipeline import Line, Sender
from adapter.types import Issue
from tests.pipeline.conftest import EHR, RECORDS, Send, record


def refusal(line: Line, name: str, vendor: str | None, sender: Sender = EHR) -> tuple[Issue, list[str]]:
    """Hand over a record of the scenario that is refused; returns its one issue and the lines of the document."""
    data = (RECORDS / name).read_bytes()
    with pytest.raises(ConsentRefused) as refused:
        line.accept(data, sender=sender, vendor=vendor)
    (issue,) = refused.value.issues
    return issue, data.decode().splitlines()


@pytest.mark.parametrize(
    ("name", "vendor", "path", "begins"),
    [
        ("12-work-ability-plan.json", None, "release.recipients[0]", "{"),
        ("12-work-ability-plan.lahde.json", "lahde", "lahde.luovutus.vastaanottajat[0].tiimi", '"tiimi": {'),
        ("12-work-ability-plan.silmu.xml", "silmu", "/Plan/Header/Release/Recipient/Team", "<Team id="),
    ],
)
def test_a_refused_recipient_is_told_at_the_senders_field(
    line: Line, name: str, vendor: str | None, path: str, begins: str
) -> None:
    """Nobody is on file: each format is told its own name of the recipient, where it stands."""
    issue, lines = refusal(line, name, vendor)
    place = issue.source
    assert issue.key == "release.unknown-team"
    assert place is not None
    assert place.path == path
    assert place.line is not None
    assert place.column is not None
    assert lines[place.line - 1][place.column - 1 :].startswith(begins)


def test_what_a_release_lacks_is_told_where_it_should_stand(send: Send) -> None:
    """Purpose and recipients that are missing are shown at the release, with line and column."""
    with pytest.raises(ConsentRefused) as refused:
        send(record("12-work-ability-plan", release={"basis": "client-consent"}))
    told = [(issue.key, issue.source.path if issue.source else "") for issue in refused.value.issues]
    assert told == [("release.no-purpose", "release.purpose"), ("release.no-recipient", "release.recipients")]
    assert all(issue.source and issue.source.line for issue in refused.value.issues)


def test_the_controller_of_another_is_told_at_its_field(line: Line) -> None:
    """Whose record a sender may not hand over is shown at the controller of the record, in the vendor's words."""
    issue, _ = refusal(line, "12-work-ability-plan.lahde.json", "lahde", Sender("ehr", frozenset({"1.2.3"})))
    assert issue.source is not None
    assert (issue.source.path, bool(issue.source.line)) == ("lahde.rekisterinpitaja.tunnus", True)


def test_a_data_class_that_a_consent_does_not_cover_is_named(send: Send) -> None:
    """The code of each class that the consent lacks stands in the sentence, in every language."""
    send(record("11-team-v2"))
    consent = record("10-consent")
    covered = [each for each in consent["data_classes"] if each != "functional-assessment"]
    send(consent | {"data_classes": covered})
    plan = record("12-work-ability-plan")
    team = {"id": "tiimi-50906", "system": plan["source_system"]}
    release = plan["release"] | {"recipients": [{"team": team}]}
    with pytest.raises(ConsentRefused) as refused:
        send(record("04-functional-assessment", release=release))
    (issue,) = refused.value.issues
    assert (issue.key, issue.rule_id) == ("release.class-not-covered", "CLASS_NOT_COVERED")
    assert issue.values["classes"] == "functional-assessment"
    assert all("functional-assessment" in issue.text(language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"data_refs": [{"id": "another-one"}]}, "DATA_NOT_COVERED", "consent names"),
        ({"period": {"start": "2023-05-04", "end": "2023-05-04"}}, "CONSENT_EXPIRED", "has expired"),
    ],
)
def test_why_a_consent_does_not_permit_is_said_in_words(
    send: Send, changes: dict[str, Any], reason: str, said: str
) -> None:
    """Beside the code of the reason stands its sentence, in every language."""
    send(record("11-team-v2"))
    send(record("10-consent") | changes)
    with pytest.raises(ConsentRefused) as refused:
        send(record("12-work-ability-plan"))
    issue = refused.value.issues[0]
    assert (issue.key, issue.rule_id) == ("release.refused", reason)
    assert said in issue.text("en")
    key = f"consent.reason-{reason.lower().replace('_', '-')}"
    assert all(text(key, language) in issue.text(language) for language in LANGUAGES)


@pytest.mark.parametrize("named", [{}, {"legal_basis": "of-my-own"}])
def test_who_names_no_known_statute_is_told_which_are_known(send: Send, named: dict[str, str]) -> None:
    """A release by statute is not advised to look at the consent, but at the legal bases that the adapter knows."""
    plan = record("12-work-ability-plan")
    recipient = {"organisation": plan["custodian"] | {"id": "1.2.246.10.90000011.19.0"}}
    release = {"basis": "other-statutory", "recipients": [recipient]} | named
    with pytest.raises(ConsentRefused) as refused:
        send(record("12-work-ability-plan", release=release))
    (issue,) = refused.value.issues
    assert (issue.key, issue.rule_id) == ("release.statute-not-covered", "LEGAL_BASIS_UNKNOWN")
    assert all("concern-notification-social-welfare" in issue.text(language) for language in LANGUAGES)
