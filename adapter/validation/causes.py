"""One cause, one issue: what only follows from another finding is not told beside it.

Base R4, profiles and bindings look at the same values. Where the shape or format of a value is broken, whatever a
profile asks of that value follows from it; of two verdicts about the same code or reference the stronger one stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from adapter.i18n import catalogue
from adapter.validation.findings import Finding

SHAPE_AND_FORMAT = range(4101, 4300)
"""Numbers of the messages about JSON shape, cardinality and formats of base R4."""

CAUSES = frozenset(("code-not-in-set", "code-not-in-large-set", "reference-target", "rule-ele-1", "extension-value"))
"""Other messages about a value that is then judged no further."""

ABSENCES = frozenset(("missing", "profile-missing", "slice-missing"))
"""These stand at the element around what they are about."""

OF_WHOLE_VALUES = frozenset(
    (
        *("binding-required", "binding-required-listed", "binding-extensible", "binding-preferred"),
        *("profile-fixed", "profile-pattern", "profile-none-fits", "profile-target-type", "profile-target-profile"),
        *("slice-missing", "slice-closed", "extension-unknown", "invariant"),
    )
)
"""These depend on everything inside a value: a fault in there may be all that is wrong. Rules are judged once the
shape is right, in profiles as in base R4."""

LISTED = "binding-required-listed"
_LAST_STEP = re.compile(r"(?:\.[^.\[]+|\[[0-9]+\]|^[^.\[]+)\Z")


def without_consequences(found: list[Finding]) -> list[Finding]:
    """Return the findings less those that another one explains, in their order."""
    causes = {_subject(finding) for finding in found if _is_cause(finding)}
    if causes:
        around = {place for cause in causes for place in _around(cause)}
        found = [finding for finding in found if _is_cause(finding) or not _follows(finding, causes, around)]
    return _one_verdict_a_code(_named_slices_alone(found))


def _is_cause(finding: Finding) -> bool:
    if finding.profile or finding.severity != "error":
        return False
    return finding.key in CAUSES or catalogue("validation")[finding.key].number in SHAPE_AND_FORMAT


def _follows(finding: Finding, causes: set[str], around: set[str]) -> bool:
    subject = _subject(finding)
    return subject in causes or finding.path in causes or (finding.key in OF_WHOLE_VALUES and subject in around)


def _subject(finding: Finding) -> str:
    """Return the place that a finding is about: for an absence that of the absent element."""
    if finding.key in ABSENCES:
        return f"{finding.path}.{finding.values['name']}" if finding.path else finding.values["name"]
    return finding.path


def _around(place: str) -> Iterator[str]:
    """Yield the places around a place, nearest first: `a.b[0]`, `a.b`, `a`."""
    while (shorter := _LAST_STEP.sub("", place)) and shorter != place:
        place = shorter
        yield place


def _named_slices_alone(found: list[Finding]) -> list[Finding]:
    """Tell which kinds of an element are absent, not also how many it lacks."""
    named = {_subject(finding) for finding in found if finding.key == "slice-missing"}
    if not named:
        return found
    return [finding for finding in found if finding.key != "profile-missing" or _subject(finding) not in named]


def _one_verdict_a_code(found: list[Finding]) -> list[Finding]:
    """Tell of a code once: what the value set allows where it is listed, else what the code system has."""
    unknown = {finding.path for finding in found if finding.key.startswith("code-unknown") and not finding.silent}
    if not unknown:
        return found
    concepts = {place for path in unknown for place in _around(path)}
    bound = {finding.path for finding in found if finding.key.startswith("binding-") and finding.path in concepts}
    listed = {finding.path for finding in found if finding.key == LISTED}
    return [
        finding
        for finding in found
        if not (finding.path in bound - listed and finding.key.startswith("binding-"))
        and not (finding.path in unknown and finding.key.startswith("code-unknown") and _within(finding.path, listed))
    ]


def _within(path: str, places: set[str]) -> bool:
    return any(place in places for place in _around(path))
