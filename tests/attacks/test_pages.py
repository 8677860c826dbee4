"""The reviewer's pages and the status page under attack: nobody gets in, nothing is repeated, nothing is stored."""

from __future__ import annotations

import httpx
import pytest

from adapter.review.web import COOKIE

SCRIPT = '"><script>alert(1)</script>'
CLOSED = (
    "/review/",
    "/review/log",
    "/review/breach",
    "/review/consents",
    "/review/exports",
    "/review/record",
    "/review/facts",
    "/review/health",
    "/review/findings/" + "0" * 32,
    *(
        f"/review/clients/{'0' * 32}{page}"
        for page in ("", "/seen", "/matrix", "/explain", "/withdrawal", "/draft", "/log-copy")
    ),
)
"""Pages that only somebody who has signed in may see."""

WRITING = (
    "/review/clients/_search",
    "/review/consents",
    "/review/consents/filters",
    "/review/log",
    "/review/breach",
    "/review/exports",
    "/review/exports/1/approve",
    "/review/exports/1/file",
    "/review/findings/" + "0" * 32,
    f"/review/clients/{'0' * 32}/identity",
    f"/review/clients/{'0' * 32}/permission",
)
COOKIES = {
    "none": "",
    "empty": f"{COOKIE}=",
    "guessed": f"{COOKIE}=" + "a" * 43,
    "SQL": f"{COOKIE}=' OR '1'='1",
    "very long": f"{COOKIE}=" + "a" * 6_000,
    "many": "; ".join(f"{COOKIE}={number}" for number in range(200)),
    "no ASCII": f"{COOKIE}=\u00ff\u00fe",
}
FORMS = {
    "empty": b"",
    "SQL": b"name=' OR 1=1 --&password=' OR 1=1 --",
    "script": b"name=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=x",
    "role": b"name=a&password=b&role=reviewer&custodians=*",
    "NUL": b"name=a%00b&password=%00",
    "no UTF-8": b"name=%ff%fe&password=%ed%a0%80",
    "long": b"name=" + b"a" * 100_000 + b"&password=" + b"b" * 100_000,
    "many fields": b"&".join(b"f%d=1" % number for number in range(5_000)),
    "JSON": b'{"name": {"$ne": null}}',
    "twice": b"name=a&name=b&password=c&password=d",
}
QUERIES = (
    "lang=" + SCRIPT,
    "every=" + SCRIPT,
    "lang=" + "x" * 5_000,
    "every=-1",
    "every=1e9",
    "next=https://evil.example/",
)
PATHS = {
    "/review/static/..%2f..%2f..%2fetc%2fpasswd": 404,
    "/review/static/%2e%2e%2fapp.py": 404,
    "/review/static/%00": 404,
    "/review/clients/..%2f..%2fetc": 404,
    "/review/clients/" + "a" * 5_000: 303,
    "/review/findings/%3Cscript%3E": 303,
    "/review/openid/callback?code=x&state=" + "y" * 3_000: 404,
    "/review/openid/callback?error=%3Cscript%3Ealert(1)%3C/script%3E": 404,
    "/review/openid/start": 404,
    "//evil.example/review/": 303,
}


def harmless(answer: httpx.Response, status: int) -> None:
    """This status, nothing repeated, no way out of the site, nothing that a browser would run or frame."""
    assert answer.status_code == status, answer.text[:300]
    assert "<script>alert" not in answer.text
    target = httpx.URL(answer.headers.get("Location", "/"))
    assert not target.host or target.host == answer.request.url.host
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in policy
        assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("cookie", COOKIES)
@pytest.mark.parametrize("path", CLOSED, ids=lambda path: path[8:40])
def test_nobody_sees_a_page_without_signing_in(attacker: httpx.Client, path: str, cookie: str) -> None:
    """Whatever the cookie says, the page is not shown but the way to the sign-in."""
    answer = attacker.get(path, headers=[(b"Cookie", COOKIES[cookie].encode("latin-1"))])
    harmless(answer, 303)
    assert answer.headers["Location"] == "/review/sign-in"


@pytest.mark.parametrize("path", WRITING, ids=lambda path: path[8:40])
def test_nobody_writes_without_signing_in(attacker: httpx.Client, path: str) -> None:
    """With a guessed session and form token from another site."""
    headers = {"Cookie": COOKIES["guessed"], "Origin": "https://evil.example"}
    harmless(
        attacker.post(path, data={"form_token": "x", "identifier": SCRIPT, "reason": SCRIPT}, headers=headers), 403
    )


@pytest.mark.parametrize("form", FORMS)
def test_hostile_sign_ins_are_refused(attacker: httpx.Client, form: str) -> None:
    """No session, and what was typed is not shown again as markup."""
    answer = attacker.post(
        "/review/sign-in", content=FORMS[form], headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    harmless(answer, 413 if form == "long" else 401)
    assert COOKIE not in answer.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:20])
@pytest.mark.parametrize("path", ["/review/sign-in", "/review/accessibility", "/status"])
def test_a_hostile_query_is_not_repeated(attacker: httpx.Client, path: str, query: str) -> None:
    """Languages and pauses are chosen from lists; addresses are not followed."""
    name, _, value = query.partition("=")
    harmless(attacker.get(path, params={name: value}), 200)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
def test_hostile_paths_of_pages_lead_nowhere(attacker: httpx.Client, path: str) -> None:
    """No file is opened, no address is followed."""
    harmless(attacker.get(path), PATHS[path])
