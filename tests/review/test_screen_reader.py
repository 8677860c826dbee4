"""What a screen reader is given: the accessibility tree of Chromium on every page, in every language."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from adapter.i18n import LANGUAGES
from tests.review.test_browser import everywhere
from tests.review.windows import ask, window

__all__ = ["everywhere"]
pytestmark = [pytest.mark.chromium, pytest.mark.filterwarnings("ignore")]
NAMED = (
    "button",
    "link",
    "textbox",
    "combobox",
    "checkbox",
    "radio",
    "spinbutton",
    "table",
    "img",
    "region",
    "navigation",
)
"""Roles that say nothing without a name."""

NODE = re.compile(r"^ *- '?(?P<role>[a-z]+)(?: \"(?P<name>.*?)\")?(?P<more>(?: \[[^\]]+\])*)'?:?(?: .*)?$")
LEVEL = re.compile(r"\[level=(\d)\]")


def tree(page: Any) -> list[tuple[str, str, str]]:
    """Role, name and marks of every node of the page's accessibility tree, in reading order."""
    lines = page.locator("body").aria_snapshot().splitlines()
    found = (NODE.match(line) for line in lines)
    return [(one["role"], one["name"] or "", one["more"] or "") for one in found if one]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_can_be_heard(chromium: Any, pages: str, everywhere: list[str], language: str) -> None:
    """One main heading, no level left out; controls, tables, pictures and regions named; columns and rows headed."""
    page = window(chromium, pages)
    for path in everywhere:
        page.goto(f"{pages}/{path}{'&' if '?' in path else '?'}lang={language}")
        nodes = tree(page)
        assert [(path, node) for node in nodes if node[0] in NAMED and not node[1].strip()] == []
        levels = [int(found[1]) for role, _, more in nodes if role == "heading" and (found := LEVEL.search(more))]
        assert levels.count(1) == 1, path
        assert all(after <= before + 1 for before, after in pairwise(levels)), (path, levels)
        roles = [role for role, _, _ in nodes]
        assert {"banner", "main", "contentinfo", "navigation"} <= set(roles), path
        tables = roles.count("table")
        assert roles.count("columnheader") >= 2 * tables, path
        assert roles.count("rowheader") >= tables, path
        assert page.locator("svg:not([role=img]), fieldset:not(:has(> legend))").count() == 0, path
        assert page.locator("html").get_attribute("lang") == language
    page.context.close()


def test_an_answer_is_announced_and_the_table_is_not(chromium: Any, pages: str) -> None:
    """The status stays in the page and only its words change: that is what a screen reader speaks by itself."""
    page = window(chromium, pages, java_script_enabled=True)
    ask(page, "Kuka saa ja kuka ei saa nähdä tietoja?", "päihdetieto")
    page.evaluate("document.getElementById('told').dataset.same = 'yes'")
    page.get_by_label("Tietoryhmä", exact=True).select_option(label="terveystarkastuksen tulos")
    page.get_by_role("button", name="Näytä").click()
    page.get_by_text("terveystarkastuksen tulos, 1.9.2021:").wait_for()
    told = page.get_by_role("status").filter(has_text="Saa nähdä kokonaan tai osaksi")
    assert told.count() == 1
    assert told.get_attribute("data-same") == "yes"
    assert told.get_by_role("table").count() == 0
    assert page.locator("[aria-live]").count() == 0
    page.context.close()


def test_a_problem_is_an_alert(chromium: Any, pages: str) -> None:
    """What went wrong is spoken at once, and the field can be named."""
    page = chromium.new_context(locale="fi-FI").new_page()
    page.goto(f"{pages}/sign-in")
    page.get_by_label("Käyttäjätunnus").fill("tarkastaja")
    page.get_by_label("Salasana").fill("wrong wrong wrong")
    page.get_by_role("button", name="Kirjaudu sisään").click()
    assert page.get_by_role("alert").inner_text().startswith("Käyttäjätunnus tai salasana on väärä.")
    page.context.close()
