"""What the audit log keeps of records that were not stored: refusals, and what previews told of releases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from adapter import audit
from adapter.audit import traces
from adapter.audit.facts import Written, facts_of
from adapter.errors import AdapterError, ConsentRefused, SourceError
from adapter.events import Event, log
from adapter.handover import Arrived, Decided, ground_of, judged_as_of
from adapter.release import traces_of
from adapter.store import Cipher, Database, clients
from adapter.types import Record

ASKS_NO_CONSENT = ("own-register", "to-client")
"""Bases of a release (cs:disclosure-basis) for which nobody else is to see anything."""

Trace = tuple[str, bytes]
Entry = Mapping[str, str | int]


class Noting:
    """Writes entries about records of which nothing else is stored.

    Args:
        cipher: seals traces and the key table.
        id_key: keys look-ups.
        clock: UTC seconds.
        judged_at: at which instant a record is judged.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        *,
        id_key: bytes,
        clock: Callable[[], float],
        judged_at: Callable[[Record], float],
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._id_key = id_key
        self._clock = clock
        self._judged_at = judged_at

    def refusals(self, refused: Sequence[tuple[AdapterError, Arrived | None]], sender: str) -> None:
        """Write why records were refused that a sender handed over; of some no more than that is known."""
        for error, _ in refused:
            log(Event.REFUSED, stage=error.stage, rules=_rules(error), http_status=error.http_status)
        entries = [{"act": "refuse", "sender": sender, **_why(error)} for error, _ in refused]
        found = [trace for error, _ in refused for trace in _traces(error)]
        self._write("refusal", entries, [arrived for _, arrived in refused], found)

    def preview(self, arrived: Arrived, answer: Decided | AdapterError, sender: str) -> None:
        """Write what a preview told its sender of a release: it says what the consents on file permit.

        Nothing is written of a record that is for nobody else, and of one whose version alone decided.
        """
        basis = arrived.mapped.record.get("release", {}).get("basis", ASKS_NO_CONSENT[0])
        if basis in ASKS_NO_CONSENT or (isinstance(answer, AdapterError) and answer.stage == SourceError.stage):
            return
        entry: dict[str, str | int] = {"act": "preview", "sender": sender}
        if isinstance(answer, AdapterError):
            entry |= {"decision": "deny"} | _why(answer)
            found = _traces(answer)
        else:
            found = traces_of(answer.words)
            entry |= {"decision": "permit"} | ground_of(answer.released, answer.words) | traces.fact_of(found)
        entry |= judged_as_of(self._judged_at(arrived.mapped.record), self._clock())
        self._write("preview", [entry], [arrived], found)

    def _write(
        self, kind: str, entries: Sequence[Entry], records: Sequence[Arrived | None], found: Sequence[Trace]
    ) -> None:
        """Write entries in one commit, each with the facts of its record where it has one."""
        known = {number: arrived for number, arrived in enumerate(records) if arrived}

        def act(connection: Connection) -> None:
            audit.lock(connection)
            facts = dict(zip(known, self._facts(connection, list(known.values())), strict=True))
            told = [{**facts.get(number, {}), **entry} for number, entry in enumerate(entries)]
            traces.keep(connection, found, self._cipher)
            audit.append(connection, self._clock(), kind, *told)

        self._database.together(act)

    def _facts(self, connection: Connection, records: Sequence[Arrived]) -> list[dict[str, str | int]]:
        """What the audit keeps of records."""
        if not records:
            return []
        lanes = clients.lanes(connection, [name for one in records for name in one.lookups])
        written = [Written(lanes.of(one.lookups), one.mapped.record, one.mapped.bundle) for one in records]
        return facts_of(connection, self._cipher, self._id_key, written)


def _why(error: AdapterError) -> dict[str, str | int]:
    """Return the facts of a refusal: where, by which rules, and the traces of what was decided."""
    return {"stage": error.stage, "rules": _rules(error), **traces.fact_of(_traces(error))}


def _rules(error: AdapterError) -> str:
    return ",".join(sorted({issue.rule_id for issue in error.issues if issue.severity in ("fatal", "error")}))


def _traces(error: AdapterError) -> Sequence[Trace]:
    return error.traces if isinstance(error, ConsentRefused) else ()
