"""Stores records that were judged, many in one transaction and each as if it were alone.

Everything is decided under the lock of the log before anything of a record is written: what is refused here has changed
nothing. What can be asked or written for all records by one statement is, so many cost little more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Connection

from adapter import audit
from adapter.audit import traces
from adapter.audit.facts import Written, act_of_record, facts_of
from adapter.delivery import Outbox, idempotency, submissions, warnings
from adapter.delivery.idempotency import Kept, Key
from adapter.delivery.submissions import Arrival
from adapter.errors import AdapterError, ConsentRefused, NotYours
from adapter.events import Event, log
from adapter.fhir.canonical import canonical
from adapter.handover import Accepted, Arrived, Checked, Decided, Foreseen, Sender, ground_of, judged_as_of
from adapter.lifecycle import consents
from adapter.lifecycle.invalidation import Invalid, invalidated_among
from adapter.release import Word, check_release, traces_of
from adapter.store import Cipher, clients
from adapter.store.cipher import keyed_hash
from adapter.types import Issue, Record, Resource


class Handed(NamedTuple):
    """A record, what it was judged to be, and how it came: the sender's bytes, and the sender's key or None."""

    arrived: Arrived
    judged: Checked | AdapterError
    data: bytes
    key: Key | None


class _New(NamedTuple):
    """A record that is to be stored, and on which ground it goes to others."""

    arrival: Arrival
    checked: Checked
    decided: Decided


class Storing:
    """Stores records in transactions of others.

    Args:
        cipher: seals bodies.
        outbox: where accepted records are queued.
        id_key: keys look-ups.
        clock: UTC seconds.
        judged_at: at which instant a record is judged.
    """

    def __init__(
        self,
        cipher: Cipher,
        outbox: Outbox,
        *,
        id_key: bytes,
        clock: Callable[[], float],
        judged_at: Callable[[Record], float],
    ) -> None:
        self._cipher = cipher
        self._outbox = outbox
        self._id_key = id_key
        self._clock = clock
        self._judged_at = judged_at

    def store(self, connection: Connection, sender: Sender, records: Sequence[Handed]) -> list[Accepted | AdapterError]:
        """Store records of one sender; returns the answer to each.

        Each is decided upon with everything on file that came before it, also in the same transaction. Its version is
        judged first: what rules or consents say of a record counts only when the record is new.
        """
        # From here on nobody else stores: an equal record, or a withdrawal, of the same moment is seen.
        audit.lock(connection)
        answers: list[Accepted | AdapterError] = []
        while rest := records[len(answers) :]:
            lanes = clients.lanes(connection, [name for one in rest for name in one.arrived.lookups])
            count = lanes.apart([one.arrived.names for one in rest])
            answers += self._store_apart(connection, sender, rest[:count], lanes)
        return answers

    def foresee(
        self, connection: Connection, sender: Sender, lane: str, arrived: Arrived, judged: Checked | AdapterError
    ) -> Foreseen:
        """Return what the sender of a record would be told if it were handed over now; nothing is stored.

        Raises:
            AdapterError: `store` would refuse it; its version is judged first there, and here.
        """
        newest = submissions.newest_versions(connection, sender.id, [arrived.key])
        try:
            _refuse_others(newest.get(arrived.key), sender)
            _refuse_invalidated(arrived, invalidated_among(connection, sender.id, newest))
            repeat = self._repeat(arrived, newest.get(arrived.key), sender.id)
            if repeat is not None:
                return Foreseen(arrived, repeat.warnings)
            if isinstance(judged, AdapterError):
                raise judged
            decided = self._decided(connection, lane, judged)
        except AdapterError as error:
            error.issues = arrived.placed(error.issues)
            raise
        return Foreseen(arrived, judged.warnings, decided)

    def _store_apart(
        self, connection: Connection, sender: Sender, records: Sequence[Handed], lanes: clients.Lanes
    ) -> list[Accepted | AdapterError]:
        """Store records of different clients: decide about all, then write those that are new."""
        now = self._clock()
        newest = submissions.newest_versions(connection, sender.id, [one.arrived.key for one in records])
        invalidated = invalidated_among(connection, sender.id, newest)
        answered = idempotency.find(connection, [one.key for one in records])
        answers: list[Accepted | AdapterError] = []
        new: list[_New] = []
        kept: list[tuple[Key, Kept]] = []
        for one in records:
            arrived = one.arrived
            try:
                _refuse_others(newest.get(arrived.key), sender)
                _refuse_invalidated(arrived, invalidated)
                earlier = answered.under(one.key)
                repeat = earlier or self._repeat(arrived, newest.get(arrived.key), sender.id)
                told = repeat
                if told is None:
                    lane = lanes.of(arrived.lookups)
                    new.append(self._new(connection, sender.id, one, lane, now))
                    told = self._kept(new[-1].arrival.id, arrived, new[-1].checked.warnings)
            except AdapterError as error:
                error.issues = arrived.placed(error.issues)
                answers.append(error)
                continue
            answers.append(
                Accepted(told.submission, told.record_type, told.resources, told.warnings, repeated=repeat is not None)
            )
            if one.key and earlier is None:
                kept.append((one.key, told))
        if new:
            self._write(connection, sender.id, new, lanes, now)
        idempotency.keep(connection, kept, now)
        return answers

    def _repeat(self, arrived: Arrived, row: Any | None, sender: str) -> Kept | None:
        """Return the answer that an equal record got before; None when this one is new, or came from another system.

        Raises:
            OutdatedVersion, ChangedContent: see `submissions.repeated`.
        """
        if row is None:
            return None
        repeated = submissions.repeated(arrived.mapped.record["record_version"], self._digest(arrived), row)
        if not repeated or row.sender != sender:
            return None
        return self._kept(row.id, arrived, warnings.read(row.warnings))

    def _new(self, connection: Connection, sender: str, one: Handed, lane: str, now: float) -> _New:
        """Return a record that is to be stored.

        Raises:
            AdapterError: it was refused before, or is now.
        """
        if isinstance(one.judged, AdapterError):
            raise one.judged
        decided = self._decided(connection, lane, one.judged)
        return _New(self._arrival(sender, one.judged, one.data, now), one.judged, decided)

    def _kept(self, submission: str, arrived: Arrived, told: tuple[Issue, ...]) -> Kept:
        return Kept(submission, arrived.mapped.record_type, len(arrived.bundle["entry"]), told)

    def _digest(self, arrived: Arrived) -> str:
        return keyed_hash(self._id_key, canonical(arrived.mapped.record).decode())

    def _arrival(self, sender: str, checked: Checked, data: bytes, now: float) -> Arrival:
        arrived = checked.arrived
        mapped = arrived.mapped
        return Arrival(
            id=submissions.new_id(now),
            sender=sender,
            record_type=mapped.record_type,
            record_key=arrived.key,
            record_version=mapped.record["record_version"],
            digest=self._digest(arrived),
            custodian=mapped.record["custodian"]["id"],
            mapping=mapped.provenance,
            warnings=warnings.written(checked.warnings),
            source=data,
            body=canonical(arrived.bundle),
        )

    def _decided(self, connection: Connection, lane: str, checked: Checked) -> Decided:
        """Decide again what another record may have changed meanwhile: a withdrawal is not missed.

        Raises:
            ConsentRefused, SecondConsent: see there.
        """
        arrived, decided = checked.arrived, checked.decided
        if "release" in arrived.mapped.record:
            (known,) = on_file(connection, self._cipher, [(lane, arrived)])
            decided = decide(arrived, known, self._judged_at(arrived.mapped.record))
        if arrived.mapped.record_type == "consent":
            consents.refuse_second(connection, self._cipher, lane, arrived.key, arrived.mapped.bundle)
        return decided

    def _write(
        self, connection: Connection, sender: str, new: Sequence[_New], lanes: clients.Lanes, now: float
    ) -> None:
        bound = [clients.bind(connection, one.checked.arrived.lookups, lanes) for one in new]
        submissions.store(connection, self._cipher, [one.arrival for one in new], now)
        queued = {one.arrival.id: lane for one, (lane, _) in zip(new, bound, strict=True)}
        self._outbox.put(connection, queued, now)
        mapped = [one.checked.arrived.mapped for one in new]
        written = [Written(lane, one.record, one.bundle) for (lane, _), one in zip(bound, mapped, strict=True)]
        facts = facts_of(connection, self._cipher, self._id_key, written)
        decided = [traces_of(one.decided.words) for one in new]
        traces.keep(connection, chain.from_iterable(decided), self._cipher)
        entries = [
            known | self._entry(sender, one, now) | traces.fact_of(made) | ({"joined": joined} if joined else {})
            for known, one, made, (_, joined) in zip(facts, new, decided, bound, strict=True)
        ]
        audit.append(connection, now, "decision", *entries)
        for one in new:
            if one.arrival.record_type == "consent":
                self._supersede(connection, one, queued[one.arrival.id], now)

    def _entry(self, sender: str, one: _New, now: float) -> dict[str, str | int]:
        """Return what the log keeps of the decision about a record."""
        record, released = one.checked.arrived.mapped.record, one.decided.released
        entry: dict[str, str | int] = {"submission": one.arrival.id, "sender": sender, "decision": "permit"}
        entry |= {"act": act_of_record(record, released.basis)} | ground_of(released, one.decided.words)
        return entry | judged_as_of(self._judged_at(record), now)

    def _supersede(self, connection: Connection, one: _New, lane: str, now: float) -> None:
        consents.supersede(
            connection,
            self._outbox,
            self._cipher,
            lane,
            one.arrival.record_key,
            one.checked.arrived.mapped.bundle,
            now=now,
            id_key=self._id_key,
        )


def _refuse_others(newest: Any | None, sender: Sender) -> None:
    """Refuse a record under the id of one whose controller its sender does not speak for."""
    if newest is None or sender.custodians is None or newest.custodian in sender.custodians:
        return
    # An older program did not write down the custodian.
    if newest.custodian or newest.sender != sender.id:
        raise NotYours(Issue("error", "api.foreign-record", {"field": "record_id"}))


def _refuse_invalidated(arrived: Arrived, invalidated: Collection[str]) -> None:
    if arrived.key in invalidated:
        raise Invalid(Issue("error", "delivery.invalidated", {"field": "record_id"}))


def on_file(connection: Connection, cipher: Cipher, records: Sequence[tuple[str, Arrived]]) -> list[list[Resource]]:
    """Return for each record, given with its client's lane, what the judgements about it may look at.

    Args:
        records: of different clients.
    """
    kinds = {lane: arrived.related for lane, arrived in records}
    found: dict[str, list[Resource]] = {lane: [] for lane in kinds}
    for asked in {each for each in kinds.values() if each}:
        lanes = [lane for lane, related in kinds.items() if related == asked]
        for known in submissions.newest(connection, cipher, lanes, asked):
            found[known.lane].append(known.bundle)
    return [found[lane] for lane, _ in records]


def decide(arrived: Arrived, known: Sequence[Resource], at: float) -> Decided:
    """Ask the gate, and return its words; a record for the own register needs no consent.

    Raises:
        ConsentRefused: somebody may not see it.
    """
    words: list[Word] = []
    mapped = arrived.mapped
    try:
        released = check_release(mapped.record, mapped.bundle, known, at, words.append)
    except ConsentRefused as refused:
        refused.traces = traces_of(words)
        refused.issues = arrived.placed(refused.issues)
        raise
    fields = {"basis": released.basis, "decision": "permit", "reason": words[-1].reason if words else ""}
    log(Event.CONSENT_DECIDED, record_type=mapped.record_type, **fields)
    return Decided(released, tuple(words))
