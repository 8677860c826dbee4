"""Values of search parameters as they stand in a request: escapes, prefixes, tokens, quantities (R4 search)."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def split_unescaped(text: str, separator: str) -> list[str]:
    """Split at separators that no backslash escapes; the escapes stay."""
    parts, current, escaped = [], "", False
    for letter in text:
        if letter == separator and not escaped:
            parts.append(current)
            current = ""
        else:
            current += letter
        escaped = letter == "\\" and not escaped
    return [*parts, current]


def unescape(text: str) -> str:
    """Turn `\\,` `\\|` `\\$` and `\\\\` into the characters meant."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def prefixed(text: str) -> tuple[str, str]:
    """Return (prefix, rest); without prefix it is `eq`."""
    if text[:2] in PREFIXES:
        return text[:2], text[2:]
    return "eq", text


def token(text: str) -> tuple[str | None, str | None]:
    """Return (system, code) of a token value.

    A system of None means any; an empty one means none; a code of None means any code of the system.
    """
    parts = split_unescaped(text, "|")
    if len(parts) == 1:
        return None, unescape(parts[0])
    return unescape(parts[0]), unescape("|".join(parts[1:])) or None


def number_range(text: str) -> tuple[float, float, float]:
    """Return (value, low, high): high is not included; `5` means 4.5 up to 5.5, `5.0` 4.95 up to 5.05.

    Raises:
        ValueError: not a decimal number.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not value.is_finite():
        raise ValueError("not a number")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    half = Decimal(5).scaleb(exponent - 1)
    return float(value), float(value - half), float(value + half)
