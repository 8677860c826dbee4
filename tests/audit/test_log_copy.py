"""The client's copy of the log: what is told, what is withheld, to whom nothing is given, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapter import audit
from adapter.audit.log_copy import LogCopy, LogCopyRefused, due_day, give_log_copy, log_copy_sheet, usual_start
from adapter.audit.words import what
from adapter.i18n import LANGUAGES
from adapter.mapping.registry import record_types
from adapter.store import Database
from tests.audit.conftest import rows_of

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0
MOONA, OTHER = "a" * 32, "b" * 32
DISCLOSED: dict[str, str | int] = {
    "act": "disclose",
    "client": MOONA,
    "user": "c" * 32,
    "role": "physician",
    "recipients": "te-6100, 0246246-0",
    "classes": "substance-use, diagnosis",
    "basis": "client-consent",
    "purpose": "treatment",
}
Give = Callable[..., LogCopy]


@pytest.fixture
def give(database: Database) -> Give:
    """Give a copy now, of a log about Moona and somebody else."""

    def write(days_ago: float, kind: str, facts: dict[str, str | int]) -> None:
        with database.transaction() as connection:
            audit.append(connection, NOW - days_ago * DAY, kind, facts)

    write(800, "decision", DISCLOSED | {"recipients": "long-ago"})
    write(100, "decision", DISCLOSED)
    write(90, "decision", DISCLOSED | {"client": OTHER, "recipients": "somebody-elses"})
    write(80, "refusal", {"act": "refuse", "client": MOONA, "sender": "curious", "rules": "EXPLICIT_DENY"})
    write(70, "review", {"act": "open-client", "client": MOONA, "reviewer": "d" * 32})
    write(60, "review", {"act": "search-log", "reviewer": "d" * 32, "rows": 3})
    write(50, "outcome", {"submission": "e" * 32, "state": "delivered", "client": MOONA})

    def copy(**asked: Any) -> LogCopy:
        with database.transaction() as connection:
            return give_log_copy(connection, MOONA, NOW, **asked)

    return copy


def test_the_client_sees_who_handled_and_received_the_data(give: Give) -> None:
    """Uses and disclosures of two years, newest first; no refused attempt, no upkeep, nobody else's."""
    copy = give()
    assert [line.act for line in copy.lines] == ["open-client", "disclose"]
    disclosed = copy.lines[1]
    assert disclosed.organisations == ("te-6100", "0246246-0")
    assert (disclosed.role, disclosed.ground, disclosed.purpose) == ("physician", "client-consent", "treatment")
    assert disclosed.what == ("substance-use", "diagnosis")
    assert disclosed.log == "disclosure"


def test_staff_stand_as_organisation_and_role(give: Give) -> None:
    """Neither the professional's pseudonym nor the reviewer's account is told, and not the client's either."""
    text = log_copy_sheet(give(), "fi").as_text()
    assert "lääkäri" in text
    assert not [person for person in ("a" * 32, "c" * 32, "d" * 32) if person in text]


def test_older_entries_need_a_special_reason(give: Give, database: Database) -> None:
    """Without a reason nothing older than two years is given; with one it is, and the log says only that there was."""
    with pytest.raises(LogCopyRefused):
        give(since=NOW - 900 * DAY)
    with pytest.raises(LogCopyRefused):
        give(since=NOW - 900 * DAY, reason="  ")
    copy = give(since=NOW - 900 * DAY, reason="rikosilmoitus vanhasta katselusta")
    assert [line.organisations[0] for line in copy.lines if line.organisations][-1] == "long-ago"
    given = rows_of(database)[-1]
    assert given.fact("older") == "1"
    assert "rikosilmoitus" not in str(given)


@pytest.mark.parametrize(
    ("requester", "minor_forbids", "given"),
    [
        ("client", False, True),
        ("client", True, True),
        ("guardian", False, True),
        ("guardian", True, False),
        ("representative", True, False),
        ("representative", False, True),
        ("other", False, False),
    ],
)
def test_only_the_client_or_who_may_act_for_them_gets_a_copy(
    give: Give, database: Database, requester: str, minor_forbids: bool, given: bool
) -> None:
    """A guardian gets nothing that a minor has forbidden, anybody else nothing; what was not given is not logged."""
    before = len(rows_of(database))
    if given:
        assert give(requester=requester, minor_forbids=minor_forbids).lines
    else:
        with pytest.raises(LogCopyRefused):
            give(requester=requester, minor_forbids=minor_forbids)
    assert len(rows_of(database)) == before + given


def test_what_endangers_somebody_is_withheld_on_a_named_ground(give: Give) -> None:
    """A withheld entry is counted by its ground and told as such; the others stay."""
    copy = give(withhold={2: "danger-to-client"})
    assert [line.act for line in copy.lines] == ["open-client"]
    assert copy.withheld == {"danger-to-client": 1}
    text = log_copy_sheet(copy, "fi").as_text()
    assert "te-6100" not in text
    assert "vaarantaa asiakkaan terveyden" in text


def test_the_giving_is_itself_an_act_of_the_log(give: Give, database: Database) -> None:
    """Who gave it, to whom, how much; and the next copy shows it."""
    give(by={"reviewer": "d" * 32}, requester="guardian")
    (given,) = [row for row in rows_of(database) if row.act == "log-copy"]
    assert (given.kind, given.fact("client"), given.fact("reviewer")) == ("review", MOONA, "d" * 32)
    assert (given.facts["rows"], given.fact("requester")) == (2, "guardian")
    assert give().lines[0].act == "log-copy"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_copy_speaks_the_clients_language(give: Give, language: str) -> None:
    """Title, lead and codes are words; the copy says that it is free of charge and by when it is owed."""
    sheet = log_copy_sheet(give(), language, {"te-6100": "Pirkanmaan TE-toimisto"})
    text = sheet.as_text()
    for word in {"fi": ("maksuttomia",), "sv": ("avgiftsfria",), "en": ("free of charge",)}[language]:
        assert word in text
    assert "22.12.2026" in text
    assert "Pirkanmaan TE-toimisto" in text
    assert "client-consent" not in text
    assert len(sheet.tables[0].columns) == len(sheet.tables[0].rows[0])


def test_an_empty_span_says_so(give: Give) -> None:
    """Nothing in the span is a sentence, not an empty page."""
    assert "ei ole merkintöjä" in log_copy_sheet(give(since=NOW - DAY), "fi").as_text()


@pytest.mark.parametrize(
    ("asked", "due"),
    [((2026, 1, 31), date(2026, 2, 28)), ((2026, 12, 15), date(2027, 1, 15)), ((2028, 1, 30), date(2028, 2, 29))],
)
def test_the_answer_is_owed_in_a_month(asked: tuple[int, int, int], due: date) -> None:
    """The same day of the next month, or its last day."""
    assert due_day(datetime(*asked, 10, tzinfo=UTC).timestamp()) == due


def test_two_years_begin_with_the_day() -> None:
    """The span reaches to the beginning of the day two years ago, in Finland; a leap day falls back."""
    start = datetime.fromtimestamp(usual_start(NOW), UTC)
    assert start == datetime(2024, 11, 21, 22, 0, tzinfo=UTC)
    leap = datetime(2028, 2, 29, 10, 0, tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(usual_start(leap), UTC) == datetime(2026, 2, 27, 22, 0, tzinfo=UTC)


def test_every_record_type_has_a_name_for_clients() -> None:
    """A record without a data class is told by its type, in words; a type of FHIR resource stands as it is."""
    for language in ("fi", "sv"):
        assert [one for one in record_types() if what(one, language) == one] == []
    assert what("CarePlan", "fi") == "CarePlan"
