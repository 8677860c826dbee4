"""What the adapter answers, typed. Times are aware `datetime`s, numbers of records keep their digits (`Decimal`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

FINAL = frozenset({"delivered", "rejected", "dead", "cancelled"})
_LOCATION = re.compile(r"(?P<path>.*?)(?: \(line (?P<line>\d+), column (?P<column>\d+)\))?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong or worth knowing.

    Attributes:
        severity: `fatal`, `error`, `warning` or `information`; the first two refuse.
        code: FHIR issue type.
        rule: what was broken: a business rule (`BR-017`), or a message number (`K1116`).
        text: for people, in the language of the client.
        path: the sender's own path, or empty.
        line, column: in the sender's document, counted from 1; None when unknown.
        expression: FHIRPath of the element, or empty.
    """

    severity: str
    code: str
    rule: str
    text: str
    path: str = ""
    line: int | None = None
    column: int | None = None
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that the adapter has on disk and will deliver.

    Attributes:
        id: of the submission; ask with it where the record is.
        resources: how many FHIR resources it becomes.
        repeated: the same version had been taken before; nothing new was stored.
        problems: what you should know though it was taken.
    """

    id: str
    record_type: str
    resources: int
    repeated: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer to one record of many.

    Attributes:
        number: of the record, counted from 1.
        status: HTTP status; 202 means taken.
        taken: when it was taken.
        problems: why it was not, or what you should know.
    """

    number: int
    status: int
    taken: Taken | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a record would become.

    Attributes:
        bundle: FHIR R4 transaction Bundle.
        problems: everything that is to be said about it.
    """

    bundle: dict[str, Any]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a submission's state, and why."""

    at: datetime
    state: str
    attempt: int
    cause: str


@dataclass(frozen=True, slots=True)
class Status:
    """Where a submission is.

    Attributes:
        state: queued, sending, waiting, unknown, delivered, rejected, dead or cancelled.
        advice: what you should do now, in the language of the client.
        due: when it is tried next, while it is not final.
        invalidated: its record was taken back, in all its versions.
        receipts: full URL of an entry of the Bundle to `Type/id` in the repository.
        problems: what the repository said, and warnings from when it was taken.
        history: empty in lists.
    """

    id: str
    record_type: str
    record_version: int
    received_at: datetime
    state: str
    advice: str
    attempts: int
    http_status: int | None
    due: datetime
    invalidated: bool
    receipts: Mapping[str, str]
    problems: tuple[Problem, ...]
    history: tuple[Step, ...]

    @property
    def final(self) -> bool:
        """True when nothing more happens by itself."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Recipient:
    """An organisation that got data of a record from the adapter.

    Attributes:
        organisation: its business id.
        basis, purpose: on which ground and what for, the latest time.
        times: how often; `last` is the latest time.
    """

    organisation: str
    basis: str
    purpose: str
    last: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What became of a record that was taken back.

    Attributes:
        id: submission that marks it in the repository as entered in error; empty when it never got there.
        cancelled: submissions that will never be sent.
        recipients: every organisation that got its data: tell them.
    """

    id: str
    cancelled: tuple[str, ...]
    recipients: tuple[Recipient, ...]


class Fetched(list[dict[str, Any]]):
    """Records that were fetched.

    Attributes:
        elsewhere: what your organisation may see and the adapter does not keep any more: `record_type`, `since` and
            `location`, which is `Type/id` in the repository.
        problems: the same in words.
    """

    elsewhere: tuple[dict[str, str], ...]
    problems: tuple[Problem, ...]


def fetched(answer: Mapping[str, Any]) -> Fetched:
    """Read the answer to a fetch."""
    found = Fetched(answer["records"])
    found.elsewhere = tuple(answer.get("elsewhere", ()))
    found.problems = problems(answer.get("outcome", {}).get("issue", ()))
    return found


def problems(issues: Iterable[Mapping[str, Any]], least: str = "warning") -> tuple[Problem, ...]:
    """Read `OperationOutcome.issue`.

    Args:
        least: `information` to keep those too.
    """
    return tuple(_problem(issue) for issue in issues if least == "information" or issue["severity"] != "information")


def taken(answer: Mapping[str, Any]) -> Taken:
    """Read the answer to a record that was taken."""
    told = problems(answer["outcome"]["issue"])
    return Taken(answer["id"], answer["record_type"], int(answer["resources"]), answer["repeated"], told)


def judged(answer: Mapping[str, Any], number: int) -> Judged:
    """Read one line of the answer to a batch."""
    found = taken(answer) if answer["status"] == 202 else None
    return Judged(number, answer["status"], found, problems(answer["outcome"]["issue"]))


def status(answer: Mapping[str, Any]) -> Status:
    """Read where a submission is."""
    return Status(
        id=answer["id"],
        record_type=answer["record_type"],
        record_version=int(answer["record_version"]),
        received_at=datetime.fromisoformat(answer["received_at"]),
        state=answer["state"],
        advice=answer["advice"],
        attempts=answer["attempts"],
        http_status=answer["http_status"],
        due=datetime.fromisoformat(answer["due"]),
        invalidated=answer["invalidated"],
        receipts=answer["receipts"],
        problems=problems([*answer["issues"], *answer["warnings"]], "information"),
        history=tuple(
            Step(datetime.fromisoformat(step["at"]), step["state"], step["attempt"], step["cause"])
            for step in answer["history"]
        ),
    )


def invalidation(answer: Mapping[str, Any]) -> Invalidation:
    """Read what became of a record that was taken back."""
    recipients = (Recipient(**one | {"last": datetime.fromisoformat(one["last"])}) for one in answer["recipients"])
    return Invalidation(answer["id"], tuple(answer["cancelled"]), tuple(recipients))


def _problem(issue: Mapping[str, Any]) -> Problem:
    details = issue.get("details", {})
    place = _LOCATION.fullmatch(next(iter(issue.get("location", ())), ""))
    line, column = (place["line"], place["column"]) if place else (None, None)
    return Problem(
        severity=issue["severity"],
        code=issue.get("code", ""),
        rule=next((coding.get("code", "") for coding in details.get("coding", ())), ""),
        text=details.get("text", ""),
        path=place["path"] if place else "",
        line=int(line) if line else None,
        column=int(column) if column else None,
        expression=next(iter(issue.get("expression", ())), ""),
    )
