"""`kykysilta outbox dead-letters`: the operator sees and sends again what was given up, of all vendors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text as sql
from typer.testing import CliRunner

from adapter.cli.app import command_line
from adapter.client import AdapterClient
from adapter.delivery import Outbox, submissions
from adapter.delivery.messages import Failed
from adapter.delivery.states import State
from adapter.i18n import text
from adapter.mock.serve import running_mock
from adapter.mock.settings import MockSettings
from adapter.serve import adapter_app, in_background, load_settings
from adapter.store import Cipher, Database
from tests.api.conftest import record
from tests.cli.test_demo import free_port
from tests.databases import KINDS, empty_database

CIPHER = Cipher({"test": bytes(range(32))})
REJECTED, DEAD, OUTDATED, NEWER = (f"{number:032x}" for number in range(4))


def run(url: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code of a command on a database, what it printed and what it said."""
    asked = ("outbox", "dead-letters", *arguments, "--lang", "en")
    environment = {"KYKYSILTA_DATABASE": url, "COLUMNS": "80"}
    result = CliRunner().invoke(command_line(asked), asked, env=environment)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with three letters of two vendors, one of them with a newer version on its way."""
    with empty_database(request.param, tmp_path) as url:
        database = Database(url)
        outbox = Outbox(database, CIPHER)
        _put(database, outbox, REJECTED, "vendor-a", "plan", 1)
        _put(database, outbox, DEAD, "vendor-b", "client", 1)
        _put(database, outbox, OUTDATED, "vendor-b", "team", 1)
        ends = {REJECTED: State.REJECTED, DEAD: State.DEAD, OUTDATED: State.DEAD}
        held = outbox.claim("w", 1.0, limit=3)
        outbox.turn(1.0, outcomes=[Failed(one, ends[one.submission], 1.0, 5, "HTTP 422", 422) for one in held])
        _put(database, outbox, NEWER, "vendor-b", "team", 2)
        with database.transaction() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sql("DELETE FROM procrastinate_jobs"))
        database.close()
        yield url


def _put(database: Database, outbox: Outbox, name: str, sender: str, kind: str, version: int) -> None:
    arrival = submissions.Arrival(name, sender, kind, kind, version, "d", "1.2.3", "m", "[]", b"{}", b"{}")
    with database.transaction() as connection:
        submissions.store(connection, CIPHER, [arrival], 0.0)
        outbox.put(connection, {name: kind}, 0.0)


def states(url: str) -> dict[str, str]:
    """State of every submission."""
    database = Database(url)
    with database.reading() as connection:
        found = {row.submission: row.state for row in connection.execute(sql("SELECT submission, state FROM outbox"))}
    database.close()
    return found


def test_letters_of_all_vendors_are_listed(url: str) -> None:
    """A line each, newest first, with sender, state, tries, status and cause; filters narrow."""
    code, said, _ = run(url, "list")
    assert code == 0
    lines = [line.split() for line in said.splitlines() if line[:1] == "0"]
    assert [line[:7] for line in lines] == [
        [OUTDATED, "vendor-b", "team", "dead", "5", "422", "HTTP"],
        [DEAD, "vendor-b", "client", "dead", "5", "422", "HTTP"],
        [REJECTED, "vendor-a", "plan", "rejected", "5", "422", "HTTP"],
    ]
    narrowed = run(url, "list", "--state", "dead", "--sender", "vendor-b", "--type", "client")[1]
    assert [line[:32] for line in narrowed.splitlines() if line[:1] == "0"] == [DEAD]
    assert run(url, "list", "--state", "queued") == (2, "", "--state: allowed are rejected, dead, cancelled.\n")


def test_letters_of_all_vendors_are_sent_again(url: str) -> None:
    """All of a state: what cannot be sent again is told, the others go; then one by its id, and no one twice."""
    told = f"{OUTDATED}: {text('delivery.newer-handed-over', 'en')}\n"
    assert run(url, "replay", "--state", "dead") == (1, f"{DEAD}\n", told)
    assert states(url) == {REJECTED: "rejected", DEAD: "unknown", OUTDATED: "dead", NEWER: "queued"}
    assert run(url, "replay", REJECTED) == (0, f"{REJECTED}\n", "")
    told = f"{REJECTED}: {text('delivery.not-replayable', 'en', state='unknown')}\n"
    assert run(url, "replay", REJECTED) == (1, "", told)
    assert run(url, "replay")[0] == 2
    assert run(url, "replay", REJECTED, "--state", "dead")[0] == 2


@pytest.mark.parametrize("url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_workers_on_every_machine_are_told(url: str) -> None:
    """On PostgreSQL each lane that has something to do again has a job."""
    assert run(url, "replay", "--state", "rejected")[0] == 0
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(sql("SELECT lock, status FROM procrastinate_jobs")).all() == [("plan", "todo")]
    database.close()


def test_what_the_operator_sends_again_arrives(tmp_path: Path) -> None:
    """The adapter runs meanwhile and notices by itself."""
    port, url = free_port(), f"sqlite:///{tmp_path / 'k.sqlite'}"
    settings = load_settings(database=url, repository_url=f"http://127.0.0.1:{port}/fhir", demo=True)
    with in_background(adapter_app(settings), "127.0.0.1", 0) as address, AdapterClient(address) as client:
        taken = client.send(record("client")).id
        while client.status(taken).state != "cancelled":
            CliRunner().invoke(command_line(("outbox",)), ("outbox", "cancel", taken, "--url", address))
        with running_mock(MockSettings(port=port)):
            assert run(url, "replay", "--state", "cancelled")[:2] == (0, f"{taken}\n")
            assert client.wait_for_receipt(taken, seconds=60).receipts


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Nothing is listed of nothing, and nothing is made."""
    code, said, _ = run(f"sqlite:///{tmp_path / 'none.sqlite'}", "list")
    assert (code, said, list(tmp_path.iterdir())) == (2, "", [])
