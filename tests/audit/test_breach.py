"""Who saw what between two instants: every sight, no attempt, the clients to be told."""

from __future__ import annotations

import pytest

from adapter import audit
from adapter.audit import persons
from adapter.audit.breach import Breach, affected, breach_sheet, search
from adapter.audit.persons import Identity
from adapter.i18n import LANGUAGES
from adapter.store import Database
from tests.audit.conftest import CIPHER

MOONA = Identity("urn:oid:1.2.246.21", "200594-904B")
ACTS: tuple[tuple[str, dict[str, str | int]], ...] = (
    ("decision", {"act": "accept", "client": "moona", "sender": "ehr", "classes": "diagnosis"}),
    ("decision", {"act": "disclose", "client": "moona", "recipients": "te-6100", "classes": "substance-use"}),
    ("refusal", {"act": "refuse", "client": "moona", "sender": "curious", "rules": "EXPLICIT_DENY"}),
    ("release", {"act": "fetch", "client": "moona", "sender": "te-system", "recipients": "te-6100", "user": "u1"}),
    ("review", {"act": "open-client", "client": "aino", "reviewer": "r1"}),
    ("review", {"act": "search-log", "reviewer": "r1"}),
    (
        "decision",
        {"act": "read", "client": "aino", "sender": "tyolli", "organisation": "0246246-0", "type": "CarePlan"},
    ),
)


@pytest.fixture
def log(database: Database) -> Database:
    """One act a second, about two clients of whom one is known by identity."""
    with database.transaction() as connection:
        moona = persons.pseudonym_of(connection, "lane-1", identity=MOONA, cipher=CIPHER)
        aino = persons.pseudonym_of(connection, "lane-2")
        named = {"moona": moona, "aino": aino}
        for second, (kind, facts) in enumerate(ACTS):
            known = {"client": named[str(facts["client"])]} if "client" in facts else {}
            audit.append(connection, float(second), kind, facts | known)
    return database


def found(log: Database, since: float = 0, until: float = 10, **wanted: str) -> Breach:
    """Search the log."""
    with log.reading() as connection:
        return search(connection, since, until, **wanted)


def test_every_act_that_showed_data_is_found(log: Database) -> None:
    """Disclosure, fetch, reviewer's look and read; storing shows nobody anything new, a refusal is counted."""
    breach = found(log)
    assert [one.act for one in breach.sights] == ["disclose", "fetch", "open-client", "read"]
    assert breach.refused == 1
    assert len(breach.clients) == 2
    assert breach.categories == {"substance-use": 1, "CarePlan": 1}
    assert [one.by for one in breach.sights] == ["", "u1", "r1", "tyolli"]


def test_the_span_includes_both_ends(log: Database) -> None:
    """An act at either instant counts, one outside does not."""
    assert [one.at for one in found(log, 1, 3).sights] == [1.0, 3.0]
    assert found(log, 3.5, 3.9).sights == ()


def test_one_user_organisation_or_client_can_be_followed(log: Database) -> None:
    """Each filter leaves its own acts, together none that fits only one."""
    assert [one.act for one in found(log, by="r1").sights] == ["open-client"]
    assert [one.act for one in found(log, organisation="te-6100").sights] == ["disclose", "fetch"]
    aino = found(log, by="r1").clients[0]
    assert [one.act for one in found(log, client=aino).sights] == ["open-client", "read"]
    assert found(log, client=aino, organisation="te-6100").sights == ()


def test_the_clients_to_be_told_are_named_once(log: Database) -> None:
    """Whose key row says who they are is named, the other stays a pseudonym; without the cipher both do."""
    breach = found(log)
    with log.reading() as connection:
        moona, aino = affected(connection, CIPHER, breach)
        unnamed = [one.identity for one in affected(connection, None, breach)]
    assert (moona.identity, moona.sights, moona.what) == (MOONA, 2, ("substance-use",))
    assert (aino.identity, aino.sights, aino.what) == (None, 2, ("CarePlan",))
    assert unnamed == [None, None]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sheet_tells_it_in_words(log: Database, language: str) -> None:
    """Acts, clients and classes as tables that fit their columns; an empty span is a sentence."""
    breach = found(log)
    with log.reading() as connection:
        sheet = breach_sheet(breach, affected(connection, CIPHER, breach), language)
    assert [len(table.rows) for table in sheet.tables] == [4, 2, 2]
    assert all(len(row) == len(table.columns) for table in sheet.tables for row in table.rows)
    assert {"fi": "päihdetieto", "sv": "päihdetieto", "en": "substance use"}[language] in sheet.as_text()
    assert MOONA.value in sheet.as_text()
    empty = breach_sheet(found(log, 50, 60), (), language)
    assert len(empty.lead) == 2
