"""Operators find what was given up of all senders, on every database."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from adapter.delivery import Outbox, letters, steering
from adapter.delivery.letters import Letter, Sought
from adapter.delivery.messages import Failed
from adapter.delivery.states import State
from adapter.store import Database
from adapter.store.tables import audit_entry
from tests.delivery.conftest import Put


@pytest.fixture
def given_up(outbox: Outbox, put: Put) -> dict[str, str]:
    """One message in each state in which a message can end or wait, of two senders."""
    states = (State.REJECTED, State.DEAD, State.WAITING)
    names = {state.value: put(state, sender="ehr" if state == State.DEAD else "other") for state in states}
    held = {message.lane: message for message in outbox.claim("w", 1.0, limit=3)}
    outbox.turn(2.0, outcomes=[Failed(held[one], one, 9.0, 4, f"cause of {one}", 500) for one in states])
    names["cancelled"] = put("moona")
    assert outbox.cancel([names["cancelled"]], 3.0) == {}
    return names


def test_what_was_given_up_is_told_with_its_cause(database: Database, given_up: dict[str, str]) -> None:
    """Newest first, of all senders; what waits is no letter, and what was cancelled is asked for."""
    with database.reading() as connection:
        assert letters.newest(connection, Sought(), 9) == [
            Letter(given_up["dead"], "ehr", "client", "dead", 4, 500, "cause of dead", 2.0),
            Letter(given_up["rejected"], "other", "client", "rejected", 4, 500, "cause of rejected", 2.0),
        ]
        (cancelled,) = letters.newest(connection, Sought("cancelled"), 9)
        assert cancelled == Letter(given_up["cancelled"], "ehr", "client", "cancelled", 0, None, "cancelled", 3.0)
        assert len(letters.newest(connection, Sought(), 1)) == 1


def test_letters_are_chosen_by_state_type_and_sender(database: Database, given_up: dict[str, str]) -> None:
    """Ids come oldest first, and all that is asked for holds."""
    rejected, dead = given_up["rejected"], given_up["dead"]
    wanted = {
        Sought(): [rejected, dead],
        Sought("dead"): [dead],
        Sought("dead", "client", "ehr"): [dead],
        Sought("dead", "team"): [],
        Sought(sender="other"): [rejected],
        Sought("dead", sender="other"): [],
    }
    with database.reading() as connection:
        assert {sought: letters.names(connection, sought) for sought in wanted} == wanted


def test_the_log_says_that_an_operator_sent_again(database: Database, given_up: dict[str, str]) -> None:
    """One entry for all that were taken up, and none when nothing was."""
    with database.transaction() as connection:
        assert steering.replay(connection, [given_up["dead"], given_up["rejected"]], 4.0, 30.0, operator="cli") == {}
        assert list(steering.replay(connection, [given_up["waiting"]], 4.0, 30.0, operator="cli"))
    with database.reading() as connection:
        entries = [json.loads(entry) for entry in connection.execute(select(audit_entry.c.entry)).scalars()]
    assert entries[1:] == [{"act": "replayed", "operator": "cli", "count": 2}]
