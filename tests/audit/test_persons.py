"""The chain names nobody: persons are pseudonyms, and without the key row they are nobody."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, inspect, text

from adapter import audit
from adapter.audit import persons
from adapter.audit.erasure import erase_person, expired
from adapter.audit.persons import Identity
from adapter.audit.verification import examine
from adapter.data import data_root, read_yaml
from adapter.review.files import lane_of
from adapter.store import Cipher, Database
from adapter.store.cipher import CipherError
from adapter.store.erasure import StillOpenError
from tests.audit.conftest import AT, CIPHER, CODE, ID_KEY, bend, identity_of, personal_values, rows_of

MOONA = Identity("urn:oid:1.2.246.21", "200594-904B")


def everything(connection: Connection) -> str:
    """Return all rows of all tables as one text."""
    names = inspect(connection).get_table_names()
    return "\n".join(str(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in names)


def test_a_person_keeps_one_pseudonym(database: Database) -> None:
    """The same look-up value gives the same name, another gives another; the row opens with its key alone."""
    with database.transaction() as connection:
        first = persons.pseudonym_of(connection, "lane-1", identity=MOONA, cipher=CIPHER)
        assert persons.pseudonym_of(connection, "lane-1") == first != persons.pseudonym_of(connection, "lane-2")
        assert persons.known(connection, "lane-1") == first
        assert persons.person(connection, first) == (first, "client", "lane-1")
        assert persons.identity(connection, CIPHER, first) == MOONA
        assert MOONA.value not in everything(connection)
        with pytest.raises(CipherError):
            persons.identity(connection, Cipher({"test": bytes(range(1, 33))}), first)


def test_the_chain_of_a_scenario_names_nobody(told: Database) -> None:
    """Records of a client, with names, codes, numbers and addresses, leave none of them in the chain."""
    chain = str(rows_of(told))
    values = personal_values()
    assert CODE in values
    assert len(values) > 10
    assert [value for value in values if value in chain] == []


def test_every_record_names_its_client_and_writer(told: Database, client: str) -> None:
    """Client, professional, role, controller and classes stand in the entry of an accepted record."""
    taken = [row for row in rows_of(told, kinds=("decision",)) if row.fact("sender")]
    assert len(taken) > 5
    for row in taken:
        assert row.fact("client") == client
        assert row.fact("custodian")
        assert row.what == ("consent",) or row.fact("classes")
        assert len(row.fact("user")) == 32
    assert {row.act for row in taken} >= {"accept", "disclose", "give-consent"}
    assert identity_of(told, client) == ("urn:oid:1.2.246.21", CODE)


def test_every_fact_of_the_log_is_listed(told: Database) -> None:
    """Whoever adds a fact says in the list what it holds, so that no free text or name creeps in."""
    listed = read_yaml(data_root() / "mappings" / "audit" / "acts.yaml")["facts"]
    assert {name for row in rows_of(told) for name in row.facts} - listed.keys() == set()


def test_what_looks_like_an_identity_code_is_masked(database: Database) -> None:
    """A sender who writes a code where an organisation's id belongs does not get it into the chain."""
    with database.transaction() as connection:
        audit.append(connection, AT, "decision", {"recipients": "010594Y9032, 1.2.246.10.2462460.19.1", "count": 7})
        audit.append(connection, AT, "decision", {"custodian": "200594-904b"})
    first, second = rows_of(database)
    assert first.parts("recipients")[1] == "1.2.246.10.2462460.19.1"
    assert "9032" not in first.fact("recipients")
    assert "904" not in second.fact("custodian")


def test_an_erased_person_is_nobody(told: Database, client: str) -> None:
    """Without the key row nothing leads from chain or store to the person, and the log still verifies."""
    with told.reading() as connection:
        lane = lane_of(connection, ID_KEY, CODE)
    bend(told, "UPDATE outbox SET final = 1, state = 'delivered'")
    before = rows_of(told)
    with told.transaction() as connection:
        assert lane in everything(connection)
        assert erase_person(connection, AT, client, {"operator": "cli"})
    with told.reading() as connection:
        left = everything(connection)
        assert persons.person(connection, client) is None
        report = examine(connection, [])
    assert lane not in left
    assert [value for value in personal_values() if value in left] == []
    assert rows_of(told)[: len(before)] == before
    assert (report.finding, report.entries) == (None, len(before) + 1)
    last = rows_of(told)[-1]
    assert (last.act, last.fact("operator"), last.fact("client")) == ("erase-person", "cli", client)


def test_nobody_is_erased_twice_or_on_the_way(told: Database, client: str) -> None:
    """An unknown pseudonym is told; while records are under way nothing is erased."""
    with told.transaction() as connection:
        assert erase_person(connection, AT, "0" * 32) is None
    with pytest.raises(StillOpenError) as open_, told.transaction() as connection:
        erase_person(connection, AT, client)
    assert open_.value.count > 0
    assert identity_of(told, client) is not None


def test_whose_retention_has_ended_is_told_by_the_last_entry(database: Database) -> None:
    """Clients and professionals count from their newest entry; whoever has none yet is left alone."""
    with database.transaction() as connection:
        old, fresh, writer, unheard = (persons.pseudonym_of(connection, f"lane-{number}") for number in range(4))
        for at, client, user in ((1.0, old, writer), (2.0, fresh, writer), (9.0, fresh, "")):
            audit.append(connection, at, "decision", {"act": "accept", "client": client, "user": user})
        assert set(expired(connection, 5.0)) == {old, writer}
        assert set(expired(connection, 10.0)) == {old, writer, fresh}
        assert unheard


def test_a_client_who_comes_back_is_somebody_new(database: Database) -> None:
    """After erasure the same look-up value gets another pseudonym: old entries stay nobody's."""
    with database.transaction() as connection:
        first = persons.pseudonym_of(connection, "lane-1", identity=MOONA, cipher=CIPHER)
        assert erase_person(connection, AT, first) == 0
        assert persons.pseudonym_of(connection, "lane-1") != first


def test_a_disclosure_names_the_consents_that_allowed_it(told: Database) -> None:
    """The entry names submissions of consent records, so that the ground of a disclosure can be looked up."""
    entries = rows_of(told, kinds=("decision",))
    consents = {row.fact("submission") for row in entries if row.fact("record_type") == "consent"}
    disclosed = [row for row in entries if row.fact("basis") == "client-consent"]
    assert disclosed
    for row in disclosed:
        assert row.parts("consents")
        assert consents.issuperset(row.parts("consents"))
