"""The retry table of delivery, row by row: what each outcome of a try does to the message and to the destination."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from adapter.delivery import Repository
from adapter.delivery.states import ATTEMPTS_AFTER_500, ATTEMPTS_IN_ALL, State
from adapter.events import Event
from adapter.pipeline import Line, Sender
from adapter.security.keys import KeyProblem
from adapter.store import Cipher, Database
from tests.delivery.test_faults import record
from tests.one_try import try_due

KEY = bytes(range(32))
SENDER = Sender("ehr")
NOW = 1_800_000_000.0
Reply = Callable[[httpx.Request], httpx.Response]


@dataclass
class Endpoint:
    """A repository that answers transactions as it is told, and look-ups by what it holds.

    Attributes:
        replies: to the transactions, in their order; the last one again and again.
        holds: whether it has what was sent last.
        asked: method and path of every request.
    """

    replies: list[Reply] = field(default_factory=list)
    holds: bool = False
    asked: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path = request.url.path.removeprefix("/fhir/")
        self.asked.append(f"{request.method} {path}")
        if path == "":
            self.sent = [entry["resource"] for entry in json.loads(request.content)["entry"] if "resource" in entry]
            return (self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])(request)
        kind = path.partition("/")[0]
        found = [each | {"id": "1", "meta": each["meta"] | {"versionId": "1"}} for each in self.sent if self.holds]
        entries = [{"resource": each} for each in found if each["resourceType"] == kind]
        return httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset", "entry": entries[:1]})


def status(code: int, headers: dict[str, str] | None = None, issue: str = "") -> Reply:
    """An answer with a status, and an OperationOutcome of one issue when its code is given."""
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": issue}]} if issue else {}
    return lambda _request: httpx.Response(code, headers=headers, json=outcome)


def broken(error: Exception, cause: Exception | None = None) -> Reply:
    """A line that breaks in this way."""

    def answer(_request: httpx.Request) -> httpx.Response:
        raise error from cause

    return answer


def created(request: httpx.Request) -> httpx.Response:
    """Everything is stored, or replaced in its next version."""
    entries = [
        {
            "response": {
                "status": "201 Created" if entry["request"]["method"] == "POST" else "200 OK",
                "location": f"{entry['resource']['resourceType']}/1/_history/1",
            }
        }
        for entry in json.loads(request.content)["entry"]
    ]
    return httpx.Response(200, json={"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


class Tokens:
    """A token source that counts what it is asked for."""

    def __init__(self) -> None:
        self.given = 0

    def token(self) -> str:
        """A new token each time."""
        self.given += 1
        return f"t{self.given}"

    def forget(self, _token: str) -> None:
        """Nothing is kept."""


@dataclass
class Table:
    """A line in front of an endpoint.

    Attributes:
        now: the clock.
    """

    endpoint: Endpoint
    line: Line
    tokens: Tokens
    now: list[float]

    def take(self, number: int = 1, version: int = 1) -> str:
        """Accept a record; returns its submission."""
        return self.line.accept(record(number, number, version), sender=SENDER).submission

    def try_once(self) -> None:
        """Make one try of every message that is due, ready or not."""
        try_due(self.line, self.now[0])

    def state(self, submission: str) -> tuple[str, str, float]:
        """State, cause of the latest change, and seconds until the next try."""
        found = self.line.status(submission, SENDER.id)
        assert found is not None
        return found.state, found.history[-1][3], found.due - self.now[0]


@pytest.fixture
def table() -> Iterator[Table]:
    """A line on a database in memory."""
    endpoint, now, tokens = Endpoint(), [NOW], Tokens()
    source: Any = lambda _client: tokens  # noqa: E731 - stands for the makers of token sources
    repository = Repository("http://r/fhir", transport=httpx.MockTransport(endpoint), token_source=source)
    database = Database("sqlite://")
    cipher = Cipher({"t": KEY})
    line = Line(database, cipher, id_key=KEY, repository=repository, clock=lambda: now[0], chance=lambda: 0.5)
    yield Table(endpoint, line, tokens, now)
    line.close()
    database.close()


CERTIFICATE = ssl.SSLError(1, "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired")
CERTIFICATE.reason = "SSLV3_ALERT_CERTIFICATE_EXPIRED"
UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")
UNTRUSTED.reason = "CERTIFICATE_VERIFY_FAILED"

ONE_TRY: dict[str, tuple[Reply, State, str]] = {
    "connection refused": (broken(httpx.ConnectError("")), State.WAITING, "ConnectError"),
    "no name": (broken(httpx.ConnectError("name")), State.WAITING, "ConnectError"),
    "no connection in time": (broken(httpx.ConnectTimeout("")), State.WAITING, "ConnectTimeout"),
    "no answer in time": (broken(httpx.ReadTimeout("")), State.UNKNOWN, "ReadTimeout"),
    "reset": (broken(httpx.ReadError("")), State.UNKNOWN, "ReadError"),
    "half an answer": (broken(httpx.RemoteProtocolError("")), State.UNKNOWN, "RemoteProtocolError"),
    "a page in place of an answer": (lambda _: httpx.Response(200, text="<p>"), State.UNKNOWN, "NoBundleInAnswer"),
    "our certificate has ended": (broken(httpx.ReadError(""), CERTIFICATE), State.WAITING, "CertificateRefused"),
    "their certificate has ended": (broken(httpx.ConnectError(""), UNTRUSTED), State.WAITING, "CertificateRefused"),
    **{str(code): (status(code), State.WAITING, f"HTTP {code}") for code in (408, 425, 429, 500, 502, 503, 504)},
    **{
        str(code): (status(code), State.REJECTED, f"HTTP {code}")
        for code in (301, 302, 307, 308, 400, 403, 404, 405, 406, 410, 412, 413, 415, 422)
    },
    "409, somebody else's": (status(409, issue="conflict"), State.REJECTED, "HTTP 409"),
    "409, refers to what is missing": (status(409, issue="not-found"), State.WAITING, "HTTP 409"),
    "401 twice": (status(401), State.WAITING, "HTTP 401"),
}


@pytest.mark.parametrize("outcome", ONE_TRY)
def test_each_outcome_of_a_try_has_its_state(table: Table, outcome: str) -> None:
    """As the table says, after one try; what was asked goes to nobody else, redirect or not."""
    reply, state, cause = ONE_TRY[outcome]
    table.endpoint.replies = [reply]
    submission = table.take()
    table.try_once()
    assert table.state(submission)[:2] == (state, cause)
    assert table.endpoint.asked.count("POST ") == (2 if outcome == "401 twice" else 1)


@pytest.mark.parametrize("outcome", ["no answer in time", "reset", "half an answer", "a page in place of an answer"])
@pytest.mark.parametrize("holds", [True, False])
def test_an_unknown_outcome_is_looked_up_before_anything_is_sent(table: Table, outcome: str, holds: bool) -> None:
    """What is there counts as delivered and is not sent again; what is not is sent."""
    table.endpoint.replies = [ONE_TRY[outcome][0], created]
    submission = table.take()
    table.try_once()
    table.endpoint.holds = holds
    table.now[0] += 3600
    table.endpoint.asked.clear()
    table.try_once()
    assert table.state(submission)[0] == State.DELIVERED
    assert table.endpoint.asked[0].endswith("/_search")
    assert table.endpoint.asked.count("POST ") == (0 if holds else 1)


@pytest.mark.parametrize(("code", "seconds"), [(429, "7"), (503, "7"), (503, "Fri, 15 Jan 2027 08:00:07 GMT")])
def test_retry_after_wins(table: Table, code: int, seconds: str) -> None:
    """Seconds, or a date that is read by the clock of the answer's `Date`; a day is cut to an hour."""
    date = {"Date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    table.endpoint.replies = [status(code, {"Retry-After": seconds} | date)]
    submission = table.take()
    table.try_once()
    assert table.state(submission)[2] == 7
    table.endpoint.replies = [status(code, {"Retry-After": "86400"})]
    table.now[0] += 7
    table.try_once()
    assert table.state(submission)[2] == 3600


@pytest.mark.parametrize(("code", "tries"), [(500, ATTEMPTS_AFTER_500), (503, ATTEMPTS_IN_ALL)])
def test_what_does_not_end_is_given_up(table: Table, code: int, tries: int) -> None:
    """500 after a few tries, the others after days of them."""
    table.endpoint.replies = [status(code)]
    submission = table.take()
    count = 0
    while table.state(submission)[0] != State.DEAD:
        table.try_once()
        table.now[0] += 3600
        count += 1
    assert count == tries


@pytest.mark.parametrize("before", ["connection refused", "401 twice"])
@pytest.mark.parametrize(("code", "tries"), [(500, ATTEMPTS_AFTER_500), (503, ATTEMPTS_IN_ALL)])
def test_tries_before_anybody_looked_at_the_message_do_not_count(
    table: Table, before: str, code: int, tries: int
) -> None:
    """A long outage, then an answer about the message: it is tried as often as a new one, and meanwhile ever less."""
    table.endpoint.replies = [ONE_TRY[before][0]]
    submission = table.take()
    waits = []
    for _ in range(12):
        table.try_once()
        waits.append(table.state(submission)[2])
        table.now[0] += 3600
    assert waits == sorted(waits)
    assert waits[-1] > 100 * waits[0]
    table.endpoint.replies = [status(code)]
    count = 0
    while table.state(submission)[0] != State.DEAD:
        table.try_once()
        table.now[0] += 3600
        count += 1
    assert count == tries


def test_a_refused_token_is_replaced_once_and_at_once(table: Table) -> None:
    """401 with the first token, and with a new one all is well."""
    table.endpoint.replies = [status(401), created]
    submission = table.take()
    table.try_once()
    assert table.state(submission)[0] == State.DELIVERED
    assert table.tokens.given == 2


@pytest.mark.parametrize("outcome", ["401 twice", "our certificate has ended", "their certificate has ended"])
def test_refused_credentials_stop_the_destination(table: Table, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once and with an alarm; the messages stay, and go out when the credentials are taken again."""
    alarms: list[Event] = []
    monkeypatch.setattr("adapter.delivery.destination.log", lambda event, **_fields: alarms.append(event))
    table.endpoint.replies = [ONE_TRY[outcome][0]]
    submission = table.take()
    table.try_once()
    assert Event.PAUSED in alarms
    assert not table.line.delivery.ready()
    table.now[0] += 600
    table.endpoint.replies = [created]
    assert table.line.delivery.ready()
    table.try_once()
    assert table.state(submission)[0] == State.DELIVERED


def test_a_signing_certificate_that_has_ended_stops_the_destination(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent and no try is counted, with an alarm; with a new certificate the message goes out by itself."""
    alarms: list[tuple[Event, Any]] = []
    monkeypatch.setattr("adapter.delivery.destination.log", lambda event, **told: alarms.append((event, told["cause"])))
    signer = Mock(side_effect=KeyProblem("ended"))
    monkeypatch.setattr(table.line.delivery, "_signer", signer)
    table.endpoint.replies = [created]
    submission = table.take()
    for _ in range(3):
        table.try_once()
        assert table.state(submission)[:2] == (State.WAITING, "CertificateNotValid")
        assert not table.line.delivery.ready()
        table.now[0] += 600
    assert alarms == [(Event.PAUSED, "CertificateNotValid")] * 3
    assert "POST " not in table.endpoint.asked
    status = table.line.status(submission, SENDER.id)
    assert status is not None
    assert status.attempts == 0
    monkeypatch.setattr(table.line.delivery, "_signer", None)
    assert table.line.delivery.ready()
    table.try_once()
    assert table.state(submission)[0] == State.DELIVERED


def test_many_forbidden_messages_are_an_alarm(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is its own matter; five in a row are everybody's, and it is said once."""
    alarms: list[Event] = []
    monkeypatch.setattr("adapter.delivery.destination.log", lambda event, **_fields: alarms.append(event))
    table.endpoint.replies = [status(403)]
    for number in range(4):
        table.take(number)
    table.try_once()
    assert Event.ALL_FORBIDDEN not in alarms
    for number in range(4, 8):
        table.take(number)
    table.try_once()
    assert alarms.count(Event.ALL_FORBIDDEN) == 1


@pytest.mark.parametrize("code", [409, 412])
@pytest.mark.parametrize("holds", [True, False])
def test_a_conflict_is_decided_by_what_the_repository_holds(table: Table, code: int, holds: bool) -> None:
    """A new version meets another one: ours, then it is delivered; somebody else's, then the sender decides."""
    table.endpoint.replies = [created]
    table.take()
    table.try_once()
    table.endpoint.replies, table.endpoint.holds = [status(code)], holds
    submission = table.take(version=2)
    table.try_once()
    assert table.state(submission)[:2] == (
        (State.DELIVERED, "reconciled") if holds else (State.REJECTED, f"HTTP {code}")
    )


def test_two_matches_of_a_criterion_are_final(table: Table) -> None:
    """412 on `ifNoneExist`: the repository holds two, so nothing is asked and a person mends the data."""
    table.endpoint.replies = [status(412, issue="multiple-matches")]
    submission = table.take()
    table.try_once()
    assert table.state(submission)[0] == State.REJECTED
    assert table.endpoint.asked == ["POST "]


def test_what_refers_to_a_missing_one_is_sent_when_it_is_there(table: Table) -> None:
    """409 with `not-found`: waited for, then delivered."""
    table.endpoint.replies = [status(409, issue="not-found"), created]
    submission = table.take()
    table.try_once()
    table.now[0] += 3600
    table.try_once()
    assert table.state(submission)[0] == State.DELIVERED
