"""Elements at which a code that base R4 does not recommend is known and no news (`ValidationSettings.accepted`)."""

from __future__ import annotations

import re

from adapter.validation.findings import Findings
from adapter.validation.run import Run

MISSES = frozenset(("binding-extensible", "code-unknown"))
ANY = "any"
"""Stands for the type of the resource in a place that is the same in all types."""

_POSITIONS = re.compile(r"\[[0-9]+\]")


class Accepted:
    """The accepted elements of one registry.

    Args:
        elements: paths from the type of the resource on, or, for every type, from below it: `meta.security`.
    """

    def __init__(self, elements: frozenset[str] = frozenset()) -> None:
        self._elements = elements

    def holds(self, place: str) -> bool:
        """Tell whether an element is accepted."""
        return place in self._elements or place.partition(".")[2] in self._elements

    def around(self, place: str) -> str:
        """Return the place, below `ANY` where that is enough, when an accepted element lies in it; else empty."""
        below = place.partition(".")[2]
        for known, shown in ((place, place), (below, f"{ANY}.{below}")):
            if known and any(element.startswith(f"{known}.") for element in self._elements):
                return shown
        return ""

    def silenced(self, found: Findings, type_name: str, run: Run) -> Findings:
        """Mark the findings of a resource of this type that are no news; they take no room in the report."""
        for finding in found or ():
            if finding.severity == "warning" and finding.key in MISSES and not finding.silent:
                finding.silent = self.holds(f"{type_name}.{_POSITIONS.sub('', finding.path)}")
                run.others_left += finding.silent
        return found
