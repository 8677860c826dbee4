"""Somebody signed in, or whose browser is: no form of another site, no client of others, nothing that is run."""

from __future__ import annotations

import csv
import html
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapter.api.app import create_app
from adapter.audit.sheets import Table
from adapter.delivery import Repository
from adapter.pipeline import Line
from adapter.review import review_app
from adapter.review.exports import as_csv
from adapter.serve import in_background, load_settings
from adapter.store import Cipher, Database
from tests.attacks.test_pages import SCRIPT, WRITING, harmless
from tests.review.conftest import ID_KEY, MOONA, PASSWORD, Clock, prepared

__all__ = ["prepared"]

LOOKS = {"audit_entry": range(1, 4)}
"""Whoever looks stands in the log."""

FOREIGN = ("", "/seen", "/matrix", "/explain", "/withdrawal", "/draft", "/log-copy")


class Person:
    """Somebody with a browser.

    Args:
        name: of the account.
    """

    def __init__(self, url: str, name: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=30, headers={"Accept-Language": "fi"})
        page = self.http.post("/review/sign-in", data={"name": name, "password": PASSWORD})
        found = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert found, page.text[:300]
        self.form_token = html.unescape(found[1])

    def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of the pages."""
        return self.http.post(path, data={"form_token": self.form_token} | fields)


@pytest.fixture(scope="module")
def reviewing(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an adapter with the records of two clients, whose pages stand at the first of September 2021."""
    file = tmp_path_factory.mktemp("signed-in") / "k.sqlite"
    shutil.copy(prepared, file)
    database, cipher = Database(f"sqlite:///{file}"), Cipher({"one": b"k" * 32})
    line = Line(database, cipher, id_key=ID_KEY, repository=Repository("http://127.0.0.1:9/fhir"))
    app = create_app(line, workers=0)
    app.mount("/review", review_app(database, cipher, id_key=ID_KEY, settings=load_settings(demo=True), clock=Clock()))
    with in_background(app, "127.0.0.1", 0) as url:
        yield url


@pytest.fixture(scope="module")
def people(reviewing: str) -> Iterator[dict[str, Person]]:
    """A reviewer of Moona's controllers, a colleague, one of another county, and an auditor."""
    found = {name: Person(reviewing, name) for name in ("tarkastaja", "kollega", "naapuri", "lokinlukija")}
    yield found
    for one in found.values():
        one.http.close()


@pytest.fixture(scope="module")
def moona(people: dict[str, Person]) -> str:
    """Path of Moona's page."""
    path = people["tarkastaja"].post("/review/clients/_search", client=MOONA).url.path
    assert path.startswith("/review/clients/")
    return path


@pytest.mark.parametrize("token", ["none", "empty", "guessed", "a colleague's"])
@pytest.mark.parametrize("path", [*WRITING, "/review/sign-out"], ids=lambda path: path[8:40])
def test_a_form_of_another_site_does_nothing(people: dict[str, Person], moona: str, path: str, token: str) -> None:
    """403 with the victim's own session, as long as the form's token is not this session's."""
    path = path.replace(f"/review/clients/{'0' * 32}", moona)
    given = {"empty": "", "guessed": "x" * 43, "a colleague's": people["kollega"].form_token}.get(token)
    fields = {"reason": "supervision", "state": "reviewed", "status": "given", "what": "log", "format": "csv"}
    sent = fields | ({} if given is None else {"form_token": given})
    answer = people["tarkastaja"].http.post(path, data=sent, headers={"Origin": "https://evil.example"})
    harmless(answer, 403)


@pytest.mark.parametrize("page", FOREIGN)
@pytest.mark.parametrize(("name", "status"), [("naapuri", 404), ("lokinlukija", 403)])
def test_nobody_opens_a_client_of_others(
    people: dict[str, Person], moona: str, page: str, name: str, status: int
) -> None:
    """The page is missing for another county's reviewer, and closed to an auditor."""
    answer = people[name].http.get(f"{moona}{page}")
    harmless(answer, status)
    assert "Tuulispää" not in answer.text


@pytest.mark.parametrize(("name", "status"), [("naapuri", 404), ("lokinlukija", 403)])
@pytest.mark.parametrize("act", ["identity", "permission"])
def test_nobody_writes_about_a_client_of_others(
    people: dict[str, Person], moona: str, act: str, name: str, status: int
) -> None:
    """Neither the identity is shown nor a permission written down."""
    answer = people[name].post(f"{moona}/{act}", status="given")
    harmless(answer, status)
    assert MOONA not in answer.text


@pytest.mark.parametrize("what", ["client", "log-copy", "receipt"])
@pytest.mark.parametrize(("name", "status"), [("naapuri", 404), ("lokinlukija", 403)])
def test_nobody_takes_a_file_of_others_along(
    people: dict[str, Person], moona: str, what: str, name: str, status: int
) -> None:
    """Whatever handle stands in the form."""
    handle = moona.rpartition("/")[2]
    fields = {"what": what, "format": "json", "client": handle, "requester": "client", "consent": "x"}
    harmless(people[name].post("/review/exports", **fields), status)


HOSTILE = {
    "script": SCRIPT,
    "SQL": "' OR 1=1 --",
    "pattern": "%",
    "template": "{{7*7}}${7*7}",
    "path": "../../etc/passwd",
    "long": "a" * 20_000,
    "year 99999": "99999-01-01",
    "day that is none": "2021-02-30",
    "right to left": "\u202eabc",
    "control": "a\x01\x1b[31m",
}


@pytest.mark.stores("whoever looks stands in the log", rows=LOOKS)
@pytest.mark.parametrize("attack", HOSTILE)
@pytest.mark.parametrize("page", ["/matrix", "/explain", "/withdrawal", "/draft", "/seen"])
def test_a_hostile_question_is_answered_as_a_strange_one(
    people: dict[str, Person], moona: str, page: str, attack: str
) -> None:
    """In every field of the question at once: 200, nothing of it is run or repeated as markup."""
    value = HOSTILE[attack][:2_000]
    names = ("class", "day", "who", "recipient", "purpose", "action", "consent", "organisation", "type", "until")
    harmless(people["tarkastaja"].http.get(f"{moona}{page}", params=dict.fromkeys(names, value)), 200)


@pytest.mark.parametrize("attack", HOSTILE)
@pytest.mark.parametrize("field", ["reason", "what", "format", "client", "requester"])
def test_a_hostile_wish_for_a_file_is_refused(people: dict[str, Person], field: str, attack: str) -> None:
    """400 or 404, and no file."""
    good = {"reason": "supervision", "what": "client", "format": "csv", "client": "0" * 32, "requester": "client"}
    answer = people["tarkastaja"].post("/review/exports", **good | {field: HOSTILE[attack]})
    harmless(answer, 400 if field in ("what", "format") else 404)


@pytest.mark.stores("a note to a finding", rows={"review_note": (1,), "audit_entry": range(1, 5)})
@pytest.mark.parametrize("attack", ["script", "template", "right to left"])
def test_a_note_stays_a_text(people: dict[str, Person], attack: str) -> None:
    """What somebody wrote is shown to the others as it was written."""
    page = people["tarkastaja"].http.get("/review/").text
    finding = re.findall(r'href="(/review/findings/[^"]+)"', page)[0]
    answer = people["tarkastaja"].post(finding, state="open", text=HOSTILE[attack])
    harmless(answer, 200)
    assert HOSTILE[attack] in html.unescape(answer.text)


CELLS = {
    "equals": "=cmd|'/c calc'!A1",
    "plus": "+1+cmd|'/c calc'!A1",
    "minus": "-2+3+cmd|'/c calc'!A1",
    "at": "@SUM(1+1)",
    "tab": "\t=1+1",
    "carriage return": "\r=1+1",
    "new line": "\n=1+1",
    "blank": "  =1+1",
    "no-break space": "\u00a0=1+1",
    "byte order mark": "\ufeff=1+1",
    "invisible": "\u200b=1+1",
    "right to left": "\u202e=1+1",
    "full-width equals": "\uff1d1+1",
    "full-width plus": "\uff0b1+1",
    "full-width minus": "\uff0d1+1",
    "full-width at": "\uff20SUM(1)",
    "quote": '"=1+1',
    "row of its own": 'x"\r\n"=1+1',
}


@pytest.mark.parametrize("attack", CELLS)
def test_no_cell_is_a_formula(attack: str) -> None:
    """One that a spreadsheet might run begins with an apostrophe, in any column; none begins a row of its own."""
    cell = CELLS[attack]
    written = as_csv(Table("t", ("a", "b"), (("x", cell), (cell, "x")))).decode("utf-8-sig")
    text = cell if attack in ("quote", "row of its own") else f"'{cell}"
    assert list(csv.reader(io.StringIO(written, newline="")))[1:] == [["x", text], [text, "x"]]
