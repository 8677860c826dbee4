"""Look-ups among one's own are found by the names in the records, and by the staff register when there is one."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from adapter.pipeline import Sender
from adapter.review import review_app
from adapter.review.kin import StaffRegisterError, staff_register
from adapter.settings import Settings
from tests.review.conftest import BASE, ID_KEY, Browser, Desk, kainos, moonas

pytestmark = pytest.mark.anyio
SYSTEM, NUMBER = "urn:oid:1.2.246.537.26", "90000000999"
HEADER = "system,id,name,street,postal_code\n"


def looks(desk: Desk, name: str, *, of_kaino: bool = False) -> None:
    """A professional of this name writes a new version of a record."""
    path = next(one for one in (kainos() if of_kaino else moonas()) if one.name.startswith("01-"))
    record = json.loads(path.read_bytes())
    record |= {"record_id": "written-at-home", "recorded_by": {"id": NUMBER, "system": SYSTEM, "name": name}}
    desk.line.accept(json.dumps(record).encode(), sender=Sender("ehr"))


def with_staff(desk: Desk, path: Path) -> None:
    """Mount the pages anew with a staff register."""
    settings = Settings(demo=True, staff_register=path)
    pages = review_app(desk.database, desk.cipher, id_key=ID_KEY, settings=settings, clock=desk.clock)
    fresh = FastAPI()
    fresh.mount(BASE, pages)
    desk.app.router.routes[:] = fresh.router.routes


async def hits(browser: Browser, kind: str) -> str:
    """What the log search says of a kind."""
    answer: httpx.Response = await browser.post("/log", kind=kind, reason="suspicion")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("name", "of_kaino", "found"),
    [
        ("Teppo Tuulispää", False, 1),
        ("TEPPO VIRTA-TUULISPÄÄ", False, 1),
        ("Tuulispää Virtanen", False, 0),
        ("Teppo Pää", False, 0),
        ("Veera Lind", True, 1),
        ("Veera Lindholm", True, 0),
    ],
)
async def test_who_bears_a_family_name_of_the_client_or_of_somebody_close(
    browser: Browser, desk: Desk, name: str, of_kaino: bool, found: int
) -> None:
    """Kaino Perämaa's sister is Aura Perämaa-Lind; every part of a double name counts, parts of a word do not."""
    looks(desk, name, of_kaino=of_kaino)
    await browser.sign_in(name="kaikki")
    page = await hits(browser, "own-family")
    assert f"Löytyi {found}" in page
    assert (f"<td>{name}</td>" in page) == bool(found)
    assert "Löytyi 0" in await hits(browser, "same-address")


async def test_who_lives_at_the_clients_address(browser: Browser, desk: Desk, tmp_path: Path) -> None:
    """By the staff register, however the street is written; it is read anew for each search."""
    register = tmp_path / "staff.csv"
    register.write_text(f'\ufeff{HEADER}{SYSTEM},{NUMBER},Outi Muu,"puistokatu  7 a 3",00904\n', encoding="utf-8")
    looks(desk, "Outi Muu")
    with_staff(desk, register)
    await browser.sign_in()
    page = await hits(browser, "same-address")
    assert "Löytyi 1" in page
    assert "<td>Outi Muu</td>" in page
    assert "Löytyi 0" in await hits(browser, "own-family")
    register.write_text(f"{HEADER}{SYSTEM},{NUMBER},Outi Tuulispää,Puistokatu 7 A 4,00904\n", encoding="utf-8")
    assert "Löytyi 0" in await hits(browser, "same-address")
    assert "Löytyi 1" in await hits(browser, "own-family")
    answer = await browser.post("/exports", what="log", format="json", kind="own-family", reason="suspicion")
    listed = json.loads(zipfile.ZipFile(io.BytesIO(answer.content)).read("kykysilta-log.json"))
    assert len(listed["tables"][0]["rows"]) == 1


async def test_only_reviewers_ask_and_only_of_their_clients(browser: Browser, desk: Desk) -> None:
    """An auditor sees no family, another controller's reviewer no hit."""
    looks(desk, "Teppo Tuulispää")
    await browser.sign_in(name="naapuri")
    assert "Löytyi 0" in await hits(browser, "own-family")
    await browser.sign_in(name="lokinlukija")
    assert (await browser.post("/log", kind="own-family", reason="suspicion")).status_code == 403
    assert "own-family" not in (await browser.get("/log")).text


async def test_a_register_that_cannot_be_read_is_told(browser: Browser, desk: Desk, tmp_path: Path) -> None:
    """With the columns that it must have; nobody is found for want of a register without being told so."""
    register = tmp_path / "staff.csv"
    for content in (b"name\nx\n", b"\xff\xfe", f"{HEADER}only,two\n".encode()):
        register.write_bytes(content)
        with pytest.raises(StaffRegisterError, match="postal_code"):
            staff_register(register)
    assert staff_register(None) == {}
    with_staff(desk, register)
    await browser.sign_in()
    answer = await browser.post("/log", kind="same-address", reason="suspicion")
    assert answer.status_code == 409
    assert "postal_code" in answer.text
