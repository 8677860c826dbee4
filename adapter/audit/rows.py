"""The entries of the log as they are read: searching, exports, projections and copies all start here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from adapter.audit import persons
from adapter.store.tables import audit_entry


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the log.

    Attributes:
        seq: its number in the chain, from 1.
        at: when it happened, UTC seconds.
        kind: as in `adapter.audit.append`.
        facts: opaque ids, codes and counts; the names are listed in `mappings/audit/acts.yaml`.
    """

    seq: int
    at: float
    kind: str
    facts: Mapping[str, str | int]

    def fact(self, name: str) -> str:
        """Return a fact as text; empty when the entry does not have it."""
        return str(self.facts.get(name, ""))

    def parts(self, name: str) -> tuple[str, ...]:
        """Return a fact that lists several values (separated by comma and blank)."""
        return tuple(filter(None, self.fact(name).split(", ")))

    @property
    def organisations(self) -> tuple[str, ...]:
        """Ids of those who saw or handled the data: the recipients, else the actor's own organisation."""
        return self.parts("recipients") or self.parts("organisation") or self.parts("custodian")

    @property
    def what(self) -> tuple[str, ...]:
        """Codes of what the act was about: data classes, else the type of the record or of the resource."""
        return self.parts("classes") or self.parts("record_type") or self.parts("type")

    @property
    def act(self) -> str:
        """What was done: a code of `mappings/audit/acts.yaml`; an entry without one is named by its kind."""
        return self.fact("act") or self.kind


def read_rows(
    connection: Connection,
    *,
    since: float | None = None,
    until: float | None = None,
    kinds: Iterable[str] = (),
    client: str = "",
    newest_first: bool = False,
) -> Iterator[Row]:
    """Yield the entries that fit, in the order of the chain; a client who has had several pseudonyms has the present.

    Args:
        since, until: UTC seconds, both inclusive.
        kinds: only these kinds; none given means all.
        client: pseudonym of a client; the entry must name it, or one that the client had before.
    """
    order = audit_entry.c.seq.desc() if newest_first else audit_entry.c.seq
    query = select(audit_entry.c.seq, audit_entry.c.at, audit_entry.c.kind, audit_entry.c.entry).order_by(order)
    if since is not None:
        query = query.where(audit_entry.c.at >= since)
    if until is not None:
        query = query.where(audit_entry.c.at <= until)
    if wanted := tuple(kinds):
        query = query.where(audit_entry.c.kind.in_(wanted))
    now = persons.former(connection)
    client = now.get(client, client)
    if client:
        # The text narrows the search inside the database; the fact itself decides.
        names = (client, *(before for before, present in now.items() if present == client))
        query = query.where(or_(*(audit_entry.c.entry.contains(name, autoescape=True) for name in names)))
    for seq, at, kind, entry in connection.execute(query):
        row = Row(seq, at, kind, _under_present_name(json.loads(entry), now))
        if not client or row.fact("client") == client:
            yield row


def _under_present_name(facts: dict[str, str | int], now: Mapping[str, str]) -> dict[str, str | int]:
    client = str(facts.get("client", ""))
    return facts | {"client": now[client]} if client in now else facts
