"""The straight line: read, map, consent, validate, sign, deliver, audit. Nobody else knows the order.

`Line.accept` runs a record up to the outbox and answers with an opaque id; `Line.delivery` takes a message from
the outbox to its receipt. A record that fails leaves as an `AdapterError` that the sender can act on, and
changes nothing but the audit.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from adapter.delivery import Outbox, Repository, idempotency, submissions
from adapter.delivery.circuit import Breaker
from adapter.delivery.idempotency import Key
from adapter.delivery.outbox import LEASE_SECONDS
from adapter.delivery.sending import Delivery
from adapter.errors import AdapterError, MappingError, NotYours, ValidationFailed
from adapter.events import Event, log
from adapter.handover import Accepted, Arrived, Checked, Foreseen, Sender
from adapter.lifecycle.afterwards import Afterwards
from adapter.mapping import map_record
from adapter.mapping.contained import contain
from adapter.noting import Noting
from adapter.security.signatures import Signer
from adapter.source.record import read
from adapter.store import DATABASE_PROBLEMS, Cipher, Database, clients
from adapter.store.cipher import keyed_hash
from adapter.storing import Handed, Storing, decide, on_file
from adapter.tracing import traced
from adapter.types import Issue, Record, Resource
from adapter.validation.judge import judge

__all__ = ["Accepted", "Foreseen", "Line", "Sender"]


@dataclass(slots=True)
class _Taken:
    """A record on its way in: what it became so far, and what its sender is told."""

    data: bytes
    key: Key | None
    arrived: Arrived | None = None
    answer: Accepted | Exception | None = None


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
        self._storing = Storing(cipher, self.outbox, id_key=id_key, clock=clock, judged_at=self._judged_at)
        self._noting = Noting(database, cipher, id_key=id_key, clock=clock, judged_at=self._judged_at)
        self.afterwards = Afterwards(database, cipher, self.outbox, id_key=id_key, clock=clock)
        self.delivery = Delivery(
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
    ) -> Foreseen:
        """Say what `accept` would say of a record; store nothing of it.

        What it says of a release to others stands in the audit: it tells what the consents on file permit.

        Args:
            data: JSON or XML bytes of one record.
            sender: whose record it is; of another's custodian nothing is looked up.
            record_type: needed when the record does not say it itself.
            vendor: name of a vendor format; None means the canonical form.

        Raises:
            AdapterError: with every problem found at the stage that would refuse it.
        """
        arrived = self._arrive(data, record_type, vendor)
        _refuse_foreign(arrived, sender)
        try:
            with self._database.reading() as connection:
                lane = clients.lane_of(connection, arrived.lookups)
                (known,) = on_file(connection, self._cipher, [(lane, arrived)])
                judged = self._judged(arrived, known)
                foreseen = self._storing.foresee(connection, sender, lane, arrived, judged)
        except AdapterError as refused:
            self._noting.preview(arrived, refused, sender.id)
            raise
        if foreseen.decided:
            self._noting.preview(arrived, foreseen.decided, sender.id)
        return foreseen

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
        key_of = partial(Key.of, self._id_key, sender.id, record_type=record_type, vendor=vendor)
        taken = [_Taken(data, key_of(key, data)) for data, key in records]
        self._answer_again([one for one in taken if one.key])
        for one in taken:
            if one.answer is None:
                with _answering(one):
                    one.arrived = self._arrive(one.data, record_type, vendor)
                    _refuse_foreign(one.arrived, sender)
        while waiting := [(one, one.arrived) for one in taken if one.answer is None and one.arrived]:
            self._take(waiting, sender)
        self._note(taken, sender)
        return [one.answer for one in taken if one.answer is not None]

    def _answer_again(self, taken: Sequence[_Taken]) -> None:
        """Answer what was answered under its key before: also when it would be judged otherwise today."""
        if not taken:
            return
        with _answering(*taken), self._database.reading() as connection:
            answered = idempotency.find(connection, [one.key for one in taken])
            for one in taken:
                with _answering(one):
                    kept = answered.under(one.key)
                    if kept is not None:
                        told = (kept.submission, kept.record_type, kept.resources, kept.warnings)
                        one.answer = Accepted(*told, repeated=True)

    def _take(self, waiting: Sequence[tuple[_Taken, Arrived]], sender: Sender) -> None:
        """Answer at least the first of these; one that fails takes nobody with it.

        A database that takes nothing is asked once: one after the other, each would wait for it as long.
        """
        try:
            self._take_together(waiting, sender)
        except DATABASE_PROBLEMS as error:
            for one, _ in waiting:
                one.answer = one.answer or error
        except Exception as error:
            if len(waiting) == 1:
                waiting[0][0].answer = error
                return
            for each in waiting:
                if each[0].answer is None:
                    self._take([each], sender)

    def _take_together(self, waiting: Sequence[tuple[_Taken, Arrived]], sender: Sender) -> None:
        """Judge the first of these, as many as are surely different clients, and store them in one commit."""
        with self._database.reading() as connection:
            lanes = clients.lanes(connection, [name for _, arrived in waiting for name in arrived.lookups])
            group = waiting[: lanes.apart([arrived.names for _, arrived in waiting])]
            records = [(lanes.of(arrived.lookups), arrived) for _, arrived in group]
            known = on_file(connection, self._cipher, records)
        judged = []
        for (one, arrived), bundles in zip(group, known, strict=True):
            with _answering(one):
                judged.append((one, Handed(arrived, self._judged(arrived, bundles), one.data, one.key)))
        if judged:
            handed = [each for _, each in judged]
            answers = self._database.together(lambda connection: self._storing.store(connection, sender, handed))
            for (one, _), answer in zip(judged, answers, strict=True):
                one.answer = answer

    def _note(self, taken: Sequence[_Taken], sender: Sender) -> None:
        """Say in the logs what became of records; a refusal that the audit does not take is not told."""
        for one in taken:
            if isinstance(one.answer, Accepted) and one.arrived is not None:
                event = Event.REPEATED if one.answer.repeated else Event.ACCEPTED
                version = one.arrived.mapped.record["record_version"]
                log(event, submission=one.answer.submission, record_type=one.answer.record_type, version=version)
        refused = [(one, one.answer) for one in taken if isinstance(one.answer, AdapterError)]
        if refused:
            try:
                self._noting.refusals([(error, one.arrived) for one, error in refused], sender.id)
            except Exception as error:  # what was taken is told all the same
                for one, _ in refused:
                    one.answer = error

    def keeping(self) -> AbstractContextManager[None]:
        """Let a thread that only takes records keep its connection; see `Database.keeping`."""
        return self._database.keeping()

    def hurry(self) -> None:
        """Tell that the process is to stop; see `Database.hurry`."""
        self._database.hurry()

    def close(self) -> None:
        """Close the connections to repository and database; nothing is delivered after this.

        A SQLite database is one file then, nothing beside it.
        """
        self._repository.close()
        self._database.close()

    def status(self, submission_id: str, sender: str) -> submissions.Status | None:
        """Return where a submission of this sender is, or None (another sender's looks the same)."""
        with self._database.reading() as connection:
            return submissions.status(connection, submission_id, sender)

    def search(self, sender: str, wanted: submissions.Wanted) -> list[submissions.Status]:
        """Return the newest submissions of this sender that are wanted."""
        with self._database.reading() as connection:
            return submissions.search(connection, sender, wanted)

    def replay(self, submission_id: str) -> Issue | None:
        """Queue a final but undelivered submission again; returns what does not allow it, or None."""
        return self.outbox.replay([submission_id], self._clock()).get(submission_id)

    def cancel(self, submission_id: str) -> Issue | None:
        """Take back a submission that surely was not sent; returns what does not allow it, or None."""
        return self.outbox.cancel([submission_id], self._clock()).get(submission_id)

    def _arrive(self, data: bytes, record_type: str | None, vendor: str | None) -> Arrived:
        """Read and map."""
        source = read(data, record_type=record_type, vendor=vendor)
        log(Event.READ, record_type=source.record_type, vendor=source.vendor or "", bytes=len(data))
        mapped = map_record(source, id_key=self._id_key)
        count = len(mapped.bundle["entry"])
        log(Event.MAPPED, record_type=mapped.record_type, mapping=mapped.mapping.id, resources=count, warnings=0)
        key = keyed_hash(self._id_key, mapped.record["source_system"], mapped.record["record_id"])
        bundle = contain(mapped.bundle) if self._supporting == "contained" else mapped.bundle
        return Arrived(source, mapped, bundle, key, clients.lookups(self._id_key, mapped.record_type, mapped.bundle))

    def _judged(self, arrived: Arrived, known: Sequence[Resource]) -> Checked | AdapterError:
        """Return what `_check` returns or refuses with: the version of the record may still outrank a refusal."""
        try:
            return self._check(arrived, known)
        except AdapterError as refused:
            return refused

    def _check(self, arrived: Arrived, known: Sequence[Resource]) -> Checked:
        """Decide consent and validate, with what is on file of the client."""
        mapped = arrived.mapped
        decided = decide(arrived, known, self._judged_at(mapped.record))
        self._refuse_too_large(arrived.bundle)
        warnings = self._validate(arrived, known)
        return Checked(arrived, decided, (*arrived.source.warnings, *mapped.warnings, *warnings))

    def _validate(self, arrived: Arrived, known: Sequence[Resource]) -> tuple[Issue, ...]:
        """Judge the Bundle; returns what the sender should know."""
        mapped = arrived.mapped
        at = datetime.fromtimestamp(self._judged_at(mapped.record), UTC).isoformat()
        outcome = judge(mapped.bundle, at=at, context=known, notes=False)
        log(Event.VALIDATED, record_type=mapped.record_type, issues=len(outcome.issues))
        # The sender's places are worked out only for what is told: most records have nothing.
        told = arrived.placed(issue for issue in outcome.issues if issue.severity != "information")
        if not outcome.ok:
            raise ValidationFailed(told)
        return told

    def _refuse_too_large(self, bundle: Resource) -> None:
        count = len(bundle["entry"])
        if count > self._max_entries:
            values = {"count": str(count), "limit": str(self._max_entries)}
            raise MappingError(Issue("error", "delivery.bundle-too-large", values))


def _refuse_foreign(arrived: Arrived, sender: Sender) -> None:
    """Refuse a record of a controller for whom its sender does not speak, before anything is looked up."""
    if sender.custodians is not None and arrived.mapped.record["custodian"]["id"] not in sender.custodians:
        raise NotYours(arrived.placed([Issue("error", "api.foreign-custodian", {"field": "custodian.id"})]))


@contextmanager
def _answering(*taken: _Taken) -> Iterator[None]:
    """Answer those who have no answer yet with what goes wrong; others are taken all the same."""
    try:
        yield
    except Exception as error:
        for one in taken:
            one.answer = one.answer or error
