"""What the repository holds of our records, as the receipts say: later versions replace it, where it lies.

Only what a record owns is remembered. A resource merely referred to is anybody's: its version may have moved on.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from adapter.delivery.states import Known
from adapter.store.tables import known_resource

_COLUMNS = select(known_resource.c.full_url, known_resource.c.location, known_resource.c.version)
_PLACES = _COLUMNS.where(known_resource.c.full_url.in_(bindparam("urls", expanding=True)))
_PARTS = _COLUMNS.where(known_resource.c.record_key == bindparam("record"))
_FORGET = delete(known_resource).where(
    known_resource.c.record_key == bindparam("record"),
    known_resource.c.full_url.not_in(bindparam("urls", expanding=True)),
)


def _remembering(add: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    new = {name: add.excluded[name] for name in ("location", "version", "record_key")}
    return add.on_conflict_do_update(index_elements=["full_url"], set_=new)


_REMEMBER = {
    "postgresql": _remembering(postgresql.insert(known_resource)),
    "sqlite": _remembering(sqlite.insert(known_resource)),
}


def parts(connection: Connection, record_key: str) -> dict[str, Known]:
    """Return the owned resources that the repository holds of a record, by full URL.

    What another record brought is not looked up here, even under the same full URL: the repository says what it finds.
    """
    rows = connection.execute(_PARTS, {"record": record_key})
    return {url: Known(location, version) for url, location, version in rows}


def remember(connection: Connection, record_key: str, resources: Mapping[str, Known]) -> None:
    """Write down where the resources that a record owns lie; parts that it no longer has are forgotten."""
    connection.execute(_FORGET, {"record": record_key, "urls": list(resources)})
    rows = [
        {"full_url": url, "location": place.location, "version": place.version, "record_key": record_key}
        for url, place in resources.items()
    ]
    if rows:
        connection.execute(_REMEMBER[connection.dialect.name], rows)
