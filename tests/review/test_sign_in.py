"""Signing in, sessions, forms and headers: who may be here, and what the browser may do with the pages."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from sqlalchemy import select

from adapter.review.accounts import GUESSES, create_reviewer
from adapter.review.sessions import IDLE_SECONDS, LONGEST_SECONDS
from adapter.store.review_tables import review_account, review_session
from adapter.store.tables import audit_entry, submission
from tests.review.conftest import BASE, MOONA, PASSWORD, Browser, Desk

pytestmark = pytest.mark.anyio
PAGES = ("/", "/consents", "/log", "/breach", "/exports", "/record", "/facts", "/health")

FORMS = ("/clients/_search", "/consents", "/consents/filters", "/log", "/breach", "/exports", "/sign-out")


def acts(desk: Desk) -> list[dict[str, object]]:
    """The reviewer's acts in the audit, oldest first."""
    with desk.database.reading() as connection:
        query = select(audit_entry.c.entry).where(audit_entry.c.kind == "review").order_by(audit_entry.c.seq)
        return [json.loads(entry) for entry in connection.execute(query).scalars()]


@pytest.mark.parametrize("path", [*PAGES, "/clients/unknown", "/clients/unknown/matrix"])
async def test_without_a_session_every_page_leads_to_the_form(browser: Browser, path: str) -> None:
    """Nothing is shown to somebody who has not signed in."""
    answer = await browser.get(path)
    assert answer.url.path == f"{BASE}/sign-in"
    assert "Kirjaudu sisään" in answer.text


async def test_password_is_stored_as_argon2id(desk: Desk) -> None:
    """Neither password nor session token stands in the database."""
    with desk.database.reading() as connection:
        hashes = list(connection.execute(select(review_account.c.password)).scalars())
    assert all(each.startswith("$argon2id$") for each in hashes)


async def test_the_session_token_is_stored_hashed(browser: Browser, desk: Desk) -> None:
    """Reading the database is not enough to take a session over."""
    await browser.sign_in()
    token = browser.client.cookies["kykysilta_review"]
    with desk.database.reading() as connection:
        assert token not in list(connection.execute(select(review_session.c.token)).scalars())


async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(browser: Browser) -> None:
    """The answer does not tell which names exist."""
    wrong = await browser.sign_in(password="not the password")
    unknown = await browser.sign_in(name="nobody")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text


async def test_guessing_is_stopped_and_opens_again(browser: Browser, desk: Desk) -> None:
    """After five failures even the right password waits a quarter of an hour."""
    for _ in range(GUESSES):
        assert (await browser.sign_in(password="guess")).status_code == 401
    assert (await browser.sign_in()).status_code == 429
    desk.clock.now += 16 * 60
    assert (await browser.sign_in()).status_code == 200


async def test_an_idle_session_ends(browser: Browser, desk: Desk) -> None:
    """A quarter of an hour without a click signs out."""
    await browser.sign_in()
    desk.clock.now += 14 * 60
    assert (await browser.get("/log")).url.path == f"{BASE}/log"
    desk.clock.now += 16 * 60
    ended = await browser.get("/log")
    assert ended.url.path == f"{BASE}/sign-in"
    assert "Istunto päättyi" in ended.text


async def test_no_session_is_longer_than_eight_hours(browser: Browser, desk: Desk) -> None:
    """However much is clicked."""
    await browser.sign_in()
    start = desk.clock.now
    while desk.clock.now < start + LONGEST_SECONDS - IDLE_SECONDS:
        desk.clock.now += IDLE_SECONDS - 60
        assert (await browser.get("/health")).url.path == f"{BASE}/health"
    desk.clock.now = start + LONGEST_SECONDS + 1
    assert (await browser.get("/health")).url.path == f"{BASE}/sign-in"


async def test_the_end_of_a_session_is_announced_and_looking_does_not_put_it_off(browser: Browser, desk: Desk) -> None:
    """The page says when; the warning comes with a link to go on, and asking for it is no click (WCAG 2.2.1)."""
    await browser.sign_in()
    assert "Istunto päättyy klo 12.15" in (await browser.get("/log")).text
    assert "Jatka" not in (await browser.get("/session")).text
    desk.clock.now += IDLE_SECONDS - 90
    assert "90 sekunnin" in (warned := await browser.get("/session")).text
    assert "Jatka istuntoa" in warned.text
    desk.clock.now += 91
    assert "Istunto päättyi" in (await browser.get("/session")).text
    assert (await browser.get("/log")).url.path == f"{BASE}/sign-in"


async def test_signing_out_ends_the_session_on_the_server(browser: Browser) -> None:
    """The cookie is worth nothing afterwards."""
    await browser.sign_in()
    token = browser.client.cookies["kykysilta_review"]
    await browser.post("/sign-out")
    browser.client.cookies.set("kykysilta_review", token)
    assert (await browser.get("/log")).url.path == f"{BASE}/sign-in"


@pytest.mark.parametrize(
    "path", ["/clients/_search", "/consents", "/consents/filters", "/log", "/breach", "/exports", "/sign-out"]
)
async def test_a_form_without_its_token_is_refused(browser: Browser, path: str) -> None:
    """Another site cannot send the reviewer's forms."""
    await browser.sign_in()
    assert (await browser.post(path, form_token="other")).status_code == 403


async def test_a_form_from_another_site_is_refused(browser: Browser) -> None:
    """The origin must be our own, for signing in as well."""
    form = {"name": "tarkastaja", "password": PASSWORD}
    answer = await browser.client.post(f"{BASE}/sign-in", data=form, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_browsers_name_the_origin_of_our_own_forms(browser: Browser) -> None:
    """Under `no-referrer` they would send `Origin: null`, and nobody could sign in."""
    assert (await browser.get("/sign-in")).headers["referrer-policy"] == "same-origin"
    form = {"name": "tarkastaja", "password": PASSWORD}
    address = f"{BASE}/sign-in"
    own = await browser.client.post(address, data=form, headers={"Origin": "http://review.test"})
    null = await browser.client.post(address, data=form, headers={"Origin": "null"})
    assert (own.status_code, null.status_code) == (200, 403)


async def test_every_answer_is_uncached_and_under_a_strict_policy(browser: Browser) -> None:
    """No cache, no frame, no script, nothing from elsewhere: also on errors and on the style sheet."""
    await browser.sign_in()
    client = await browser.open_moona()
    parts = [f"{client}{part}" for part in ("", "/seen", "/matrix", "/explain", "/withdrawal", "/draft", "/log-copy")]
    for path in (*PAGES, *parts, "/sign-in", "/static/style.css", "/clients/unknown", "/nowhere", "/accessibility"):
        answer = await browser.get(path)
        assert answer.headers["cache-control"] == "no-store", path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = answer.text.replace('<script src="/review/static/htmx.js" defer></script>', "")
        assert not re.search(r"<script|style=|\son[a-z]+=|https?://", page), path


async def test_the_script_is_the_one_that_was_published(browser: Browser) -> None:
    """The vendored file is htmx 2.0.11 unchanged, its licence beside it; nothing else is served."""
    script = await browser.get("/static/htmx.js")
    assert script.headers["content-type"].startswith("text/javascript")
    published = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    assert hashlib.sha256(script.content).hexdigest() == published
    assert "Zero-Clause BSD" in (await browser.get("/static/htmx-licence.txt")).text
    assert (await browser.get("/static/base.html")).status_code == 404


async def test_an_auditor_reads_the_log_and_no_client(browser: Browser) -> None:
    """The second role opens neither clients nor the list of consents."""
    await browser.sign_in(name="lokinlukija")
    assert (await browser.get("/log")).status_code == 200
    assert (await browser.get("/consents")).status_code == 403
    assert (await browser.post("/clients/_search", client=MOONA)).status_code == 403
    assert "Selvitettävää" not in (await browser.get("/")).text


async def test_the_identity_code_is_masked_and_its_reveal_is_logged(browser: Browser, desk: Desk) -> None:
    """Shown only when asked for, and the asking stands in the audit; never in an address."""
    await browser.sign_in()
    path = await browser.open_moona()
    assert MOONA not in path
    assert MOONA not in (await browser.get(path)).text
    shown = await browser.post(f"{path}/identity")
    assert MOONA in shown.text
    assert acts(desk)[-1]["act"] == "reveal-identity"
    assert acts(desk)[-1]["client"] == path.rpartition("/")[2]


async def test_the_audit_names_no_person(browser: Browser, desk: Desk) -> None:
    """Neither client nor reviewer stands in the chain by name or code."""
    await browser.sign_in()
    await browser.open_moona()
    await browser.post("/log", text=MOONA, reason="supervision")
    written = json.dumps(acts(desk), ensure_ascii=False)
    assert {each["act"] for each in acts(desk)} >= {"sign-in", "search-client", "open-client", "search-log"}
    assert not any(word in written for word in (MOONA, "Moona", "Tuulispää", "tarkastaja"))


async def test_an_unknown_client_is_said_without_repeating_the_code(browser: Browser) -> None:
    """A code of nobody leads back to the form."""
    await browser.sign_in()
    answer = await browser.post("/clients/_search", identity_code="010594Y9032")
    assert "Asiakkaasta ei ole tietoja" in answer.text
    assert "010594Y9032" not in answer.text + str(answer.url)


async def test_a_name_that_is_markup_is_shown_as_text(browser: Browser, desk: Desk) -> None:
    """Names come from other systems; the page escapes them."""
    with desk.database.transaction() as connection:
        for row in connection.execute(select(submission).where(submission.c.record_type == "team")).all():
            name = f"submission/body/{row.id}"
            body = desk.cipher.decrypt(name, row.body).replace(b"Kirsi Ojalehto", b"<img src=x onerror=alert(1)>")
            hostile = desk.cipher.encrypt(name, body)
            connection.execute(submission.update().where(submission.c.id == row.id).values(body=hostile))
    await browser.sign_in()
    path = await browser.open_moona()
    for page in (path, f"{path}/matrix?day=2021-09-01", f"{path}/explain?day=2021-09-01", f"{path}/draft"):
        answer = await browser.get(page)
        assert "&lt;img src=x" in answer.text
        assert "<img" not in answer.text


def test_a_short_password_is_not_taken(desk: Desk) -> None:
    """Twelve characters at least."""
    with pytest.raises(ValueError, match="12"):
        create_reviewer(desk.database, "lyhyt", "short")


async def test_a_new_password_ends_the_old_sessions(browser: Browser, desk: Desk) -> None:
    """Creating an account again changes its password and keeps its id."""
    first = create_reviewer(desk.database, "uusi", PASSWORD)
    await browser.sign_in(name="uusi")
    assert create_reviewer(desk.database, "uusi", PASSWORD + "2") == first
    assert (await browser.get("/log")).url.path == f"{BASE}/sign-in"
