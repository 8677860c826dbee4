"""A chain of entries, each holding the SHA-256 of the one before it: no audit, no data.

An entry names submissions, records, actors and rules by opaque ids and codes; it holds no personal data, so it
stays whole when bodies and the key table of persons are erased (design §7).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, bindparam, func, insert, select, text

from adapter.audit.checkpoints import Checkpoint
from adapter.audit.merkle import Tree, leaf_hash
from adapter.source.identity_code import without_codes
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import audit_checkpoint, audit_entry

START = "0" * 64
"""What the first entry names as its predecessor."""

POSTGRESQL_LOCK = 0x6B796B79
"""Advisory lock that makes writers of the chain wait for each other; SQLite has one writer anyway."""

# Statements that are built once: to build one takes longer than to run it.
_LOCK = text(f"SELECT pg_advisory_xact_lock({POSTGRESQL_LOCK})")
_TAIL = Selection(select(audit_entry.c.seq, audit_entry.c.hash).order_by(audit_entry.c.seq.desc()).limit(1))
_ADD = Insertion(insert(audit_entry))
_ALL = select(audit_entry).order_by(audit_entry.c.seq).execution_options(yield_per=1000)
_UP_TO = _ALL.where(audit_entry.c.seq <= bindparam("last"))


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the log.

    Attributes:
        kind: `entry` (edited, missing or moved), `checkpoint` (root differs: rebuilt), `tail` (entries are missing),
            `signature` (a checkpoint is not signed by a key that counts).
        seq: first sequence number that does not fit; of a signature the number of the checkpoint, stored ones first.
    """

    kind: str
    seq: int


class Part(NamedTuple):
    """Entries from one sequence number to another, both inclusive."""

    first: int = 0
    last: int = 2**31 - 1

    def holds(self, size: int) -> bool:
        """Tell whether the last entry of a log of that size is one of these."""
        return self.first <= size <= self.last


WHOLE = Part()


def lock(connection: Connection) -> None:
    """Wait until nobody else writes to the chain, and keep others waiting until the transaction ends.

    SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)


def append(connection: Connection, at: float, kind: str, *entries: Mapping[str, str | int]) -> int:
    """Add entries inside the caller's transaction and return the sequence number of the last one.

    Args:
        at: the instant of the acts, UTC seconds.
        kind: `decision`, `preview`, `outcome`, `refusal`, `release`, `review` or `admin`.
        entries: opaque ids, codes and counts. What looks like an identity code is masked: a sender may have put one
            where an organisation's id belongs.
    """
    seq, previous = _tail(connection)
    rows = []
    for seq, entry in enumerate(entries, seq + 1):  # noqa: B020 - it goes on counting
        content = without_codes(json.dumps(dict(entry), sort_keys=True, ensure_ascii=False))
        found = _hash(_line(seq, at, kind, content, previous))
        rows.append({"seq": seq, "at": at, "kind": kind, "entry": content, "previous": previous, "hash": found})
        previous = found
    _ADD(connection, rows)
    return seq


def checkpoint(connection: Connection, now: float, key: Ed25519PrivateKey) -> str:
    """Sign the present state, store it and return the text to be kept elsewhere."""
    return sign_state(connection, now, key)


def sign_state(connection: Connection, now: float, *keys: Ed25519PrivateKey) -> str:
    """Do what `checkpoint` does with several keys: the old and the new one when the key changes."""
    tree = Tree()
    for row in connection.execute(_ALL):
        tree.append(leaf_hash(_line(row.seq, row.at, row.kind, row.entry, row.previous)))
    note = Checkpoint(tree.size, tree.root, now).sign(*keys)
    connection.execute(insert(audit_checkpoint).values(at=now, size=tree.size, note=note))
    return note


def size(connection: Connection) -> int:
    """Return how many entries the log has."""
    return _tail(connection)[0]


def checkpointed(connection: Connection) -> int:
    """Return how many entries the newest stored checkpoint covers; 0 without one."""
    return connection.execute(select(func.max(audit_checkpoint.c.size))).scalar() or 0


def notes(connection: Connection) -> list[str]:
    """Return the stored checkpoints, oldest first."""
    return list(connection.execute(select(audit_checkpoint.c.note).order_by(audit_checkpoint.c.id)).scalars())


def verify(connection: Connection, checkpoints: Iterable[Checkpoint] = (), part: Part = WHOLE) -> Finding | None:
    """Return the first thing that does not fit, or None when everything does.

    Args:
        checkpoints: signed states that the log must extend; those kept elsewhere find a cut tail or a rebuilt chain.
        part: look only at these entries, which must be there, and at checkpoints of a size among them; what stands
            before them is believed.
    """
    expected, previous = 1, START
    tree, waiting = Tree(), sorted((one for one in checkpoints if part.holds(one.size)), key=lambda each: each.size)
    # Closed also when something is found half-way: the rows come from the server bit by bit.
    with connection.execute(_UP_TO, {"last": part.last}) as rows:
        for row in rows:
            line = _line(row.seq, row.at, row.kind, row.entry, row.previous)
            fits = row.seq == expected and row.previous == previous and row.hash == _hash(line)
            if not fits and row.seq >= part.first:
                return Finding("entry", max(expected, part.first))
            tree.append(leaf_hash(line))
            while waiting and waiting[0].size == tree.size:
                if waiting.pop(0).root != tree.root:
                    return Finding("checkpoint", expected)
            expected, previous = row.seq + 1, row.hash
    while waiting and waiting[0].size == 0:
        waiting.pop(0)
    asked_for = part.first if part.last == WHOLE.last else part.last
    return Finding("tail", expected) if waiting or expected <= asked_for else None


def _tail(connection: Connection) -> tuple[int, str]:
    lock(connection)
    rows = _TAIL(connection)
    return (rows[0].seq, rows[0].hash) if rows else (0, START)


def _line(seq: int, at: float, kind: str, entry: str, previous: str) -> bytes:
    return json.dumps([seq, at, kind, entry, previous]).encode()


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
