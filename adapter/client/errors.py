"""What can go wrong when the adapter is called; every error carries the adapter's own problems."""

from __future__ import annotations

from collections.abc import Sequence

from adapter.client.answers import Problem, Status


class ApiError(Exception):
    """The adapter did not do what was asked.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        problems: what is wrong, where, and what to do, as the adapter says it.
    """

    def __init__(self, status: int, problems: Sequence[Problem] = (), text: str = "") -> None:
        self.status = status
        self.problems = tuple(problems)
        told = "; ".join(f"{each.path}: {each.text}" if each.path else each.text for each in self.problems)
        super().__init__(told or text or f"HTTP {status}")


class Refused(ApiError):  # noqa: N818 - named after what happened
    """The record is wrong, or cannot be delivered as it is: mend it and send it again (400, 413, 422)."""


class Forbidden(ApiError):  # noqa: N818
    """No valid token, no scope for this, no right to the controller's records, or no consent (401, 403)."""


class NotFound(ApiError):  # noqa: N818
    """There is no such submission of yours (404)."""


class Conflict(ApiError):  # noqa: N818
    """The state of things does not allow it: an older version, a final submission (409)."""


class TryLater(ApiError):  # noqa: N818
    """The adapter asks for a pause, and still did after every attempt (408, 429, 503).

    Attributes:
        seconds: when to try again.
    """

    def __init__(self, status: int, problems: Sequence[Problem], seconds: float) -> None:
        super().__init__(status, problems)
        self.seconds = seconds


class NotThere(ApiError):  # noqa: N818
    """Nobody answers at the address, or gives a token; nothing says that the record was not taken: send it again.

    Attributes:
        cause: name of what went wrong, e.g. `ConnectError`.
    """

    def __init__(self, text: str, cause: str) -> None:
        super().__init__(0, text=f"{text} ({cause})")
        self.cause = cause


class OtherAddress(NotThere):
    """The adapter knows itself by another address than it is called at, so no token is asked for (see `public_url`)."""


class NotDelivered(ApiError):  # noqa: N818
    """The submission is final and did not arrive, or is not final yet when the patience is over.

    Attributes:
        submission: where it is and what to do (`advice`).
    """

    def __init__(self, submission: Status) -> None:
        super().__init__(submission.http_status or 0, submission.problems, submission.advice)
        self.submission = submission


FAMILY: dict[int, type[ApiError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}
"""Which error a status is; every other 4xx is `Refused`."""
