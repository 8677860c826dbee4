"""The work list: saved queries over all clients, each of which finds something to act on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from adapter.review.consents import EXPIRING_DAYS, ConsentRow, days_left, rows_of, type_of
from adapter.review.files import ZONE, ClientFile, actors
from adapter.review.matrix import Access


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to act on.

    Attributes:
        query: name of the saved query.
        lane: whose.
        what: consent, member or organisation that it is about.
    """

    query: str
    lane: str
    what: str


Query = Callable[[ClientFile, float, str], Iterator[str]]


def find(files: Mapping[str, ClientFile], moment: float, language: str) -> list[Finding]:
    """Run every saved query on every client."""
    present = {lane: file.at(moment) for lane, file in files.items()}
    return [
        Finding(name, lane, what)
        for name, query in QUERIES.items()
        for lane, file in present.items()
        for what in query(file, moment, language)
    ]


def _member_not_covered(file: ClientFile, moment: float, _language: str) -> Iterator[str]:
    """A present team member gets no data class for any purpose."""
    access = Access(file, moment)
    today = _day(moment).isoformat()
    for member in access.recipients:
        start, end = member.period
        present = member.team and start[:10] <= today and (not end or end[:10] >= today)
        words = (access.cell(member, code, access.purposes, "disclose").word for code in access.data)
        if present and all(word == "deny" for word in words):
            yield f"{member.name}, {member.organisation}"


def _consent_expired(file: ClientFile, moment: float, language: str) -> Iterator[str]:
    """A consent is still marked active though its period is over."""
    for row in _newest(file, moment, language):
        if row.status == "active" and row.end and days_left(row, _day(moment)) < 0:
            yield row.title


def _consent_expiring(file: ClientFile, moment: float, language: str) -> Iterator[str]:
    """A consent ends within 30 days."""
    for row in _newest(file, moment, language):
        if row.in_force and row.end and days_left(row, _day(moment)) <= EXPIRING_DAYS:
            yield row.title


def _no_evidence(file: ClientFile, moment: float, language: str) -> Iterator[str]:
    """A consent is active without a signed form or a record of an oral permission."""
    for row in _newest(file, moment, language):
        if row.status == "active" and not row.evidence:
            yield row.title


def _team_without_consent(file: ClientFile, moment: float, language: str) -> Iterator[str]:
    """A team is active and no consent is in force."""
    if any(row.in_force for row in rows_of(file, moment, language)):
        return
    for kept in file.kept:
        for team in kept.of_type("CareTeam"):
            if team.get("status") == "active":
                yield str(team.get("name", ""))


def _duplicate(file: ClientFile, moment: float, language: str) -> Iterator[str]:
    """Two consents of the same type are in force at once: withdrawing one leaves the other."""
    rows = {row.id: row for row in rows_of(file, moment, language) if row.in_force}
    seen: set[tuple[str, str]] = set()
    for kept, consent in file.consents:
        named = ",".join(sorted(str(each) for each in actors(consent.get("provision", {}))))
        mark = (type_of(consent), named)
        if kept.id in rows and mark in seen:
            yield rows[kept.id].title
        elif kept.id in rows:
            seen.add(mark)


QUERIES: dict[str, Query] = {
    "member-not-covered": _member_not_covered,
    "consent-expired": _consent_expired,
    "consent-expiring": _consent_expiring,
    "no-evidence": _no_evidence,
    "team-without-consent": _team_without_consent,
    "duplicate": _duplicate,
}


def _newest(file: ClientFile, moment: float, language: str) -> list[ConsentRow]:
    return [row for row in rows_of(file, moment, language) if row.newest]


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, ZONE).date()
