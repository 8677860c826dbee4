"""What the pages must do for a data-protection officer, and the mark of the tests that tell it as a story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

FEATURES: Mapping[str, str] = {
    "F1": "work list: findings to act on, newest first",
    "F2": "list of consents with filters, saved without names",
    "F3": "client page: course of consents, refusals, team and disclosures; Kanta permission by hand",
    "F4": "matrix: who may see what, on any day",
    "F5": "explain this access: from an entry of the log, or by a form",
    "F6": "mismatches between consents, teams and disclosures",
    "F7": "log search: the reason for looking is asked; refused attempts",
    "F8": "log request of a client: period, grounds for withholding, due day, language",
    "F9": "files for art. 15 as PDF, CSV and JSON with hashes and signature",
    "F10": "receipt of a withdrawal and list of those to be told",
    "F11": "finding reviewed, noted, handed over, opened again; no consent changes",
    "F12": "simulator: a draft that is not stored, a withdrawal that does not happen",
    "F13": "record of processing (art. 30), statutory rules and configuration with versions",
    "F14": "four eyes for files about many clients",
    "F15": "health of enforcement",
    "F16": "Finnish, Swedish, English; days as d.m.yyyy; codes with their names",
    "art. 33": "breach: who saw what between two instants, affected clients, file for the notification",
    "art. 35": "facts for the impact assessment",
}
"""Every feature by its number."""

Story = TypeVar("Story", bound=Callable[..., None])


def story(*features: str) -> Callable[[Story], Story]:
    """Mark a test as the story of features."""

    def marked(test: Story) -> Story:
        test.features = features  # type: ignore[attr-defined]
        return test

    return marked
