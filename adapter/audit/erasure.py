"""Erasing a person (GDPR art. 17): the key row goes, the chain stays whole and can be led back to nobody."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from adapter.audit import persons
from adapter.audit.chain import append
from adapter.audit.rows import read_rows
from adapter.store import clients
from adapter.store.erasure import forget_client
from adapter.store.tables import audit_person


def expired(connection: Connection, before: float) -> list[str]:
    """Return the pseudonyms whose last entry is older than an instant: the retention of the log has ended for them.

    Args:
        before: UTC seconds.
    """
    last: dict[str, float] = {}
    for row in read_rows(connection):
        for name in ("client", "user"):
            if row.fact(name):
                last[row.fact(name)] = row.at
    known = connection.execute(select(audit_person.c.pseudonym)).scalars()
    return [pseudonym for pseudonym in known if last.get(pseudonym, before) < before]


def erase_person(connection: Connection, now: float, pseudonym: str, by: Mapping[str, str] | None = None) -> int | None:
    """Drop a person's key rows, forget what the store holds of a client, and write the act to the log.

    The entry names the pseudonym, which from now on stands for nobody; nor does one that the client had before.

    Args:
        now: the present instant, UTC seconds.
        by: facts that say who erases, e.g. `{"reviewer": account}`.

    Returns:
        How many records the store held; None when no key row of that pseudonym exists.

    Raises:
        StillOpenError: records of the client are still on their way.
    """
    person = persons.person(connection, pseudonym)
    if person is None:
        return None
    names, records, named = {pseudonym}, 0, "user"
    if person.kind == "client":
        lane = clients.lane_of(connection, [person.lookup])
        names |= set(persons.known_by(connection, clients.lookups_of(connection, lane)))
        records, named = forget_client(connection, lane), "client"
    for name in names:
        persons.forget(connection, name)
    append(connection, now, "admin", {"act": "erase-person", named: pseudonym, "records": records, **(by or {})})
    return records
