"""What the API itself refuses, beside what the straight line does: each knows its status and says what to do."""

from __future__ import annotations

from typing import ClassVar

from adapter.errors import AdapterError
from adapter.store import DATABASE_PROBLEMS, DamagedError
from adapter.store.cipher import KeyNotConfigured
from adapter.types import Issue, Severity


class NotFound(AdapterError):  # noqa: N818
    """There is nothing under this id, or it is another sender's: both look the same."""

    stage = "api"
    http_status = 404


class NotAllowed(AdapterError):  # noqa: N818
    """The address exists, but not for this method.

    Attributes:
        allowed: methods that it knows, as in the `Allow` header.
    """

    stage = "api"
    http_status = 405

    def __init__(self, allowed: str) -> None:
        super().__init__(Issue("error", "api.no-such-method", {"allowed": allowed}))
        self.allowed = allowed


class Later(AdapterError):  # noqa: N818
    """What may go well when it is asked again.

    Attributes:
        seconds: when to ask again, as in the `Retry-After` header.
        severity, key: of the issue that says so.
    """

    stage = "api"
    http_status = 503
    seconds: ClassVar[int]
    severity: ClassVar[Severity] = "fatal"
    key: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(Issue(self.severity, self.key, {"seconds": str(self.seconds)}))


class StillInWork(Later):
    """A request with the same `Idempotency-Key` has not been answered yet."""

    http_status = 409
    seconds = 1
    severity = "error"
    key = "api.key-in-work"


class Unavailable(Later):
    """The database cannot be written or read just now; nothing was taken."""

    seconds = 5
    key = "api.unavailable"


class Damaged(Later):
    """The database is damaged; nothing was taken, and nothing will be until a backup is restored."""

    seconds = 300
    key = "api.damaged"


class KeyMissing(Later):
    """What is stored needs a storage key that this process has not; nothing was taken."""

    seconds = 60
    key = "api.storage-key-missing"


STORE_PROBLEMS = (*DATABASE_PROBLEMS, KeyNotConfigured)
"""Exceptions that are no fault of the program and pass, or are mended by the operator."""


def of_database(error: Exception) -> Later:
    """Return what callers are told of a problem of the database (one of `STORE_PROBLEMS`)."""
    if isinstance(error, KeyNotConfigured):
        return KeyMissing()
    return Damaged() if isinstance(error, DamagedError) else Unavailable()


class Broken(AdapterError):  # noqa: N818
    """A fault of the adapter itself; what it was stands in the log, not in the answer."""

    stage = "api"
    http_status = 500

    def __init__(self) -> None:
        super().__init__(Issue("fatal", "api.broken"))


class BadRequest(AdapterError):  # noqa: N818
    """The request cannot be understood."""

    stage = "api"
    http_status = 400


class NotPossible(AdapterError):  # noqa: N818
    """The submission's state does not allow what was asked."""

    stage = "api"
    http_status = 409
