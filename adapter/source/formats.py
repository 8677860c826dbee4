"""The `format` words of our schemas: one judgement for each, used by the fast and by the exact check.

A format is a pattern, a judgement beside it, or both. Patterns are written for linear-time engines: no look-around
and no back-references, so no text can make them slow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapter.source import business_id, identity_code

_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DATE = f"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_PARTIAL_DATE = f"(?:{_DATE}|{_YEAR}(?:-(?:0[1-9]|1[0-2]))?)"
_WHOLE_SECONDS = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIME = rf"{_WHOLE_SECONDS}(?:\.[0-9]{{1,9}})?"
_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_FINNISH_DAY = (
    r"(?:(?:0?[1-9]|[12][0-9]|3[01])\.(?:0?[13578]|1[02])"
    r"|(?:0?[1-9]|[12][0-9]|30)\.(?:0?[469]|11)"
    r"|(?:0?[1-9]|1[0-9]|2[0-8])\.0?2)"
)
_FINNISH_DATE = rf"(?:{_FINNISH_DAY}\.{_YEAR}|29\.0?2\.{_LEAP_YEAR})"
_FINNISH_TIME = r"(?:[01]?[0-9]|2[0-3])\.[0-5][0-9](?:\.[0-5][0-9])?"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f<>\"{}|\\^`]+"


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        pattern: what the whole text must match, without anchors.
        problem: judges a text that matches; returns a message key or None.
        message: message key when the pattern does not match.
    """

    pattern: str
    message: str
    problem: Callable[[str], str | None] | None = None


def _identity_code(text: str) -> str | None:
    problem = identity_code.problem(text)
    return problem and f"source.identity-code-{problem}"


def _business_id(text: str) -> str | None:
    problem = business_id.problem(text)
    return problem and f"source.business-id-{problem}"


FORMATS: dict[str, Format] = {
    "date": Format(_DATE, "source.not-a-date"),
    "partial-date": Format(_PARTIAL_DATE, "source.not-a-partial-date"),
    "date-time": Format(f"{_DATE}T{_TIME}{_OFFSET}", "source.not-an-instant"),
    "time": Format(_TIME, "source.not-a-time"),
    "finnish-decimal": Format("[+-]?[0-9]{1,48}(?:,[0-9]{1,16})?", "source.not-a-finnish-decimal"),
    "finnish-date": Format(_FINNISH_DATE, "source.not-a-finnish-date"),
    "finnish-date-time": Format(rf"{_FINNISH_DATE} klo {_FINNISH_TIME}", "source.not-a-finnish-date-time"),
    "finnish-moment": Format(
        rf"(?:{_FINNISH_DATE}(?: klo {_FINNISH_TIME})?|(?:(?:0?[1-9]|1[0-2])/)?{_YEAR})", "source.not-a-finnish-moment"
    ),
    "local-moment": Format(rf"(?:{_DATE}T{_WHOLE_SECONDS}|{_PARTIAL_DATE})", "source.not-a-local-moment"),
    "local-date-time": Format(f"{_DATE}T{_WHOLE_SECONDS}", "source.not-a-local-date-time"),
    "uri": Format(_URI, "source.not-a-uri"),
    "oid": Format(r"[0-2](?:\.(?:0|[1-9][0-9]*))+", "source.not-an-oid"),
    "email": Format(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+", "source.not-an-email"),
    "finnish-personal-identity-code": Format(
        "[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]", "source.identity-code-shape", _identity_code
    ),
    "finnish-business-id": Format("[0-9]{7}-[0-9]", "source.business-id-shape", _business_id),
}
"""By the word in the schema. `partial-date` allows FHIR's year and year-month precision (R4 §2.24.0.1)."""
