"""The outbox keeps the order of each client and forgets nothing, on every database."""

from __future__ import annotations

from sqlalchemy import select

from adapter import audit
from adapter.delivery import Outbox, known, submissions
from adapter.delivery.keeping import forget_bodies
from adapter.delivery.messages import Delivered, Failed, Message
from adapter.delivery.outbox import LEASE_SECONDS
from adapter.delivery.states import Known, State
from adapter.store import Cipher, Database
from adapter.store.rotation import re_encrypt
from adapter.store.tables import submission
from tests.delivery.conftest import BUNDLE, CIPHER, Put


def failed(message: Message, state: State) -> Failed:
    """What came of a try."""
    return Failed(message, state, due=60.0, attempts=1, cause="HTTP 503", http_status=503)


def test_only_the_head_of_a_lane_is_claimed(outbox: Outbox, put: Put) -> None:
    """The second record of a client waits for the first; another client's does not."""
    first, _second, other = put("moona", b"1"), put("moona", b"2"), put("matti", b"3")
    claimed = outbox.claim("w", 1.0, limit=10)
    assert {message.submission for message in claimed} == {first, other}
    assert {message.body for message in claimed} == {b"1", b"3"}
    assert outbox.claim("w2", 1.0, limit=10) == []


def test_a_waiting_head_keeps_its_lane_waiting(outbox: Outbox, put: Put) -> None:
    """While the first try again is not due, nothing of this lane goes out."""
    first, second = put("moona"), put("moona")
    outbox.turn(1.0, outcomes=[failed(outbox.claim("w", 1.0)[0], State.WAITING)])
    assert outbox.claim("w", 59.0) == []
    assert outbox.claim("w", 60.0)[0].submission == first
    assert second != first


def test_a_final_head_frees_its_lane(outbox: Outbox, put: Put) -> None:
    """A rejected record does not hold up the client's next one."""
    put("moona")
    second = put("moona")
    outbox.turn(1.0, outcomes=[failed(outbox.claim("w", 1.0)[0], State.REJECTED)])
    assert outbox.claim("w", 1.0)[0].submission == second


def test_a_dead_workers_message_comes_back_after_its_lease(outbox: Outbox, put: Put) -> None:
    """Claimed and begun, then the worker died: the next one sees that it was being sent."""
    put("moona")
    message = outbox.claim("dead", 1.0)[0]
    outbox.sending(message, 1.0)
    assert outbox.claim("alive", 2.0) == []
    again = outbox.claim("alive", 2.0 + LEASE_SECONDS)[0]
    assert (again.submission, again.state, again.attempt) == (message.submission, State.SENDING, 1)


def test_a_receipt_is_kept_with_its_audit_entry(outbox: Outbox, put: Put, database: Database) -> None:
    """After delivery the status shows what lies where, and the audit chain holds the outcome."""
    submission = put("moona", record="plan")
    message = outbox.claim("w", 1.0)[0]
    outbox.sending(message, 1.0)
    places = {"urn:uuid:a": Known("CarePlan/1", "1"), "urn:uuid:b": Known("Patient/2", "4")}
    outbox.turn(2.0, outcomes=[Delivered(message, "request-1", places, {"urn:uuid:a"}, "receipt", attempts=1)])
    with database.reading() as connection:
        status = submissions.status(connection, submission, "ehr")
        assert audit.verify(connection) is None
        held = known.parts(connection, ["plan", "another record"])
    assert held == {"plan": {"urn:uuid:a": Known("CarePlan/1", "1")}}
    assert status is not None
    assert status.state == "delivered"
    assert status.receipts == {"urn:uuid:a": "CarePlan/1", "urn:uuid:b": "Patient/2"}
    assert [step[1] for step in status.history] == ["queued", "sending", "delivered"]


def test_another_sender_sees_nothing(put: Put, database: Database) -> None:
    """Somebody else's submission looks like none."""
    submission = put("moona")
    with database.reading() as connection:
        assert submissions.status(connection, submission, "somebody else") is None
        assert submissions.search(connection, "somebody else", submissions.Wanted()) == []
        assert [status.id for status in submissions.search(connection, "ehr", submissions.Wanted())] == [submission]


def test_a_dead_message_can_be_sent_again(outbox: Outbox, put: Put) -> None:
    """Replay starts over; what is delivered or on its way is left alone."""
    dead, waiting = put("moona"), put("matti")
    messages = {message.submission: message for message in outbox.claim("w", 1.0, limit=2)}
    outbox.turn(1.0, outcomes=[failed(messages[dead], State.DEAD), failed(messages[waiting], State.WAITING)])
    assert list(outbox.replay([dead, waiting], 2.0)) == [waiting]
    again = outbox.claim("w", 2.0, limit=2)
    assert [(message.submission, message.attempt) for message in again] == [(dead, 0)]


def test_only_what_was_surely_not_sent_can_be_cancelled(outbox: Outbox, put: Put) -> None:
    """A message with an unknown outcome may have arrived; it cannot be taken back."""
    queued, unknown = put("moona"), put("matti")
    message = next(message for message in outbox.claim("w", 1.0, limit=2) if message.submission == unknown)
    outbox.turn(1.0, outcomes=[failed(message, State.UNKNOWN)])
    assert list(outbox.cancel([queued, unknown], 1.0 + LEASE_SECONDS)) == [unknown]
    assert outbox.stock()[State.CANCELLED][0] == 1
    assert outbox.stock()[State.UNKNOWN][0] == 1


def test_bodies_go_after_their_time_and_receipts_stay(outbox: Outbox, put: Put, database: Database) -> None:
    """Only delivered and old bodies are deleted."""
    delivered, queued = put("moona", BUNDLE), put("matti")
    message = next(message for message in outbox.claim("w", 1.0, limit=2) if message.submission == delivered)
    outbox.turn(
        2.0, outcomes=[Delivered(message, "r", {"urn:uuid:a": Known("Patient/1", "1")}, set(), "receipt", attempts=1)]
    )
    assert forget_bodies(database, CIPHER, 2.0, 3.0) == 0
    assert forget_bodies(database, CIPHER, 2.5, 3.0) == 1
    with database.reading() as connection:
        rows = {row.id: row.body for row in connection.execute(select(submission.c.id, submission.c.body))}
        status = submissions.status(connection, delivered, "ehr")
    assert rows[delivered] is None
    assert rows[queued] is not None
    assert status is not None
    assert status.receipts


def test_rotation_re_encrypts_while_messages_wait(database: Database, outbox: Outbox, put: Put) -> None:
    """After rotation every body opens with the new key alone."""
    for _ in range(3):
        put("moona")
    old, new = bytes(range(32)), bytes(range(1, 33))
    rotating = Cipher({"new": new, "test": old})
    assert re_encrypt(database, rotating) == (3, 0)
    assert re_encrypt(database, rotating) == (0, 0)
    assert Outbox(database, Cipher({"new": new})).claim("w", 1.0)[0].body == b"{}"
