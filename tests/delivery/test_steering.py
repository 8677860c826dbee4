"""What people send again never takes the place of something newer, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as settle

import pytest
from sqlalchemy import update

from adapter import audit
from adapter.delivery import Outbox, submissions
from adapter.delivery.messages import Delivered, Failed, Message
from adapter.delivery.states import State
from adapter.store import Database
from adapter.store.tables import outbox as rows
from tests.delivery.conftest import CIPHER, Put

NEWER = "delivery.newer-handed-over"
LOST = (State.CANCELLED, State.REJECTED, State.DEAD)
"""What ends without being in the repository."""


@pytest.fixture
def older(outbox: Outbox, put: Put) -> str:
    """The first version of a record, taken back before it was sent."""
    submission = put("moona", record="plan")
    assert outbox.cancel([submission], 1.0) == {}
    return submission


def brought_to(database: Database, submission: str, state: State) -> None:
    """Write down that a message came into a state."""
    with database.transaction() as connection:
        changed = {"state": state, "final": state.final, "due": 1e3}
        connection.execute(update(rows).where(rows.c.submission == submission).values(changed))


@pytest.mark.parametrize("state", State)
def test_an_older_version_is_not_sent_after_a_newer_one(
    database: Database, outbox: Outbox, put: Put, older: str, state: State
) -> None:
    """Refused and unchanged unless the newer one ended outside the repository."""
    brought_to(database, put("moona", record="plan", version=2), state)
    refused = outbox.replay([older], 2.0)
    assert [one.key for one in refused.values()] == ([] if state in LOST else [NEWER])
    with database.reading() as connection:
        status = submissions.status(connection, older, "ehr")
    assert status is not None
    assert status.state == ("queued" if state in LOST else "cancelled")
    assert len(status.history) == (3 if state in LOST else 2)


def test_versions_that_are_sent_again_together_go_in_their_order(outbox: Outbox, put: Put, older: str) -> None:
    """Both were given up; the older one is first in hand, and the newer one follows when it is done."""
    newer = put("moona", record="plan", version=2)
    assert outbox.cancel([newer], 1.0) == {}
    assert outbox.replay([newer, older], 2.0) == {}
    (first,) = outbox.claim("w", 2.0, limit=2)
    assert first.submission == older
    outbox.turn(3.0, outcomes=[Delivered(first, "r", {}, set(), "receipt", attempts=1)])
    assert outbox.claim("w", 3.0)[0].submission == newer


@pytest.mark.parametrize(
    "later",
    [
        {"lane": "matti", "version": 2},
        {"lane": "moona", "version": 2, "sender": "another system"},
        {"lane": "moona", "version": 1, "sender": "kykysilta"},
    ],
    ids=["moved to another client", "by another sender", "what the adapter did to this version"],
)
def test_whatever_came_later_of_the_record_counts(outbox: Outbox, put: Put, older: str, later: dict[str, str]) -> None:
    """The repository knows the record by its key, not by who sent it or whose it was thought to be."""
    put(**later, record="plan")
    assert outbox.replay([older], 2.0)[older].key == NEWER


def test_other_records_and_older_versions_do_not_count(outbox: Outbox, put: Put) -> None:
    """The newest version goes again whatever became of the one before it, and another record is another one."""
    put("moona", record="plan", version=1)
    newest = put("moona", record="plan", version=2)
    put("moona", record="other", version=3)
    assert outbox.cancel([newest], 1.0) == {}
    assert outbox.replay([newest], 2.0) == {}


def test_a_refused_version_does_not_follow_a_delivered_one(outbox: Outbox, put: Put) -> None:
    """Rejected, then the next version delivered: the rejected one stays as it is."""
    first = put("moona", record="plan")
    outbox.turn(1.0, outcomes=[failed(outbox.claim("w", 1.0)[0], State.REJECTED)])
    put("moona", record="plan", version=2)
    (message,) = outbox.claim("w", 1.0)
    outbox.turn(2.0, outcomes=[Delivered(message, "r", {}, set(), "receipt", attempts=1)])
    assert outbox.replay([first], 3.0)[first].key == NEWER
    assert outbox.claim("w", 3.0) == []


def test_a_newer_version_that_is_handed_over_at_the_same_moment_counts(
    database: Database, outbox: Outbox, older: str
) -> None:
    """Who stores and who sends again wait for each other: none works on what the other is about to change."""
    arrival = submissions.Arrival(
        "f" * 32, "ehr", "client", "plan", 2, "digest", "1.2.3", "client 1.0.0", "[]", b"{}", b"{}"
    )
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            audit.lock(connection)
            submissions.store(connection, CIPHER, [arrival], 2.0)
            outbox.put(connection, {arrival.id: "moona"}, 2.0)
            again = pool.submit(outbox.replay, [older], 2.0)
            assert not settle([again], timeout=0.5).done
        assert again.result(30)[older].key == NEWER


def failed(message: Message, state: State) -> Failed:
    """What came of a try."""
    return Failed(message, state, due=60.0, attempts=1, cause="HTTP 422", http_status=422)
