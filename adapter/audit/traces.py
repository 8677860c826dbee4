"""Traces of decisions beside the chain: an entry names the hash of each, so that an edited or missing one shows.

The same trace is stored once. It holds codes, opaque ids and FHIRPaths, is encrypted like a record and lives as long
as the log; only reviewers read it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from adapter.audit.chain import WHOLE, Finding, Part
from adapter.store.among import among
from adapter.store.cipher import Cipher, CipherError, KeyNotConfigured
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import audit_entry, decision_trace

FACT = "trace"
"""Name of the fact that lists the hashes."""

_KNOWN = Selection(select(decision_trace.c.hash).where(among(decision_trace.c.hash, "hashes")))
_ONE = select(decision_trace.c.body).where(decision_trace.c.hash == bindparam("hash"))
_ALL = select(decision_trace.c.hash, decision_trace.c.body).execution_options(yield_per=1000)
_NAMING = (
    select(audit_entry.c.seq, audit_entry.c.entry)
    .where(audit_entry.c.entry.contains(f'"{FACT}"'), audit_entry.c.seq.between(bindparam("first"), bindparam("last")))
    .order_by(audit_entry.c.seq)
    .execution_options(yield_per=1000)
)
# Another process may decide the same in the same moment.
_ADD = {
    name: Insertion(insert(decision_trace).on_conflict_do_nothing(index_elements=["hash"]))
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


class TraceBroken(Exception):  # noqa: N818 - named after what happened to it
    """A trace is missing, or is not the one that the log names."""


class Verified(NamedTuple):
    """What a look at the traces found.

    Attributes:
        finding: the first entry of which a trace does not fit, or None.
        unopened: how many traces need a storage key that was not given.
    """

    finding: Finding | None
    unopened: int


def fact_of(traces: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Return the fact by which an entry names its traces; none for a decision that asked no consent.

    Args:
        traces: hash and body of each (`adapter.consent.written.Trace`).
    """
    hashes = dict(traces)
    return {FACT: ", ".join(hashes)} if hashes else {}


def keep(connection: Connection, traces: Iterable[tuple[str, bytes]], cipher: Cipher | None) -> None:
    """Store the traces that are new, in the transaction of the entries that name them.

    Args:
        cipher: seals them; None where nothing else is encrypted either (the mock endpoint's log).
    """
    bodies = dict(traces)
    if not bodies:
        return
    new = bodies.keys() - {row.hash for row in _KNOWN(connection, hashes=bodies)}
    rows = [{"hash": name, "body": _sealed(name, bodies[name], cipher)} for name in sorted(new)]
    _ADD[connection.dialect.name](connection, rows)


def read(connection: Connection, name: str, cipher: Cipher | None) -> bytes:
    """Return the trace of that hash.

    Raises:
        TraceBroken: it is missing, or its bytes do not have that hash.
        KeyNotConfigured: its storage key is not at hand.
    """
    return _opened(name, connection.execute(_ONE, {"hash": name}).scalar(), cipher)


def verify(connection: Connection, cipher: Cipher | None, part: Part = WHOLE, *, sealed: bool = True) -> Verified:
    """Say whether every trace that the entries name is there and is the one that they name.

    Args:
        cipher: opens them; without it only missing ones are found.
        part: look only at these entries.
        sealed: False where nothing is encrypted.
    """
    named = _named(connection, part)
    unopened = 0
    with connection.execute(_ALL) as rows:
        for name, body in rows:
            if name not in named:
                continue
            try:
                if cipher is None and sealed:
                    raise KeyNotConfigured
                _opened(name, body, cipher)
            except KeyNotConfigured:
                unopened += 1
            except TraceBroken:
                continue
            del named[name]
    broken = min(named.values(), default=None)
    return Verified(None if broken is None else Finding("trace", broken), unopened)


def _named(connection: Connection, part: Part) -> dict[str, int]:
    """Return every hash with the first entry that names it."""
    found: dict[str, int] = {}
    with connection.execute(_NAMING, {"first": part.first, "last": part.last}) as rows:
        for seq, entry in rows:
            for name in _hashes(entry):
                found.setdefault(name, seq)
    return found


def _hashes(entry: str) -> Iterator[str]:
    yield from filter(None, str(json.loads(entry).get(FACT, "")).split(", "))


def _sealed(name: str, body: bytes, cipher: Cipher | None) -> bytes:
    packed = zlib.compress(body, 1)
    return cipher.encrypt(_place(name), packed) if cipher else packed


def _opened(name: str, stored: bytes | None, cipher: Cipher | None) -> bytes:
    if stored is None:
        raise TraceBroken("the trace is missing")
    try:
        body = zlib.decompress(cipher.decrypt(_place(name), stored) if cipher else stored)
    except KeyNotConfigured:
        raise
    except (CipherError, zlib.error):
        raise TraceBroken("the trace does not open") from None
    if hashlib.sha256(body).hexdigest() != name:
        raise TraceBroken("the trace is not the one that the log names")
    return body


def _place(name: str) -> str:
    return f"decision_trace/body/{name}"
