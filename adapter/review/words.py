"""Texts of the pages and names of codes, in the reader's language."""

from __future__ import annotations

from adapter.audit.rows import Row
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


def refusal(row: Row, language: str) -> str:
    """Return why an entry's attempt was refused; a rule without words of its own stays as it is."""
    rules = [row.fact("reason"), *row.fact("rules").split(",")]
    return ", ".join(dict.fromkeys(_rule(rule, language) for rule in rules if rule)) or row.fact("stage")


def _rule(rule: str, language: str) -> str:
    for key in (f"consent.reason-{rule.lower().replace('_', '-')}", f"review-log.rule-{rule}"):
        try:
            return text(key, language)
        except LookupError:
            continue
    return rule
