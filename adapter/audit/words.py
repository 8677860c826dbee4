"""Codes and times of the log in the reader's language; a code that no list knows stands as it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from adapter.i18n import text
from adapter.terminology import code_system

ZONE = ZoneInfo("Europe/Helsinki")


def as_day(moment: float) -> str:
    """Return the day in Finland of an instant in UTC seconds, as d.m.yyyy."""
    local = datetime.fromtimestamp(moment, ZONE)
    return f"{local.day}.{local.month}.{local.year}"


def day(written: str) -> str:
    """Return a FHIR date or time as d.m.yyyy; what is less exact stays as written."""
    parts = written[:10].split("-")
    return f"{int(parts[2])}.{int(parts[1])}.{parts[0]}" if len(parts) == 3 else written


def instant(moment: float) -> str:
    """Return day and time in Finland of an instant in UTC seconds, as d.m.yyyy h.m.s."""
    return f"{as_day(moment)} {datetime.fromtimestamp(moment, ZONE):%H.%M.%S}"


def display(system: str, code: str, language: str) -> str:
    """Return the name of a code of one of our own lists (`data-class`)."""
    try:
        return code_system(system).display(code, language)
    except LookupError:
        return code


def what(code: str, language: str) -> str:
    """Return the name of a data class or of a record type; a type of FHIR resource stands as it is."""
    if code in code_system("data-class"):
        return display("data-class", code, language)
    try:
        return text(f"audit.kind-{code.replace('_', '-')}", language)
    except LookupError:
        return code


def listed(codes: Iterable[str], language: str) -> str:
    """Return the names of data classes in one cell."""
    return ", ".join(what(code, language) for code in codes)


def purpose(code: str, language: str) -> str:
    """Return the name of a purpose of use."""
    return display("consent-purpose", code, language)


def ground(code: str, language: str) -> str:
    """Return the name of the ground of a disclosure."""
    return display("disclosure-basis", code, language)


def role(code: str, language: str) -> str:
    """Return the name of a professional's role."""
    return display("professional-role", code, language)
