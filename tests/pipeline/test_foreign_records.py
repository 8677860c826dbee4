"""Under the id of another controller's record nobody hands anything over, whatever source system they name."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.audit.rows import read_rows
from adapter.delivery.submissions import Wanted
from adapter.errors import AdapterError, ChangedContent, NotYours, OutdatedVersion
from adapter.fhir.canonical import dumps
from adapter.pipeline import Line, Sender
from adapter.store import Database
from tests.pipeline.conftest import Send, record

OURS = record("04-functional-assessment")["custodian"]["id"]
THEIRS = "1.2.246.10.12345678.40.0"
OWNER = Sender("owner", frozenset({OURS}))
STRANGER = Sender("stranger", frozenset({THEIRS}))


def theirs(name: str = "04-functional-assessment", **changes: Any) -> dict[str, Any]:
    """The same record under another controller."""
    custodian = {"id": THEIRS, "name": "Toinen", "organisation_type": "municipality"}
    return record(name, custodian=custodian, **changes)


@pytest.mark.parametrize("name", ["04-functional-assessment", "10-consent", "11-team-v2"])
@pytest.mark.parametrize("version", [1, 3])
def test_another_controllers_record_is_not_changed(
    send: Send, line: Line, database: Database, name: str, version: int
) -> None:
    """Alone, in a batch and as a preview: 403 that names the field, nothing stored, an entry in the log."""
    send(record(name, record_version=2), OWNER)
    foreign = dumps(theirs(name, record_version=version))
    with pytest.raises(NotYours) as refused:
        line.accept(foreign, sender=STRANGER)
    (in_batch,) = line.accept_many([(foreign, "")], sender=STRANGER)
    with pytest.raises(NotYours):
        line.check(foreign, sender=STRANGER)
    assert isinstance(in_batch, NotYours)
    assert refused.value.http_status == 403
    assert [(issue.key, issue.source.path) for issue in refused.value.issues if issue.source] == [
        ("api.foreign-record", "record_id")
    ]
    assert line.search("stranger", Wanted()) == []
    with database.reading() as connection:
        *_, row = read_rows(connection, kinds=("refusal",))
    assert row.fact("sender") == "stranger"
    assert send(record(name, record_version=3), OWNER).repeated is False


def test_the_strangers_own_record_is_taken(send: Send) -> None:
    """The same id in a system of its own is another record."""
    send(record("04-functional-assessment"), OWNER)
    send(theirs(source_system="https://potilastieto.toinen.example"), STRANGER)


def test_a_second_system_of_the_controller_goes_on_where_the_first_one_ended(send: Send, line: Line) -> None:
    """Versions count for both: no older one, no other content; the same is taken under a submission of its own."""
    first = send(record("04-functional-assessment", record_version=2), OWNER)
    second = Sender("second", OWNER.custodians)
    with pytest.raises(OutdatedVersion):
        send(record("04-functional-assessment", record_version=1), second)
    with pytest.raises(ChangedContent):
        send(record("04-functional-assessment", record_version=2, client={"temporary_id": "vt-2"}), second)
    same = send(record("04-functional-assessment", record_version=2), second)
    assert not same.repeated
    assert same.submission != first.submission
    assert line.status(first.submission, "second") is None
    again = [send(record("04-functional-assessment", record_version=2), each) for each in (OWNER, second)]
    assert [(one.submission, one.repeated) for one in again] == [(first.submission, True), (same.submission, True)]


def test_a_record_that_moved_is_the_new_controllers(send: Send) -> None:
    """Who speaks for both moves it; from then on the former one alone does not change it."""
    both = Sender("both", frozenset({OURS, THEIRS}))
    send(record("04-functional-assessment", record_version=1), OWNER)
    send(theirs(record_version=2), both)
    with pytest.raises(AdapterError) as refused:
        send(record("04-functional-assessment", record_version=3), OWNER)
    assert isinstance(refused.value, NotYours)
    send(theirs(record_version=3), STRANGER)
