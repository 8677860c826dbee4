"""Which client assertions were used: each is good once, at all processes that share the database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite

from adapter.store.database import Database
from adapter.store.tables import used_assertion

_ADD = {
    "postgresql": postgresql.insert(used_assertion).on_conflict_do_nothing().returning(used_assertion.c.name),
    "sqlite": sqlite.insert(used_assertion).on_conflict_do_nothing().returning(used_assertion.c.name),
}
_FORGET = delete(used_assertion).where(used_assertion.c.until < bindparam("now"))


class UsedAssertions:
    """Remembers assertions until they end.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def first_use(self, issuer: str, token_id: str, until: float) -> bool:
        """Say whether an assertion is used for the first time; True exactly once, also under parallel calls.

        Args:
            issuer, token_id: `iss` and `jti`; only their hash is kept.
            until: `exp`, UTC seconds.
        """
        name = hashlib.sha256(f"{len(issuer)}:{issuer}{token_id}".encode()).hexdigest()
        with self._database.transaction() as connection:
            connection.execute(_FORGET, {"now": self._clock()})
            row = {"name": name, "until": until}
            return connection.execute(_ADD[connection.dialect.name], row).first() is not None
