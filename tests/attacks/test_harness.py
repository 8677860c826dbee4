"""The harness can fail: an adapter that leaks, stores, hangs, calls or hoards is found out, and it is said how."""

from __future__ import annotations

import ast
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest
from fastapi.responses import PlainTextResponse, Response
from sqlalchemy import text

from adapter.api.app import create_app
from adapter.delivery import Repository
from adapter.pipeline import Line
from adapter.serve import in_background
from adapter.store import Cipher, Database
from tests.attacks import harness as module
from tests.attacks import targets
from tests.attacks.conftest import body
from tests.attacks.harness import MEGABYTE, Harness, Stores

HERE = Path(__file__).parent
CODE = "080885-906S"
HANG_SECONDS = 0.4
TOKEN = "eyJhbGciOiJFUzM4NCJ9.c2VjcmV0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def watched() -> None:
    """Here the harness itself is under test."""


def _says(told: str, status: int = 404, headers: dict[str, str] | None = None) -> Callable[[], Response]:
    return lambda: PlainTextResponse(told, status, headers)


ANSWERS: dict[str, tuple[Callable[[], Response], str]] = {
    "identity code": (_says(CODE), "identity code"),
    "identity code in a good answer": (_says("", 200, {"X-Client": CODE}), "identity code"),
    "name": (_says("Tuulispää"), "leaks"),
    "token": (_says(TOKEN), "leaks"),
    "stack trace": (_says("Traceback (most recent call last)"), "leaks"),
    "line of code": (_says('File "/usr/lib/x.py", line 7'), "leaks"),
    "file": (_says("root:x:0:0:root"), "leaks"),
    "folder": (_says(f"{HERE}/x.sqlite"), "leaks"),
    "SQL": (_says("near: SELECT id, body FROM submission"), "leaks"),
    "exception": (_says("sqlalchemy.exc.OperationalError"), "leaks"),
    "in a header": (_says("", headers={"X-Error": "sqlite3.DatabaseError"}), "leaks"),
    "fault": (_says("", 500), "answered with 500"),
    "gateway": (_says("", 503), "answered with 503"),
    "teapot": (_says("", 418), "418 is not documented"),
}
"""Answers that no attack may get, and what the harness says of them."""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, harness: Harness) -> Iterator[httpx.Client]:
    """A client of an adapter with routes that do what must not be done, and one that puts it right again."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('faulty') / 'k.sqlite'}")
    repository = Repository("http://127.0.0.1:9/fhir")
    line = Line(database, Cipher({"1": bytes(range(32))}), id_key=bytes(range(1, 33)), repository=repository)
    bad = create_app(line, workers=0)
    files: list[IO[str]] = []
    hoard = bytearray()

    def route(path: str, act: Callable[[], object]) -> None:
        def answer() -> Response:
            act()
            return PlainTextResponse("")

        bad.add_api_route(f"/bad/{path}", answer, include_in_schema=False)

    def execute(statement: str) -> None:
        with database.transaction() as connection:
            connection.execute(text(statement))

    def call() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.connect(("192.0.2.1", 53))

    def log_trace() -> None:
        try:
            raise ValueError
        except ValueError:
            logging.getLogger("bad").exception("x")

    def mend() -> None:
        bad.state.line = line
        hoard.clear()
        while files:
            files.pop().close()
        execute("DELETE FROM client_identity")

    for name, (answer, _) in ANSWERS.items():
        bad.add_api_route(f"/bad/answer/{name.replace(' ', '-')}", answer, include_in_schema=False)
    route("store", lambda: execute("INSERT INTO client_identity SELECT count(*), 'x' FROM client_identity"))
    route("change", lambda: execute("UPDATE client_identity SET lane = 'y'"))
    route("forget", lambda: execute("DELETE FROM client_identity"))
    route("log", lambda: logging.getLogger("bad").error("client %s", CODE))
    route("log-trace", log_trace)
    route("call", call)
    route("hang", lambda: time.sleep(HANG_SECONDS))
    route("thread", lambda: threading.Thread(target=time.sleep, args=(HANG_SECONDS,), name="bad").start())
    route("hoard", lambda: hoard.extend(b"x" * 30 * MEGABYTE))
    route("files", lambda: files.extend((HERE / "conftest.py").open() for _ in range(100)))
    route("sick", lambda: setattr(bad.state, "line", None))
    route("mend", mend)
    with in_background(bad, "127.0.0.1", 0) as url, httpx.Client(base_url=url) as http:
        yield http


@pytest.fixture
def bad(faulty: httpx.Client) -> Iterator[httpx.Client]:
    """The client of the faulty adapter, with one row in a table, which is put right after the test."""
    assert faulty.get("/bad/store").status_code == 200
    yield faulty
    assert faulty.get("/bad/mend").status_code == 200


def test_what_harms_nothing_passes(harness: Harness, bad: httpx.Client) -> None:
    """Addresses that do not exist, and a good request."""
    with harness.attack() as watch:
        assert bad.get("/bad/nothing").status_code == 404
        assert bad.get("/healthz").status_code == 200
    assert [each.status for _, each in watch.exchanges] == [404, 200]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_bad_answer_is_found(harness: Harness, bad: httpx.Client, name: str) -> None:
    """A secret, something of the inside, a fault, or a status that nobody documented."""
    with pytest.raises(AssertionError, match=ANSWERS[name][1]), harness.attack():
        bad.get(f"/bad/answer/{name.replace(' ', '-')}")


def test_trouble_that_a_test_makes_is_named_by_it(harness: Harness, bad: httpx.Client) -> None:
    """A 503 passes for who says that it will come, and only that one."""
    with harness.attack(answers=(503,)):
        bad.get("/bad/answer/gateway")
    with pytest.raises(AssertionError, match="500"), harness.attack(answers=(503,)):
        bad.get("/bad/answer/fault")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("store", "stored: client_identity has changed, 1 rows before and 2 after"),
        ("change", "stored: client_identity has changed, 1 rows before and 1 after"),
        ("forget", "stored: client_identity has changed, 1 rows before and 0 after"),
        ("log", "the log leaks an identity code"),
        ("log-trace", "the log leaks b'Traceback"),
        ("call", r"called beyond this machine: \[\('192.0.2.1', 53\)\]"),
        ("thread", "still in hand: bad"),
        ("hoard", "left over: [0-9]+ memory"),
        ("files", "left over: [0-9]+ files"),
        ("sick", "not well: /readyz is answered with 500, not as always"),
    ],
)
def test_a_bad_deed_is_found(
    harness: Harness, bad: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    """Whatever was done behind a good answer."""
    monkeypatch.setattr(module, "HANG_SECONDS", HANG_SECONDS / 3)
    monkeypatch.setattr(module, "MOST_MEMORY", (15 * MEGABYTE, 10_000 * MEGABYTE))
    with pytest.raises(AssertionError, match=said), harness.attack():
        assert bad.get(f"/bad/{path}").status_code == 200
    time.sleep(HANG_SECONDS if path == "thread" else 0)


def test_a_request_that_hangs_is_found(harness: Harness, bad: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller went away, the request is still in hand."""
    monkeypatch.setattr(module, "HANG_SECONDS", HANG_SECONDS / 3)
    found = pytest.raises(AssertionError, match="still in hand: 1 requests")
    with found, harness.attack(), pytest.raises(httpx.ReadTimeout):
        bad.get("/bad/hang", timeout=HANG_SECONDS / 8)
    time.sleep(HANG_SECONDS)


def test_a_process_that_became_slow_is_found(
    harness: Harness, bad: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good requests are answered as always, but too late."""
    monkeypatch.setattr(targets, "PROMPT_SECONDS", 1e-6)
    with pytest.raises(AssertionError, match="not well: /readyz is slow"), harness.attack():
        bad.get("/healthz")


def test_a_little_left_by_every_attack_is_found(
    harness: Harness, bad: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than one may leave, but more than all together."""
    monkeypatch.setattr(module, "MOST_FILES", (1_000, -1_000))
    with pytest.raises(AssertionError, match=r"left over: -?\d+ files of all attacks together"), harness.attack():
        bad.get("/healthz")


def test_what_an_attack_stores_on_purpose_is_counted(harness: Harness, bad: httpx.Client) -> None:
    """Less or more than it named is found, and nothing else may change."""
    one = Stores("a record", records=(1,))
    with harness.attack(one):
        assert bad.post("/v1/records", content=body()).status_code == 202
    with pytest.raises(AssertionError, match="stored: audit_entry has changed"), harness.attack():
        bad.post("/v1/records", content=body())
    with pytest.raises(AssertionError, match="stored: 0 rows more in submission"), harness.attack(one):
        bad.get("/healthz")
    with pytest.raises(AssertionError, match="stored: 2 rows more in submission"), harness.attack(one):
        assert {bad.post("/v1/records", content=body()).status_code for _ in range(2)} == {202}


def test_what_the_mock_stores_is_counted(harness: Harness, attacked_repository: str) -> None:
    """A create, an update and a deletion are each a version, also when nothing is there in the end."""
    patient = {"resourceType": "Patient", "id": "counted"}
    with httpx.Client(base_url=attacked_repository + "/") as fhir:
        with pytest.raises(AssertionError, match=r"stored: default\.version has changed"), harness.attack():
            fhir.put("Patient/counted", json=patient)
        with harness.attack(Stores("and goes", versions=(2,))):
            fhir.put("Patient/counted", json=patient | {"active": True})
            fhir.delete("Patient/counted")
        with pytest.raises(AssertionError, match="stored: 0 versions more"), harness.attack(Stores("", versions=(1,))):
            fhir.get("Patient/counted")


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(HERE.glob("test_*.py")):
        yield file.name, ast.parse(file.read_text(encoding="utf-8"))


def test_every_attack_names_its_statuses() -> None:
    """No comparison like «below 500» stands in for the statuses that are documented."""
    for name, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and "status_code" in ast.dump(node):
                numbers = [each for each in node.comparators if isinstance(each, ast.Constant)]
                ordered = [each for each in node.ops if not isinstance(each, ast.Eq | ast.NotEq | ast.In | ast.NotIn)]
                assert not (numbers and ordered), f"{name}:{node.lineno}"


def test_no_attack_escapes_the_harness() -> None:
    """Only this file is not watched."""
    unwatched = [
        name
        for name, tree in _trees()
        if any(isinstance(node, ast.FunctionDef) and node.name == "watched" for node in ast.walk(tree))
    ]
    assert unwatched == [Path(__file__).name]


def test_the_documentation_names_every_file_of_attacks() -> None:
    """Whoever reads docs/security.md finds them."""
    told = (HERE.parent.parent / "docs" / "security.md").read_text(encoding="utf-8")
    assert [name for name, _ in _trees() if name.removesuffix(".py") not in told] == []
