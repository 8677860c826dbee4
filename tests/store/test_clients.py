"""One client has one lane: codes are looked up, bound and joined; what an older program wrote is found as before."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text, update

from adapter import audit
from adapter.delivery import Outbox, submissions
from adapter.store import Cipher, Database, clients
from adapter.store.erasure import forget_client
from adapter.store.tables import client_identity, outbox
from tests.databases import KINDS, empty_database

CIPHER = Cipher({"test": bytes(range(32))})
Put = Callable[[Connection, str], str]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    with empty_database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """It, opened."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def put(database: Database) -> Put:
    """Queue a message in a lane, as any version of the program did."""
    messages, numbers = Outbox(database, CIPHER), iter(range(100))

    def queue(connection: Connection, lane: str) -> str:
        name = f"{next(numbers):032x}"
        arrival = submissions.Arrival(
            id=name, sender="ehr", record_type="client", record_key=name, record_version=1, custodian="1", digest="",
            mapping="", warnings="[]", source=b"", body=b"{}",
        )  # fmt: skip
        submissions.store(connection, CIPHER, [arrival], 0.0)
        messages.put(connection, {name: lane}, 0.0)
        return name

    return queue


def lanes(connection: Connection) -> list[str]:
    """The lanes of all messages, oldest first."""
    return list(connection.execute(select(outbox.c.lane).order_by(outbox.c.seq)).scalars())


def test_a_code_that_nobody_has_joined_is_its_own_lane(database: Database) -> None:
    """One code needs no row: so every database of an older program is right as it is."""
    with database.transaction() as connection:
        assert clients.bind(connection, ["a"]) == ("a", 0)
        assert clients.lane_of(connection, ["a"]) == "a"
        assert connection.execute(select(client_identity)).first() is None


def test_several_lanes_become_the_oldest_one(database: Database, put: Put) -> None:
    """Messages of every lane move to the one whose first message came first, in the order in which they came."""
    with database.transaction() as connection:
        for lane in ("temporary", "real", "temporary", "somebody else"):
            put(connection, lane)
        assert clients.bind(connection, ["oldest", "real", "temporary"]) == ("temporary", 1)
        assert lanes(connection) == ["temporary", "temporary", "temporary", "somebody else"]
        for code in ("oldest", "real", "temporary"):
            assert clients.lane_of(connection, [code]) == "temporary"
        assert clients.lane_of(connection, ["somebody else"]) == "somebody else"


def test_joined_lanes_are_joined_again(database: Database, put: Put) -> None:
    """Codes that led to a lane lead on to the one that it is joined into."""
    with database.transaction() as connection:
        for lane in ("first", "b", "d"):
            put(connection, lane)
        clients.bind(connection, ["b", "c"])
        clients.bind(connection, ["d", "e"])
        clients.bind(connection, ["c", "e", "first"])
        found = {clients.lane_of(connection, [code]) for code in ("first", "b", "c", "d", "e")}
        assert found == {"first"}
        assert set(clients.lookups_of(connection, "first")) == {"first", "b", "c", "d", "e"}
        assert lanes(connection) == ["first"] * 3


def test_only_the_head_of_a_joined_lane_is_claimed(database: Database, put: Put) -> None:
    """What two workers had in hand at the join is finished before anything behind it begins."""
    messages = Outbox(database, CIPHER)
    with database.transaction() as connection:
        for lane in ("a", "b"):
            put(connection, lane)
    in_hand = messages.claim("worker", 1.0, limit=10)
    with database.transaction() as connection:
        put(connection, clients.bind(connection, ["b", "a"]).lane)
    assert len(in_hand) == 2
    assert messages.claim("other", 1.0, limit=10) == []
    messages.release(in_hand[:1])
    assert [one.submission for one in messages.claim("other", 2.0, limit=10)] == [in_hand[0].submission]


def test_two_programs_that_join_in_the_same_moment_agree(url: str, database: Database, put: Put) -> None:
    """Under the lock of the log both bind their codes to one lane."""
    with database.transaction() as connection:
        for lane in ("a", "b", "c"):
            put(connection, lane)
    other, start = Database(url), threading.Barrier(2)

    def join(program: Database, named: list[str]) -> str:
        def act(connection: Connection) -> str:
            audit.lock(connection)
            return clients.bind(connection, named).lane

        start.wait()
        return program.together(act)

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(join, database, ["c", "b", "x"]), pool.submit(join, other, ["b", "a", "y"])]
        answers = {one.result() for one in done}
    with database.reading() as connection:
        assert lanes(connection) == ["a"] * 3
        assert {clients.lane_of(connection, [code]) for code in "abcxy"} == {"a"}
    other.close()
    assert "a" in answers


@pytest.mark.parametrize("url", KINDS[1:], indirect=True)
def test_a_deadlock_with_a_worker_is_run_again(url: str, database: Database, put: Put) -> None:
    """A worker has a row and wants the log, a join has the log and wants the row: both come to their end.

    SQLite has one writer, so it cannot happen there.
    """
    with database.transaction() as connection:
        put(connection, "a")
    other, started = Database(url), threading.Barrier(2)
    first_time = {"worker": True, "join": True}

    def meet(who: str) -> None:
        if first_time[who]:
            first_time[who] = False
            started.wait()

    def worker(connection: Connection) -> str:
        connection.execute(update(outbox).values(attempts=1))
        meet("worker")
        audit.lock(connection)
        return "delivered"

    def join(connection: Connection) -> str:
        audit.lock(connection)
        meet("join")
        connection.execute(update(outbox).values(lane="b"))
        return "joined"

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(database.together, worker), pool.submit(other.together, join)]
        assert [one.result() for one in done] == ["delivered", "joined"]
    other.close()
    with database.reading() as connection:
        assert connection.execute(select(outbox.c.lane, outbox.c.attempts)).one() == ("b", 1)


def test_who_is_forgotten_is_known_by_no_code(database: Database, put: Put) -> None:
    """After erasure nothing in the store leads from a code to the person: a code is its own lane again."""
    with database.transaction() as connection:
        put(connection, "a")
        clients.bind(connection, ["b", "a"])
        connection.execute(text("UPDATE outbox SET final = TRUE, state = 'delivered'"))
        assert forget_client(connection, "a") == 1
        assert connection.execute(select(client_identity)).first() is None
        assert clients.lane_of(connection, ["b"]) == "b"
        assert lanes(connection) != ["a"]
