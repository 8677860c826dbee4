"""Finnish dates and times of vendors, both ways. A time without an offset is Finnish time (Europe/Helsinki)."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

HELSINKI = ZoneInfo("Europe/Helsinki")

_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_DATE_TIME = re.compile(r"([0-9.]+),? (?:klo )?([0-9]{1,2})[.:]([0-9]{2})(?:[.:]([0-9]{2}))?")
_MONTH = re.compile(r"(0?[1-9]|1[0-2])/([0-9]{4})")
_YEAR = re.compile(r"[0-9]{4}")
_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def date_from_finnish(text: str) -> str | None:
    """Return `2025-03-07` for `7.3.2025`, None when it is no date."""
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    day, month, year = map(int, found.groups())
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def finnish_date(text: str) -> str:
    """Return `7.3.2025` for `2025-03-07`."""
    found = date.fromisoformat(text)
    return f"{found.day}.{found.month}.{found.year}"


def instant_from_finnish(text: str) -> str | None:
    """Return a FHIR dateTime for `7.3.2025 klo 9.20` (`klo` may be missing, `:` may divide), else None."""
    found = _DATE_TIME.fullmatch(text.strip())
    day = date_from_finnish(found[1]) if found else None
    if found is None or day is None:
        return None
    return with_offset(f"{day}T{int(found[2]):02}:{found[3]}:{found[4] or '00'}")


def finnish_date_time(text: str) -> str:
    """Return `7.3.2025 klo 9.20` in Finnish time for a FHIR dateTime."""
    found = datetime.fromisoformat(text).astimezone(HELSINKI)
    seconds = f".{found.second:02}" if found.second else ""
    return f"{found.day}.{found.month}.{found.year} klo {found.hour}.{found.minute:02}{seconds}"


def with_offset(text: str) -> str | None:
    """Return `2025-03-07T09:20:00+02:00` for the same time without an offset, None when there is no such time.

    A time that the change to summer time leaves out does not exist; of an hour that occurs twice the first is meant.
    """
    if not _LOCAL.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=HELSINKI)
    except ValueError:
        return None
    offset = found.utcoffset()
    assert offset is not None
    there_and_back = datetime.fromtimestamp(found.timestamp(), HELSINKI)
    if there_and_back.replace(tzinfo=None) != found.replace(tzinfo=None):
        return None
    return found.isoformat()


def without_offset(text: str) -> str:
    """Return the Finnish wall-clock time of a FHIR dateTime."""
    return datetime.fromisoformat(text).astimezone(HELSINKI).replace(tzinfo=None).isoformat()


def moment_from_finnish(text: str) -> str | None:
    """Return a FHIR dateTime as precise as the text: `2022`, `3/2022`, `7.3.2022` or `7.3.2022 klo 9.20`, else None."""
    text = text.strip()
    if _YEAR.fullmatch(text):
        return text
    month = _MONTH.fullmatch(text)
    if month is not None:
        return f"{month[2]}-{int(month[1]):02}"
    return date_from_finnish(text) or instant_from_finnish(text)


def finnish_moment(text: str) -> str:
    """Return a FHIR dateTime of any precision as a Finn writes it (see `moment_from_finnish`)."""
    if "T" in text:
        return finnish_date_time(text)
    year, _, rest = text.partition("-")
    if not rest:
        return year
    return finnish_date(text) if "-" in rest else f"{int(rest)}/{year}"


def moment_from_local(text: str) -> str | None:
    """Return a FHIR dateTime for a local time without offset or a date of any precision, None when it is neither."""
    return with_offset(text) if "T" in text else text if _PARTIAL.fullmatch(text) else None


def local_moment(text: str) -> str:
    """Return a FHIR dateTime as a date of its precision or as Finnish wall-clock time."""
    return without_offset(text) if "T" in text else text
