"""Texts of the pages and names of codes, in the reader's language."""

from __future__ import annotations

from adapter.i18n import text
from adapter.terminology import code_system


def said(key: str, language: str, **values: object) -> str:
    """Return a text of the pages: `key` of the area `review`, or `area.key` of the area `review-area`."""
    area, dot, name = key.partition(".")
    full = f"review-{area}.{name}" if dot else f"review.{key}"
    return text(full, language, **{name: str(value) for name, value in values.items()})


def code_name(system: str, value: str, language: str) -> str:
    """Return the name of a code of one of our own lists; a code that is not in it stays as it is."""
    try:
        return code_system(system).display(value, language)
    except LookupError:
        return value
