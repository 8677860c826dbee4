"""One client, one lane, whatever code the client is known by: identity code, former codes, temporary id.

Each code has a look-up value, a keyed hash. The lane of a client is the look-up value of the code that named them
first; only a record about the client says that several codes are one person, and joins their lanes. The lane keeps
the order of records and finds them again. It gives no right to see anything: who may is asked for the person whom a
record itself names (`adapter.release`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapter.fhir.ids import ids_under
from adapter.store.among import among
from adapter.store.cipher import keyed_hash
from adapter.store.prepared import Selection
from adapter.store.review_tables import review_note, review_permission
from adapter.store.tables import client_identity, outbox
from adapter.types import Resource

CODES = frozenset({"official", "old", "temp"})
"""`Identifier.use` of the codes that name a person; a sender's own numbers (`usual`, `secondary`) do not."""

SAYS_WHO = "client"
"""Type of the records that may say that several codes are one person."""

_KNOWN = Selection(
    select(client_identity.c.lookup, client_identity.c.lane).where(among(client_identity.c.lookup, "lookups"))
)
_OLDEST_FIRST = (
    select(outbox.c.lane).where(among(outbox.c.lane, "lanes")).group_by(outbox.c.lane).order_by(func.min(outbox.c.seq))
)
_LOOKUPS = select(client_identity.c.lookup).where(client_identity.c.lane == bindparam("lane"))


def _binding(add: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    return add.on_conflict_do_update(index_elements=["lookup"], set_={"lane": add.excluded.lane})


_BIND = {
    "postgresql": _binding(postgresql.insert(client_identity)),
    "sqlite": _binding(sqlite.insert(client_identity)),
}


def lookup(id_key: bytes, system: str, value: str) -> str:
    """Return the look-up value of a code; the code itself is stored nowhere.

    Args:
        system: of the identifier; a temporary id has that of the system which gave it.
    """
    return keyed_hash(id_key, ids_under(id_key).urn(f"{system}#Patient", value))


def lookups(id_key: bytes, record_type: str, bundle: Resource) -> tuple[str, ...]:
    """Return the look-up values by which a Bundle names its client: several of a record about the client, else one.

    A client who is known by a sender's own number alone is looked up by that number.
    """
    patients = (entry for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
    patient = next(patients)
    named = (keyed_hash(id_key, patient["fullUrl"]),)
    if record_type != SAYS_WHO:
        return named
    codes = (one for one in patient["resource"]["identifier"] if one.get("use") in CODES)
    return tuple(dict.fromkeys((*named, *(lookup(id_key, one["system"], one["value"]) for one in codes))))


class Lanes(dict[str, str]):
    """The lanes that look-up values lead to, as far as they were bound to one that is not their own."""

    def of(self, named: Sequence[str]) -> str:
        """Return the lane of a client, by look-up values; that of the first when none is known."""
        return next((self[one] for one in named if one in self), named[0])

    def apart(self, people: Sequence[Sequence[str]]) -> int:
        """Return how many of these people, from the first one on, are surely different clients.

        Who has a look-up value, or a lane, in common with somebody is the same client.
        """
        met: set[str] = set()
        for count, named in enumerate(people):
            names = {*named, *(self[one] for one in named if one in self)}
            if not met.isdisjoint(names):
                return count
            met |= names
        return len(people)


def lanes(connection: Connection, named: Iterable[str]) -> Lanes:
    """Return the lanes of look-up values, of one client or many."""
    rows = _KNOWN(connection, lookups=named)
    return Lanes((lookup, lane) for lookup, lane in rows)


def lane_of(connection: Connection, named: Sequence[str]) -> str:
    """Return the lane of a client, by look-up values."""
    return lanes(connection, named).of(named)


class Bound(NamedTuple):
    """The lane of a client, and how many other lanes with records became part of it just now."""

    lane: str
    joined: int


def bind(connection: Connection, named: Sequence[str], known: Lanes | None = None) -> Bound:
    """Make all these look-up values lead to one lane and return it; lanes that were several become the oldest.

    The caller holds the lock of the log. What a worker has in hand stays with it: the joined lane waits for it.

    Args:
        known: where they lead so far, when the caller has looked it up under the lock.
    """
    known = lanes(connection, named) if known is None else known
    several = {known.get(one, one) for one in named}
    if len(several) == 1:
        return Bound(several.pop(), 0)
    used = list(connection.execute(_OLDEST_FIRST, {"lanes": list(several)}).scalars())
    lane = used[0] if used else known.get(named[0], named[0])
    for table in (client_identity, outbox, review_note, review_permission):
        connection.execute(update(table).where(table.c.lane.in_(several - {lane})).values(lane=lane))
    connection.execute(_BIND[connection.dialect.name], [{"lookup": one, "lane": lane} for one in named])
    return Bound(lane, max(len(used) - 1, 0))


def lookups_of(connection: Connection, lane: str) -> list[str]:
    """Return every look-up value that leads to a lane, the lane's own first; lanes that were joined into it too."""
    others = connection.execute(_LOOKUPS, {"lane": lane}).scalars()
    return list(dict.fromkeys((lane, *others)))
