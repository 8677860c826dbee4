"""Records of many callers are taken together: nobody sees another's answer, waits for another's load, or is lost."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from adapter.fhir.canonical import dumps
from tests.attacks.conftest import Site, body, record
from tests.attacks.test_tokens import OURS, THEIRS, Guarded, guarded

__all__ = ["guarded"]

CUSTODIANS = {"ours": OURS, "theirs": THEIRS}
FOREIGN = {"fi": "rekisterinpit", "sv": "personuppgiftsansvarig", "en": "controller"}


def of(custodian: str, **changes: Any) -> dict[str, Any]:
    """A record of a controller."""
    content = record(**changes)
    return content | {"custodian": content["custodian"] | {"id": custodian}}


@pytest.mark.stores("one record of each of two vendors", records=(2,))
def test_nobody_gets_anothers_answer(guarded: Guarded) -> None:
    """Two vendors send one record id under one key from many lines at once: each has one submission, and its own."""
    bodies = {
        vendor: dumps(of(custodian, record_id="the-same", source_system=f"https://{vendor}.example"))
        for vendor, custodian in CUSTODIANS.items()
    }
    heads = {vendor: guarded.as_(vendor) | {"Idempotency-Key": "the-same"} for vendor in CUSTODIANS}

    def send(number: int) -> tuple[str, httpx.Response]:
        vendor = ("ours", "theirs")[number % 2]
        return vendor, guarded.http.post("/v1/records", content=bodies[vendor], headers=heads[vendor])

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(48)))
    assert {answer.status_code for _, answer in answers} <= {202, 409}
    ids = {(vendor, answer.json()["id"]) for vendor, answer in answers if answer.status_code == 202}
    assert {vendor for vendor, _ in ids} == set(CUSTODIANS)
    assert len({name for _, name in ids}) == len(ids) == 2
    for vendor, name in ids:
        for asking in CUSTODIANS:
            seen = guarded.http.get(f"/v1/records/{name}", headers=guarded.as_(asking)).status_code
            assert seen == (200 if asking == vendor else 404)


@pytest.mark.stores("the good records among the foreign ones", records=(12,))
def test_each_is_refused_in_its_own_language(guarded: Guarded) -> None:
    """Records of both vendors, good and foreign, at once: each is judged for its sender, in the caller's language."""

    def send(number: int) -> tuple[int, str, httpx.Response]:
        vendor, language = ("ours", "theirs")[number % 2], tuple(FOREIGN)[number % 3]
        custodian = CUSTODIANS[vendor] if number < 12 else CUSTODIANS[("theirs", "ours")[number % 2]]
        head = guarded.as_(vendor) | {"Accept-Language": language}
        return number, language, guarded.http.post("/v1/records", content=dumps(of(custodian)), headers=head)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(send, range(24)))
    for number, language, answer in answers:
        assert answer.status_code == (202 if number < 12 else 403), answer.text[:300]
        if number >= 12:
            assert answer.json()["language"] == language
            assert FOREIGN[language] in answer.text.lower()


@pytest.mark.stores("the small record beside the large ones", records=(1,))
def test_a_flood_of_large_records_holds_up_no_other_vendor(guarded: Guarded) -> None:
    """One vendor sends many megabytes from many lines; another's record is taken long before they are through."""
    many = dumps(of(OURS) | {"unknown": [{"a": number} for number in range(400_000)]})
    head, other = guarded.as_("ours"), guarded.as_("theirs")

    def flood(_number: int) -> float:
        answer = guarded.http.post("/v1/records", content=many, headers=head, timeout=120)
        assert answer.status_code == 400
        return time.monotonic()

    with ThreadPoolExecutor(9) as pool:
        large = [pool.submit(flood, number) for number in range(8)]
        time.sleep(0.2)
        small = guarded.http.post("/v1/records", content=dumps(of(THEIRS)), headers=other, timeout=120)
        through = time.monotonic()
        later = [one.result() - through for one in large]
    assert small.status_code == 202
    assert sum(seconds > 0 for seconds in later) >= 2


@pytest.mark.stores("what was sent before its sender hung up, and one more", records=range(1, 42))
def test_who_hangs_up_holds_nobody_up(site: Site, attacker: httpx.Client) -> None:
    """Forty callers send a whole record and are gone before the answer; the next caller is answered at once."""
    address = httpx.URL(site.url)
    for _ in range(40):
        content = body()
        with socket.create_connection((address.host, address.port or 80)) as line:
            head = f"POST /v1/records HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
            line.sendall(head.encode() + content)
    began = time.monotonic()
    assert attacker.post("/v1/records", content=body()).status_code == 202
    assert time.monotonic() - began < 10


def test_a_preview_tells_nothing_of_anothers_record(guarded: Guarded) -> None:
    """A record id that another vendor uses, in versions before and after: the preview is as for one that nobody has."""
    head = guarded.as_("theirs")
    answers = []
    for name in ("preview-theirs", "preview-nobodys"):
        for version in (1, 2, 3):
            content = dumps(of(THEIRS, record_id=name, record_version=version))
            answer = guarded.http.post("/v1/records/preview", content=content, headers=head)
            answers.append((version, answer.status_code, answer.json()["outcome"]))
    assert answers[:3] == answers[3:]
    assert {status for _, status, _ in answers} == {200}
