"""A repository that lies, floods or gossips: nothing of it is believed, stored or shown."""

from __future__ import annotations

import gzip
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from adapter.delivery import Repository
from adapter.pipeline import Line, Sender
from adapter.security.token_source import ClientKey, NoToken, TokenSource
from adapter.store import Cipher, Database
from tests.attacks.conftest import body
from tests.one_try import try_due

SECRET = "080885-906S"
NAME = "Tuulispää"
GOSSIP = f"{NAME} {SECRET}"

Answer = Callable[[httpx.Request], httpx.Response]


def _json(status: int, content: Any, **headers: str) -> Answer:
    return lambda _request: httpx.Response(status, json=content, headers=headers)


def _outcome(**fields: Any) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid", **fields}]}


def _transaction(request: httpx.Request, change: Callable[[dict[str, Any]], Any]) -> httpx.Response:
    """Answer as a good repository would, then change each entry."""
    if request.url.path.endswith("_search"):
        return httpx.Response(500)
    entries = []
    for number, sent in enumerate(json.loads(request.content).get("entry", ())):
        kind = sent["resource"]["resourceType"]
        response = {"status": "201 Created", "location": f"{kind}/{number}/_history/1", "etag": 'W/"1"'}
        entries.append(change({"response": response}))
    answer = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
    return httpx.Response(200, json=answer)


def _located(location: Any) -> Answer:
    return lambda request: _transaction(
        request, lambda entry: {"response": {**entry["response"], "location": location}}
    )


def _raw(content: bytes, **headers: str) -> Answer:
    return lambda _request: httpx.Response(200, content=content, headers=headers)


ANSWERS: dict[str, Answer] = {
    "no body": _raw(b""),
    "not JSON": _raw(b"<html>" + GOSSIP.encode()),
    "wrong encoding": _raw(b"\xff\xfe\0"),
    "list": _json(200, []),
    "number": _json(200, 1),
    "another resource": _json(200, {"resourceType": "Patient", "id": SECRET}),
    "deep": _raw(b"[" * 100_000),
    "duplicate keys": _raw(b'{"resourceType":"Bundle","resourceType":"Bundle"}'),
    "12 megabytes": _raw(b" " * 12_000_000),
    "50 megabytes, packed": _raw(gzip.compress(b" " * 50_000_000, 1), **{"Content-Encoding": "gzip"}),
    "broken packing": _raw(b"nonsense", **{"Content-Encoding": "gzip"}),
    "bundle without entries": _json(200, {"resourceType": "Bundle", "type": "transaction-response"}),
    "entries null": _json(200, {"resourceType": "Bundle", "entry": None}),
    "entries a number": _json(200, {"resourceType": "Bundle", "entry": 7}),
    "entries of texts": lambda request: _transaction(request, lambda _entry: "x"),
    "responses null": lambda request: _transaction(request, lambda _entry: {"response": None}),
    "statuses numbers": lambda request: _transaction(
        request, lambda entry: {"response": {**entry["response"], "status": 201}}
    ),
    "location on another host, another type": _located("http://evil.example/fhir/Basic/1/_history/1"),
    "location is a number": _located(7),
    "location climbs": _located("../../admin/_history/1"),
    "location gossips": _located(f"Patient/{NAME}/_history/1"),
    "location is long": _located("Patient/" + "a" * 100_000 + "/_history/1"),
    "location is broken": _located("http://[/Patient/1"),
    "redirect": _json(307, {}, Location="http://evil.example/fhir"),
    "redirect forever": _json(302, {}, Location="/fhir"),
    "gossip in diagnostics": _json(422, _outcome(diagnostics=GOSSIP, details={"text": GOSSIP})),
    "gossip in every field": _json(
        422,
        _outcome(
            severity=GOSSIP,
            code=GOSSIP,
            expression=[GOSSIP, SECRET],
            location=[GOSSIP],
            details={"coding": [{"system": GOSSIP, "code": SECRET, "display": GOSSIP}], "text": GOSSIP},
        ),
    ),
    "gossip in a path": _json(422, _outcome(expression=[f"Patient.name.where(family='{NAME}')"])),
    "gossip in the headers": _json(422, _outcome(), **{"X-Request-Id": SECRET}),
    "issues a number": _json(422, {"resourceType": "OperationOutcome", "issue": 7}),
    "issues of texts": _json(422, {"resourceType": "OperationOutcome", "issue": [GOSSIP]}),
    "details a list": _json(422, _outcome(details=[GOSSIP])),
    "codings a text": _json(422, _outcome(details={"coding": GOSSIP})),
    "9 megabytes of diagnostics": _json(422, _outcome(diagnostics=GOSSIP * 500_000)),
    "50,000 issues": _json(422, {"resourceType": "OperationOutcome", "issue": [_outcome()["issue"][0]] * 30_000}),
    "pause of 30 years": _json(503, {}, **{"Retry-After": "999999999999"}),
    "pause of a strange digit": lambda _request: httpx.Response(503, headers=[(b"Retry-After", b"\xb2")]),
    "pause below zero": _json(503, {}, **{"Retry-After": "-1"}),
    "pause in year 9999": _json(429, {}, **{"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
    "status 599": _json(599, _outcome(diagnostics=GOSSIP)),
    "status 999": _json(999, _outcome(diagnostics=GOSSIP)),
}


@pytest.mark.parametrize("attack", ANSWERS, ids=str)
def test_a_hostile_answer_is_survived(tmp_path: Path, attack: str) -> None:
    """No exception, a clear state other than delivered, little stored, no gossip stored, shown or logged."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return ANSWERS[attack](request)

    database = tmp_path / "k.sqlite"
    repository = Repository("https://repository.example/fhir", transport=httpx.MockTransport(answer))
    line = Line(
        Database(f"sqlite:///{database}"),
        Cipher({"1": bytes(range(32))}),
        id_key=bytes(range(32)),
        repository=repository,
    )
    taken = line.accept(body(), sender=Sender("local"))
    with structlog.testing.capture_logs() as logs:
        for moment in (time.time(), time.time() + 10_000):
            try_due(line, moment)
    status = line.status(taken.submission, "local")
    assert status is not None
    assert status.state in ("unknown", "waiting", "rejected", "dead"), status.state
    assert status.due < time.time() + 20_000
    assert {request.url.host for request in asked} == {"repository.example"}
    told = f"{logs} {status.issues} {status.history} {status.receipts}"
    assert NAME not in told
    assert SECRET not in told
    assert len(told) < 60_000
    with sqlite3.connect(database) as connection:
        kept = "".join(connection.iterdump())
    connection.close()
    assert SECRET not in kept
    assert NAME not in kept


TOKEN_ANSWERS: dict[str, tuple[int, Any]] = {
    "list": (200, []),
    "null": (200, None),
    "refusal as list": (401, [SECRET]),
    "refusal gossips": (400, {"error": GOSSIP}),
    "refusal as object": (400, {"error": {"a": SECRET}}),
    "no life": (200, {"access_token": "a", "expires_in": 0}),
    "life is no number": (200, {"access_token": "a", "expires_in": "nan"}),
    "life without end": (200, {"access_token": "a", "expires_in": "inf"}),
    "token with a new line": (200, {"access_token": "a\r\nX-Evil: 1", "expires_in": 60}),
    "token not ASCII": (200, {"access_token": "ä", "expires_in": 60}),
    "token of a megabyte": (200, {"access_token": "a" * 1_000_000, "expires_in": 60}),
    "server error": (500, {"error": SECRET}),
}


@pytest.mark.parametrize("attack", TOKEN_ANSWERS, ids=str)
def test_a_hostile_token_server_is_survived(attack: str) -> None:
    """NoToken with a cause that repeats nothing."""
    from cryptography.hazmat.primitives.asymmetric import ec

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("smart-configuration"):
            return httpx.Response(200, json={"token_endpoint": "https://repository.example/token"})
        status, content = TOKEN_ANSWERS[attack]
        return httpx.Response(status, json=content)

    key = ClientKey("ehr", ec.generate_private_key(ec.SECP384R1()), "k1", "ES384")
    http = httpx.Client(base_url="https://repository.example/fhir/", transport=httpx.MockTransport(answer))
    with http, pytest.raises(NoToken) as caught:
        TokenSource(http, lambda: key, "system/*.cruds", clock=time.time).token()
    assert len(caught.value.cause) <= 64
    assert SECRET not in caught.value.cause
    assert NAME not in caught.value.cause


FOREIGN_ENDPOINTS = [
    "https://evil.example/token",
    "http://repository.example/token",
    "https://repository.example:8443/token",
    "https://repository.example.evil.example/token",
    "https://repository.example@evil.example/token",
    "http://169.254.169.254/latest/meta-data",
    "//evil.example/token",
    "file:///etc/passwd",
    "https://[::1/token",
    "",
]


@pytest.mark.parametrize("endpoint", FOREIGN_ENDPOINTS)
def test_an_assertion_goes_to_no_host_that_an_answer_named(endpoint: str) -> None:
    """A discovered token endpoint must be where the repository is (SSRF): nothing is posted anywhere else."""
    from cryptography.hazmat.primitives.asymmetric import ec

    posted: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            posted.append(request)
        return httpx.Response(200, json={"token_endpoint": endpoint, "access_token": "a", "expires_in": 60})

    key = ClientKey("ehr", ec.generate_private_key(ec.SECP384R1()), "k1", "ES384")
    http = httpx.Client(base_url="https://repository.example/fhir/", transport=httpx.MockTransport(answer))
    with http, pytest.raises(NoToken):
        TokenSource(http, lambda: key, "system/*.cruds", clock=time.time).token()
    assert posted == []
