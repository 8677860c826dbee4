"""Functions for `call:`, the last resort for true computation: pure, typed, with an inverse or a reason.

A function gets `(value, context, "")`; with a list of fields the value is a list of their values (None where one
is missing). It returns None when there is nothing to write.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from adapter.mapping.conversions import Context, Unfit
from adapter.mapping.sensitive_diagnoses import diagnosis_label
from adapter.types import Json

Function = Callable[[Any, Context, str], Json]

DEFAULT_DURATION = timedelta(minutes=60)
"""Length of an appointment whose end nobody has said (R4 app-2: start and end, or neither)."""


def appointment_end(value: Any, _context: Context, _to: str) -> Json:
    """Return the end of an appointment from `[start, end]`: the end when it is said, else start + 60 minutes."""
    start, end = value
    if end is not None or start is None:
        return end
    try:
        return (datetime.fromisoformat(start) + DEFAULT_DURATION).isoformat()
    except ValueError:
        raise Unfit("mapping.not-a-date-time", length=str(len(start))) from None


def appointment_bounds(value: Any, _context: Context, _to: str) -> Json:
    """Return `[start, end]` of an appointment's end; the start is read back from its own element."""
    return [None, value]


_FUNCTIONS: dict[str, Function] = {
    "appointment_bounds": appointment_bounds,
    "appointment_end": appointment_end,
    "diagnosis_label": diagnosis_label,
}


def find(name: str) -> Function:
    """Return a function by its name in mapping files.

    Raises:
        LookupError: there is none.
    """
    found = _FUNCTIONS.get(name)
    if found is None:
        raise LookupError(f"there is no function '{name}' (there are: {', '.join(_FUNCTIONS)})")
    return found


def names() -> tuple[str, ...]:
    """Return the names of all functions."""
    return tuple(_FUNCTIONS)
