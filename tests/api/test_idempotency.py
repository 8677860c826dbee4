"""`Idempotency-Key`: the same key and body are answered as before, whatever happened in between."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from adapter.fhir.canonical import dumps
from adapter.i18n import LANGUAGES
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.json import read_json
from tests.api.conftest import record


@pytest.fixture
def key() -> dict[str, str]:
    """A key that nobody used before."""
    return {"Idempotency-Key": str(uuid4())}


def test_same_key_and_body_give_the_stored_answer(client: httpx.Client, key: dict[str, str]) -> None:
    """The answer is the first one's, warnings included, and says that it is a replay."""
    data = record("work-ability-plan")
    first = client.post("/v1/records", content=data, headers=key)
    again = client.post("/v1/records", content=data, headers=key)
    assert "Idempotent-Replayed" not in first.headers
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json() == first.json() | {"repeated": True}


def test_a_stored_answer_speaks_the_language_of_the_asker(client: httpx.Client, key: dict[str, str]) -> None:
    """Asked again in Finnish, the warnings are Finnish."""
    data = record("work-ability-plan")
    client.post("/v1/records", content=data, headers=key)
    again = client.post("/v1/records", content=data, headers=key | {"Accept-Language": "fi"})
    assert again.json()["outcome"]["language"] == "fi"


def test_blanks_and_order_make_no_other_body(client: httpx.Client, key: dict[str, str]) -> None:
    """The body counts by what it says."""
    data = record("client")
    first = client.post("/v1/records", content=data, headers=key).json()
    turned = dict(reversed(read_json(data).items()))
    again = client.post("/v1/records", content=b"\n " + dumps(turned), headers=key)
    assert again.json()["id"] == first["id"]


def test_same_key_and_another_body_are_refused(client: httpx.Client, key: dict[str, str]) -> None:
    """422, also for another reading of the same bytes."""
    data = record("client")
    assert client.post("/v1/records", content=data, headers=key).status_code == 202
    assert client.post("/v1/records", content=record("client"), headers=key).status_code == 422
    assert client.post("/v1/records?type=client", content=data, headers=key).status_code == 422


def test_a_refused_record_does_not_use_its_key_up(client: httpx.Client, key: dict[str, str]) -> None:
    """What was refused can be mended and sent under the same key."""
    assert client.post("/v1/records", content=b"{", headers=key).status_code == 400
    assert client.post("/v1/records", content=record("client"), headers=key).status_code == 202


def test_while_a_key_is_in_work_the_second_one_waits(client: httpx.Client, key: dict[str, str]) -> None:
    """409 with Retry-After, and afterwards the first one's answer."""
    data, go, begun = record("client"), threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield data[:10]
        begun.set()
        go.wait(30)
        yield data[10:]

    while client.post("/v1/records", content=b"{").status_code == 429:  # other tests may have used the rate up
        time.sleep(1)
    time.sleep(0.5)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/records", content=slowly(), headers=key)
        assert begun.wait(30)
        time.sleep(0.5)  # what was sent is read by now
        # What is no record does not use the key up, should it come before the first one all the same.
        while (second := client.post("/v1/records", content=b"{", headers=key)).status_code in (400, 429):
            assert not first.done(), first.result().text
            time.sleep(0.05)
        go.set()
        taken = first.result()
    assert (second.status_code, second.headers["Retry-After"]) == (409, "1")
    assert client.post("/v1/records", content=data, headers=key).json()["id"] == taken.json()["id"]


def test_without_a_key_the_record_itself_is_one(client: httpx.Client) -> None:
    """Business identifier and version tell a repeat, and the answer says so."""
    data = record("client")
    first = client.post("/v1/records", content=data).json()
    again = client.post("/v1/records", content=data)
    assert first["idempotency"] == "source_system, record_id, record_version"
    assert again.json()["id"] == first["id"]
    assert "Idempotent-Replayed" not in again.headers


def test_a_key_given_to_a_repeat_is_kept(client: httpx.Client, key: dict[str, str]) -> None:
    """Sent first without, then with a key: the key belongs to that submission from then on."""
    data = record("client")
    first = client.post("/v1/records", content=data).json()
    assert client.post("/v1/records", content=data, headers=key).json()["id"] == first["id"]
    assert client.post("/v1/records", content=record("client"), headers=key).status_code == 422


def test_a_key_of_a_batch_holds_for_every_line(client: httpx.Client, key: dict[str, str]) -> None:
    """The same batch again gets the same ids; a changed line is 422."""
    lines = [record("client"), record("team")]
    first = client.post("/v1/records/batch", content=b"\n".join(lines), headers=key).text.splitlines()
    again = client.post("/v1/records/batch", content=b"\n".join(lines), headers=key).text.splitlines()
    assert [read_json(line.encode())["id"] for line in first] == [read_json(line.encode())["id"] for line in again]
    changed = client.post("/v1/records/batch", content=b"\n".join([record("client"), lines[1]]), headers=key)
    assert [read_json(line.encode())["status"] for line in changed.text.splitlines()] == [422, 202]


def test_a_key_survives_the_death_of_the_adapter(repository: str, tmp_path: Path, key: dict[str, str]) -> None:
    """Committed, the answer lost, the process gone: the next process gives the answer again and stores nothing."""
    database, data = tmp_path / "k.sqlite", record("client")
    settings = load_settings(database=f"sqlite:///{database}", repository_url=repository, demo=True)
    ids = []
    for _ in range(2):
        with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
            ids.append(httpx.post(f"{url}/v1/records", content=data, headers=key, timeout=30).json()["id"])
    connection = sqlite3.connect(database)
    (count,) = connection.execute("SELECT count(*) FROM submission").fetchone()
    connection.close()
    assert (ids[0], count) == (ids[1], 1)


def test_a_status_tells_its_warnings_in_the_language_asked(client: httpx.Client) -> None:
    """The warnings of the hand-over are told again in each language, as they were when the record was taken."""
    answer = client.post("/v1/records", content=record("work-ability-plan")).json()
    told = {
        language: [
            issue["details"]["text"]
            for issue in client.get(f"/v1/records/{answer['id']}", headers={"Accept-Language": language}).json()[
                "warnings"
            ]
        ]
        for language in LANGUAGES
    }
    assert told["en"] == [issue["details"]["text"] for issue in answer["outcome"]["issue"]]
    assert len({tuple(each) for each in told.values()}) == len(LANGUAGES)
