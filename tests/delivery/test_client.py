"""The client tells apart what happened: an answer, surely nothing, or not known."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
import respx

from adapter.delivery import Repository

BASE = "https://repository.example/fhir"
ANSWER = {"resourceType": "Bundle", "type": "transaction-response", "entry": []}


@pytest.fixture
def repository() -> Repository:
    """A repository behind a mocked transport."""
    return Repository(BASE)


def test_an_answer_is_an_answer(respx_mock: respx.MockRouter, repository: Repository) -> None:
    """Status, resource and the repository's request id come back; the bytes go out as they are."""
    route = respx_mock.post(f"{BASE}/").mock(
        return_value=httpx.Response(200, json=ANSWER, headers={"X-Request-Id": "theirs"})
    )
    answer = repository.post_bundle(b'{"x":5.10}', "ours")
    assert (answer.status, answer.body, answer.request_id) == (200, ANSWER, "theirs")
    assert route.calls.last.request.content == b'{"x":5.10}'
    assert route.calls.last.request.headers["X-Request-Id"] == "ours"
    assert route.calls.last.request.headers["Content-Type"] == "application/fhir+json"


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_nothing_was_sent(respx_mock: respx.MockRouter, repository: Repository, error: type[Exception]) -> None:
    """Nobody there: it may simply be tried again."""
    respx_mock.post(f"{BASE}/").mock(side_effect=error)
    assert repository.post_bundle(b"{}", "ours").status == 0


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout, httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteTimeout]
)
def test_the_outcome_is_not_known(respx_mock: respx.MockRouter, repository: Repository, error: type[Exception]) -> None:
    """The line broke after the body was on its way: only a reconcile may follow."""
    respx_mock.post(f"{BASE}/").mock(side_effect=error)
    assert repository.post_bundle(b"{}", "ours").status == -1


@pytest.mark.parametrize("body", [b"<html>proxy</html>", b"", b'{"resourceType":"Bundle"'])
def test_a_success_without_a_bundle_is_no_success(
    respx_mock: respx.MockRouter, repository: Repository, body: bytes
) -> None:
    """A proxy's page or half an answer with status 200 leaves the outcome open."""
    respx_mock.post(f"{BASE}/").mock(return_value=httpx.Response(200, content=body))
    assert repository.post_bundle(b"{}", "ours").status == -1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:09 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 9.0),
        ({"Retry-After": "Sun, 22 Nov 2026 09:00:00 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_a_pause_that_is_asked_for_is_read(
    respx_mock: respx.MockRouter, repository: Repository, headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds or a date, by the answer's own clock (RFC 9110 §10.2.3)."""
    respx_mock.post(f"{BASE}/").mock(return_value=httpx.Response(503, headers=headers))
    assert repository.post_bundle(b"{}", "ours").retry_after == seconds


def test_a_redirect_is_not_followed(respx_mock: respx.MockRouter, repository: Repository) -> None:
    """A token or a body never travels to another host."""
    respx_mock.post(f"{BASE}/").mock(
        return_value=httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
    )
    assert repository.post_bundle(b"{}", "ours").status == 307


def test_a_search_names_nobody_in_its_address(respx_mock: respx.MockRouter, repository: Repository) -> None:
    """The criterion travels in the body of a POST."""
    route = respx_mock.post(f"{BASE}/Patient/_search").mock(
        return_value=httpx.Response(200, json={"resourceType": "Bundle", "type": "searchset"})
    )
    entry = {"resource": {"resourceType": "Patient"}, "request": {"ifNoneExist": "identifier=urn:oid:1.2.246.21|x"}}
    _, resource, _ = repository.find(entry)
    assert resource is None
    assert route.calls.last.request.url.query == b""
    assert b"identifier=" in route.calls.last.request.content


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_a_dripping_answer_is_not_waited_for(said: bytes) -> None:
    """A byte now and then, in the head or in the body, ends with the time for the whole exchange: not known."""
    with dripping(said) as port:
        repository = Repository(f"http://127.0.0.1:{port}/fhir", timeout=0.4)
        begun = time.monotonic()
        answer = repository.post_bundle(b"{}", "ours")
        repository.close()
    assert (answer.status, answer.cause) == (-1, "ReadTimeout")
    assert time.monotonic() - begun < 3


@contextmanager
def dripping(said: bytes) -> Iterator[int]:
    """A server that says something at once and then a letter every 50 ms; yields its port."""
    stop = threading.Event()

    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(1000)
            connection.sendall(said)
            while not stop.wait(0.05):
                connection.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join(5)


def test_every_request_has_an_id_of_its_own() -> None:
    """Bundle, search and metadata alike (X-Request-Id), and the name on the service bus where one is configured."""
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"resourceType": "Bundle"})

    one = Repository("https://r.example/fhir", transport=httpx.MockTransport(answer), road_client="FI/MUN/1/adapter")
    one.post_bundle(b"{}", "given")
    one.metadata()
    one.find({"resource": {"resourceType": "Patient"}, "request": {"ifNoneExist": "identifier=x"}})
    one.close()
    ids = [headers["X-Request-Id"] for headers in seen]
    assert ids[0] == "given"
    assert len(set(ids)) == 3
    assert {headers["X-Road-Client"] for headers in seen} == {"FI/MUN/1/adapter"}
