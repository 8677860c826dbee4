"""Every act at the endpoint in a hash-chained log of its own: no audit, no answer.

An act that concerned several clients is one entry a client. Persons stand as pseudonyms, the rest as ids and codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from adapter.audit import persons, traces
from adapter.audit.chain import append, verify
from adapter.audit.rows import read_rows
from adapter.mock.exchange import Request, Wire
from adapter.mock.storage import Stored
from adapter.release import Word, grounds, traces_of
from adapter.store.tables import audit_checkpoint, audit_entry, audit_person, client_identity, decision_trace

ACTS = {
    **{name: name for name in ("read", "vread", "create", "update", "patch", "delete")},
    **dict.fromkeys(("search-type", "search-system"), "search"),
    **dict.fromkeys(("history-instance", "history-type", "history-system"), "history"),
    "bundle": "transaction",
}
"""Acts of `mappings/audit/acts.yaml` by interaction; every other interaction is an operation."""

GROUNDS = {"OWN_REGISTER": "own-register", "STATUTORY_BASIS": "other-statutory"}
"""Grounds (cs:disclosure-basis) by the reason of a permit; every other one stands on consent."""


KNOWN_TRACES = 10_000
"""Hashes of stored traces that are remembered."""


class AuditLog:
    """The log of one namespace.

    Args:
        path: file, or `:memory:`.
    """

    def __init__(self, path: Path | str) -> None:
        url = "sqlite://" if path == ":memory:" else f"sqlite:///{path}"
        self._engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        tables = [audit_entry, audit_checkpoint, audit_person, client_identity, decision_trace]
        audit_entry.metadata.create_all(self._engine, tables=tables)
        self._kept: set[str] = set()

    def record(self, request: Request, wire: Wire, changes: list[Stored]) -> None:
        """Append what was asked, by whom, what was decided for which resource, and what was written."""
        kind = "refusal" if wire.status >= 400 else "outcome" if changes else "decision"
        at = request.world.clock.now().timestamp()
        made: dict[str, bytes] = {}
        with self._engine.begin() as connection:
            common = _asked(connection, request, wire)
            for client, words, written in _by_client(request, changes):
                decided = traces_of(words)
                made |= dict(decided)
                facts = common | _told(words, written) | traces.fact_of(decided)
                if client:
                    facts["client"] = _pseudonym(connection, request, client)
                append(connection, at, kind, facts)
            traces.keep(connection, [one for one in made.items() if one[0] not in self._kept], None)
        # What is committed need not be looked for again.
        if len(self._kept) > KNOWN_TRACES:
            self._kept.clear()
        self._kept.update(made)

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first."""
        with self._engine.connect() as connection:
            rows = list(read_rows(connection))
        return [{"seq": row.seq, "at": row.at, "kind": row.kind, **row.facts} for row in rows]

    def intact(self) -> bool:
        """True when no entry and no trace was changed, moved or taken out."""
        with self._engine.connect() as connection:
            return verify(connection) is None and traces.verify(connection, None, sealed=False).finding is None

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()


def _asked(connection: Connection, request: Request, wire: Wire) -> dict[str, str | int]:
    """Who asked, for what, under which request id."""
    gate, access = request.gate, request.access
    facts: dict[str, str | int] = {
        "act": ACTS.get(request.interaction, "operation" if request.interaction else "maintain"),
        "request": wire.headers.get("X-Request-Id", ""),
        "sender": request.client,
        "method": request.method,
        "type": request.path[0] if request.path else "",
        "status": wire.status,
        "rules": ",".join(issue.rule_id for issue in wire.refusal),
    }
    if access is not None:
        facts["organisation"] = str(access.client.organization.get("value", "")).removeprefix("urn:oid:")
    if gate is not None:
        facts["purpose"] = gate.purpose["code"]
        if person := gate.claim("subject_id"):
            facts["user"] = _pseudonym(connection, request, person, "professional")
    return {name: value for name, value in facts.items() if value != ""}


def _pseudonym(connection: Connection, request: Request, person: str, kind: persons.Kind = "client") -> str:
    """The person's name in the log; a new one is drawn as the namespace draws its ids."""
    draw = request.world.identities.draw
    return persons.pseudonym_of(connection, person, kind=kind, draw=lambda: draw().replace("-", ""))


def _by_client(request: Request, changes: list[Stored]) -> Iterator[tuple[str, list[Word], list[Stored]]]:
    """Yield decisions and written versions client by client; once with nothing when no client was concerned."""
    gate = request.gate
    if gate is None:
        yield "", [], changes
        return
    owners = [gate.client_of(one) for one in changes]
    clients = dict.fromkeys((*(gate.clients.get(word.address, "") for word in gate.decisions), *owners))
    for client in clients or {"": None}:
        words = [word for word in gate.decisions if gate.clients.get(word.address, "") == client]
        yield client, words, [one for one, owner in zip(changes, owners, strict=True) if owner == client]


def _told(words: list[Word], written: list[Stored]) -> dict[str, str | int]:
    facts = {
        "decided": " ".join(f"{word.address}:{word.decision}:{word.reason}" for word in words),
        "written": " ".join(f"{one.path}/_history/{one.version}" for one in written),
    }
    refused = next((word for word in words if word.decision == "deny"), None)
    permitted = next((word for word in words if word.decision != "deny"), None)
    if permitted is not None:
        facts |= {"decision": permitted.decision, "basis": GROUNDS.get(permitted.reason, "client-consent")}
    elif refused is not None:
        facts |= {"decision": "deny", "reason": refused.reason}
    return {name: value for name, value in (facts | grounds(words)).items() if value}
