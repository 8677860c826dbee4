"""The work list: saved queries over all clients, each of which finds something to act on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from adapter.review.consents import EXPIRING_DAYS, ConsentRow, days_left, rows_of, type_of
from adapter.review.files import ZONE, ClientFile
from adapter.review.log import STATUTORY, Disclosure
from adapter.review.matrix import Access, Recipient
from adapter.review.resources import actors
from adapter.review.timeline import as_day

UNUSED_DAYS = 90
"""A purpose that was never used for so long is worth asking about."""


@dataclass(frozen=True, slots=True)
class Case:
    """One client as the queries see them.

    Attributes:
        file: what is on file at the instant.
        disclosures: what was made visible to others, newest first.
        moment: UTC seconds.
    """

    file: ClientFile
    disclosures: Sequence[Disclosure]
    moment: float
    language: str

    @property
    def today(self) -> date:
        """The day of the instant in Finland."""
        return datetime.fromtimestamp(self.moment, ZONE).date()

    @property
    def newest(self) -> list[ConsentRow]:
        """The newest version of every consent."""
        return [row for row in rows_of(self.file, self.moment, self.language) if row.newest]

    @property
    def consents(self) -> list[ConsentRow]:
        """Every version of every consent."""
        return rows_of(self.file, self.moment, self.language)


@dataclass(frozen=True, slots=True)
class Hit:
    """What a query found.

    Attributes:
        mark: what it is about, the same at every run; never shown.
        what: consent, member or organisation, for people.
        since: when it began, UTC seconds.
    """

    mark: str
    what: str
    since: float


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to act on.

    Attributes:
        key: opaque, the same at every run: what a note is fastened to.
        query: name of the saved query.
        lane: whose.
    """

    key: str
    query: str
    lane: str
    what: str
    since: float


Query = Callable[[Case], Iterator[Hit]]


def find(cases: Mapping[str, Case]) -> list[Finding]:
    """Run every saved query on every client; newest first."""
    found = (
        Finding(_key(name, lane, hit.mark), name, lane, hit.what, hit.since)
        for name, query in QUERIES.items()
        for lane, case in cases.items()
        for hit in query(case)
    )
    return sorted(dict.fromkeys(found), key=lambda one: -one.since)


def _member_not_covered(case: Case) -> Iterator[Hit]:
    """A present team member gets no data class for any purpose."""
    access = Access(case.file, case.moment)
    for member in access.recipients:
        words = (access.cell(member, code, access.purposes, "disclose").word for code in access.data)
        if member.team and _is_present(member, case.today) and all(word == "deny" for word in words):
            yield Hit(member.key, f"{member.name}, {member.organisation}", _start_of(member))


def _left_but_receiving(case: Case) -> Iterator[Hit]:
    """Data went to an organisation after its last member had left the team."""
    members = [one for one in Access(case.file, case.moment).recipients if one.team]
    for organisation in dict.fromkeys(one.organisation for one in members):
        ends = [as_day(one.period[1]) for one in members if one.organisation == organisation]
        if not all(ends):
            continue
        last = max(end for end in ends if end)
        late = (one.judged for one in case.disclosures if organisation in _names(case.file, one.recipients))
        first = min((at for at in late if _day(at) > last), default=None)
        if first is not None:
            yield Hit(organisation, organisation, first)


def _team_without_consent(case: Case) -> Iterator[Hit]:
    """A team is active and no consent is in force."""
    if any(row.in_force for row in case.consents):
        return
    for kept in case.file.kept:
        for team in kept.of_type("CareTeam"):
            if team.get("status") == "active":
                yield Hit(kept.id, str(team.get("name", "")), kept.recorded)


def _without_ground(case: Case) -> Iterator[Hit]:
    """A plan or observations were shared without a ground, or by consent without a purpose."""
    for one in case.disclosures:
        if not one.basis or (one.basis == "client-consent" and not one.purpose):
            yield Hit(str(one.seq), ", ".join(_names(case.file, one.recipients)), one.judged)


def _no_evidence(case: Case) -> Iterator[Hit]:
    """A consent is active without a signed form or a record of an oral permission."""
    for row in case.newest:
        if row.status == "active" and not row.evidence:
            yield Hit(row.record, row.title, row.recorded)


def _not_in_team(case: Case) -> Iterator[Hit]:
    """A consent in force names an organisation or person who is in no present team."""
    access = Access(case.file, case.moment)
    members = [one for one in access.recipients if one.team]
    here = {one.organisation for one in members if _is_present(one, case.today)}
    here |= {name for one in members for name in (one.name, one.team)}
    if not here:
        return
    for row in (row for row in case.newest if row.in_force):
        for name in row.recipients:
            if name and name not in here:
                yield Hit(f"{row.record}{name}", f"{name}: {row.title}", row.recorded)


def _purpose_unused(case: Case) -> Iterator[Hit]:
    """A consent has been in force for long and a purpose of it was never used."""
    used = {one.purpose for one in case.disclosures}
    for row in (row for row in case.newest if row.in_force):
        start = as_day(row.start)
        if start and (case.today - start).days > UNUSED_DAYS and not used & {*row.purposes}:
            yield Hit(row.record, row.title, row.recorded)


def _after_withdrawal(case: Case) -> Iterator[Hit]:
    """Data went out by consent when the last consent for the purpose had been withdrawn."""
    for row in (row for row in case.newest if row.status == "inactive"):
        for one in case.disclosures:
            late = one.judged > row.recorded and one.basis == "client-consent" and one.purpose in row.purposes
            if late and not any(_covered(other, one) for other in case.newest):
                yield Hit(f"{row.record}{one.seq}", row.title, one.judged)


def _covered(row: ConsentRow, one: Disclosure) -> bool:
    """Say whether a consent was in force for the purpose of a disclosure when it was decided."""
    start, end = as_day(row.start), as_day(row.end)
    lasts = start is not None and start <= _day(one.judged) and (end is None or _day(one.judged) <= end)
    return lasts and one.purpose in row.purposes and (row.status == "active" or row.recorded > one.judged)


def _statutory(case: Case) -> Iterator[Hit]:
    """Data went out on a statutory ground: each such event is looked at (R31)."""
    for one in case.disclosures:
        if one.basis in STATUTORY:
            yield Hit(str(one.seq), ", ".join(_names(case.file, one.recipients)), one.judged)


def _duplicate(case: Case) -> Iterator[Hit]:
    """Two consents of the same type are in force at once: withdrawing one leaves the other."""
    rows = {row.id: row for row in case.consents if row.in_force}
    seen: set[tuple[str, str]] = set()
    for kept, consent in case.file.consents:
        named = ",".join(sorted(str(each) for each in actors(consent.get("provision", {}))))
        mark = (type_of(consent), named)
        if kept.id in rows and mark in seen:
            yield Hit(rows[kept.id].record, rows[kept.id].title, kept.recorded)
        elif kept.id in rows:
            seen.add(mark)


def _consent_expired(case: Case) -> Iterator[Hit]:
    """A consent is still marked active though its period is over."""
    for row in case.newest:
        if row.status == "active" and row.end and days_left(row, case.today) < 0:
            yield Hit(row.record, row.title, _begin(as_day(row.end)))


def _consent_expiring(case: Case) -> Iterator[Hit]:
    """A consent ends within 30 days."""
    for row in case.newest:
        if row.in_force and row.end and days_left(row, case.today) <= EXPIRING_DAYS:
            yield Hit(row.record, row.title, row.recorded)


def _flawed(case: Case) -> Iterator[Hit]:
    """A consent cannot be relied on: malformed, or with codes that nobody knows."""
    for row in case.newest:
        if row.flaw:
            yield Hit(row.record, row.title, row.recorded)


QUERIES: dict[str, Query] = {
    "after-withdrawal": _after_withdrawal,
    "without-ground": _without_ground,
    "left-but-receiving": _left_but_receiving,
    "statutory": _statutory,
    "team-without-consent": _team_without_consent,
    "member-not-covered": _member_not_covered,
    "not-in-team": _not_in_team,
    "no-evidence": _no_evidence,
    "flawed": _flawed,
    "duplicate": _duplicate,
    "consent-expired": _consent_expired,
    "consent-expiring": _consent_expiring,
    "purpose-unused": _purpose_unused,
}
"""The gravest first."""


def _is_present(member: Recipient, today: date) -> bool:
    start, end = member.period
    return start[:10] <= today.isoformat() and (not end or end[:10] >= today.isoformat())


def _names(file: ClientFile, organisations: Iterable[str]) -> list[str]:
    return [file.organisations.get(one) or one for one in organisations]


def _start_of(member: Recipient) -> float:
    return _begin(as_day(member.period[0]))


def _begin(day: date | None) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() if day else 0.0


def _day(moment: float) -> date:
    return datetime.fromtimestamp(moment, ZONE).date()


def _key(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).hexdigest()
