"""Who has got a client's data from us, as the log says: to be told of a withdrawal or correction (GDPR art. 19)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.audit import persons
from adapter.audit.rows import Row, read_rows

DISCLOSING = ("disclose", "fetch")
"""Acts by which an organisation came to see data."""


class Recipient(NamedTuple):
    """An organisation that got data.

    Attributes:
        organisation: its business id.
        basis, purpose: on which ground and what for, the latest time.
        last: the latest time, UTC seconds.
        times: how often.
    """

    organisation: str
    basis: str
    purpose: str
    last: float
    times: int


def recipients_of(
    connection: Connection, lane: str, submissions: Collection[str] = (), *, basis: str = ""
) -> tuple[Recipient, ...]:
    """Return every organisation that got data of a client, by its id.

    Args:
        lane: keyed hash of the client.
        submissions: only data of these submissions; none given means all of the client.
        basis: only what was given on this ground (cs:disclosure-basis); empty means on any.
    """
    pseudonym = persons.known(connection, lane)
    if pseudonym is None:
        return ()
    rows = read_rows(connection, kinds=("decision", "release"), client=pseudonym)
    wanted = frozenset(submissions)
    told = (row for row in rows if row.act in DISCLOSING and basis in ("", row.fact("basis")))
    return tuple(_summed(row for row in told if not wanted or wanted & {*row.parts("submission")}))


def _summed(rows: Iterable[Row]) -> list[Recipient]:
    found: dict[str, Recipient] = {}
    for row in rows:
        for organisation in row.parts("recipients"):
            times = found[organisation].times + 1 if organisation in found else 1
            found[organisation] = Recipient(organisation, row.fact("basis"), row.fact("purpose"), row.at, times)
    return sorted(found.values())
