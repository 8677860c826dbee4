"""Hostile paths, headers, bodies and crowds: the documented status, and the adapter goes on."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.attacks.conftest import Site, body

PATHS = {
    "/v1/records/../../etc/passwd": 404,
    "/v1/records/..%2f..%2fetc%2fpasswd": 404,
    "/v1/records/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 404,
    "/v1/records/%252e%252e%252f": 404,
    "/v1/records/..%5c..%5cwindows": 404,
    "/v1/records/%00": 404,
    "/v1/records/a%00b": 404,
    "/v1/records/a%0d%0aX-Evil:%201": 404,
    "/v1/records/a%2fb": 404,
    "/v1/records/%ff%fe": 404,
    "/v1/records/%ed%a0%80": 404,
    "/v1/records/%f0%9f%92%a9": 404,
    "/v1/records/" + "a" * 10_000: 404,
    "/v1/records/' OR 1=1 --".replace(" ", "%20"): 404,
    "/v1/records/*": 404,
    "/v1/records/_search": 404,
    "/v1/records/..;": 404,
    "/v1/schemas/../../../etc/passwd": 404,
    "/v1/schemas/..%2f..%2fclient": 404,
    "/v1/schemas/client%00": 404,
    "/v1/schemas/client.json": 404,
    "/v1/mappings/../../etc": 404,
    "/.git/config": 404,
    "/static/../../etc/passwd": 404,
    "/v1/records?type=client": 405,
    "/v1/token": 405,
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_hostile_paths_lead_nowhere(site: Site, path: str) -> None:
    """Sent byte by byte as written; 404 or 405, and the path is not repeated."""
    answer = site.exchange(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert int(answer.split()[1]) == PATHS[path]
    assert b"X-Evil" not in answer
    assert b"root:" not in answer


QUERIES = [
    "vendor=..%2f..%2fetc",
    "vendor=%00",
    "vendor=" + "a" * 9_000,
    "vendor=",
    "vendor=lahde&vendor=silmu",
    "type=..%2fclient",
    "type=%00",
    "type=%ff",
    "type=" + "a" * 9_000,
    "type=team",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:30])
def test_hostile_parameters_are_refused(attacker: httpx.Client, query: str) -> None:
    """400 with an outcome that does not repeat them."""
    answer = attacker.post(f"/v1/records?{query}", content=body())
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "a" * 1_000 not in answer.text


SEARCHES = [
    b'{"state":"\\u0000"}',
    b'{"state":"\\ud800"}',
    b"[]",
    b'{"state":1}',
    b'{"state":["a"]}',
    b'{"sender":"another"}',
    b'{"state":{"$ne":""}}',
    b"[" * 100_000,
    b"\xff",
    b'{"state":"a","state":"b"}',
]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: repr(search[:20]))
def test_hostile_searches_are_refused(attacker: httpx.Client, search: bytes) -> None:
    """400 with an outcome."""
    answer = attacker.post("/v1/records/_search", content=search)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


SEARCH_VALUES: list[dict[str, Any]] = [
    {field: value}
    for field in ("state", "record_type", "before")
    for value in ("' OR 1=1 --", "%", "*", "x" * 100_000, "\u202e", "", ["client"])
] + [
    {"ids": ["0" * 32] * 1_001},
    {"ids": "0" * 32},
    {"ids": ["%"]},
    {"ids": [None]},
    {"ids": {"0" * 32: 1}},
    {"limit": 0},
    {"limit": -1},
    {"limit": 10**30},
    {"limit": True},
    {"limit": 1.5},
    {"limit": "1"},
]


@pytest.mark.parametrize("wanted", SEARCH_VALUES, ids=lambda wanted: str(wanted)[:30])
def test_a_search_takes_known_values_only(attacker: httpx.Client, wanted: dict[str, Any]) -> None:
    """No SQL, no pattern, no list without end: 400, and the value is not repeated."""
    answer = attacker.post("/v1/records/_search", json=wanted)
    assert answer.status_code == 400
    assert "OR 1=1" not in answer.text
    assert len(answer.text) < 2_000


@pytest.mark.parametrize("wait", ["-1", "61", "1e9", "nan", "inf", "9" * 5_000, "", "٣", "1;", "0x1"])
def test_nobody_is_waited_for_without_end(attacker: httpx.Client, wait: str) -> None:
    """400 for every wait that is no number of seconds up to 60."""
    answer = attacker.get(f"/v1/records/{'0' * 32}", params={"wait": wait})
    assert answer.status_code == 400


KEYS = [b"a\tb", b"x" * 129, b"x" * 1_000, "ä".encode(), "😀".encode(), b"\x7f", b"\xff"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key[:8]))
def test_hostile_idempotency_keys_are_refused(attacker: httpx.Client, key: bytes) -> None:
    """400, not stored."""
    answer = attacker.post("/v1/records", content=body(), headers=[(b"Idempotency-Key", key)])
    assert answer.status_code == 400


LANGUAGES = [
    "*" * 1_000,
    ",".join(["fi;q=0.1"] * 5_000),
    "fi;q=nan,en;q=inf",
    "en;q=-1e999999",
    "fi;q=" + "9" * 5_000,
    ";;;,,,;q=;q=",
    "../../fi",
    "fi-" * 5_000,
    "a" * 60_000,
]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language[:12])
def test_language_bombs_are_answered(attacker: httpx.Client, language: str) -> None:
    """Any Accept-Language gets a language that exists, quickly."""
    began = time.monotonic()
    answer = attacker.post("/v1/records", content=b"{", headers={"Accept-Language": language})
    assert answer.status_code == 400
    assert answer.headers["Content-Language"] in ("fi", "sv", "en")
    assert time.monotonic() - began < 2


HEAD = b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
RAW = {
    "length above the body": HEAD + b"Content-Length: 1000\r\n\r\n{",
    "length below the body": HEAD + b"Content-Length: 1\r\n\r\n{}",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n{}",
    "length as text": HEAD + b"Content-Length: abc\r\n\r\n{}",
    "length of 40 digits": HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "chunk size of no number": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "negative chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "chunk of 16 digits": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "chunks without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "header without end": HEAD + b"X: " + b"a" * 200_000,
    "20,000 headers": HEAD + b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)) + b"\r\n",
    "header folded": HEAD + b"X: a\r\n b\r\nContent-Length: 1\r\n\r\n{",
    "NUL in a header": HEAD + b"X: a\0b\r\n\r\n",
    "new line in a key": HEAD + b"Idempotency-Key: a\nX-Evil: 1\r\nContent-Length: 1\r\n\r\n{",
    "no host": b"POST /v1/records HTTP/1.1\r\nContent-Length: 1\r\n\r\n{",
    "expectation": HEAD + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n{",
    "unknown expectation": HEAD + b"Expect: nonsense\r\nContent-Length: 1\r\n\r\n{",
    "unknown method": b"BREW /v1/records HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "trace": b"TRACE /v1/records HTTP/1.1\r\nHost: localhost\r\nCookie: secret\r\nConnection: close\r\n\r\n",
    "connect": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "absolute address": b"GET http://evil.example/v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "version 9": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "upgrade": HEAD + b"Upgrade: websocket\r\nContent-Length: 1\r\n\r\n{",
    "noise": bytes(range(256)) * 10,
    "nothing": b"",
    "forwarded for": HEAD + b"X-Forwarded-For: 8.8.8.8\r\nForwarded: for=8.8.8.8\r\nContent-Length: 1\r\n\r\n{",
    "override": HEAD + b"X-HTTP-Method-Override: DELETE\r\nContent-Length: 1\r\n\r\n{",
    "half a record": HEAD + b"Content-Length: 5000\r\n\r\n" + body()[:1_000],
    "a record and half another in a batch": HEAD.replace(b"records", b"records/batch")
    + b"Content-Length: 5000\r\n\r\n{}\n"
    + body()[:1_000],
}


UNLIKE_400: dict[str, list[int]] = {
    "length above the body": [],
    "chunk of 16 digits": [],
    "chunks without end": [],
    "half a record": [],
    "nothing": [],
    "no host": [401],
    "expectation": [100, 400],
    "trace": [405],
    "absolute address": [404],
    "a record and half another in a batch": [200],
}
"""Statuses of bytes that are answered otherwise than with 400; nothing is said to who goes away in the middle."""


@pytest.mark.parametrize("attack", RAW, ids=str)
def test_hostile_bytes_on_the_line(site: Site, attack: str) -> None:
    """400 or a closed line, nothing reflected."""
    answer = site.exchange(RAW[attack])
    statuses = [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]
    assert statuses == UNLIKE_400.get(attack, [400]), answer
    assert b"secret" not in answer


@pytest.mark.parametrize("path", ["/v1/records", "/v1/records/preview", "/v1/records/_search"])
def test_an_endless_chunked_body_is_cut(attacker: httpx.Client, path: str) -> None:
    """413 when 10 MB are exceeded, without a Content-Length."""
    answer = attacker.post(path, content=(b" " * 1_000_000 for _ in range(11)))
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"


def test_an_endless_line_ends_the_batch(attacker: httpx.Client) -> None:
    """The line is answered with 413 and the batch ends there."""
    answer = attacker.post("/v1/records/batch", content=b"{}\n" + b"x" * 10_500_000)
    judged = [json.loads(line) for line in answer.text.splitlines()]
    assert [(each["line"], each["status"]) for each in judged] == [(1, 400), (2, 413)]


def test_broken_lines_are_answered_one_by_one(attacker: httpx.Client) -> None:
    """NUL, lists without end, other encodings and blanks between: each its own answer."""
    lines = [b"\0", b"[" * 50_000, b"\xff\xfe", b"", b"   ", b'{"a":1,"a":2}', b"<x/>"]
    answer = attacker.post("/v1/records/batch", content=b"\n".join(lines))
    judged = [json.loads(line) for line in answer.text.splitlines()]
    assert [(each["line"], each["status"]) for each in judged] == [(n, 400) for n in (1, 2, 3, 6, 7)]


def test_slow_bodies_do_not_hold_others_up(site: Site, attacker: httpx.Client) -> None:
    """Forty callers stop in the middle of their bodies; the next one is answered at once."""
    address = httpx.URL(site.url)
    lines = [socket.create_connection((address.host, address.port or 80)) for _ in range(40)]
    try:
        for line in lines:
            line.sendall(HEAD + b"Content-Length: 100000\r\n\r\n{")
        began = time.monotonic()
        assert attacker.get("/readyz").status_code == 200
        assert attacker.post("/v1/records", content=b"{").status_code == 400
        assert time.monotonic() - began < 3
    finally:
        for line in lines:
            line.close()


def test_two_hundred_at_once(attacker: httpx.Client) -> None:
    """Every one of 200 parallel hostile requests is answered with 400, or with 429 when others called before."""
    documents = [b"{", b"[" * 10_000, body(extra=1), b"<x/>", b"\xff"]

    def ask(number: int) -> int:
        return attacker.post("/v1/records", content=documents[number % 5]).status_code

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(ask, range(200))) <= {400, 429}


@pytest.mark.stores("one record, sent many times at once", records=(1,))
def test_the_same_record_from_twenty_sides_is_stored_once(attacker: httpx.Client) -> None:
    """Twenty parallel first versions: one submission, one id; with a key, who comes meanwhile is told to wait."""
    data = body()

    def send(number: int) -> str:
        headers = {"Idempotency-Key": "twenty"} if number % 2 else {}
        while (answer := attacker.post("/v1/records", content=data, headers=headers)).status_code == 409:
            assert answer.headers["Retry-After"] == "1"
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(send, range(20)))) == 1


FROM_A_BROWSER = {
    "name that points here": {"Host": "evil.example"},
    "name that points here, with a port": {"Host": "evil.example:8080"},
    "name that looks like us": {"Host": "localhost.evil.example"},
    "number that looks like us": {"Host": "127.evil.example"},
    "name before an at": {"Host": "localhost@evil.example"},
    "page of another site": {"Origin": "https://evil.example"},
    "page of no site": {"Origin": "null"},
    "page of another port": {"Origin": "http://localhost:3000"},
}


@pytest.mark.parametrize("attack", FROM_A_BROWSER, ids=str)
@pytest.mark.parametrize("path", ["/v1/records", "/v1/records/_search", "/v1/records/preview"])
def test_no_page_in_a_browser_is_a_caller(attacker: httpx.Client, path: str, attack: str) -> None:
    """Without registered clients: what a web page can make a browser on this machine send is refused."""
    headers = {"Content-Type": "text/plain", **FROM_A_BROWSER[attack]}
    answer = attacker.post(path, content=body(), headers=headers)
    assert answer.status_code == 401
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_head_that_does_not_end_is_cut(site: Site) -> None:
    """Headers in small pieces, 64 kB and more without an end: 400 and the line is closed."""
    address = httpx.URL(site.url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as line:
        line.sendall(HEAD)
        received = b""
        try:
            for number in range(400):
                line.sendall(b"X-%d: " % number + b"a" * 1_000 + b"\r\n")
                time.sleep(0.0005)
            received = line.recv(1_000)
        except OSError:
            received = b"HTTP/1.1 400"
    assert received.startswith(b"HTTP/1.1 400")
