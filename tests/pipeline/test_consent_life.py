"""The life of a consent: one active record for an identifier, and a replaced one ends in the same moment."""

from __future__ import annotations

import pytest

from adapter import audit
from adapter.audit.rows import read_rows
from adapter.delivery import submissions
from adapter.errors import AdapterError, ConsentRefused
from adapter.lifecycle.consents import ADAPTER, SecondConsent, consent_of
from adapter.lifecycle.withdrawal import NotAConsent
from adapter.mapping.run import RECORD_VERSION_SYSTEM
from adapter.pipeline import Line
from adapter.source.json import read_json
from adapter.store import Database
from adapter.store.tables import outbox, submission
from tests.pipeline.conftest import CIPHER, Send, record
from tests.pipeline.test_races import WITHDRAWN, at_once

SUCCESSOR = {
    "record_id": "suostumus-50906-4",
    "consent_id": "suostumus-50906-4",
    "replaces": {"id": "suostumus-50906-2"},
    "recipients": [{"organisation": {"id": "0246246-0", "name": "Kela", "organisation_type": "kela"}}],
}


@pytest.mark.usefixtures("agreed")
def test_a_second_active_record_of_one_consent_is_refused(send: Send) -> None:
    """The same consent_id under another record id is a conflict, until the first one is withdrawn."""
    with pytest.raises(SecondConsent):
        send(record("10-consent", record_id="kopio"))
    send(record("10-consent", record_id="kopio", status="draft"))
    send(record("10-consent", **WITHDRAWN))
    send(record("10-consent", record_id="kopio", record_version=2))


def test_of_many_records_of_one_consent_at_once_one_is_taken(send: Send) -> None:
    """Also when they come in the same moment, on both databases."""

    def hand_over(number: int) -> int:
        try:
            send(record("10-consent", record_id=f"kopio-{number}"))
        except AdapterError as error:
            return error.http_status
        return 202

    send(record("11-team-v2"))
    assert sorted(at_once(4, hand_over)) == [202, 409, 409, 409]


@pytest.mark.usefixtures("agreed")
def test_a_replaced_consent_ends_with_the_new_one(send: Send, database: Database) -> None:
    """The new consent does not name the team: from its acceptance on nothing goes to the team under the old one."""
    send(record("12-work-ability-plan"))
    send(record("10-consent", **SUCCESSOR))
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan", record_id="later"))
    with database.reading() as connection:
        rows = connection.execute(submission.select().where(submission.c.sender == ADAPTER)).all()
        (ended,) = rows
        bundle = read_json(CIPHER.decrypt(f"submission/body/{ended.id}", ended.body))
        acts = [row.act for row in read_rows(connection)]
    consent = consent_of(bundle)
    assert (consent["status"], ended.record_version) == ("inactive", 1)
    assert [tag["code"] for tag in consent["meta"]["tag"] if tag["system"] == RECORD_VERSION_SYSTEM] == ["1"]
    assert acts.count("supersede-consent") == 1


@pytest.mark.usefixtures("agreed")
def test_a_draft_replaces_nothing(send: Send) -> None:
    """Only when the new consent is active does the old one end."""
    send(record("10-consent", **SUCCESSOR, status="draft"))
    send(record("12-work-ability-plan"))


@pytest.mark.usefixtures("agreed")
def test_the_sender_goes_on_counting_its_own_versions(send: Send, line: Line, database: Database) -> None:
    """What the adapter did to version 1 does not stand in the way of the sender's version 2, which then counts."""
    send(record("10-consent", **SUCCESSOR))
    send(record("10-consent", **WITHDRAWN))
    with database.reading() as connection:
        lane = connection.execute(outbox.select()).first().lane
        found = submissions.newest(connection, CIPHER, [lane], ("consent",))
    assert sorted(consent_of(one.bundle)["status"] for one in found) == ["active", "inactive"]
    assert len(line.search("ehr", submissions.Wanted())) == 4


@pytest.mark.usefixtures("agreed")
def test_a_consent_moved_to_another_client_counts_for_that_one_alone(send: Send) -> None:
    """Version 2 corrects whose consent it is: the first client's data are not released any more."""
    other = {"id": "as-1", "personal_identity_code": "010594Y9032", "display": "Toinen"}
    send(record("10-consent", record_version=2, client=other))
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan"))


@pytest.mark.usefixtures("agreed")
def test_a_withdrawal_in_one_step_acts_at_once_and_lists_whom_to_tell(line: Line, send: Send) -> None:
    """The next version is made from the newest one; the receipt names the act, and who got data by consent."""
    send(record("12-work-ability-plan"))
    given = send(record("10-consent")).submission
    taken = send(line.afterwards.withdrawn(given, {}))
    assert not taken.repeated
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan", record_id="later"))
    told = line.afterwards.receipt(taken.submission, "fi")
    assert told.receipt.act == "withdrawn"
    assert "Peruutit suostumuksen kokonaan" in told.receipt.as_text()
    assert {one.organisation: name for one, name in told.recipients}["te-6100"] == "Pirkanmaan TE-toimisto"
    with pytest.raises(NotAConsent):
        line.afterwards.withdrawn(taken.submission, {})


@pytest.mark.usefixtures("agreed")
def test_who_got_data_by_consent_is_told_whatever_came_after(line: Line, send: Send, database: Database) -> None:
    """A later disclosure by statute to the same organisation takes nobody off the list."""
    send(record("12-work-ability-plan"))
    with database.transaction() as connection:
        plan = next(row for row in read_rows(connection) if "te-6100" in row.parts("recipients"))
        later = {"act": "disclose", "recipients": "te-6100, 0-only-by-statute", "basis": "other-statutory"}
        audit.append(connection, plan.at + 1, "decision", {"client": plan.fact("client"), **later})
    taken = send(line.afterwards.withdrawn(send(record("10-consent")).submission, {}))
    told = [one.organisation for one, _ in line.afterwards.receipt(taken.submission, "fi").recipients]
    assert "te-6100" in told
    assert "0-only-by-statute" not in told


@pytest.mark.usefixtures("agreed")
def test_a_withdrawal_in_part_leaves_the_rest(line: Line, send: Send) -> None:
    """What is withdrawn for one class is refused from that moment on; the receipt says what is left."""
    given = send(record("10-consent")).submission
    version = line.afterwards.withdrawn(given, {"withdrawal_scope": "data-class", "data_class": "diagnosis"})
    told = line.afterwards.receipt(send(version).submission, "sv")
    assert (version["record_version"], version["status"]) == (2, "active")
    assert told.receipt.title == "Kvitto på återkallat samtycke"
    assert not any("diagnoosi" in sentence for sentence in told.receipt.lines if "ges:" in sentence)
    send(record("12-work-ability-plan"))


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_receipt_has_no_word_of_fhir_and_no_identity_code(line: Line, send: Send, language: str) -> None:
    """Given, amended, replaced, corrected and refused consents have a receipt in plain words in each language."""
    send(record("11-team-v2"))
    versions = [
        ("given", record("10-consent")),
        ("amended", record("10-consent", record_version=2, period={"start": "2023-05-04", "end": "2023-12-31"})),
        ("superseded", record("10-consent", **SUCCESSOR)),
        ("corrected", record("10-consent", **SUCCESSOR, record_version=2, status="entered-in-error")),
        ("refused", record("10-consent", record_id="r", consent_id="r", status="refused")),
        ("asked", record("10-consent", record_id="d", consent_id="d", status="requested")),
    ]
    for act, content in versions:
        told = line.afterwards.receipt(send(content).submission, language)
        printed = told.receipt.as_text()
        assert told.receipt.act == act
        words = ("Consent.", "provision", "urn:", "http", "IRCP", "OPTIN", "permit", "{", "080885-906S", "team-")
        assert not [word for word in words if word in printed], printed
        assert told.receipt.grounds.article6 == "c"
        assert told.receipt.grounds.disclosure == "client-consent"


def test_only_a_consent_has_a_receipt(line: Line, send: Send) -> None:
    """Another record has none."""
    with pytest.raises(NotAConsent):
        line.afterwards.receipt(send(record("01-client")).submission, "fi")
