"""An invalidated record: what waits is never sent, what is on its way is followed by the mark."""

from __future__ import annotations

import pytest

from adapter.delivery.keeping import forget_bodies
from adapter.delivery.messages import Delivered, Failed, Message
from adapter.delivery.states import State
from adapter.lifecycle.invalidation import BodyGone
from adapter.pipeline import Line
from adapter.source.json import read_json
from adapter.store import Database
from adapter.store.tables import submission
from tests.pipeline.conftest import AT, CIPHER, EHR, Send, record

NOT_SENT = "delivery.invalidated-not-sent"


def refused(message: Message, state: State) -> Failed:
    """What came of a try."""
    return Failed(message, state, due=AT, attempts=1, cause="HTTP 422", http_status=422)


def test_what_waits_is_never_sent(line: Line, send: Send, database: Database) -> None:
    """Every version is cancelled, its content deleted; no worker gets it and nobody can send it again."""
    first = send(record("01-client")).submission
    second = send(record("01-client", record_version=2, family_name="Toinen")).submission
    done = line.afterwards.invalidate(first, "väärä")
    assert (done.submission, set(done.cancelled)) == ("", {first, second})
    assert line.outbox.claim("worker", AT) == []
    assert [one.key for one in line.outbox.replay([first, second], AT).values()] == [NOT_SENT, NOT_SENT]
    with database.reading() as connection:
        kept = connection.execute(submission.select()).all()
    assert {(row.source, row.body) for row in kept} == {(None, None)}


def test_what_is_on_its_way_is_followed_by_the_mark(line: Line, send: Send) -> None:
    """A message in a worker's hands is not pulled away; the mark waits behind it and holds what was sent last."""
    first = send(record("01-client")).submission
    (message,) = line.outbox.claim("worker", AT)
    line.outbox.sending(message, AT)
    second = send(record("01-client", record_version=2, family_name="Toinen")).submission
    done = line.afterwards.invalidate(first, "väärä")
    assert (done.cancelled, done.record_version) == ((second,), 3)
    told = [line.status(each, EHR.id) for each in (first, second, done.submission)]
    assert [status and status.invalidated for status in told] == [True] * 3
    assert line.outbox.claim("other", AT) == []
    line.outbox.turn(AT, outcomes=[Delivered(message, "r-1", {}, (), "receipt", attempts=1)])
    (mark,) = line.outbox.claim("other", AT)
    bundle = read_json(mark.body)
    assert mark.submission == done.submission
    assert bundle["entry"][0]["resource"]["active"] is False
    assert "Toinen" not in str(bundle)


def test_what_was_refused_is_not_tried_again(line: Line, send: Send) -> None:
    """A rejected message of an invalidated record cannot be replayed; a rejected mark can."""
    first = send(record("01-client")).submission
    (message,) = line.outbox.claim("worker", AT)
    line.outbox.turn(AT, outcomes=[refused(message, State.DEAD)])
    done = line.afterwards.invalidate(first, "väärä")
    assert line.outbox.replay([first], AT)[first].key == NOT_SENT
    assert line.outbox.cancel([done.submission], AT)[done.submission].key == "delivery.mark-stays"
    (mark,) = line.outbox.claim("worker", AT)
    line.outbox.turn(AT, outcomes=[refused(mark, State.REJECTED)])
    assert line.outbox.replay([done.submission], AT) == {}


def test_a_record_whose_content_is_gone_says_what_to_do(line: Line, send: Send, database: Database) -> None:
    """After the bodies are deleted its sender sends the last version again; nothing is half done."""
    first = send(record("01-client")).submission
    (message,) = line.outbox.claim("worker", AT)
    line.outbox.turn(AT, outcomes=[Delivered(message, "r-1", {}, (), "receipt", attempts=1)])
    assert forget_bodies(database, CIPHER, AT + 1, AT + 1) == 1
    with pytest.raises(BodyGone):
        line.afterwards.invalidate(first, "väärä")
    again = send(record("01-client", record_version=2)).submission
    done = line.afterwards.invalidate(again, "väärä")
    assert (done.cancelled, done.record_version) == ((again,), 3)
    assert line.outbox.claim("worker", AT)[0].submission == done.submission
