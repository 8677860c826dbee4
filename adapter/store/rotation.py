"""Rotation of storage keys: what an older key opens is written anew under the current one, while the service runs.

Every `LargeBinary` column is encrypted under the row name `table/column/primary key`, so one loop serves all tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, LargeBinary, Row, Table, func, or_, select, update

from adapter.store.cipher import Cipher, CipherError
from adapter.store.database import Database
from adapter.store.tables import metadata

AT_ONCE = 100
"""Rows in one transaction: few enough that nobody waits long for the lock."""


def re_encrypt(database: Database, cipher: Cipher) -> tuple[int, int]:
    """Write everything that another than the current key encrypted anew, in small transactions.

    Afterwards the older keys can go, when nothing is left over.

    Returns:
        how many rows were written anew, and how many were left over because they do not open.
    """
    written = left_over = 0
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, LargeBinary)]
        if columns:
            counts = _re_encrypt(database, cipher, table, columns)
            written, left_over = written + counts[0], left_over + counts[1]
    return written, left_over


def _re_encrypt(database: Database, cipher: Cipher, table: Table, columns: Sequence[Column[Any]]) -> tuple[int, int]:
    (key,) = table.primary_key.columns
    begin = cipher.prefix
    stale = or_(*(func.substr(column, 1, len(begin)) != begin for column in columns))
    query = select(key, *columns).where(stale).order_by(key).limit(AT_ONCE).with_for_update()
    written = left_over = 0
    while True:
        with database.transaction() as connection:
            rows = connection.execute(query).all()
            for row in rows:
                try:
                    connection.execute(update(table).where(key == row[0]).values(_anew(cipher, table.name, row)))
                    written += 1
                except CipherError:
                    left_over += 1
        if len(rows) < AT_ONCE:
            return written, left_over
        query = query.where(key > rows[-1][0])


def _anew(cipher: Cipher, table: str, row: Row[Any]) -> dict[Any, bytes]:
    """Return the encrypted columns of a row under the current key; its first column is the primary key."""
    name, *columns = row._mapping.items()
    places = {column: f"{table}/{column}/{name[1]}" for column, stored in columns if stored is not None}
    return {
        column: cipher.encrypt(place, cipher.decrypt(place, row._mapping[column])) for column, place in places.items()
    }
