"""Two things at once, and differences that tell: what races or is timed gives nothing away and breaks nothing."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, event

from adapter.fhir.canonical import dumps
from adapter.security.assertions import ASSERTION_TYPE, make_assertion
from adapter.security.clients import Client, KeyDirectory
from adapter.security.keys import read_key_set
from adapter.security.tokens import TokenRefused, TokenServer
from tests.attacks.conftest import Site, body, record
from tests.attacks.test_tokens import KEY, OURS, URL, key_set

STRANGER = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.stores("versions of one record, as many as come in order", records=range(1, 13))
def test_versions_that_race_end_in_order(site: Site, attacker: httpx.Client) -> None:
    """Twelve versions at once: every answer is 202 or 409, and the highest that was taken is the last one."""
    content = record()

    def send(version: int) -> tuple[int, int]:
        data = dumps(content | {"record_version": version})
        return version, attacker.post("/v1/records", content=data).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = dict(pool.map(send, range(1, 13)))
    assert set(answers.values()) <= {202, 409}
    assert answers[12] == 202
    taken = [version for version, status in answers.items() if status == 202]
    connection = sqlite3.connect(site.database)
    rows = connection.execute(
        "SELECT record_version FROM submission JOIN outbox ON outbox.submission = submission.id "
        "WHERE record_key = (SELECT record_key FROM submission ORDER BY rowid DESC LIMIT 1) ORDER BY outbox.seq"
    ).fetchall()
    connection.close()
    assert sorted(taken) == [version for (version,) in rows]


@pytest.mark.stores("the record that is cancelled and sent again", records=(1,))
def test_cancel_and_replay_race(attacker: httpx.Client) -> None:
    """Both at once, again and again: each answer is 200 or 409, and one final state comes out."""
    submission = attacker.post("/v1/records", content=body()).json()["id"]

    def steer(number: int) -> int:
        act = "cancel" if number % 2 else "replay"
        return attacker.post(f"/v1/records/{submission}/{act}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(steer, range(40))) <= {200, 409}
    final = attacker.get(f"/v1/records/{submission}", params={"wait": "30"}).json()["state"]
    assert final in ("delivered", "cancelled")


def test_one_assertion_for_many_gets_one_token() -> None:
    """A stolen assertion that races its owner: exactly one of both gets a token."""
    clients = {"ours": Client("ours", "system/Bundle.c", keys=read_key_set(key_set(KEY)), custodians=(OURS,))}
    server = TokenServer(clients, KeyDirectory(clock=time.time), bytes(range(32)), clock=time.time)
    form = asked("ours", KEY)
    together = threading.Barrier(16)

    def ask(_number: int) -> bool:
        together.wait(10)
        try:
            return bool(server.grant(form, token_url=URL))
        except TokenRefused:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 1


def asked(client: str, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """A token request."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(client, URL, key, "k1", algorithm="ES384", now=time.time()),
        "scope": "system/Bundle.c",
    }


def quickest(act: Callable[[], object], count: int = 40) -> float:
    """Seconds of the quickest of many; the others were disturbed by something else."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return min(took)


@pytest.mark.stores("the record whose id is guessed", records=(1,))
def test_nobody_learns_which_submissions_exist(attacker: httpx.Client) -> None:
    """Ids that nobody has, wrong ids and malformed ids: one status, one text, about the same time."""
    submission = attacker.post("/v1/records", content=body()).json()["id"]
    turned = submission[::-1]
    answers = {attacker.get(f"/v1/records/{each}").text for each in (turned, "0" * 32, "f" * 32)}
    assert len(answers) == 1
    near = quickest(lambda: attacker.get(f"/v1/records/{submission[:-1] + '0'}"))
    far = quickest(lambda: attacker.get(f"/v1/records/{'0' * 32}"))
    assert near < 5 * far + 0.02
    assert far < 5 * near + 0.02


@pytest.mark.parametrize("client", ["ours", "nobody", ""])
def test_nobody_learns_which_clients_exist(client: str) -> None:
    """Known and unknown clients with a wrong key get the same refusal."""
    clients = {"ours": Client("ours", "system/Bundle.c", keys=read_key_set(key_set(KEY)), custodians=(OURS,))}
    server = TokenServer(clients, KeyDirectory(clock=time.time), bytes(range(32)), clock=time.time)
    with pytest.raises(TokenRefused) as caught:
        server.grant(asked(client, STRANGER), token_url=URL)
    assert (caught.value.status, caught.value.error) == (401, "invalid_client")


@pytest.mark.parametrize("number", [10, 200])
def test_a_crowd_of_silent_connections_is_borne(site: Site, attacker: httpx.Client, number: int) -> None:
    """Connections that say nothing, or half a head, keep nobody else waiting."""
    import socket

    address = httpx.URL(site.url)
    lines = [socket.create_connection((address.host, address.port or 80)) for _ in range(number)]
    try:
        for each in lines[::2]:
            each.sendall(b"GET /v1/rec")
        began = time.monotonic()
        assert attacker.get("/healthz").status_code == 200
        assert time.monotonic() - began < 3
    finally:
        for each in lines:
            each.close()


@pytest.mark.answers(503, reason="it makes the disk full")
def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    """No room: 503 with Retry-After and nothing half-stored; room again: it goes on by itself."""
    from adapter.api.app import create_app
    from adapter.delivery import Repository
    from adapter.pipeline import Line
    from adapter.serve import in_background
    from adapter.store import Cipher, Database

    database = Database(f"sqlite:///{tmp_path / 'k.sqlite'}")
    one = Line(
        database,
        Cipher({"1": bytes(range(32))}),
        id_key=bytes(range(32)),
        repository=Repository("http://127.0.0.1:9/fhir"),
    )
    with in_background(create_app(one, workers=0), "127.0.0.1", 0) as url:
        assert httpx.post(f"{url}/v1/records", content=body(), timeout=30).status_code == 202
        most_pages = 1

        def room(connection: Connection) -> None:
            connection.connection.cursor().execute(f"PRAGMA max_page_count = {most_pages}")

        event.listen(database.engine, "begin", room)
        refused = [httpx.post(f"{url}/v1/records", content=body(), timeout=30) for _ in range(2)]
        most_pages = 2**30
        assert {answer.status_code for answer in refused} == {503}
        assert refused[0].headers["Retry-After"] == "5"
        assert httpx.post(f"{url}/v1/records", content=body(), timeout=30).status_code == 202
    database.close()
