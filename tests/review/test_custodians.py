"""A reviewer sees the clients of the controllers that the account is bound to, and nobody else's: on every page."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest

from adapter.review import (
    client_pages,
    export_pages,
    list_pages,
    log_pages,
    question_pages,
    service_pages,
    sign_in_pages,
)
from adapter.review.accounts import change_account, custodian_values
from adapter.review.files import ClientFile, lane_of, read_file
from tests.review.conftest import CITY, COUNTY, ID_KEY, KAINO, MOONA, OTHER_COUNTY, Browser, Desk
from tests.review.test_lists import entries

pytestmark = pytest.mark.anyio
PARTS = ("", "/seen", "/matrix", "/explain", "/withdrawal", "/draft", "/log-copy")


def names_of(text: str) -> set[str]:
    """Family names of the two clients that a page holds."""
    return {name for name in ("Tuulispää", "Perämaa") if name in text}


def seen(desk: Desk, client: str, *custodians: str) -> ClientFile | None:
    """A client's file as a reviewer of these controllers sees it."""
    with desk.database.reading() as connection:
        return read_file(connection, desk.cipher, lane_of(connection, ID_KEY, client), frozenset(custodians))


async def handle_for(browser: Browser, name: str, client: str) -> str:
    """The pseudonym of a client, got by somebody who may see them."""
    await browser.sign_in(name=name)
    return (await browser.open(client)).rpartition("/")[2]


async def test_every_page_of_a_foreign_client_is_missing(browser: Browser) -> None:
    """Knowing the address is not enough; the answer is that of a client who does not exist."""
    handle = await handle_for(browser, "tarkastaja", MOONA)
    await browser.sign_in(name="naapuri")
    unknown = await browser.get("/clients/" + "0" * 32)
    for part in PARTS:
        answer = await browser.get(f"/clients/{handle}{part}")
        assert answer.status_code == 404, part
        assert names_of(answer.text) == set()
    assert (await browser.get(f"/clients/{handle}")).text == unknown.text.replace("0" * 32, handle)
    for part, fields in (("identity", {}), ("permission", {"status": "given"})):
        assert (await browser.post(f"/clients/{handle}/{part}", **fields)).status_code == 404


async def test_what_is_refused_to_a_reviewer_stands_in_the_log(browser: Browser, desk: Desk) -> None:
    """A foreign client, an unknown one, a page of another role; the client's own reviewer sees the first."""
    handle = await handle_for(browser, "tarkastaja", MOONA)
    await browser.sign_in(name="naapuri")
    await browser.get(f"/clients/{handle}")
    await browser.get("/clients/" + "0" * 32)
    await browser.sign_in(name="lokinlukija")
    await browser.get("/consents")
    refused = [each for each in entries(desk) if each.get("act") == "refuse-review"]
    assert [(each["rules"], each.get("client")) for each in refused] == [
        ("foreign-client", handle), ("unknown-client", None), ("role", None),
    ]  # fmt: skip
    await browser.sign_in(name="tarkastaja")
    found = await browser.post("/log", kind="denied", reason="supervision")
    assert "foreign-client" in found.text
    assert "unknown-client" not in found.text


def test_every_page_of_a_client_goes_through_the_one_check() -> None:
    """No route with a client in its address was forgotten by the tests here."""
    modules = (client_pages, export_pages, list_pages, log_pages, question_pages, service_pages, sign_in_pages)
    paths = {str(getattr(route, "path", "")) for module in modules for route in module.router.routes}
    tested = {f"/clients/{{handle}}{part}" for part in (*PARTS, "/identity", "/permission")}
    assert {path for path in paths if "{handle}" in path} == tested


@pytest.mark.parametrize("what", ["client", "receipt", "log-copy"])
async def test_no_file_of_a_foreign_client_is_given(browser: Browser, what: str) -> None:
    """Exports check the client as pages do."""
    handle = await handle_for(browser, "tarkastaja", MOONA)
    await browser.sign_in(name="naapuri")
    answer = await browser.post("/exports", what=what, format="json", client=handle, requester="client", consent="x")
    assert answer.status_code == 404


async def test_lists_and_searches_hold_own_clients_only(browser: Browser) -> None:
    """Work list, consents, search by code and by name."""
    for name, own, foreign in (("tarkastaja", "Tuulispää", KAINO), ("naapuri", "Perämaa", MOONA)):
        await browser.sign_in(name=name)
        for page in ("/", "/consents"):
            assert names_of((await browser.get(page)).text) <= {own}, page
        assert names_of((await browser.get("/consents")).text) == {own}
        assert "ei ole tietoja" in (await browser.post("/clients/_search", client=foreign)).text
        assert "ei ole tietoja" in (await browser.post("/clients/_search", client="tuulispää perämaa")).text


async def test_a_foreign_finding_is_missing(browser: Browser, desk: Desk) -> None:
    """Notes are fastened to findings; those of another controller are neither read nor written."""
    desk.clock.set("2024-09-01T12:00:00+03:00")
    await browser.sign_in(name="naapuri")
    keys = re.findall(r"/review/findings/([0-9a-f]{32})", (await browser.get("/")).text)
    assert keys
    await browser.sign_in(name="tarkastaja")
    assert (await browser.get(f"/findings/{keys[0]}")).status_code == 404
    assert (await browser.post(f"/findings/{keys[0]}", state="reviewed")).status_code == 404


async def test_log_and_breach_search_hold_own_entries_only(browser: Browser, desk: Desk) -> None:
    """By controller, by record, by client; also for auditors and in files."""
    handle = await handle_for(browser, "naapuri", KAINO)
    span = {"since": "2023-11-01T00:00", "until": "2023-12-31T00:00"}
    theirs = await browser.post("/breach", **span)
    assert handle in theirs.text
    for name in ("tarkastaja", "lokinlukija"):
        await browser.sign_in(name=name)
        page = await browser.post("/log", client=handle, reason="supervision")
        assert "Löytyi 0" in page.text
        assert OTHER_COUNTY not in (await browser.post("/log", kind="decision", reason="supervision")).text
        answer = await browser.post("/exports", what="log", format="json", reason="supervision", kind="decision")
        if answer.headers["content-type"] == "application/zip":
            listed = zipfile.ZipFile(io.BytesIO(answer.content)).read("kykysilta-log.json").decode()
            assert OTHER_COUNTY not in listed
    await browser.sign_in(name="tarkastaja")
    assert handle not in (await browser.post("/breach", **span)).text


async def test_an_account_without_controllers_sees_nobody_and_is_told_so(browser: Browser) -> None:
    """None by default: no client, no consent, no entry of a client, and a sentence that says what to do."""
    await browser.sign_in(name="uusi")
    home = (await browser.get("/")).text
    assert names_of(home) == set()
    assert "ei ole liitetty yhtään rekisterinpitäjää" in home
    assert "Löytyi 0" in (await browser.get("/consents")).text
    assert "ei ole tietoja" in (await browser.post("/clients/_search", client=MOONA)).text
    assert "Löytyi 0" in (await browser.post("/log", kind="decision", reason="supervision")).text


async def test_a_change_of_controllers_holds_at_once(browser: Browser, desk: Desk) -> None:
    """The session ends, and the next one sees only what is left."""
    await browser.sign_in()
    path = await browser.open_moona()
    with desk.database.transaction() as connection:
        change_account(connection, "tarkastaja", custodian_values([]), desk.clock.now, "account-custodians")
    assert (await browser.get(path)).url.path.endswith("/sign-in")
    await browser.sign_in()
    assert (await browser.get(path)).status_code == 404


def test_records_of_another_controller_of_the_same_client_stay_hidden(desk: Desk) -> None:
    """The county has one record of Moona; the city's health checks are not shown to its reviewer."""
    city, county, both = seen(desk, MOONA, CITY), seen(desk, MOONA, COUNTY), seen(desk, MOONA, CITY, COUNTY)
    assert city is not None
    assert county is not None
    assert both is not None
    assert {one.custodian for one in city.kept} == {CITY}
    assert {one.custodian for one in county.kept if one.record_type not in ("consent", "team")} == {COUNTY}
    assert len(both.kept) == 13
    assert seen(desk, MOONA, OTHER_COUNTY) is None


def test_hidden_consents_still_decide(desk: Desk) -> None:
    """What the engine is asked with is the same for every reviewer: a hidden refusal is not forgotten."""
    county, both = seen(desk, MOONA, COUNTY), seen(desk, MOONA, CITY, COUNTY)
    assert county is not None
    assert both is not None
    assert {kept.id for kept, _ in county.all_consents} == {kept.id for kept, _ in both.all_consents}
    assert county.consents == ()
    assert json.dumps([kept.record_type for kept in county.beside]).count("consent") == 2
