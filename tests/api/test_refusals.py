"""Every refusal speaks one way: OperationOutcome or problem details, in fi, sv or en, with what to do next."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from adapter.api.app import create_app
from adapter.delivery import Repository
from adapter.pipeline import Line
from adapter.serve import in_background
from adapter.store import Cipher, Database
from tests.api.conftest import record

ACCEPTS = {
    "": "application/fhir+json",
    "*/*": "application/fhir+json",
    "application/fhir+json": "application/fhir+json",
    "application/problem+json": "application/problem+json",
    "application/problem+json;q=0.9, application/json;q=0.1": "application/problem+json",
    "Application/Problem+JSON ; q=0.5": "application/problem+json",
    "application/problem+json;q=0": "application/fhir+json",
    "application/fhir+json, application/problem+json;q=0.5": "application/fhir+json",
    "application/problem+json;q=nan": "application/fhir+json",
}
REFUSALS = [
    ("GET", "/nothing/here", 404),
    ("GET", "/v1/records", 405),
    ("DELETE", "/v1/schemas/client", 405),
    ("PATCH", f"/v1/records/{'0' * 32}", 405),
    ("GET", "/v1/schemas/nothing", 404),
    ("GET", f"/v1/records/{'0' * 32}", 404),
    ("GET", "/v1/records/../../etc/passwd", 404),
    ("POST", "/v1/records/", 404),
    ("POST", "/v1/records?type=nothing", 400),
]


def test_every_refusal_speaks_one_way(client: httpx.Client) -> None:
    """Also what no route answers."""
    for (method, path, status), accept, language in itertools.product(REFUSALS, ACCEPTS, ("fi", "sv", "en")):
        answer = client.request(method, path, headers={"Accept": accept, "Accept-Language": language})
        assert answer.status_code == status, path
        assert answer.headers["Content-Type"] == ACCEPTS[accept]
        assert answer.headers["Content-Language"] == language
        assert status != 405 or answer.headers["Allow"]
        content = answer.json()
        if ACCEPTS[accept] == "application/problem+json":
            assert content["status"] == status
            assert content["title"] == content["issues"][0]["details"]["text"]
        else:
            assert (content["resourceType"], content["language"]) == ("OperationOutcome", language)
            assert content["issue"][0]["details"]["text"]


def test_a_line_of_a_batch_is_refused_as_a_single_request_is(client: httpx.Client) -> None:
    """The same words in the form that the caller asked for: problem details, or an OperationOutcome."""
    for accept, form in ACCEPTS.items():
        headers = {"Accept": accept, "Accept-Language": "sv"}
        single = client.post("/v1/records", content=b"{", headers=headers).json()
        line = client.post("/v1/records/batch", content=b"{", headers=headers).json()
        place = "problem" if form == "application/problem+json" else "outcome"
        assert line == {"line": 1, "status": 400, place: single}


def test_a_language_of_weight_nothing_is_not_wanted(client: httpx.Client) -> None:
    """English then, which the caller did not refuse."""
    answer = client.get("/nothing", headers={"Accept-Language": "fi;q=0, de"})
    assert answer.headers["Content-Language"] == "en"


def test_texts_differ_by_language(client: httpx.Client) -> None:
    """Three languages, three texts."""
    texts = {
        client.get("/nothing", headers={"Accept-Language": language}).json()["issue"][0]["details"]["text"]
        for language in ("fi", "sv", "en")
    }
    assert len(texts) == 3


class Broken(Line):
    """A line with a fault of its own."""

    def check(self, *_: Any, **__: Any) -> Any:
        """Fail as a bug does, with something personal in the text."""
        raise RuntimeError("080885-906S")

    accept_many = check


def line(kind: type[Line], folder: Path) -> Line:
    """A line in front of no repository."""
    return kind(
        Database(f"sqlite:///{folder / 'k.sqlite'}"),
        Cipher({"1": bytes(range(32))}),
        id_key=bytes(range(32)),
        repository=Repository("http://127.0.0.1:9/fhir"),
    )


def test_a_fault_of_our_own_tells_nothing_but_its_place(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """500 with an outcome; the log names type and place, and nothing prints what was in the exception."""
    with (
        in_background(create_app(line(Broken, tmp_path), workers=0), "127.0.0.1", 0) as url,
        structlog.testing.capture_logs() as logs,
    ):
        answers = [
            httpx.post(f"{url}{path}", content=record("client")) for path in ("/v1/records", "/v1/records/preview")
        ]
    for answer in answers:
        assert answer.status_code == 500
        assert answer.json()["issue"][0]["code"] == "exception"
    faults = [each for each in logs if each["event_number"] == 3008]
    assert [each["error_type"] for each in faults] == ["RuntimeError", "RuntimeError"]
    assert faults[0]["place"].startswith("check:")
    told = f"{logs}{capfd.readouterr()}{[answer.text for answer in answers]}"
    assert "080885" not in told


def test_a_database_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """503 with Retry-After while a table is missing; nothing is taken, and then it goes on."""
    one = line(Line, tmp_path)
    with in_background(create_app(one, workers=0), "127.0.0.1", 0) as url:
        other = sqlite3.connect(tmp_path / "k.sqlite")
        data = record("client")
        other.execute("ALTER TABLE outbox RENAME TO outbox_gone")
        answer = httpx.post(f"{url}/v1/records", content=data)
        batch = httpx.post(f"{url}/v1/records/batch", content=data + b"\n{}\n")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert [each["status"] for each in map(json.loads, batch.text.splitlines())] == [503, 400]
        assert httpx.get(f"{url}/readyz").status_code == 503
        other.execute("ALTER TABLE outbox_gone RENAME TO outbox")
        other.close()
        assert httpx.post(f"{url}/v1/records", content=data).json()["repeated"] is False


def test_each_request_is_logged_by_its_whole_route(client: httpx.Client) -> None:
    """Also pages that are mounted: under their place, with the pattern of the address in place of the address."""
    routes = {
        "/healthz": "/healthz",
        f"/v1/records/{'0' * 32}": "/v1/records/{submission}",
        "/review/sign-in": "/review/sign-in",
        "/review/clients/somebody": "/review/clients/{handle}",
        "/nothing/here": "",
    }
    with structlog.testing.capture_logs() as logs:
        for path in routes:
            client.get(path)
        until = time.monotonic() + 10
        while len(told := [each["route"] for each in logs if each["event_number"] == 3007]) < len(routes):
            assert time.monotonic() < until
            time.sleep(0.01)  # a line is written a moment after its answer
    assert sorted(told) == sorted(routes.values())
