"""The pages in a real browser: stories, keyboard, 400 % zoom, forced colours, without JavaScript, no violation."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from adapter.review import review_app
from adapter.serve import in_background
from adapter.settings import Settings
from adapter.store import Cipher, Database
from tests.review.conftest import BASE, ID_KEY, PASSWORD, SIGNER, Clock

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]
WIDE, ZOOMED = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
"""320 CSS pixels are a screen of 1280 at 400 % (WCAG 1.4.10)."""

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LISTS = ("", "consents", "log", "breach", "exports", "record", "facts", "health", "accessibility")
PARTS = ("", "/seen", "/explain", "/withdrawal", "/draft", "/log-copy")


@pytest.fixture(scope="module")
def pages(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages over HTTP, on the first of September 2021."""
    copy = tmp_path_factory.mktemp("browser") / "k.sqlite"
    shutil.copy(prepared, copy)
    database, cipher = Database(f"sqlite:///{copy}"), Cipher({"one": b"k" * 32})
    settings = Settings(demo=True, four_eyes_clients=1)
    app = FastAPI()
    made = review_app(database, cipher, id_key=ID_KEY, settings=settings, signer=lambda: SIGNER, clock=Clock())
    app.mount(BASE, made)
    with in_background(app, "127.0.0.1", 0) as url:
        yield f"{url}{BASE}"
    database.close()


def window(chromium: Any, pages: str, name: str = "tarkastaja", **options: Any) -> Any:
    """A window with somebody signed in, without JavaScript unless told otherwise."""
    usual = {"viewport": WIDE, "java_script_enabled": False, "locale": "fi-FI", "accept_downloads": True}
    page = chromium.new_context(**(usual | options)).new_page()
    page.goto(f"{pages}/sign-in")
    page.get_by_label("Käyttäjätunnus").fill(name)
    page.get_by_label("Salasana").fill(PASSWORD)
    page.get_by_role("button", name="Kirjaudu sisään").click()
    page.wait_for_url(lambda address: "sign-in" not in address)  # and loaded: a key pressed earlier is lost
    return page


def ask(page: Any, question: str, data_class: str = "") -> None:
    """Fill in the form of the first page about Moona."""
    page.get_by_label("Henkilötunnus tai nimi").fill("Moona")
    page.get_by_label(question).check()
    if data_class:
        page.get_by_label("Mitä tietoja kysymys koskee?").select_option(label=data_class)
    page.get_by_role("button", name="Näytä vastaus").click()


def picture(page: Any, name: str) -> None:
    """Keep a screenshot where KYKYSILTA_SCREENSHOTS says, for people to look at."""
    folder = os.environ.get("KYKYSILTA_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"review-{name}.png"), full_page=True)


def main_of(page: Any) -> str:
    """The text of the page's main part."""
    return re.sub(r"\s+", " ", page.locator("main").inner_text())


@pytest.fixture(scope="module")
def everywhere(chromium: Any, pages: str) -> list[str]:
    """Addresses of every page, Moona's among them; the matrix last, narrowed to one class."""
    page = window(chromium, pages)
    ask(page, "Yhteenveto")
    moona = page.url.removeprefix(f"{pages}/").partition("?")[0]
    page.context.close()
    return [*LISTS, *(f"{moona}{part}" for part in PARTS), f"{moona}/matrix?class=substance-use"]


@pytest.mark.parametrize(("language", "scheme"), [("fi", "light"), ("sv", "dark"), ("en", "light")])
def test_no_accessibility_violation(
    chromium: Any, pages: str, everywhere: list[str], language: str, scheme: str
) -> None:
    """WCAG 2.2 A and AA by axe-core, on every page, in every language, light and dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install .[clients]").Axe()
    rules = {"runOnly": {"type": "tag", "values": TAGS}}
    page = window(chromium, pages, java_script_enabled=True, color_scheme=scheme, bypass_csp=True)
    for path in everywhere:
        page.goto(f"{pages}/{path}{'&' if '?' in path else '?'}lang={language}")
        found = axe.run(page, options=rules).response["violations"]
        assert [(path, one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
        picture(page, f"{path.partition('?')[0].rpartition('/')[2] or 'home'}-{language}")
    page.context.close()


def test_at_400_percent_only_tables_scroll_sideways(chromium: Any, pages: str, everywhere: list[str]) -> None:
    """The page itself never does (WCAG 1.4.10)."""
    page = window(chromium, pages, viewport=ZOOMED, java_script_enabled=True)
    for path in everywhere:
        page.goto(f"{pages}/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= ZOOMED["width"], path
        picture(page, f"{path.partition('?')[0].rpartition('/')[2] or 'home'}-zoomed")
    page.context.close()


def test_forced_colours_keep_words_and_pictures(chromium: Any, pages: str, everywhere: list[str]) -> None:
    """With the reader's own colours the cells of the picture still have borders and signs."""
    page = window(chromium, pages, forced_colors="active", java_script_enabled=True)
    page.goto(f"{pages}/{everywhere[-1]}")
    style = "getComputedStyle(document.querySelector('.grid rect'))"
    assert page.evaluate(f"{style}.stroke") == page.evaluate("getComputedStyle(document.body).color")
    assert page.evaluate("document.querySelectorAll('.grid .sign').length") == page.locator(".grid rect").count()
    picture(page, "forced-colours")
    page.context.close()


def test_three_questions_of_a_newcomer(chromium: Any, pages: str) -> None:
    """One form on the first page each: who saw it and why, who in the team may not, what the withdrawal changes."""
    page = window(chromium, pages)
    ask(page, "Kuka on nähnyt tietoja ja miksi?", "päihdetieto")
    assert "Tietoja ei ole luovutettu kenellekään tämän palvelun kautta." in main_of(page)
    page.goto(f"{pages}/")
    ask(page, "Kuka saa ja kuka ei saa nähdä tietoja?", "päihdetieto")
    assert "Ei saa nähdä (6): Riitta Aholainen, Lauri Kivikoski, Hanna Pihlajisto" in main_of(page)
    page.get_by_role("link", name=re.compile("Ei saa nähdä ?: Kirsi Ojalehto, päihdetieto")).click()
    assert "Tietoja ei saa luovuttaa." in main_of(page)
    page.goto(f"{pages}/")
    ask(page, "Mitä tapahtuu, jos suostumus perutaan?")
    wanted = page.locator("#consent option", has_text="20.7.2021: Esimerkkilän TE-toimisto")
    page.get_by_label("Suostumus", exact=True).select_option(wanted.get_attribute("value"))
    page.get_by_role("button", name="Näytä").click()
    said = main_of(page)
    assert "Seuraavat eivät enää näkisi näitä tietoja: Esimerkkilän TE-toimisto: " in said
    assert "terveystarkastuksen tulos" in said
    picture(page, "withdrawal-answer")
    page.context.close()


def test_a_question_is_asked_by_keyboard_alone(chromium: Any, pages: str) -> None:
    """Skip link, field, radio button, list, button: without a mouse and without a script."""
    page = window(chromium, pages)
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("href") == "#content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Moona")
    for key in ("Tab", "ArrowDown", "ArrowDown", "Tab", "p", "Tab", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/matrix?class=*")
    assert "Kuka saa nähdä mitä: Moona Emilia Tuulispää" in main_of(page)
    page.context.close()


def test_the_script_only_refines(chromium: Any, pages: str) -> None:
    """With it the answer changes in place under the same strict policy; nothing of the page is kept but its address."""
    page = window(chromium, pages, java_script_enabled=True)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    ask(page, "Kuka saa ja kuka ei saa nähdä tietoja?")
    address = page.url
    page.get_by_label("Tietoryhmä", exact=True).select_option(label="päihdetieto")
    page.get_by_role("button", name="Näytä").click()
    page.get_by_text("Ei saa nähdä (6)").wait_for()
    assert page.url == address
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("Object.values(sessionStorage)") == [f"{BASE}/{page.url.removeprefix(f'{pages}/')}"]
    assert complaints == []
    page.context.close()


def test_a_large_file_is_approved_by_a_second_reviewer(chromium: Any, pages: str) -> None:
    """Asked for, approved by somebody else, taken: as a ZIP whose name tells nothing."""
    asking = window(chromium, pages, name="kaikki")
    asking.get_by_role("link", name="Suostumukset", exact=True).click()
    asking.get_by_role("button", name="PDF").click()
    assert "Odottaa toisen tarkastajan hyväksyntää" in main_of(asking)
    second = window(chromium, pages, name="kaksonen")
    second.get_by_role("link", name="Vienti").click()
    second.get_by_role("button", name="Hyväksy").click()
    assert "Hyväksyjä: kaksonen." in main_of(second)
    asking.goto(f"{pages}/exports")
    with asking.expect_download() as taken:
        asking.get_by_role("button", name="Lataa tiedosto").click()
    assert taken.value.suggested_filename == "kykysilta-consents.zip"
    for page in (asking, second):
        page.context.close()


def test_a_log_search_asks_why_first(chromium: Any, pages: str) -> None:
    """The browser itself holds the form back until a reason is chosen; then rows lead to the client."""
    page = window(chromium, pages)
    page.get_by_role("link", name="Loki", exact=True).click()
    page.get_by_role("button", name="Hae").click()
    assert "Löytyi" not in main_of(page)
    page.get_by_label("Miksi katsot lokia?").select_option(label="väärinkäytön epäily")
    page.get_by_label("Tapahtuma").select_option(label="ratkaisu")
    page.get_by_role("button", name="Hae").click()
    assert "Löytyi 13" in main_of(page)
    page.get_by_role("link", name=re.compile("^Avaa")).first.click()
    assert "Kuka on nähnyt: Moona" in main_of(page)
    page.context.close()
