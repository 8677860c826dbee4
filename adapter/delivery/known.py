"""What the repository holds of our records, as the receipts say: later versions replace it, where it lies.

Only what a record owns is remembered. A resource merely referred to is anybody's: its version may have moved on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from adapter.delivery.messages import Delivered
from adapter.delivery.states import Known
from adapter.store.among import among
from adapter.store.prepared import Insertion, Selection
from adapter.store.tables import known_resource

_PARTS = Selection(
    select(
        known_resource.c.record_key, known_resource.c.full_url, known_resource.c.location, known_resource.c.version
    ).where(among(known_resource.c.record_key, "records"))
)
_FORGET = delete(known_resource).where(
    known_resource.c.record_key == bindparam("record"), known_resource.c.full_url == bindparam("url")
)


def _remembering(add: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    new = {name: add.excluded[name] for name in ("location", "version", "record_key")}
    return add.on_conflict_do_update(index_elements=["full_url"], set_=new)


_REMEMBER = {
    "postgresql": Insertion(_remembering(postgresql.insert(known_resource))),
    "sqlite": Insertion(_remembering(sqlite.insert(known_resource))),
}


def parts(connection: Connection, record_keys: Collection[str]) -> dict[str, dict[str, Known]]:
    """Return the owned resources that the repository holds of records, by record key and full URL.

    What another record brought is not looked up here, even under the same full URL: the repository says what it finds.
    """
    found: dict[str, dict[str, Known]] = defaultdict(dict)
    if record_keys:
        for record, url, location, version in _PARTS(connection, records=record_keys):
            found[record][url] = Known(location, version)
    return found


def remember(connection: Connection, delivered: Sequence[Delivered]) -> None:
    """Write down where the resources that records own lie; parts that they no longer have are forgotten."""
    gone = [
        {"record": one.message.record_key, "url": url}
        for one in delivered
        for url in one.message.known.keys() - set(one.owned)
    ]
    if gone:
        connection.execute(_FORGET, gone)
    rows = [
        {
            "full_url": url,
            "location": one.resources[url].location,
            "version": one.resources[url].version,
            "record_key": one.message.record_key,
        }
        for one in delivered
        for url in one.owned
    ]
    _REMEMBER[connection.dialect.name](connection, rows)
