"""One person is one client by whatever code: in the order of delivery, on file and in the log; never for strangers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from adapter.audit import persons
from adapter.audit.erasure import erase_person
from adapter.audit.rows import read_rows
from adapter.errors import ConsentRefused
from adapter.lifecycle.fetching import lookup_of
from adapter.lifecycle.recipients import recipients_of
from adapter.pipeline import Line
from adapter.store import Database, clients
from tests.pipeline.conftest import AT, ID_KEY, Send, record
from tests.pipeline.test_fetching import PLAN, TE_OFFICE
from tests.pipeline.test_races import at_once

CODE, FORMER, STRANGER = "080885-906S", "010594Y9032", "200594-904B"
SYSTEM = "https://potilastieto.example"
TEMPORARY = {"temporary_id": "vt-1"}


def about(client: dict[str, Any], name: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A record of the scenario, numbered, that names its client so."""
    return record(name, **({"record_id": f"{name}-{number}", "client": client, "source_system": SYSTEM} | changes))


def says(number: int = 1, **codes: Any) -> dict[str, Any]:
    """A record about the client that says by which codes they are known."""
    unknown: dict[str, Any] = {"personal_identity_code": None, "previous_codes": None, "temporary_id": None}
    usual = {"record_id": f"client-{number}", "birth_date": None, "source_system": SYSTEM}
    return record("01-client", **(usual | unknown | codes))


def lane(database: Database, **client: str) -> str:
    """The lane of a client, by one code."""
    with database.reading() as connection:
        return clients.lane_of(connection, [lookup_of(client, ID_KEY)])


def heads(line: Line) -> int:
    """How many messages may be under way at once."""
    claimed = line.outbox.claim("worker", AT, limit=50)
    line.outbox.release(claimed)
    return len(claimed)


def test_a_record_about_the_client_joins_what_its_codes_named_apart(line: Line, send: Send, database: Database) -> None:
    """Two open lanes, by temporary id and by code, are one when the client's record names both; the log says so."""
    send(about(TEMPORARY, "04-functional-assessment"))
    send(about({"personal_identity_code": CODE}, "04-functional-assessment", 2))
    assert heads(line) == 2
    send(says(personal_identity_code=CODE, previous_codes=[FORMER], temporary_id="vt-1"))
    assert heads(line) == 1
    send(about({"personal_identity_code": FORMER}, "04-functional-assessment", 3))
    assert heads(line) == 1
    with database.reading() as connection:
        assert [row.fact("joined") for row in read_rows(connection)] == ["", "", "1", ""]


def test_other_records_join_nobody(line: Line, send: Send) -> None:
    """A measure that names a code and a temporary id says nothing about who is who."""
    send(about(TEMPORARY, "04-functional-assessment"))
    send(about(TEMPORARY | {"personal_identity_code": CODE}, "04-functional-assessment", 2))
    assert heads(line) == 2


def test_a_temporary_id_belongs_to_its_system(line: Line, send: Send) -> None:
    """The same number of another system is somebody else."""
    send(says(temporary_id="vt-1"))
    send(says(2, temporary_id="vt-1", source_system="https://toinen.example"))
    assert heads(line) == 2


def test_records_of_one_batch_are_stored_one_after_the_other(line: Line, send: Send, database: Database) -> None:
    """Whatever they are named by, and however many arrive at once, one client's records stay in one lane."""
    codes = [{"temporary_id": "vt-1"}, {"personal_identity_code": CODE}, {"personal_identity_code": FORMER}]
    said = says(personal_identity_code=CODE, previous_codes=[FORMER], temporary_id="vt-1")
    contents = [said, *(about(codes[n % 3], "04-functional-assessment", n) for n in range(6))]
    at_once(len(contents), lambda number: send(contents[number]))
    assert heads(line) == 1
    assert len({lane(database, personal_identity_code=code) for code in (CODE, FORMER)}) == 1


@pytest.mark.usefixtures("agreed")
def test_a_former_code_finds_the_consents_and_the_log(line: Line, send: Send, database: Database) -> None:
    """Asked by a former code, the plan is found with its consent, and every entry of the log under one pseudonym."""
    former = {"personal_identity_code": FORMER}
    send(about(former, "04-functional-assessment"))
    send(record("12-work-ability-plan"))
    send(says(personal_identity_code=CODE, previous_codes=[FORMER]))
    (found,) = line.afterwards.fetch(replace(PLAN, client=former), "te-system").records
    assert (found["record_type"], found["client"]) == ("work_ability_plan", former)
    mine = lane(database, **former)
    with database.reading() as connection:
        pseudonym = persons.known(connection, mine) or ""
        before = set(persons.former(connection))
        rows = list(read_rows(connection))
        assert {row.fact("client") for row in rows} == {pseudonym}
        assert list(read_rows(connection, client=pseudonym)) == rows
        assert list(read_rows(connection, client=before.pop())) == rows
        assert {one.organisation for one in recipients_of(connection, mine)} >= {TE_OFFICE["id"]}


def test_who_is_erased_is_nobody_under_any_pseudonym(line: Line, send: Send, database: Database) -> None:
    """Present and former pseudonym lose their key rows together, whichever of them is named."""
    send(about(TEMPORARY, "04-functional-assessment"))
    send(about({"personal_identity_code": CODE}, "04-functional-assessment", 2))
    send(says(personal_identity_code=CODE, temporary_id="vt-1"))
    with database.transaction() as connection:
        ((before, present),) = persons.former(connection).items()
        connection.execute(text("UPDATE outbox SET final = TRUE, state = 'delivered'"))
        assert erase_person(connection, AT, before) == 3
        assert persons.person(connection, before) is persons.person(connection, present) is None
        assert persons.former(connection) == {}


STRANGE = [
    {"personal_identity_code": STRANGER, "previous_codes": [CODE]},
    {"personal_identity_code": CODE, "previous_codes": [STRANGER]},
    {"personal_identity_code": STRANGER, "previous_codes": [FORMER, CODE]},
]


@pytest.mark.parametrize("codes", STRANGE)
def test_who_calls_a_stranger_his_own_client_sees_nothing_more(line: Line, send: Send, codes: dict[str, Any]) -> None:
    """The TE office has the consent of one client and says that another is the same: it still gets nothing of hers.

    Neither by fetching under either code, nor released with the plan: the gate compares the person, not the lane.
    """
    stranger = {"personal_identity_code": STRANGER}
    send(record("11-team-v2"))
    send(about(stranger, "10-consent"))
    send(record("12-work-ability-plan", release=None))
    office = {"id": "1.2.246.10.90000011.19.0", "name": "Toinen rekisterinpitäjä"}
    send(says(**codes, source_system="https://toimistot.te-palvelut.example", custodian=office))
    for code in (CODE, STRANGER, FORMER):
        for kinds in (("work_ability_plan",), ("work_ability_plan", "client", "team")):
            question = replace(PLAN, client={"personal_identity_code": code}, record_types=kinds)
            found = line.afterwards.fetch(question, "te-system").records
            assert [one for one in found if one["record_type"] == "work_ability_plan"] == []
    with pytest.raises(ConsentRefused):
        send(record("12-work-ability-plan", record_id="another-plan"))
