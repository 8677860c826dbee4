"""Pseudonyms: the chain names a person by a random id; who that is stands in a key table beside it.

Dropping the row of the key table makes the person unreadable in the whole chain without changing a byte of it
(GDPR art. 17 once the retention of the log has ended). A person who comes back gets another pseudonym.

Clients who turn out to be one person have several pseudonyms in the chain, which is never rewritten: whoever reads the
log (`adapter.audit.rows`) gets all of them under the one of the lane that they were joined into.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable
from typing import Literal, NamedTuple

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from adapter.store.among import among
from adapter.store.cipher import Cipher
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import audit_person, client_identity

Kind = Literal["client", "professional"]

# Built once: every accepted record asks it.
_KNOWN = Selection(
    select(audit_person.c.lookup, audit_person.c.pseudonym).where(among(audit_person.c.lookup, "lookups"))
)
_BEFORE = audit_person.alias("before")
_FORMER = (
    select(_BEFORE.c.pseudonym.label("former"), audit_person.c.pseudonym)
    .join(client_identity, client_identity.c.lookup == _BEFORE.c.lookup)
    .join(audit_person, audit_person.c.lookup == client_identity.c.lane)
    .where(_BEFORE.c.pseudonym != audit_person.c.pseudonym)
)
# Another process may have met the same person in the same moment: the first one wins for both.
_ADD = {
    name: Insertion(insert(audit_person).on_conflict_do_nothing(index_elements=["lookup"]))
    for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


class Identity(NamedTuple):
    """Who a person is: an identifier (system and value). Names and addresses are not kept here."""

    system: str
    value: str


class Somebody(NamedTuple):
    """A person whom an entry is to name.

    Attributes:
        lookup: a value that cannot be turned back without a key (`adapter.store.cipher.keyed_hash`).
        identity: kept for a person who is new; None keeps nothing.
    """

    lookup: str
    kind: Kind = "client"
    identity: Identity | None = None


class Person(NamedTuple):
    """A row of the key table.

    Attributes:
        lookup: keyed hash that finds the person again; of a client the lane of their records.
    """

    pseudonym: str
    kind: str
    lookup: str


def pseudonym_of(
    connection: Connection,
    lookup: str,
    *,
    kind: Kind = "client",
    identity: Identity | None = None,
    cipher: Cipher | None = None,
    draw: Callable[[], str] = lambda: secrets.token_hex(16),
) -> str:
    """Return the pseudonym of a person; a person who is not known yet gets one.

    See `pseudonyms_of`.
    """
    return pseudonyms_of(connection, [Somebody(lookup, kind, identity)], cipher=cipher, draw=draw)[lookup]


def pseudonyms_of(
    connection: Connection,
    people: Iterable[Somebody],
    *,
    cipher: Cipher | None = None,
    draw: Callable[[], str] = lambda: secrets.token_hex(16),
) -> dict[str, str]:
    """Return the pseudonyms of people by their look-up values; those who are not known yet get one.

    Args:
        cipher: encrypts who somebody new is; without it nothing is kept.
        draw: gives a new pseudonym; by chance when not given.
    """
    asked = {one.lookup: one for one in people}
    if not asked:
        return {}
    found = _known(connection, asked)
    new = [one for lookup, one in asked.items() if lookup not in found]
    if new:
        rows = [_row(one, draw(), cipher) for one in new]
        if _ADD[connection.dialect.name](connection, rows) == len(rows):
            return found | {str(row["lookup"]): str(row["pseudonym"]) for row in rows}
        found |= _known(connection, [one.lookup for one in new])
    return found


def known(connection: Connection, lookup: str) -> str | None:
    """Return the pseudonym of a person, or None when the chain knows nobody of that look-up value."""
    return _known(connection, [lookup]).get(lookup)


def known_by(connection: Connection, lookups: Collection[str]) -> list[str]:
    """Return every pseudonym that belongs to one of these look-up values."""
    return list(_known(connection, lookups).values())


def former(connection: Connection) -> dict[str, str]:
    """Return the pseudonyms that clients had before a join, with the one that each has now."""
    return {row.former: row.pseudonym for row in connection.execute(_FORMER)}


def person(connection: Connection, pseudonym: str) -> Person | None:
    """Return whom a pseudonym stands for, or None when the key row was dropped or never was."""
    columns = (audit_person.c.pseudonym, audit_person.c.kind, audit_person.c.lookup)
    row = connection.execute(select(*columns).where(audit_person.c.pseudonym == pseudonym)).first()
    return Person(*row) if row else None


def identity(connection: Connection, cipher: Cipher, pseudonym: str) -> Identity | None:
    """Return who a pseudonym stands for, or None when that is not kept (any more).

    Raises:
        CipherError: the row was changed, or its key is not configured.
    """
    query = select(audit_person.c.identity).where(audit_person.c.pseudonym == pseudonym)
    sealed = connection.execute(query).scalar()
    return Identity(*json.loads(cipher.decrypt(_place(pseudonym), sealed))) if sealed else None


def forget(connection: Connection, pseudonym: str) -> bool:
    """Drop the key row of a person; False when there was none. The caller writes the act to the log."""
    return connection.execute(delete(audit_person).where(audit_person.c.pseudonym == pseudonym)).rowcount == 1


def _known(connection: Connection, lookups: Collection[str]) -> dict[str, str]:
    return {row.lookup: row.pseudonym for row in _KNOWN(connection, lookups=lookups)}


def _row(one: Somebody, pseudonym: str, cipher: Cipher | None) -> dict[str, str | bytes | None]:
    sealed = None
    if one.identity is not None and cipher is not None:
        sealed = cipher.encrypt(_place(pseudonym), json.dumps(one.identity).encode())
    return {"pseudonym": pseudonym, "kind": one.kind, "lookup": one.lookup, "identity": sealed}


def _place(pseudonym: str) -> str:
    return f"audit_person/identity/{pseudonym}"
