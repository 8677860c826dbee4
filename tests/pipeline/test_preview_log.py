"""What a preview tells of a release to others stands in the log; nothing else of a preview does, or is kept."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from adapter.audit.acts import act_of
from adapter.audit.rows import Row, read_rows
from adapter.errors import AdapterError, ConsentRefused, OutdatedVersion, ValidationFailed
from adapter.fhir.canonical import dumps
from adapter.pipeline import Line, Sender
from adapter.store import Database
from tests.pipeline.conftest import EHR, Send, record
from tests.pipeline.test_races import WITHDRAWN

PLAN = record("12-work-ability-plan")
UNRULY = record("12-work-ability-plan", next_meeting=None)
"""What its consents permit and rule BR-017 does not."""

ASKING = Sender("asking")
"""A system that tries records and never hands one over."""


def previewed(line: Line, database: Database, content: dict[str, Any], sender: Sender = ASKING) -> list[Row]:
    """Entries that a preview of a record leaves, whatever it answers."""
    with database.reading() as connection:
        before = len(list(read_rows(connection)))
    with suppress(AdapterError):
        line.check(dumps({field: value for field, value in content.items() if value is not None}), sender=sender)
    with database.reading() as connection:
        return list(read_rows(connection))[before:]


@pytest.mark.usefixtures("agreed")
def test_a_preview_that_consents_permit_is_logged(line: Line, database: Database, send: Send) -> None:
    """Who asked, whose consents, for whom, on which ground, with the trace: as of the disclosure, and as none of it."""
    (row,) = previewed(line, database, PLAN)
    send(PLAN)
    with database.reading() as connection:
        *_, disclosed = read_rows(connection, kinds=("decision",))
    assert (row.kind, row.act, row.fact("sender"), row.fact("decision")) == ("preview", "preview", "asking", "permit")
    for fact in ("client", "custodian", "basis", "purpose", "recipients", "consents", "trace", "classes"):
        assert row.fact(fact) == disclosed.fact(fact) != ""
    assert (act_of(row).sees, act_of(row).told, row.fact("submission")) == (False, False, "")
    assert not any(word in json.dumps(dict(row.facts)) for word in (PLAN["title"], *PLAN["client"].values()))


@pytest.mark.usefixtures("agreed")
def test_a_preview_that_is_refused_is_logged(line: Line, database: Database, send: Send) -> None:
    """Without consent with the trace; also what breaks a rule only after the consents permitted it."""
    (row,) = previewed(line, database, UNRULY)
    assert (row.act, row.fact("decision"), row.fact("stage")) == ("preview", "deny", ValidationFailed.stage)
    send(record("10-consent", **WITHDRAWN))
    (row,) = previewed(line, database, PLAN)
    assert (row.kind, row.fact("decision"), row.fact("stage")) == ("preview", "deny", ConsentRefused.stage)
    assert "" not in (row.fact("rules"), row.fact("trace"), row.fact("client"))


@pytest.mark.usefixtures("agreed")
@pytest.mark.parametrize(
    "changes", [{"release": None}, {"release": {"basis": "own-register"}}, {"record_version": 1}, {}], ids=str
)
def test_a_preview_that_tells_nothing_of_consents_is_not_logged(
    line: Line, database: Database, send: Send, changes: dict[str, Any]
) -> None:
    """What is for nobody else, what is outdated, and what was answered before."""
    send(PLAN | {"record_version": 2})
    assert previewed(line, database, PLAN | {"record_version": 2} | changes, EHR) == []
    if "record_version" in changes:
        with pytest.raises(OutdatedVersion):
            line.check(dumps(PLAN | changes), sender=EHR)


@pytest.mark.usefixtures("agreed")
def test_what_cannot_be_logged_is_not_told(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a permission nor a refusal leaves without its entry."""

    def full(*_: Any) -> int:
        raise OSError

    monkeypatch.setattr("adapter.audit.append", full)
    for content in (PLAN, UNRULY):
        with pytest.raises(OSError):
            line.check(dumps(content), sender=ASKING)
