"""The Python client against a running adapter and mock repository, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapter.cli.calling import calling
from adapter.client import (
    AdapterClient,
    Conflict,
    Forbidden,
    Judged,
    NotDelivered,
    NotFound,
    NotThere,
    OtherAddress,
    Refused,
    Status,
    TryLater,
)
from adapter.fhir.canonical import dumps
from adapter.lifecycle.afterwards import Afterwards
from adapter.lifecycle.fetching import Elsewhere, Fetched
from adapter.security.key_files import KeyFile
from adapter.serve import adapter_app, in_background, load_settings
from adapter.source.json import read_json
from tests.api.conftest import adapter_url, record, repository

__all__ = ["adapter_url", "repository"]

OURS = "1.2.246.10.32213086.10.0"


@pytest.fixture
def adapter(adapter_url: str) -> Iterator[AdapterClient]:
    """A client of a demo on this machine."""
    with AdapterClient(adapter_url, language="en") as opened:
        yield opened


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_a_record_is_followed_to_its_receipt(adapter: AdapterClient) -> None:
    """Sent, waited for, arrived: with a receipt for every resource and every step on the way."""
    looks: list[Status] = []
    taken = adapter.send(record("work-ability-plan"))
    arrived = adapter.wait_for_receipt(taken.id, progress=looks.append)
    assert arrived.state == "delivered"
    assert len(arrived.receipts) == taken.resources
    assert [step.state for step in arrived.history] == ["queued", "sending", "delivered"]
    assert arrived.received_at.tzinfo is not None
    assert "repository" in arrived.advice
    assert looks[-1] == arrived


def test_a_dict_keeps_its_decimals(adapter: AdapterClient) -> None:
    """5.10 stays 5.10, from Python to the Bundle."""
    content = read_json(record("functional-assessment"))
    content["result"] = {"total_score": Decimal("6.50")}
    assert '"value":6.50' in dumps(adapter.preview(content).bundle).decode()


def test_problems_name_field_line_and_column(adapter: AdapterClient) -> None:
    """A refusal is an exception with typed problems."""
    text = json.dumps(read_json(record("client")) | {"client_group": "nobody"}, indent=1, default=str)
    with pytest.raises(Refused) as caught:
        adapter.send(text)
    problem = caught.value.problems[0]
    assert (caught.value.status, problem.path, problem.severity) == (400, "client_group", "error")
    assert problem.line is not None
    assert text.splitlines()[problem.line - 1].strip().startswith('"client_group"')
    assert problem.text in str(caught.value)


def test_many_records_are_answered_one_by_one(adapter: AdapterClient) -> None:
    """A generator goes in, answers come out in order; the good ones arrive; memory holds one group at a time."""
    told: list[Judged] = []
    taken_from = 0

    def records() -> Iterator[bytes]:
        nonlocal taken_from
        for taken_from in range(1, 451):
            yield record("client") if taken_from % 150 == 1 else b'{\n"record_type": "nothing"}'

    judged = []
    for each in adapter.send_many(records(), progress=told.append):
        judged.append(each)
        assert taken_from <= each.number + 201
    assert [each.number for each in judged] == list(range(1, 451))
    good = [each.taken.id for each in judged if each.taken]
    assert len(good) == 3
    assert all(each.problems for each in judged if not each.taken)
    assert told == judged
    for submission in good:
        adapter.wait_for_receipt(submission)
    assert {status.state for status in adapter.receipts([*good, "0" * 32]).values()} == {"delivered"}


def test_long_answers_hold_nobody_up(adapter: AdapterClient) -> None:
    """A group whose answers are much longer than the sockets' buffers goes through: nobody waits for the other."""
    line = dumps(dict.fromkeys(map(str, range(400)), "x"))
    assert {each.status for each in adapter.send_many([line] * 60)} == {400}


def test_a_search_goes_through_all_pages(adapter: AdapterClient) -> None:
    """Newest first, also beyond one page; narrowed by state and type."""
    ids = [adapter.send(record("client")).id for _ in range(3)]
    first = adapter._search({"limit": 2})
    rest = adapter._search({"limit": 2, "before": first["next"]})
    assert [row["id"] for row in (*first["submissions"], *rest["submissions"])] == ids[::-1]
    assert "next" not in rest
    for submission in ids:
        adapter.wait_for_receipt(submission)
    assert {status.id for status in adapter.search(state="delivered", record_type="client")} == set(ids)
    assert list(adapter.search(record_type="team")) == []


def test_what_cannot_be_done_is_a_typed_error(adapter: AdapterClient) -> None:
    """Each family of refusals has its class."""
    taken = adapter.send(record("client"))
    adapter.wait_for_receipt(taken.id)
    with pytest.raises(Conflict):
        adapter.cancel(taken.id)
    with pytest.raises(Conflict):
        adapter.replay(taken.id)
    with pytest.raises(NotFound):
        adapter.status("0" * 32)
    with pytest.raises(Refused):
        list(adapter.search(state="nothing"))
    with pytest.raises(ValueError, match="empty"):
        list(adapter.send_many([b" "]))


def test_a_record_that_is_sent_again_is_stored_once(adapter: AdapterClient) -> None:
    """With and without a key."""
    data = record("client")
    first = adapter.send(data, idempotency_key="one")
    assert adapter.send(data, idempotency_key="one").id == first.id
    assert adapter.send(data).repeated
    with pytest.raises(Refused):
        adapter.send(record("client"), idempotency_key="one")


def test_a_record_is_taken_back(adapter: AdapterClient) -> None:
    """Marked as entered in error in the repository; later versions are refused."""
    content = read_json(record("client"))
    taken = adapter.send(content)
    adapter.wait_for_receipt(taken.id)
    done = adapter.invalidate(taken.id, "Kirjattu väärälle asiakkaalle")
    assert adapter.wait_for_receipt(done.id).state == "delivered"
    assert adapter.invalidate(taken.id, "Kirjattu väärälle asiakkaalle").id == done.id
    with pytest.raises(Conflict):
        adapter.send(content | {"record_version": 7})


def test_what_nobody_may_see_is_an_empty_list(adapter: AdapterClient) -> None:
    """A fetch without a consent tells nothing."""
    organisation = {"id": "1.2.246.10.32213086.10.12"}
    purpose = "service-coordination"
    assert adapter.fetch({"personal_identity_code": "080885-906S"}, purpose, organisation=organisation) == []


def test_what_has_to_be_read_elsewhere_is_told_beside_the_records(
    adapter: AdapterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list that says where the plan lies."""
    gone = Fetched([], [Elsewhere("work_ability_plan", 1683300000.0, "CarePlan/7")])
    monkeypatch.setattr(Afterwards, "fetch", lambda *_: gone)
    client = {"personal_identity_code": "080885-906S"}
    found = adapter.fetch(client, "service-coordination", organisation={"id": "1.2.246.10.32213086.10.12"})
    assert found == []
    assert [place["location"] for place in found.elsewhere] == ["CarePlan/7"]
    assert "CarePlan/7" in found.problems[0].text


def test_a_repository_that_is_away_is_no_error_of_the_sender(tmp_path: Path) -> None:
    """Taken at once; the receipt is not there yet, and the advice says that nothing needs to be done."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url=f"http://127.0.0.1:{free_port()}/fhir", demo=True
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url, AdapterClient(url) as adapter:
        taken = adapter.send(record("client"))
        with pytest.raises(NotDelivered) as caught:
            adapter.wait_for_receipt(taken.id, seconds=0.5)
        assert caught.value.submission.state in ("queued", "waiting")
        assert "nothing" in caught.value.submission.advice


def test_an_adapter_that_starts_late_is_waited_for(repository: str, tmp_path: Path) -> None:
    """A connection that is refused is tried again."""
    port = free_port()
    settings = load_settings(database=f"sqlite:///{tmp_path / 'k.sqlite'}", repository_url=repository, demo=True)
    app, found = adapter_app(settings), []
    with AdapterClient(f"http://127.0.0.1:{port}") as adapter:
        sending = threading.Thread(target=lambda: found.append(adapter.send(record("client"))))
        sending.start()
        with in_background(app, "127.0.0.1", port):
            sending.join(30)
    assert len(found) == 1


def test_nobody_there_is_said(tmp_path: Path) -> None:
    """After the last attempt, with the address that was asked."""
    url = f"http://127.0.0.1:{free_port()}"
    with AdapterClient(url, attempts=1) as adapter, pytest.raises(NotThere, match=url.removeprefix("http://")):
        adapter.send(record("client"))


def test_an_adapter_with_another_address_is_told_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proof goes to an address that nobody gave; at once, with the setting to look at, on the command line too."""
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [KeyFile(tmp_path / "key.pem").current().public_jwk]}))
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        demo=True,
        public_url="https://adapter.example",
        clients={"ehr": {"jwks_file": tmp_path / "jwks.json", "custodians": [OURS]}},
    )
    monkeypatch.setenv("KYKYSILTA_CLIENT_ID", "ehr")
    monkeypatch.setenv("KYKYSILTA_CLIENT_KEY_FILE", str(tmp_path / "key.pem"))
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        began = time.monotonic()
        adapter = AdapterClient(url, client_id="ehr", key_file=tmp_path / "key.pem", attempts=10)
        with adapter, pytest.raises(OtherAddress, match=f"have {url} set as its public_url"):
            adapter.send(record("client"))
        assert time.monotonic() - began < 5
        for language, word in {"fi": "kirjataan", "sv": "låt sätta", "en": "have"}.items():
            with pytest.raises(typer.Exit), calling(url, language) as caller:
                caller.send(record("client"))
            told = capsys.readouterr().err
            assert (word in told, "public_url" in told, url in told) == (True, True, True)


def test_haste_is_waited_out(repository: str, tmp_path: Path) -> None:
    """429 is obeyed by itself; with one attempt it is an error that says when to come back."""
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=repository,
        demo=True,
        requests_per_second=2,
        burst=2,
    )
    with in_background(adapter_app(settings), "127.0.0.1", 0) as url:
        with AdapterClient(url) as adapter:
            assert [list(adapter.search()) for _ in range(4)] == [[]] * 4
        with AdapterClient(url, attempts=1) as adapter, pytest.raises(TryLater) as caught:
            assert [list(adapter.search()) for _ in range(4)]
    assert caught.value.seconds >= 1


def test_a_registered_client_gets_its_tokens_by_itself(repository: str, tmp_path: Path) -> None:
    """private_key_jwt with discovery; another key, another controller and no key at all are told apart."""
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    other = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "other.pem").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = KeyFile(tmp_path / "key.pem").current().public_jwk
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [public]}))
    port = free_port()
    settings = load_settings(
        database=f"sqlite:///{tmp_path / 'k.sqlite'}",
        repository_url=repository,
        demo=True,
        port=port,
        clients={"ehr": {"jwks_file": tmp_path / "jwks.json", "custodians": [OURS]}},
    )
    stranger = read_json(record("client"))
    stranger["custodian"] = {"id": "1.2.246.10.90000099.10.0", "name": "Toinen"}
    with in_background(adapter_app(settings), "127.0.0.1", port) as url:
        with AdapterClient(url, client_id="ehr", key_file=tmp_path / "key.pem") as adapter:
            assert adapter.wait_for_receipt(adapter.send(record("client")).id).state == "delivered"
            for act in (adapter.send, adapter.preview):
                with pytest.raises(Forbidden):
                    act(stranger)
        with AdapterClient(url) as adapter, pytest.raises(Forbidden):
            adapter.send(record("client"))
        unknown = AdapterClient(url, client_id="ehr", key_file=tmp_path / "other.pem")
        with unknown as adapter, pytest.raises(Forbidden, match="invalid_client"):
            adapter.send(record("client"))
