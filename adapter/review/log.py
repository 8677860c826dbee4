"""What the audit says: search over its entries, and the disclosures of one client's data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from adapter.review.files import ClientFile
from adapter.review.matrix import class_of
from adapter.store.tables import audit_entry

OWN_REGISTER = "own-register"
SHOWN = 500


@dataclass(frozen=True, slots=True)
class LogRow:
    """One entry of the audit.

    Attributes:
        at: UTC seconds.
        kind: as in `adapter.audit.append`.
        facts: opaque ids, codes and counts.
    """

    seq: int
    at: float
    kind: str
    facts: dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A record that was made visible to somebody.

    Attributes:
        classes: data classes of what it holds.
        recipients: ids of organisations, `team` for the members of a team; as the audit has them.
    """

    at: float
    record_type: str
    basis: str
    purpose: str
    recipients: str
    classes: tuple[str, ...]
    submission: str


def search_log(
    connection: Connection,
    *,
    kind: str = "",
    since: float | None = None,
    until: float | None = None,
    text: str = "",
    of: Iterable[str] | None = None,
) -> list[LogRow]:
    """Return the newest entries that fit, at most `SHOWN`.

    Args:
        since, until: UTC seconds, both inclusive.
        text: part of some fact: an organisation, a rule, a reviewer's act.
        of: opaque ids (client, submissions); an entry must name one of them.
    """
    query = select(audit_entry).order_by(audit_entry.c.seq.desc())
    if kind:
        query = query.where(audit_entry.c.kind == kind)
    if since is not None:
        query = query.where(audit_entry.c.at >= since)
    if until is not None:
        query = query.where(audit_entry.c.at <= until)
    wanted = None if of is None else frozenset(of)
    found: list[LogRow] = []
    for row in connection.execute(query):
        facts = json.loads(row.entry)
        values = {str(value) for value in facts.values()}
        if wanted is not None and wanted.isdisjoint(values):
            continue
        if text and not any(text.lower() in value.lower() for value in values):
            continue
        found.append(LogRow(row.seq, row.at, row.kind, facts))
        if len(found) == SHOWN:
            break
    return found


def disclosures(connection: Connection, file: ClientFile) -> list[Disclosure]:
    """Return what of a client was made visible to others, newest first."""
    kept = {one.id: one for one in file.kept}
    found: list[Disclosure] = []
    for row in search_log(connection, kind="decision", of=kept):
        if row.facts.get("basis") == OWN_REGISTER:
            continue
        one = kept[str(row.facts["submission"])]
        classes = dict.fromkeys(filter(None, (class_of(entry["resource"]) for entry in one.bundle["entry"])))
        facts = {name: str(row.facts.get(name, "")) for name in ("basis", "purpose", "recipients")}
        found.append(Disclosure(row.at, one.record_type, **facts, classes=tuple(classes), submission=one.id))
    return found
