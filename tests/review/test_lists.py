"""Work list, consents, log and exports over all clients."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import datetime

import pytest

from adapter.i18n import LANGUAGES, catalogue
from adapter.review.consents import Filters, fitting, rows_of
from adapter.review.exports import as_csv
from adapter.review.files import ClientFile, Kept, lane_of, read_file
from adapter.review.findings import QUERIES
from adapter.review.timeline import Span, as_day, picture
from adapter.store.tables import audit_entry
from adapter.types import Resource
from tests.review.conftest import CUSTODIANS, ID_KEY, MOONA, Browser, Desk

pytestmark = pytest.mark.anyio
DURING, BEFORE_END, AFTER = "2021-09-01", "2022-07-20", "2022-09-01"


def moment(day: str) -> float:
    """Noon of a day."""
    return datetime.fromisoformat(f"{day}T12:00:00+03:00").timestamp()


@pytest.fixture
def moona(desk: Desk) -> ClientFile:
    """Moona's whole file."""
    with desk.database.reading() as connection:
        found = read_file(connection, desk.cipher, lane_of(ID_KEY, MOONA), frozenset(CUSTODIANS))
    assert found is not None
    return found


def found(query: str, file: ClientFile, day: str) -> list[str]:
    """What a saved query finds in a file as it was on a day."""
    return list(QUERIES[query](file.at(moment(day)), moment(day), "fi"))


def without(file: ClientFile, record_type: str) -> ClientFile:
    """The file without records of a type."""
    return ClientFile(tuple(one for one in file.kept if one.record_type != record_type))


def changed(file: ClientFile, key: str) -> ClientFile:
    """The file with an element taken out of every consent."""

    def each() -> Iterator[Kept]:
        for one in file.kept:
            bundle: Resource = deepcopy(one.bundle)
            for entry in bundle["entry"]:
                if entry["resource"]["resourceType"] == "Consent":
                    entry["resource"].pop(key, None)
            yield replace(one, bundle=bundle)

    return ClientFile(tuple(each()))


def test_a_member_whom_no_consent_covers_is_found(moona: ClientFile) -> None:
    """All six when no consent is on file, none while the network's consent is in force."""
    assert found("member-not-covered", moona, DURING) == []
    assert len(found("member-not-covered", without(moona, "consent"), DURING)) == 6


def test_an_expired_consent_that_is_still_active_is_found(moona: ClientFile) -> None:
    """Both consents of Moona run out and stay active."""
    assert found("consent-expired", moona, DURING) == []
    assert len(found("consent-expired", moona, AFTER)) == 2


def test_a_consent_that_ends_soon_is_found(moona: ClientFile) -> None:
    """Within thirty days of its end, not before."""
    assert found("consent-expiring", moona, DURING) == []
    assert len(found("consent-expiring", moona, BEFORE_END)) == 1


def test_a_consent_without_evidence_is_found(moona: ClientFile) -> None:
    """The signed form is what counts."""
    assert found("no-evidence", moona, DURING) == []
    assert len(found("no-evidence", changed(moona, "sourceAttachment"), DURING)) == 1


def test_a_team_without_a_consent_is_found(moona: ClientFile) -> None:
    """An active team whose consent has run out."""
    assert found("team-without-consent", moona, DURING) == []
    assert found("team-without-consent", moona, AFTER) == ["Monialainen verkosto, TYP Esimerkkilä"]


def test_two_like_consents_in_force_are_found(moona: ClientFile) -> None:
    """A copy under another record would survive the withdrawal of the first."""
    copies = tuple(replace(one, id=one.id + "2", record=("ehr", one.id)) for one in moona.kept)
    assert found("duplicate", moona, DURING) == []
    assert len(found("duplicate", ClientFile(moona.kept + copies), DURING)) == 2


@pytest.mark.parametrize(
    ("filters", "day", "count"),
    [
        (Filters(), DURING, 2),
        (Filters(state="in-force"), DURING, 2),
        (Filters(state="in-force"), AFTER, 0),
        (Filters(state="expiring"), BEFORE_END, 1),
        (Filters(state="expired"), AFTER, 2),
        (Filters(state="withdrawn"), DURING, 0),
        (Filters(state="no-evidence"), DURING, 0),
        (Filters(recipient="te-toimisto"), DURING, 1),
        (Filters(data_class="työkyvyn tuen suunnitelma"), DURING, 1),
        (Filters(purpose="palvelujen koordinointi"), DURING, 1),
        (Filters(state="nonsense"), DURING, 0),
    ],
)
def test_consents_are_filtered(moona: ClientFile, filters: Filters, day: str, count: int) -> None:
    """By state, recipient, class and purpose."""
    rows = rows_of(moona, moment(day), "fi")
    assert len(fitting(rows, filters, datetime.fromisoformat(day).date())) == count


async def test_the_list_leads_to_the_client(browser: Browser) -> None:
    """Filtered by a form in the body; the address holds no filter."""
    await browser.sign_in()
    answer = await browser.post("/consents", recipient="TE-toimisto")
    assert "Löytyi 1" in answer.text
    assert "TE-toimisto" not in str(answer.url)
    assert "Moona" in answer.text


async def test_the_log_is_searched_by_client_kind_and_time(browser: Browser) -> None:
    """Whose, what and when; the reviewer's own acts are there too."""
    await browser.sign_in()
    handle = (await browser.open_moona()).rpartition("/")[2]
    hers = await browser.post("/log", client=handle, kind="decision", since="2021-09-01", until="2021-09-01")
    assert "Löytyi 13" in hers.text
    assert "Löytyi 0" in (await browser.post("/log", client="f" * 32)).text
    assert "Löytyi 0" in (await browser.post("/log", until="2021-08-31")).text
    assert "open-client" in (await browser.post("/log", kind="review", client=handle)).text


async def test_the_log_is_exported_as_csv_and_json(browser: Browser) -> None:
    """The same rows in both forms, as files whose names tell nothing."""
    await browser.sign_in()
    table = await browser.post("/log", kind="decision", format="csv")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    listed = json.loads((await browser.post("/log", kind="decision", format="json")).content)
    assert len(rows) == len(listed) == 13
    assert table.headers["content-disposition"] == 'attachment; filename="kykysilta-log.csv"'


async def test_a_clients_consents_are_exported(browser: Browser) -> None:
    """Every version of every consent, without the identity code."""
    await browser.sign_in()
    answer = await browser.post(f"{await browser.open_moona()}/export", format="json")
    assert [row["kind"] for row in json.loads(answer.content)] == ["consent", "consent"]
    assert MOONA not in answer.text


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "\n=1"])
def test_a_formula_in_a_cell_becomes_text(cell: str) -> None:
    """A spreadsheet shows it and does not run it."""
    (row,) = csv.DictReader(io.StringIO(as_csv([{"a": cell}], ["a"]).decode("utf-8-sig"), newline=""))
    assert row["a"] == f"'{cell}"


async def test_a_broken_chain_is_said_on_the_first_page(browser: Browser, desk: Desk) -> None:
    """The log is checked when the page is shown."""
    await browser.sign_in()
    assert "se on ehjä" in (await browser.get("/")).text
    with desk.database.transaction() as connection:
        connection.execute(audit_entry.update().where(audit_entry.c.seq == 2).values(at=0.0))
    assert "ei täsmää kohdasta 2" in (await browser.get("/")).text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_speaks_three_languages(browser: Browser, language: str) -> None:
    """The language of the page is declared, and every text of the pages exists in it."""
    await browser.sign_in()
    path = await browser.open_moona()
    for page in ("/", "/consents", "/log", path, f"{path}/matrix", f"{path}/explain", f"{path}/withdrawal"):
        answer = await browser.get(page, lang=language)
        assert answer.status_code == 200
        assert f'<html lang="{language}">' in answer.text
    assert all(language in message.texts for message in catalogue("review").values())


def test_a_picture_keeps_its_bars_inside() -> None:
    """Every bar lies in the view box, in order; nothing gives no picture."""
    today = datetime(2021, 9, 1).date()
    spans = [Span("consent", "a", as_day("2020") or today, None, ""), Span("member", "b", today, today, "")]
    drawn = picture(spans, today)
    assert drawn is not None
    assert all(bar.x >= 0 and bar.x + bar.width <= drawn.width for bar in drawn.bars)
    assert drawn.years[0][1] == 2021
    assert picture([], today) is None
