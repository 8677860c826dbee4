"""Exit codes of the command line: named once, never reused."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code says (design §10)."""

    FINE = 0
    FINDINGS = 1
    UNREADABLE = 2
    REFUSED = 3
    NOT_DELIVERED = 4
    NOTHING = 5
