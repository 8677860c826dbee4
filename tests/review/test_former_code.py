"""A client who got another code is one client on the pages: found by each code, with all records, consents and log."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest

from adapter.audit import persons
from adapter.data import data_root
from adapter.pipeline import Sender
from tests.review.conftest import KAINOS_YEAR, Browser, Desk

pytestmark = pytest.mark.anyio
FOLDER = data_root() / "fixtures" / "scenarios" / "SCN-6-tyossa-kayva" / "records"
CODE, FORMER = "231188-907N", "231188-9236"
NAME, LAST_DAY = "Ilma Sointu Lehtokari", "24.4.2023"
IN_THIS_ORDER = ("01-client", "02-functional-assessment", "04-functional-assessment", "03-client-v2", "05-consent")
"""The code is used before the client's record tells it: for a while there are two clients."""


@pytest.fixture
def joined(desk: Desk) -> Desk:
    """The pages with the records of such a client."""
    desk.clock.now = KAINOS_YEAR
    for name in IN_THIS_ORDER:
        desk.line.accept((FOLDER / f"{name}.json").read_bytes(), sender=Sender("ehr"))
    return desk


async def test_every_code_opens_the_same_client(browser: Browser, joined: Desk) -> None:
    """Present and former code lead to one page, with the consent given under the present one."""
    await browser.sign_in("naapuri")
    answers = [await browser.post("/clients/_search", client=code) for code in (CODE, FORMER)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({str(answer.url) for answer in answers}) == 1
    assert NAME in answers[0].text
    assert LAST_DAY in answers[0].text


async def test_a_former_pseudonym_leads_to_the_client_and_to_all_entries(browser: Browser, joined: Desk) -> None:
    """Who kept an address, or a pseudonym from an export, finds the client, and the log under the present pseudonym."""
    with joined.database.reading() as connection:
        ((before, present),) = persons.former(connection).items()
    await browser.sign_in("naapuri")
    assert NAME in (await browser.get(f"/clients/{before}")).text
    found = await browser.post("/log", client=before, reason="supervision")
    assert len(re.findall(present, found.text)) >= len(IN_THIS_ORDER)
    assert before not in re.sub(r'value="[^"]*"', "", found.text)


async def test_every_page_and_copy_reads_all_pseudonyms(browser: Browser, joined: Desk) -> None:
    """By the former pseudonym in the address as by the present one: handling, lines to tell, the client's copy."""
    with joined.database.reading() as connection:
        ((before, present),) = persons.former(connection).items()
    await browser.sign_in("naapuri")
    for part, row in (("seen", "<tr>"), ("log-copy", "<select name=")):
        pages = [(await browser.get(f"/clients/{one}/{part}")).text for one in (present, before)]
        counts = [page.count(f"{row}") for page in pages]
        assert counts[0] >= len(IN_THIS_ORDER)
        assert 0 <= counts[1] - counts[0] <= 1  # the look before is an entry of its own
    fields = {"what": "log-copy", "format": "json", "requester": "client"}
    given = [await browser.post("/exports", client=one, **fields) for one in (present, before)]
    copies = [json.loads(zipfile.ZipFile(io.BytesIO(one.content)).read("kykysilta-log-copy.json")) for one in given]
    lines = [len(copy["tables"][0]["rows"]) for copy in copies]
    assert lines[0] >= len(IN_THIS_ORDER)
    assert lines[1] >= lines[0]
