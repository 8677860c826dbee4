"""What the audit says, as far as a reviewer may see it: search, single entries, disclosures of a client's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, select

from adapter.audit import traces
from adapter.audit.acts import act_of
from adapter.audit.rows import Row, read_rows
from adapter.review.accounts import Account
from adapter.review.files import ClientFile, lanes_of
from adapter.store.tables import audit_person, submission

OWN_REGISTER = "own-register"
STATUTORY = ("statutory-concern-notification", "other-statutory")
SHOWN = 500
REASONS = ("client-request", "supervision", "suspicion", "complaint", "authority", "technical")
"""Why somebody looks into the log; the code is logged with the search."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of the log somebody may see: entries about records and clients of their controllers.

    Attributes:
        clients: pseudonyms of the clients of the controllers.
        submissions: ids of the controllers' records.
    """

    who: Account
    clients: frozenset[str]
    submissions: frozenset[str]

    @classmethod
    def of(cls, connection: Connection, who: Account) -> Reach:
        """Work out the reach of an account."""
        own = select(submission.c.id).where(submission.c.custodian.in_(who.custodians))
        lanes = lanes_of(connection, who.custodians)
        people = connection.execute(select(audit_person.c.pseudonym, audit_person.c.lookup))
        clients = (pseudonym for pseudonym, lookup in people if lookup in lanes)
        return cls(who, frozenset(clients), frozenset(connection.execute(own).scalars()))

    def shows(self, row: Row) -> bool:
        """Say whether an entry may be seen: the controller decides, else the record, else the client.

        An entry about nobody (a refusal before the client was known, upkeep) is for everybody; what other reviewers
        did without a client is for auditors.
        """
        if row.fact("reviewer") == self.who.id:
            return True
        for fact, known in (("custodian", self.who.custodians), ("submission", self.submissions)):
            if row.fact(fact):
                return not known.isdisjoint(row.parts(fact))
        if row.fact("client"):
            return row.fact("client") in self.clients
        return act_of(row).log != "review" or self.who.role == "auditor"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is looked for; an empty field narrows nothing.

    Attributes:
        since, until: UTC seconds, both inclusive.
        kind: as in `adapter.audit.append`; `denied` means attempts that were refused.
        client: pseudonym.
        who: part of the id of a reviewer, professional or system.
        organisation, purpose, ground: ids and codes of recipients, purposes and grounds.
        text: part of any fact.
    """

    since: float | None = None
    until: float | None = None
    kind: str = ""
    client: str = ""
    who: str = ""
    organisation: str = ""
    purpose: str = ""
    ground: str = ""
    text: str = ""

    def fits(self, row: Row, submissions: frozenset[str]) -> bool:
        """Say whether an entry fits; `submissions` are the client's, for entries that name only those."""
        client = not self.client or row.fact("client") == self.client or row.fact("submission") in submissions
        kind = is_denied(row) if self.kind == "denied" else not self.kind or row.kind == self.kind
        who = any(self.who.lower() in row.fact(name).lower() for name in ("user", "reviewer", "sender"))
        organisations = (*row.parts("recipients"), *row.parts("organisation"), *row.parts("custodian"))
        return (
            client
            and kind
            and (not self.who or who)
            and (not self.organisation or self.organisation in organisations)
            and (not self.purpose or row.fact("purpose") == self.purpose)
            and (not self.ground or row.fact("basis") == self.ground)
            and any(self.text.lower() in str(value).lower() for value in row.facts.values())
        )


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Data that were made visible to somebody.

    Attributes:
        at: when it was logged, UTC seconds.
        judged: as of when it was decided; the same, except in a demonstration of old records.
        recipients: ids of organisations, as the audit has them.
        classes: data classes.
        submission: the record; empty when the entry names none.
        traces: hashes of the traces of the decisions; none for entries that asked no consent or are older.
    """

    seq: int
    at: float
    judged: float
    act: str
    basis: str
    purpose: str
    recipients: tuple[str, ...]
    classes: tuple[str, ...]
    submission: str
    traces: tuple[str, ...]


def is_denied(row: Row) -> bool:
    """Say whether an entry is of an attempt that was refused."""
    return row.kind == "refusal" or row.fact("decision") == "deny"


def handles(row: Row, data_class: str) -> bool:
    """Say whether an entry is of the use log: data of a class, or of any, were handled in the controller's register."""
    use = act_of(row).log == "use" and act_of(row).told
    return use and data_class in ("", *row.what)


def search_log(
    connection: Connection,
    reach: Reach,
    query: LogQuery,
    submissions: frozenset[str] = frozenset(),
    *,
    also: Callable[[Row], bool] = lambda _row: True,
) -> list[Row]:
    """Return the newest entries that fit and may be seen, at most `SHOWN`.

    Args:
        submissions: ids of the records of the client asked for.
        also: what else an entry must be; asked last, about what fits and may be seen.
    """
    rows = read_rows(connection, since=query.since, until=query.until, newest_first=True)
    found = (row for row in rows if query.fits(row, submissions) and reach.shows(row) and also(row))
    return list(islice(found, SHOWN))


def disclosures(connection: Connection, reach: Reach, files: Mapping[str, ClientFile]) -> dict[str, list[Disclosure]]:
    """Return what of each client was made visible to others, newest first.

    Args:
        files: by pseudonym, as is the answer.
    """
    kept = {one.id: (client, one.classes) for client, file in files.items() for one in file.kept}
    found: dict[str, list[Disclosure]] = {client: [] for client in files}
    for row in read_rows(connection, kinds=("decision", "release"), newest_first=True):
        client, classes = kept.get(row.fact("submission"), (row.fact("client"), ()))
        if client in found and _discloses(row) and reach.shows(row):
            found[client].append(_disclosure(row, classes))
    return found


def _discloses(row: Row) -> bool:
    basis = row.fact("basis")
    seen = act_of(row).sees or (row.kind == "decision" and basis != "")
    return seen and basis != OWN_REGISTER and not is_denied(row)


def _disclosure(row: Row, classes: tuple[str, ...]) -> Disclosure:
    recipients = row.parts("recipients") or row.parts("organisation")
    what = row.parts("classes") or classes
    return Disclosure(
        row.seq, row.at, float(row.facts.get("judged", row.at)), act_of(row).code, row.fact("basis"),
        row.fact("purpose"), recipients, what, row.fact("submission"), row.parts(traces.FACT),
    )  # fmt: skip
