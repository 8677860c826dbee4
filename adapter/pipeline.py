"""The straight line: read, map, consent, validate, sign, deliver, audit. Nobody else knows the order.

`Line.accept` runs a record up to the outbox and answers with an opaque id; `Line.deliver` takes a message from
the outbox to its receipt. A record that fails leaves as an `AdapterError` that the sender can act on, and
changes nothing but the audit.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Connection

from adapter import audit
from adapter.audit.facts import act_of_record, record_facts
from adapter.delivery import Outbox, Repository, idempotency, submissions
from adapter.delivery.circuit import Breaker
from adapter.delivery.outbox import LEASE_SECONDS, Message
from adapter.delivery.sending import Delivery
from adapter.errors import AdapterError, MappingError, NotYours, ValidationFailed
from adapter.events import Event, log
from adapter.fhir.canonical import canonical
from adapter.handover import RELATED, Accepted, Checked, Sender, ground_of, judged_as_of
from adapter.lifecycle import consents, invalidation
from adapter.lifecycle.afterwards import Afterwards
from adapter.mapping import Mapped, map_record
from adapter.mapping.contained import contain
from adapter.release import Released, Word, check_release
from adapter.security.signatures import Signer
from adapter.source.record import SourceRecord, read
from adapter.store import Cipher, Database, clients
from adapter.store.cipher import keyed_hash
from adapter.tracing import traced
from adapter.types import Issue, Record, Resource
from adapter.validation.judge import judge, placed

__all__ = ["Accepted", "Checked", "Line", "Sender"]


@dataclass(slots=True)
class _Taken:
    """A record on its way in: what it became so far, and what its sender is told."""

    mapped: Mapped | None = None
    answer: Future[Accepted] = field(default_factory=Future)


class Line:
    """One adapter's straight line.

    Args:
        database, cipher: where accepted records live.
        id_key: 32 bytes that key ids, lanes and look-ups.
        repository: the receiving FHIR endpoint.
        signer: gives the key that signs each Bundle; None sends unsigned.
        lease: seconds after which a silent worker's message is taken over.
        supporting: `entries` or `contained` (design §4).
        max_entries: larger Bundles are refused.
        clock: UTC seconds.
        judged_at: at which instant a record is judged; by default now. A demonstration of old records sets it.
    """

    def __init__(
        self,
        database: Database,
        cipher: Cipher,
        *,
        id_key: bytes,
        repository: Repository,
        signer: Callable[[], Signer] | None = None,
        lease: float = LEASE_SECONDS,
        supporting: str = "entries",
        max_entries: int = 500,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        judged_at: Callable[[Record], float] | None = None,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._id_key = id_key
        self._supporting = supporting
        self._max_entries = max_entries
        self._clock = clock
        self._judged_at = judged_at or (lambda _record: clock())
        self._repository = repository
        self.outbox = Outbox(database, cipher, lease=lease)
        self.afterwards = Afterwards(database, cipher, self.outbox, id_key=id_key, clock=clock)
        self._delivery = Delivery(
            self.outbox,
            repository,
            Breaker(database, repository.base_url),
            clock=clock,
            chance=chance,
            signer=signer,
        )

    @traced("preview")
    def check(
        self, data: bytes, *, sender: Sender, record_type: str | None = None, vendor: str | None = None
    ) -> Checked:
        """Read, map, decide consent and validate; store nothing.

        Args:
            data: JSON or XML bytes of one record.
            sender: whose record it is; of another's custodian nothing is looked up.
            record_type: needed when the record does not say it itself.
            vendor: name of a vendor format; None means the canonical form.

        Raises:
            SourceError, MappingError, ConsentRefused, ValidationFailed: with every problem found at that stage.
        """
        source = self._read(data, record_type, vendor)
        return self._checked(source, self._map(source), sender)

    def _checked(self, source: SourceRecord, mapped: Mapped, sender: Sender) -> Checked:
        if sender.custodians is not None and mapped.record["custodian"]["id"] not in sender.custodians:
            raise NotYours(Issue("error", "api.foreign-custodian"))
        with self._database.reading() as connection:
            on_file = self._on_file(connection, mapped)
        self._consent(mapped, on_file)
        bundle = contain(mapped.bundle) if self._supporting == "contained" else mapped.bundle
        self._refuse_too_large(bundle)
        warnings = self._validate(mapped, on_file)
        return Checked(source, mapped, bundle, (*source.warnings, *mapped.warnings, *warnings))

    def accept(
        self,
        data: bytes,
        *,
        sender: Sender,
        record_type: str | None = None,
        vendor: str | None = None,
        idempotency_key: str = "",
    ) -> Accepted:
        """Take a record: when this returns, it is on disk and will be delivered.

        Args:
            idempotency_key: the caller's key; the same key with the same body is answered as before.

        Raises:
            AdapterError: nothing was stored; the refusal is in the audit.
        """
        records = [(data, idempotency_key)]
        (answer,) = self.accept_many(records, sender=sender, record_type=record_type, vendor=vendor)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @traced("accept")
    def accept_many(
        self,
        records: Iterable[tuple[bytes, str]],
        *,
        sender: Sender,
        record_type: str | None = None,
        vendor: str | None = None,
    ) -> list[Accepted | Exception]:
        """Take records as `accept` does, in as few commits as possible; returns what it would return or raise.

        Records of one client never share a commit: each is judged with the one before it on file.

        Args:
            records: body and idempotency key (or empty) of each.
        """
        taken: list[_Taken] = []
        lanes: set[str] = set()
        for data, key in records:
            one = _Taken()
            taken.append(one)
            try:
                self._take(one, lanes, data, sender, key, record_type=record_type, vendor=vendor)
            except Exception as error:  # the others are taken all the same
                one.answer.set_exception(error)
        self._database.flush()
        return [self._answer(one, sender) for one in taken]

    def _take(
        self,
        one: _Taken,
        lanes: set[str],
        data: bytes,
        sender: Sender,
        idempotency_key: str,
        **asked: str | None,
    ) -> None:
        """Judge a record and let it be stored with the next commit."""
        key = idempotency.Key.of(self._id_key, sender.id, idempotency_key, data, **asked)
        if key and (kept := self._kept(key)):
            one.answer.set_result(kept)
            return
        source = self._read(data, **asked)
        one.mapped = self._map(source)
        with self._database.reading() as connection:
            names = clients.names(connection, self._lookups(one.mapped))
        if not lanes.isdisjoint(names):
            self._database.flush()
            lanes.clear()
        lanes |= names
        one.answer = self._database.soon(self._storing(self._checked(source, one.mapped, sender), data, sender.id, key))

    def _answer(self, one: _Taken, sender: Sender) -> Accepted | Exception:
        error = one.answer.exception()
        if isinstance(error, AdapterError):
            self._audit_refusal(error, sender.id, one.mapped)
        return one.answer.result() if error is None else cast("Exception", error)

    @traced("deliver")
    def deliver(self, message: Message) -> None:
        """Sign and send one message, and commit what came of it (see `adapter.delivery.sending`)."""
        self._delivery.deliver(message)

    def close(self) -> None:
        """Close the connections to the repository; nothing is delivered after this."""
        self._repository.close()

    def ready(self) -> bool:
        """Say whether the repository takes messages now."""
        return self._delivery.ready()

    def status(self, submission_id: str, sender: str) -> submissions.Status | None:
        """Return where a submission of this sender is, or None (another sender's looks the same)."""
        with self._database.reading() as connection:
            return submissions.status(connection, submission_id, sender)

    def search(self, sender: str, wanted: submissions.Wanted) -> list[submissions.Status]:
        """Return the newest submissions of this sender that are wanted."""
        with self._database.reading() as connection:
            return submissions.search(connection, sender, wanted)

    def replay(self, submission_id: str) -> bool:
        """Queue a final but undelivered submission again; False when its state does not allow it."""
        return self.outbox.replay([submission_id], self._clock()) == 1

    def cancel(self, submission_id: str) -> bool:
        """Take back a submission that surely was not sent; False when its state does not allow it."""
        return self.outbox.cancel([submission_id], self._clock()) == 1

    def _kept(self, key: idempotency.Key) -> Accepted | None:
        """Return what was answered under a key: also when the record would be judged otherwise today."""
        with self._database.reading() as connection:
            kept = idempotency.find(connection, key)
        if kept is None:
            return None
        return Accepted(kept.submission, kept.record_type, kept.resources, kept.warnings, repeated=True)

    def _storing(
        self, checked: Checked, data: bytes, sender: str, key: idempotency.Key | None
    ) -> Callable[[Connection], Accepted]:
        """Return what stores a record, to be run in a commit shared with others."""

        def act(connection: Connection) -> Accepted:
            # From here on nobody else stores: an equal record, or a withdrawal, of the same moment is seen.
            audit.lock(connection)
            return self._store(connection, checked, data, sender, key)

        return act

    def _store(
        self, connection: Connection, checked: Checked, data: bytes, sender: str, key: idempotency.Key | None
    ) -> Accepted:
        record, now = checked.mapped.record, self._clock()
        body = canonical(checked.bundle)
        arrival = submissions.Arrival(
            id=secrets.token_hex(16),
            sender=sender,
            record_type=checked.mapped.record_type,
            record_key=keyed_hash(self._id_key, record["source_system"], record["record_id"]),
            record_version=record["record_version"],
            digest=keyed_hash(self._id_key, canonical(record).decode()),
            custodian=record["custodian"]["id"],
            mapping=checked.mapped.provenance,
            warnings=json.dumps([issue.as_fhir("fi") for issue in checked.warnings], ensure_ascii=False),
            source=data,
            body=body,
        )
        invalidation.refuse_invalidated(connection, sender, arrival.record_key)
        earlier = idempotency.find(connection, key) if key else None
        repeat = earlier.submission if earlier else submissions.find_repeat(connection, arrival)
        told = (arrival.record_type, len(checked.bundle["entry"]), checked.warnings)
        if repeat is not None:
            if key and earlier is None:
                idempotency.keep(connection, key, idempotency.Kept(repeat, *told), now)
            log(Event.REPEATED, submission=repeat, record_type=arrival.record_type, version=arrival.record_version)
            return Accepted(repeat, *told, repeated=True)
        # Decided again under the lock: a withdrawal that was accepted meanwhile is not missed.
        on_file = self._on_file(connection, checked.mapped) if "release" in record else ()
        released, words = self._consent(checked.mapped, on_file)
        lane, joined = clients.bind(connection, self._lookups(checked.mapped))
        is_consent = arrival.record_type == "consent"
        if is_consent:
            consents.refuse_second(connection, self._cipher, lane, arrival.record_key, checked.mapped.bundle)
        submissions.store(connection, self._cipher, arrival, now)
        if key:
            idempotency.keep(connection, key, idempotency.Kept(arrival.id, *told), now)
        self.outbox.put(connection, arrival.id, lane, now)
        facts = self._facts(connection, checked.mapped) | judged_as_of(self._judged_at(record), now)
        facts |= {"act": act_of_record(record, released.basis), "submission": arrival.id, "sender": sender}
        facts |= {"decision": "permit"} | ground_of(released, words)
        audit.append(connection, now, "decision", facts | ({"joined": joined} if joined else {}))
        if is_consent:
            consents.supersede(
                connection, self.outbox, self._cipher, lane, arrival.record_key, checked.mapped.bundle,
                now=now, id_key=self._id_key,
            )  # fmt: skip
        log(Event.ACCEPTED, submission=arrival.id, record_type=arrival.record_type, version=arrival.record_version)
        return Accepted(arrival.id, *told)

    def _read(self, data: bytes, record_type: str | None, vendor: str | None) -> SourceRecord:
        source = read(data, record_type=record_type, vendor=vendor)
        log(Event.READ, record_type=source.record_type, vendor=source.vendor or "", bytes=len(data))
        return source

    def _map(self, source: SourceRecord) -> Mapped:
        mapped = map_record(source, id_key=self._id_key)
        count = len(mapped.bundle["entry"])
        log(Event.MAPPED, record_type=mapped.record_type, mapping=mapped.mapping.id, resources=count, warnings=0)
        return mapped

    def _consent(self, mapped: Mapped, on_file: Sequence[Resource]) -> tuple[Released, list[Word]]:
        """Ask the gate, and return its words; a record for the own register needs no consent."""
        words: list[Word] = []
        released = check_release(mapped.record, mapped.bundle, on_file, self._judged_at(mapped.record), words.append)
        fields = {"basis": released.basis, "decision": "permit", "reason": words[-1].reason if words else ""}
        log(Event.CONSENT_DECIDED, record_type=mapped.record_type, **fields)
        return released, words

    def _validate(self, mapped: Mapped, on_file: Sequence[Resource]) -> list[Issue]:
        """Judge the Bundle with what is on file of the client; returns what the sender should know."""
        at = datetime.fromtimestamp(self._judged_at(mapped.record), UTC).isoformat()
        outcome = judge(mapped.bundle, at=at, context=on_file)
        log(Event.VALIDATED, record_type=mapped.record_type, issues=len(outcome.issues))
        # The sender's places are worked out only for what is told: most records have nothing.
        told = [placed(issue, mapped.locate) for issue in outcome.issues if issue.severity != "information"]
        if not outcome.ok:
            raise ValidationFailed(told)
        return told

    def _on_file(self, connection: Connection, mapped: Mapped) -> list[Resource]:
        """Return the client's newest records that the judgements about this one may look at."""
        kinds = RELATED.get(mapped.record_type, ())
        if "release" in mapped.record:
            kinds = tuple({*kinds, "consent", "team"})
        lane = clients.lane_of(connection, self._lookups(mapped)) if kinds else ""
        return [bundle for kind in kinds for bundle in submissions.newest_bundles(connection, self._cipher, lane, kind)]

    def _lookups(self, mapped: Mapped) -> tuple[str, ...]:
        return clients.lookups(self._id_key, mapped.record_type, mapped.bundle)

    def _facts(self, connection: Connection, mapped: Mapped) -> dict[str, str | int]:
        """What the audit keeps of a record."""
        lane = clients.lane_of(connection, self._lookups(mapped))
        return record_facts(connection, self._cipher, self._id_key, lane, mapped.record, mapped.bundle)

    def _refuse_too_large(self, bundle: Resource) -> None:
        count = len(bundle["entry"])
        if count > self._max_entries:
            values = {"count": str(count), "limit": str(self._max_entries)}
            raise MappingError(Issue("error", "delivery.bundle-too-large", values))

    def _audit_refusal(self, error: AdapterError, sender: str, mapped: Mapped | None) -> None:
        rules = ",".join(sorted({issue.rule_id for issue in error.issues if issue.severity in ("fatal", "error")}))
        log(Event.REFUSED, stage=error.stage, rules=rules, http_status=error.http_status)
        entry = {"act": "refuse", "sender": sender, "stage": error.stage, "rules": rules}

        def act(connection: Connection) -> None:
            facts = self._facts(connection, mapped) if mapped else {}
            audit.append(connection, self._clock(), "refusal", facts | entry)

        self._database.together(act)
