"""The pages in a real browser: keyboard, 400 % zoom, forced colours, without JavaScript, no violation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.review.conftest import BASE
from tests.review.windows import ask, main_of, picture, window

pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]
ZOOMED = {"width": 320, "height": 640}
"""320 CSS pixels are a screen of 1280 at 400 % (WCAG 1.4.10)."""

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LISTS = ("", "consents", "log", "breach", "exports", "record", "facts", "health", "accessibility")
PARTS = ("", "/seen", "/explain", "/withdrawal", "/draft", "/log-copy")


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
