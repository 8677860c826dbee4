"""Erasing a person (GDPR art. 17): the key row goes, the chain stays whole and can be led back to nobody."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from adapter.audit import persons
from adapter.audit.chain import append
from adapter.store.erasure import forget_client


def erase_person(connection: Connection, now: float, pseudonym: str, by: Mapping[str, str] | None = None) -> int | None:
    """Drop a person's key row, forget what the store holds of a client, and write the act to the log.

    The entry names the pseudonym, which from now on stands for nobody.

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
    records = forget_client(connection, person.lookup) if person.kind == "client" else 0
    persons.forget(connection, pseudonym)
    named = "client" if person.kind == "client" else "user"
    append(connection, now, "admin", {"act": "erase-person", named: pseudonym, "records": records, **(by or {})})
    return records
