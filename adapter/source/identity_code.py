"""The Finnish personal identity code (henkilötunnus): its parts, its check, synthetic codes for tests.

Shape `DDMMYYsNNNc`. The sign `s` tells the century and is part of the code: two people may differ by it alone,
so it is never changed. Sex is never derived from the code.
"""

from __future__ import annotations

import random
import re
from datetime import date
from typing import Final, Literal

CENTURY_SIGNS: Final[dict[str, int]] = {
    "+": 1800,
    **dict.fromkeys("-YXWVU", 1900),
    **dict.fromkeys("ABCDEF", 2000),
}
"""All 13 signs in force since 2023-01-01 and the first year of their century (Act 661/2009 as amended)."""

Problem = Literal["shape", "date", "number", "check"]
"""What is wrong: not of the shape, no such day, individual number 000 or 001, wrong check character."""

_SHAPE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([-+A-FU-Y])([0-9]{3})([0-9A-FHJ-NPR-Y])")
_SOMEWHERE = re.compile(rf"(?<![0-9]){_SHAPE.pattern}(?![0-9A-Za-z])")
_AS_A_WORD = re.compile(rf"(?<![0-9A-Za-z]){_SHAPE.pattern}(?![0-9A-Za-z])", re.IGNORECASE)
_CHECK_CHARACTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_FIRST_SYNTHETIC, _SYNTHETIC_NUMBERS = 900, 100

SYNTHETIC_CODES_A_DAY: Final = 6 * _SYNTHETIC_NUMBERS
"""How many synthetic codes a day of birth has since 1900: six century signs, individual numbers 900–999."""


def problem(code: str) -> Problem | None:
    """Return what is wrong with an identity code, the worst first, or None when it is right.

    Lower case is refused: the code is written in upper case and is compared as written.
    """
    match = _SHAPE.fullmatch(code)
    if match is None:
        return "shape"
    day, month, year, sign, number, check = match.groups()
    try:
        date(CENTURY_SIGNS[sign] + int(year), int(month), int(day))
    except ValueError:
        return "date"
    if number < "002":
        return "number"
    return None if check == check_character(day + month + year + number) else "check"


def check_character(digits: str) -> str:
    """Return the check character of the nine digits `DDMMYYNNN`; the century sign is not counted."""
    return _CHECK_CHARACTERS[int(digits) % 31]


def is_inside(text: str) -> bool:
    """Tell whether a right identity code stands somewhere in a text, not as part of a longer run of digits."""
    return any(problem(match[0]) is None for match in _SOMEWHERE.finditer(text))


def without_codes(text: str) -> str:
    """Return a text in which whatever has the shape of an identity code, right or mistyped, is masked."""
    return _AS_A_WORD.sub("••••••••••", text)


def birth_date(code: str) -> date:
    """Return the day of birth that the code tells.

    Raises:
        ValueError: the code has no such shape or day.
    """
    match = _SHAPE.fullmatch(code)
    if match is None:
        raise ValueError("not an identity code")
    day, month, year, sign = match.groups()[:4]
    return date(CENTURY_SIGNS[sign] + int(year), int(month), int(day))


def synthetic(born: date, generator: random.Random) -> str:
    """Return a code that no living person can have: individual number 900–999, right check character.

    Raises:
        ValueError: no century sign stands for the year.
    """
    return synthetic_of(born, generator.randrange(SYNTHETIC_CODES_A_DAY))


def synthetic_of(born: date, position: int) -> str:
    """Return one of the synthetic codes of a day of birth; positions 0 … 599 of a day after 1899 give different ones.

    Raises:
        ValueError: no century sign stands for the year.
    """
    signs = [sign for sign, century in CENTURY_SIGNS.items() if 0 <= born.year - century < 100]
    if not signs:
        raise ValueError("identity codes are given for the years 1800–2099")
    turn, number = divmod(position, _SYNTHETIC_NUMBERS)
    digits = f"{born:%d%m}{born.year % 100:02d}{_FIRST_SYNTHETIC + number:03d}"
    return f"{digits[:6]}{signs[turn % len(signs)]}{digits[6:]}{check_character(digits)}"
