"""A data-protection officer at a window of Chromium: signing in, finding a page by what is to be seen, reading it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tests.review.conftest import PASSWORD

WIDE = {"width": 1280, "height": 900}
PAGES, CLIENT_PAGES = "Sivut", "Asiakkaan sivut"
"""Names of the two menus."""

MOST_TABS = 120
"""Of keys pressed before something is out of the keyboard's reach."""


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


def ask(page: Any, question: str, data_class: str = "", who: str = "Moona") -> None:
    """Fill in the form of the first page about a client."""
    page.get_by_label("Henkilötunnus tai nimi").fill(who)
    page.get_by_label(question).check()
    if data_class:
        page.get_by_label("Mitä tietoja kysymys koskee?").select_option(label=data_class)
    page.get_by_role("button", name="Näytä vastaus").click()


def go(page: Any, name: str, menu: str = PAGES) -> None:
    """Follow a link of a menu, and be there: what is done to a page that is about to leave is lost."""
    with page.expect_navigation():
        page.get_by_role("navigation", name=menu, exact=True).get_by_role("link", name=name, exact=True).click()
    page.get_by_role("navigation", name=menu, exact=True).locator("[aria-current=page]", has_text=name).wait_for()


def reads(page: Any, *sentences: str) -> None:
    """Wait until the main part of the page says each of these."""
    for each in sentences:
        page.locator("main").filter(has_text=each).wait_for()


def taken(page: Any, what: str, button: Any) -> Path:
    """Press a button that gives a file, named by what it is and by nobody; returns where the browser put it."""
    with page.expect_download() as given:
        button.click()
    assert given.value.suggested_filename == f"kykysilta-{what}.zip"
    found: Path = given.value.path()
    return found


def tab_to(page: Any, wanted: Any) -> None:
    """Press the tabulator until what is wanted has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError("out of the keyboard's reach")


def picture(page: Any, name: str) -> None:
    """Keep a screenshot where KYKYSILTA_SCREENSHOTS says, for people to look at."""
    folder = os.environ.get("KYKYSILTA_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"review-{name}.png"), full_page=True)


def main_of(page: Any) -> str:
    """The text of the page's main part."""
    return re.sub(r"\s+", " ", page.locator("main").inner_text())
