"""Every act at the endpoint in a hash-chained log of its own: no audit, no answer. Opaque ids and codes only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.pool import StaticPool

from adapter.audit.chain import append, verify
from adapter.mock.exchange import Request, Wire
from adapter.mock.storage import Stored
from adapter.store.tables import audit_checkpoint, audit_entry


class AuditLog:
    """The log of one namespace.

    Args:
        path: file, or `:memory:`.
    """

    def __init__(self, path: Path | str) -> None:
        url = "sqlite://" if path == ":memory:" else f"sqlite:///{path}"
        self._engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        audit_entry.metadata.create_all(self._engine, tables=[audit_entry, audit_checkpoint])

    def record(self, request: Request, wire: Wire, changes: list[Stored]) -> None:
        """Append what was asked, by whom, what was decided for which resource, and what was written."""
        decisions = request.gate.decisions if request.gate is not None else []
        entry: dict[str, str | int] = {
            "request": wire.headers.get("X-Request-Id", ""),
            "client": request.client,
            "method": request.method,
            "type": request.path[0] if request.path else "",
            "status": wire.status,
            "decided": " ".join(f"{path}:{decision}:{reason}" for path, decision, reason in decisions),
            "written": " ".join(f"{one.path}/_history/{one.version}" for one in changes),
            "rules": " ".join(issue.rule_id for issue in wire.refusal),
        }
        kind = "refusal" if wire.status >= 400 else "outcome" if changes else "decision"
        with self._engine.begin() as connection:
            append(connection, request.world.clock.now().timestamp(), kind, entry)

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(audit_entry).order_by(audit_entry.c.seq)).all()
        return [{"seq": row.seq, "at": row.at, "kind": row.kind, **json.loads(row.entry)} for row in rows]

    def intact(self) -> bool:
        """True when no entry was changed, moved or taken out."""
        with self._engine.connect() as connection:
            return verify(connection) is None

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()
