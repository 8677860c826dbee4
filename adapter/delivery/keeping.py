"""How long bodies are kept and under which key: deletion after the receipt, encryption anew after a rotation."""

from __future__ import annotations

from sqlalchemy import select, update

from adapter import audit
from adapter.store import Database
from adapter.store.tables import receipt, submission

KEPT = ("consent", "team")
"""Record types whose bodies stay: every later release is decided by them."""


def forget_bodies(database: Database, before: float, now: float) -> int:
    """Delete source and Bundle of what was delivered before an instant; receipts and audit stay (design §8)."""
    old = select(receipt.c.submission).where(receipt.c.received_at < before)
    with database.transaction() as connection:
        gone = connection.execute(
            update(submission)
            .where(submission.c.id.in_(old), submission.c.body.is_not(None), submission.c.record_type.not_in(KEPT))
            .values(source=None, body=None)
        ).rowcount
        if gone:
            audit.append(connection, now, "admin", {"act": "bodies deleted", "count": gone})
        return gone
