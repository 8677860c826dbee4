"""What the officer finds of herself in the log."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from tests.review.windows import go


def search(page: Any, kind: str, reason: str = "säännöllinen valvonta") -> None:
    """Search the log for a kind of entry."""
    go(page, "Loki")
    page.get_by_label("Miksi katsot lokia?").select_option(label=reason)
    page.get_by_label("Tapahtuma").select_option(label=kind)
    page.get_by_role("button", name="Hae").click()
    page.get_by_role("status").get_by_role("heading", name="Löytyi").wait_for()


def acts_since_sign_in(page: Any) -> list[str]:
    """What the log says that was done since the last signing in, newest first."""
    search(page, "tarkastajan toimi")
    acts = page.locator("tbody tr td:nth-of-type(2)").all_inner_texts()
    return list(takewhile(lambda act: act != "Kirjautuminen", acts))
