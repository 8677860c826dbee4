"""The client's copy of the log (asiakkaan lokitieto): who handled the data, to whom they were given, on what ground.

Rules (Act 703/2023 on the processing of client data, right to log data; `mappings/audit/log-copy.yaml`): free of
charge; the last two years, older only for a special reason; staff are shown as their organisation and role, never
by name; what would endanger the client's health or care or somebody else's rights is withheld on a named ground;
who may not act for the client gets nothing. Attempts that were refused are no handling and are not shown.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from typing import Any, Literal, get_args

from sqlalchemy import Connection

from adapter.audit.acts import act_of, acts
from adapter.audit.chain import append
from adapter.audit.rows import Row, read_rows
from adapter.audit.sheets import Sheet, table
from adapter.audit.words import ZONE, as_day, ground, instant, listed, purpose, role
from adapter.data import data_root, read_yaml
from adapter.errors import AdapterError
from adapter.i18n import text
from adapter.types import Issue

Requester = Literal["client", "guardian", "representative", "other"]
"""Who asks: the client, a guardian of a minor, somebody with the right to act for the client, anybody else."""

REQUESTERS: tuple[Requester, ...] = get_args(Requester)
Ground = Literal["danger-to-client", "rights-of-others"]
"""Why an entry is withheld."""

GROUNDS: tuple[Ground, ...] = get_args(Ground)


class LogCopyRefused(AdapterError):  # noqa: N818 - named after what happened, not after a fault
    """No copy may be given: older than two years without a reason, or the asker may not act for the client."""

    number = 9000
    stage = "log-copy"
    http_status = 403


@dataclass(frozen=True, slots=True)
class Line:
    """One act as the client sees it; codes, which `log_copy_sheet` puts into words.

    Attributes:
        seq: number in the log, so that the controller can find the entry.
        at: UTC seconds.
        act, log: codes of `mappings/audit/acts.yaml`.
        organisations: ids of who handled or received the data.
        role: of the person who acted, a code; empty when not logged.
        what: data classes or type of the record, codes.
        purpose, ground: codes.
    """

    seq: int
    at: float
    act: str
    log: str
    organisations: tuple[str, ...]
    role: str
    what: tuple[str, ...]
    purpose: str
    ground: str


@dataclass(frozen=True, slots=True)
class LogCopy:
    """What the client is given.

    Attributes:
        client: pseudonym; the copy names nobody.
        since, until: the span that it covers, UTC seconds.
        made: when, UTC seconds.
        due: day by which an answer is owed, counted from the request.
        lines: newest first.
        withheld: how many entries are not shown, by ground.
    """

    client: str
    since: float
    until: float
    made: float
    due: date
    lines: tuple[Line, ...]
    withheld: Mapping[Ground, int]


def give_log_copy(
    connection: Connection,
    client: str,
    now: float,
    *,
    since: float | None = None,
    until: float | None = None,
    reason: str = "",
    requester: Requester = "client",
    minor_forbids: bool = False,
    withhold: Mapping[int, Ground] | None = None,
    asked: float | None = None,
    by: Mapping[str, str] | None = None,
    shows: Callable[[Row], bool] = lambda _row: True,
) -> LogCopy:
    """Return the copy and write the giving of it to the log, in the caller's transaction.

    Args:
        client: pseudonym of the client.
        now: the present instant, UTC seconds.
        since, until: UTC seconds; by default the last two years.
        reason: the special reason for entries older than two years; only that there is one is logged, not its text.
        requester: who asks.
        minor_forbids: a minor who can decide has forbidden telling the guardian (national code 40202, 3).
        withhold: number of an entry to the ground for withholding it; the reviewer decides.
        asked: when the request came; by default now.
        by: facts that say who gives the copy, e.g. `{"reviewer": account}`.
        shows: says whether an entry belongs to the controller that gives the copy.

    Raises:
        LogCopyRefused: see there; nothing is given. What the caller began is taken back, so the refusal is written by
            `note_refusal` in a transaction of its own.
    """
    usual, withhold = usual_start(now), withhold or {}
    start, end = usual if since is None else since, now if until is None else until
    _check(requester, minor_forbids=minor_forbids, older=start < usual, reason=reason)
    rows = read_rows(connection, since=start, until=end, client=client, newest_first=True)
    told = [row for row in rows if act_of(row).told and shows(row)]
    lines = tuple(_line(row) for row in told if row.seq not in withhold)
    withheld = Counter(withhold[row.seq] for row in told if row.seq in withhold)
    facts: dict[str, str | int] = {"act": "log-copy", "client": client, "requester": requester, "rows": len(lines)}
    facts |= {"withheld": withheld.total(), "older": int(start < usual), **(by or {})}
    append(connection, now, "review", facts)
    return LogCopy(client, start, end, now, due_day(now if asked is None else asked), lines, dict(withheld))


def note_refusal(
    connection: Connection,
    client: str,
    now: float,
    refused: LogCopyRefused,
    *,
    requester: Requester,
    by: Mapping[str, str] | None = None,
) -> None:
    """Write to the log that a copy was refused, and by which rule.

    Args:
        client: pseudonym of the client.
        now: the present instant, UTC seconds.
        requester, by: as in `give_log_copy`.
    """
    rules = ",".join(issue.key.removeprefix("audit.") for issue in refused.issues)
    facts = {"act": "refuse-log-copy", "client": client, "requester": requester, "rules": rules}
    append(connection, now, "refusal", {**facts, **(by or {})})


def log_copy_sheet(copy: LogCopy, language: str, names: Mapping[str, str] | None = None) -> Sheet:
    """Return a copy in the client's language.

    Args:
        names: names of organisations by id; without one the id stands.
    """
    lead = [
        text("audit.copy-lead", language, since=as_day(copy.since), until=as_day(copy.until)),
        text("audit.copy-staff", language),
        text("audit.copy-use", language),
        text("audit.copy-due", language, due=f"{copy.due.day}.{copy.due.month}.{copy.due.year}"),
    ]
    for name, count in copy.withheld.items():
        reason = text(f"audit.ground-{name}", language)
        lead.append(text("audit.copy-withheld", language, count=str(count), ground=reason))
    if not copy.lines:
        lead.append(text("audit.copy-none", language))
    rows = (_cells(line, language, names or {}) for line in copy.lines)
    return Sheet(text("audit.copy-title", language), tuple(lead), (table("copy", language, rows),))


def usual_start(now: float) -> float:
    """Return how far back a copy goes without a special reason: the beginning of the day two years ago."""
    return years_before(now, int(_rules()["years"]))


def years_before(now: float, years: int) -> float:
    """Return the beginning of the same day in Finland some years ago, UTC seconds."""
    day = _months_later(_local_day(now), -12 * years)
    return datetime.combine(day, time.min, ZONE).timestamp()


def due_day(asked: float) -> date:
    """Return the day by which an answer is owed: one month after the request (GDPR art. 12(3))."""
    return _months_later(_local_day(asked), 1)


def _local_day(moment: float) -> date:
    return datetime.fromtimestamp(moment, ZONE).date()


def _months_later(day: date, months: int) -> date:
    """Return the same day of another month, or its last day when it has fewer."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _check(requester: Requester, *, minor_forbids: bool, older: bool, reason: str) -> None:
    excluded = _rules()["excluded"]
    if requester in excluded or (minor_forbids and requester != "client"):
        raise LogCopyRefused(Issue("error", "audit.copy-not-for-asker"))
    if older and not reason.strip():
        raise LogCopyRefused(Issue("error", "audit.copy-too-old", {"years": _rules()["years"]}))


def _line(row: Row) -> Line:
    act = act_of(row)
    return Line(
        row.seq, row.at, act.code, act.log, row.organisations, row.fact("role"), row.what,
        row.fact("purpose"), row.fact("basis"),
    )  # fmt: skip


def _cells(line: Line, language: str, names: Mapping[str, str]) -> tuple[str, ...]:
    return (
        str(line.seq), instant(line.at), acts()[line.act].name(language), text(f"audit.log-{line.log}", language),
        ", ".join(names.get(one, one) for one in line.organisations), role(line.role, language),
        listed(line.what, language), purpose(line.purpose, language), ground(line.ground, language),
    )  # fmt: skip


@cache
def _rules() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(data_root() / "mappings" / "audit" / "log-copy.yaml")
    return found
