"""Every route of the pages is classified by the door through which a client's data come; closed, it shows nothing."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import httpx
import pytest
from starlette.routing import Mount

from adapter.review import files
from adapter.review.log import Reach
from adapter.review.makers import MAKERS, ONE_CLIENT
from tests.review.conftest import BASE, MOONA, Browser, Desk

pytestmark = pytest.mark.anyio
NAME, FILE, LOG, NOTHING = "Tuulispää", "records on file", "entries of the log", "no client's data"
SPAN = {"since": "2021-08-01T00:00", "until": "2022-12-31T00:00"}
DAY = {"reason": "supervision", "since": "2021-09-01", "until": "2021-09-01"}
"""When Moona's records were taken in."""


class Call(NamedTuple):
    """One way to ask a route: its address, and the fields of its form; `{…}` stands for something of Moona's."""

    path: str
    fields: Mapping[str, str] = {}


class Page(NamedTuple):
    """A route: through which door a client's data come to its answer, and how they could be had by it."""

    door: str
    calls: tuple[Call, ...] = ()


def of_client(part: str, *queries: str) -> Page:
    """A page about one client."""
    return Page(FILE, tuple(Call(f"/clients/{{moona}}{part}{query}") for query in queries or ("",)))


MADE: dict[str, tuple[str, Mapping[str, str]]] = {
    "consents": (FILE, {}),
    "log": (LOG, DAY),
    "breach": (LOG, SPAN),
    "client": (FILE, {"client": "{moona}"}),
    "receipt": (FILE, {"client": "{moona}", "consent": "x"}),
    "log-copy": (FILE, {"client": "{moona}", "requester": "client"}),
    "record": (NOTHING, {}),
    "facts": (NOTHING, {}),
}
"""What can be taken along, the door of its data, and the fields that ask for it."""

UNNAMED = {("POST", "/exports", list(MADE).index(what)) for what in ("receipt", "record", "facts")}
"""Files that are about nobody, and one that is not to be had: she has withdrawn no consent."""

PAGES: dict[tuple[str, str], Page] = {
    ("POST", "/clients/_search"): Page(FILE, (Call("", {"client": MOONA}), Call("", {"client": "tuulispää"}))),
    ("GET", "/clients/{handle}"): of_client(""),
    ("POST", "/clients/{handle}/identity"): of_client("/identity"),
    ("POST", "/clients/{handle}/permission"): Page(FILE, (Call("/clients/{moona}/permission", {"status": "given"}),)),
    ("GET", "/clients/{handle}/seen"): of_client("/seen", "", "?class=health-check"),
    ("GET", "/clients/{handle}/matrix"): of_client("/matrix", "?class=health-check"),
    ("GET", "/clients/{handle}/explain"): of_client("/explain"),
    ("GET", "/clients/{handle}/withdrawal"): of_client("/withdrawal"),
    ("GET", "/clients/{handle}/draft"): of_client("/draft"),
    ("GET", "/clients/{handle}/log-copy"): of_client("/log-copy"),
    ("GET", "/"): Page(FILE, (Call("/"),)),
    ("GET", "/findings/{key}"): Page(FILE, (Call("/findings/{finding}"),)),
    ("POST", "/findings/{key}"): Page(FILE, (Call("/findings/{finding}", {"state": "reviewed"}),)),
    ("GET", "/consents"): Page(FILE, (Call("/consents"),)),
    ("POST", "/consents"): Page(FILE, (Call("/consents"),)),
    ("POST", "/log"): Page(LOG, (Call("/log", DAY),)),
    ("POST", "/breach"): Page(LOG, (Call("/breach", SPAN),)),
    ("POST", "/exports"): Page(FILE, tuple(Call("/exports", {"what": name} | dict(MADE[name][1])) for name in MADE)),
    # What waits was asked for by the fields that `POST /exports` takes, and is made again by the same makers.
    ("POST", "/exports/{name}/file"): Page(FILE),
    ("GET", "/exports"): Page(NOTHING),
    ("POST", "/exports/{name}/approve"): Page(NOTHING),
    ("POST", "/consents/filters"): Page(NOTHING),
    ("GET", "/log"): Page(NOTHING),
    ("GET", "/breach"): Page(NOTHING),
    ("GET", "/record"): Page(NOTHING),
    ("GET", "/facts"): Page(NOTHING),
    ("GET", "/health"): Page(NOTHING),
    ("GET", "/accessibility"): Page(NOTHING),
    ("GET", "/session"): Page(NOTHING),
    ("GET", "/static/{name}"): Page(NOTHING),
    ("GET", "/sign-in"): Page(NOTHING),
    ("POST", "/sign-in"): Page(NOTHING),
    ("POST", "/sign-out"): Page(NOTHING),
    ("GET", "/openid/start"): Page(NOTHING),
    ("GET", "/openid/callback"): Page(NOTHING),
}
"""Every route of the pages."""


def routes_of(desk: Desk) -> set[tuple[str, str]]:
    """Method and path of every route of the pages."""

    def walked(routes: Iterable[Any]) -> Iterable[tuple[str, str]]:
        for route in routes:
            if hasattr(route, "original_router"):
                yield from walked(route.original_router.routes)
            else:
                yield from ((method, route.path) for method in route.methods)

    (pages,) = [one for one in desk.app.routes if isinstance(one, Mount)]
    return set(walked(pages.routes))


def test_every_route_is_classified(desk: Desk) -> None:
    """A new page needs a row here that says through which door its data come; so does a new file."""
    assert routes_of(desk) == PAGES.keys()
    assert MADE.keys() == MAKERS.keys()


async def moonas(browser: Browser, desk: Desk) -> dict[str, str]:
    """What stands in addresses: Moona's pseudonym and a finding about her, got by who may see her."""
    desk.clock.set("2022-09-01T12:00:00+03:00")
    await browser.sign_in()
    handle = (await browser.open_moona()).rpartition("/")[2]
    (finding, *_) = re.findall(r"/review/findings/([0-9a-f]{32})", (await browser.get("/")).text)
    return {"moona": handle, "finding": finding}


async def asked(browser: Browser, method: str, path: str, call: Call, known: Mapping[str, str]) -> httpx.Response:
    """The answer to a call."""
    address = f"{BASE}{(call.path or path).format(**known)}"
    fields = {name: value.format(**known) for name, value in call.fields.items()}
    if method == "GET":
        return await browser.client.get(address)
    return await browser.client.post(address, data={"form_token": browser.token, "format": "csv"} | fields)


def shows(answer: httpx.Response, known: Mapping[str, str]) -> bool:
    """Say whether a page names Moona or leads to her, or a file is about her or holds her pseudonym."""
    if answer.headers.get("content-type") == "application/zip":
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        about_one = any(f"kykysilta-{what}.zip" in answer.headers["content-disposition"] for what in ONE_CLIENT)
        return about_one or any(known["moona"].encode() in archive.read(name) for name in archive.namelist())
    repeats_address = answer.status_code in (403, 404)
    marks = (NAME,) if repeats_address else (NAME, f"client: {known['moona']}", f"/{known['moona']}/seen")
    return any(mark in answer.text for mark in marks)


async def answers(browser: Browser, known: Mapping[str, str], *doors: str) -> dict[tuple[str, str, int], bool]:
    """Say of every call to routes of these doors whether its answer shows Moona's data."""
    return {
        (method, path, number): shows(await asked(browser, method, path, call, known), known)
        for (method, path), page in PAGES.items()
        if page.door in doors
        for number, call in enumerate(page.calls)
    }


async def test_who_keeps_no_register_of_hers_sees_nothing_by_any_route(browser: Browser, desk: Desk) -> None:
    """Another controller's reviewer, who knows every address."""
    known = await moonas(browser, desk)
    await browser.sign_in(name="naapuri")
    seen = await answers(browser, known, FILE, LOG)
    assert [call for call, shown in seen.items() if shown] == []


async def test_each_route_shows_data_through_its_door_alone(
    browser: Browser, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Her controller's reviewer sees her by every route, and by none of a door that is closed."""
    known = await moonas(browser, desk)
    own = await answers(browser, known, FILE, LOG)
    assert {call for call, shown in own.items() if not shown} == UNNAMED
    monkeypatch.setattr(files, "keeps_register", lambda *_: False)
    desk.clock.now += 61  # the work list is worked out anew after a minute
    through_file = await answers(browser, known, FILE)
    assert [call for call, shown in through_file.items() if shown and call[1] != "/exports"] == []
    monkeypatch.setattr(Reach, "shows", lambda *_: False)
    assert not any((await answers(browser, known, FILE, LOG)).values())


async def test_pages_about_the_service_name_no_client(browser: Browser, desk: Desk) -> None:
    """What is classified as holding no client's data does not."""
    known = await moonas(browser, desk)
    for (method, path), page in PAGES.items():
        if page.door == NOTHING and method == "GET" and "{" not in path:
            assert not shows(await browser.get(path), known), path
