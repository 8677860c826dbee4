"""The Finnish business id (Y-tunnus): shape `NNNNNNN-C` and its check digit."""

from __future__ import annotations

import re
from typing import Literal

Problem = Literal["shape", "check"]
"""What is wrong: not of the shape, or a wrong check digit."""

_SHAPE = re.compile(r"[0-9]{7}-[0-9]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2)


def problem(business_id: str) -> Problem | None:
    """Return what is wrong with a business id, or None when it is right."""
    if not _SHAPE.fullmatch(business_id):
        return "shape"
    return None if check_digit(business_id[:7]) == business_id[-1] else "check"


def check_digit(digits: str) -> str | None:
    """Return the check digit of the seven digits, or None: a remainder of 1 is never given out."""
    remainder = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True)) % 11
    if remainder == 1:
        return None
    return "0" if remainder == 0 else str(11 - remainder)
