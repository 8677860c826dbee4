"""Who saw what between two instants: the search that a notification of a breach begins with (GDPR art. 33, 34)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection

from adapter.audit import persons
from adapter.audit.acts import act_of, acts
from adapter.audit.persons import Identity
from adapter.audit.rows import Row, read_rows
from adapter.audit.sheets import Sheet, table
from adapter.audit.words import ground, instant, listed, purpose, what
from adapter.i18n import text
from adapter.store.cipher import Cipher

BY = ("user", "reviewer", "sender")
"""Facts that say who acted: a professional (pseudonym), a reviewer (account id), a system (client id)."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One act by which somebody came to see data of a client.

    Attributes:
        seq: number of the entry in the log.
        at: UTC seconds.
        act: code of `mappings/audit/acts.yaml`.
        by: pseudonym, account or client id of whoever acted.
        organisations: ids of those who saw the data: recipients, else the actor's own organisation.
        client: pseudonym; empty when the entry names no client.
        what: data classes, else the type of the record or of the resource.
        purpose, ground: codes, as stated then.
        request: id that ties the entry to the log of the other side.
    """

    seq: int
    at: float
    act: str
    by: str
    organisations: tuple[str, ...]
    client: str
    what: tuple[str, ...]
    purpose: str
    ground: str
    request: str


@dataclass(frozen=True, slots=True)
class Affected:
    """A client whose data were seen.

    Attributes:
        identity: whom to tell; None when the key row was dropped or never held it.
        sights: how many acts.
        what: classes of data, all acts together.
    """

    client: str
    identity: Identity | None
    sights: int
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """What the log says about a span of time.

    Attributes:
        since, until: UTC seconds, both inclusive.
        sights: oldest first.
        refused: attempts in the same span that were refused: nothing was seen.
    """

    since: float
    until: float
    sights: tuple[Sight, ...]
    refused: int

    @property
    def clients(self) -> tuple[str, ...]:
        """Pseudonyms of the clients whose data were seen, each once."""
        return tuple(dict.fromkeys(one.client for one in self.sights if one.client))

    @property
    def categories(self) -> dict[str, int]:
        """How many acts showed each class of data (art. 33(3)(a))."""
        return dict(Counter(code for one in self.sights for code in one.what).most_common())


def search(
    connection: Connection,
    since: float,
    until: float,
    *,
    by: str = "",
    organisation: str = "",
    client: str = "",
    shows: Callable[[Row], bool] = lambda _row: True,
) -> Breach:
    """Return who saw what between two instants.

    Args:
        since, until: UTC seconds, both inclusive.
        by: only acts of this professional, reviewer or system.
        organisation: only what this organisation saw.
        client: only data of this client (pseudonym).
        shows: says whether whoever asks may see an entry.
    """
    sights: list[Sight] = []
    refused = 0
    for row in read_rows(connection, since=since, until=until, client=client):
        sight = _sight(row)
        if not shows(row) or by not in ("", sight.by) or (organisation and organisation not in sight.organisations):
            continue
        if row.kind == "refusal":
            refused += 1
        elif act_of(row).sees:
            sights.append(sight)
    return Breach(since, until, tuple(sights), refused)


def affected(connection: Connection, cipher: Cipher | None, breach: Breach) -> Iterator[Affected]:
    """Yield the clients to be told (art. 34), in the order in which their data were first seen.

    Args:
        cipher: opens the key table; None leaves the clients under their pseudonyms.
    """
    for client in breach.clients:
        theirs = [one for one in breach.sights if one.client == client]
        what = tuple(dict.fromkeys(code for one in theirs for code in one.what))
        identity = persons.identity(connection, cipher, client) if cipher else None
        yield Affected(client, identity, len(theirs), what)


def breach_sheet(
    breach: Breach, told: Iterable[Affected], language: str, names: Mapping[str, str] = MappingProxyType({})
) -> Sheet:
    """Return a breach in words: the acts, the clients affected, the classes of data.

    Args:
        told: from `affected`; their identifiers stand in the sheet, so it is for the notification only.
        names: of organisations by id; one without a name stands by its id.
    """
    lead = text(
        "audit.breach-lead",
        language,
        since=instant(breach.since),
        until=instant(breach.until),
        sights=str(len(breach.sights)),
        clients=str(len(breach.clients)),
        refused=str(breach.refused),
    )
    tables = (
        table("sights", language, (_sight_cells(one, language, names) for one in breach.sights)),
        table(
            "affected",
            language,
            (
                (one.client, one.identity.value if one.identity else "", str(one.sights), listed(one.what, language))
                for one in told
            ),
        ),
        table("categories", language, ((what(code, language), str(n)) for code, n in breach.categories.items())),
    )
    nobody = () if breach.sights else (text("audit.breach-nobody", language),)
    return Sheet(text("audit.breach-title", language), (lead, *nobody), tables)


def _sight(row: Row) -> Sight:
    by = next((row.fact(name) for name in BY if row.fact(name)), "")
    return Sight(
        row.seq, row.at, act_of(row).code, by, row.organisations, row.fact("client"), row.what,
        row.fact("purpose"), row.fact("basis"), row.fact("request"),
    )  # fmt: skip


def _sight_cells(one: Sight, language: str, names: Mapping[str, str]) -> tuple[str, ...]:
    who = ", ".join(names.get(each, each) for each in one.organisations)
    return (
        str(one.seq), instant(one.at), acts()[one.act].name(language), one.by, who, one.client,
        listed(one.what, language), purpose(one.purpose, language), ground(one.ground, language), one.request,
    )  # fmt: skip
