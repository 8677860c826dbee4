"""Log-in by the organisation's provider, against a real one in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from adapter.review import review_app
from adapter.serve import in_background
from adapter.settings import Settings
from adapter.store.review_tables import review_account
from tests.review.conftest import BASE, CITY, COUNTY, ID_KEY, MOONA, Desk

pytest.importorskip("authlib", reason="the provider of the tests: pip install .[dev]")
CLIENT_ID, SECRET = "kykysilta-pages", "a-secret-of-the-client"
ROOT = Path(__file__).resolve().parents[2]


class Provider(NamedTuple):
    """Where the provider is, and the port that the pages must have."""

    issuer: str
    port: int

    def next_person(self, subject: str, **claims: object) -> None:
        """Say who signs in next."""
        httpx.post(f"{self.issuer}/people/{subject}", json=claims).raise_for_status()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The provider, in a process of its own."""
    port, pages = free_port(), free_port()
    callback = f"http://127.0.0.1:{pages}{BASE}/openid/callback"
    command = [sys.executable, "-m", "tests.review.openid_provider", str(port), CLIENT_ID, SECRET, callback]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1", "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **quiet) as process:  # type: ignore[call-overload]
        found = Provider(f"http://localhost:{port}", pages)
        for _ in range(300):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{found.issuer}/jwks")
                break
            time.sleep(0.1)
        yield found
        process.terminate()


@pytest.fixture
def pages(provider: Provider, desk: Desk) -> Iterator[str]:
    """The pages over HTTP, with the provider as their log-in."""
    openid = {"issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": SECRET}
    settings = Settings(demo=True, openid=openid)  # type: ignore[arg-type]
    app = FastAPI()
    app.mount(BASE, review_app(desk.database, desk.cipher, id_key=ID_KEY, settings=settings, clock=desk.clock))
    with in_background(app, "127.0.0.1", provider.port) as url:
        yield f"{url}{BASE}"


Browsers = Callable[[], httpx.Client]


@pytest.fixture
def browsers() -> Iterator[Browsers]:
    """Browsers in Finnish that follow redirects, as many as wanted."""
    with contextlib.ExitStack() as stack:

        def another() -> httpx.Client:
            return stack.enter_context(httpx.Client(follow_redirects=True, headers={"Accept-Language": "fi"}))

        yield another


def to_provider(pages: str, browser: httpx.Client) -> httpx.URL:
    """Begin a log-in and return where the provider sends the browser back to, without going there."""
    start = browser.get(f"{pages}/openid/start", follow_redirects=False)
    back = browser.get(start.headers["location"], follow_redirects=False)
    return httpx.URL(back.headers["location"])


def test_role_and_controllers_come_from_the_provider(
    browsers: Browsers, pages: str, provider: Provider, desk: Desk
) -> None:
    """Signed in, the reviewer sees the clients of the controllers in the claim; the account has no password."""
    provider.next_person("elli", name="Elli Esimerkki", roles=["kykysilta-reviewer"], custodians=[CITY, COUNTY])
    browser = browsers()
    page = browser.get(f"{pages}/openid/start")
    assert "Kirjautuminen onnistui" in page.text
    home = browser.get(f"{pages}/")
    assert "Kirjaudu ulos (Elli Esimerkki)" in home.text
    token = re.search(r'name="form_token" value="([^"]+)"', home.text)
    assert token is not None
    found = browser.post(f"{pages}/clients/_search", data={"form_token": token[1], "client": MOONA})
    assert "Moona Emilia Tuulispää" in found.text
    with desk.database.reading() as connection:
        row = connection.execute(select(review_account).where(review_account.c.title == "Elli Esimerkki")).one()
    assert (row.password, row.role) == ("", "reviewer")
    assert "elli" not in row.name
    answer = browser.post(f"{pages}/sign-in", data={"name": row.name, "password": ""})
    assert answer.status_code == 401


def test_code_flow_uses_pkce_state_and_nonce(browsers: Browsers, pages: str) -> None:
    """Each log-in has its own; the provider of the tests refuses an exchange without the verifier."""
    browser = browsers()
    queries = []
    for _ in range(2):
        location = browser.get(f"{pages}/openid/start", follow_redirects=False).headers["location"]
        queries.append({name: value[0] for name, value in parse_qs(urlsplit(location).query).items()})
    first, second = queries
    assert (first["response_type"], first["code_challenge_method"]) == ("code", "S256")
    assert len({first[name] for name in ("state", "nonce", "code_challenge")} | {second["state"]}) == 4
    assert SECRET not in str(queries)


def test_an_answer_for_another_browser_is_refused(browsers: Browsers, pages: str, provider: Provider) -> None:
    """A link with somebody else's code and state signs nobody in (log-in forgery)."""
    provider.next_person("elli", roles=["kykysilta-reviewer"])
    link = to_provider(pages, browsers())
    victim = browsers()
    victim.get(f"{pages}/openid/start", follow_redirects=False)
    answer = victim.get(link)
    assert answer.status_code == 403
    assert victim.get(f"{pages}/").url.path.endswith("/sign-in")


def test_an_answer_counts_once_and_for_ten_minutes(
    browsers: Browsers, pages: str, provider: Provider, desk: Desk
) -> None:
    """The same link again, or a late one, is refused."""
    provider.next_person("elli", roles=["kykysilta-reviewer"])
    browser = browsers()
    link = to_provider(pages, browser)
    state = browser.cookies["kykysilta_review_state"]
    assert browser.get(link).status_code == 200
    again = httpx.get(link, cookies={"kykysilta_review_state": state})
    assert again.status_code == 403
    late = to_provider(pages, browser)
    desk.clock.now += 11 * 60
    assert browser.get(late).status_code == 403


@pytest.mark.parametrize("change", [{"code": "another"}, {"state": "another"}, {"iss": "http://evil.example"}])
def test_a_changed_answer_is_refused(
    browsers: Browsers, pages: str, provider: Provider, change: dict[str, str]
) -> None:
    """Code, state and issuer are those of this log-in, or nobody is signed in."""
    provider.next_person("elli", roles=["kykysilta-reviewer"])
    browser = browsers()
    link = to_provider(pages, browser)
    answer = browser.get(link.copy_merge_params(change))
    assert answer.status_code == 403
    assert "ei onnistunut" in answer.text or "did not succeed" in answer.text


@pytest.mark.parametrize("claims", [{}, {"roles": ["other"]}, {"roles": "kykysilta-nobody"}])
def test_somebody_without_a_role_is_told_so(
    browsers: Browsers, pages: str, provider: Provider, claims: dict[str, object]
) -> None:
    """The provider knows the person, the pages do not."""
    provider.next_person("vieras", **claims)
    page = browsers().get(f"{pages}/openid/start")
    assert page.status_code == 403
    assert "ei ole oikeutta" in page.text


def test_claims_count_anew_at_every_log_in(browsers: Browsers, pages: str, provider: Provider) -> None:
    """A role that was taken away is gone; without controllers nobody is seen."""
    provider.next_person("elli", name="Elli", roles=["kykysilta-reviewer"], custodians=[CITY])
    browser = browsers()
    browser.get(f"{pages}/openid/start")
    assert "ei ole liitetty" not in browser.get(f"{pages}/").text
    provider.next_person("elli", name="Elli", roles=["kykysilta-auditor"])
    later = browsers()
    later.get(f"{pages}/openid/start")
    assert later.get(f"{pages}/consents").status_code == 403
    assert browser.get(f"{pages}/").url.path.endswith("/sign-in")


def test_signing_out_leads_to_the_provider_by_a_link(browsers: Browsers, pages: str, provider: Provider) -> None:
    """The session here is over at once; the provider's is ended by a click, because it is another site."""
    provider.next_person("elli", roles=["kykysilta-reviewer"])
    browser = browsers()
    browser.get(f"{pages}/openid/start")
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get(f"{pages}/").text)
    assert token is not None
    page = browser.post(f"{pages}/sign-out", data={"form_token": token[1]})
    assert f'href="{provider.issuer}/sign-out?client_id={CLIENT_ID}' in page.text
    assert browser.get(f"{pages}/").url.path.endswith("/sign-in")


def test_the_form_of_local_accounts_stays(pages: str) -> None:
    """The embedded accounts sign in beside the organisation's log-in."""
    page = httpx.get(f"{pages}/sign-in", headers={"Accept-Language": "fi"}).text
    assert "Kirjaudu organisaation tunnuksella" in page
    assert 'name="password"' in page


def test_a_provider_that_is_away_is_said(desk: Desk) -> None:
    """A sentence instead of an error, and nobody is signed in."""
    openid = {"issuer": f"http://localhost:{free_port()}", "client_id": CLIENT_ID}
    app = FastAPI()
    settings = Settings(demo=True, openid=openid)  # type: ignore[arg-type]
    app.mount(BASE, review_app(desk.database, desk.cipher, id_key=ID_KEY, settings=settings, clock=desk.clock))
    with in_background(app, "127.0.0.1", 0) as url:
        answer = httpx.get(f"{url}{BASE}/openid/start", headers={"Accept-Language": "fi"})
    assert answer.status_code == 502
    assert "ei onnistunut" in answer.text
