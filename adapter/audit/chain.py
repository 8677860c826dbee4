"""A chain of entries, each holding the SHA-256 of the one before it: no audit, no data.

An entry names submissions, records and rules by opaque ids and codes; it holds no personal data, so it can be
kept when the bodies are gone (design §7).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from sqlalchemy import Connection, func, insert, select

from adapter.store.tables import audit_entry

START = "0" * 64
"""What the first entry names as its predecessor."""


def append(connection: Connection, at: float, kind: str, entry: Mapping[str, str | int]) -> None:
    """Add one entry inside the caller's transaction.

    Args:
        at: the act's instant, UTC seconds.
        kind: `decision`, `outcome` or `refusal`.
        entry: opaque ids, codes and counts.
    """
    seq, previous = _tail(connection)
    text = json.dumps(dict(entry), sort_keys=True, ensure_ascii=False)
    connection.execute(
        insert(audit_entry).values(
            seq=seq + 1,
            at=at,
            kind=kind,
            entry=text,
            previous=previous,
            hash=_digest(seq + 1, at, kind, text, previous),
        )
    )


def verify(connection: Connection) -> int | None:
    """Return the sequence number of the first entry that does not fit the chain, or None when all fit."""
    expected, previous = 1, START
    rows = connection.execute(select(audit_entry).order_by(audit_entry.c.seq))
    for row in rows:
        fits = row.seq == expected and row.previous == previous
        if not fits or row.hash != _digest(row.seq, row.at, row.kind, row.entry, row.previous):
            return int(expected)
        expected, previous = row.seq + 1, row.hash
    return None


def _tail(connection: Connection) -> tuple[int, str]:
    last = select(func.max(audit_entry.c.seq)).scalar_subquery()
    row = connection.execute(select(audit_entry.c.seq, audit_entry.c.hash).where(audit_entry.c.seq == last)).first()
    return (row.seq, row.hash) if row else (0, START)


def _digest(seq: int, at: float, kind: str, entry: str, previous: str) -> str:
    return hashlib.sha256(json.dumps([seq, at, kind, entry, previous]).encode()).hexdigest()
