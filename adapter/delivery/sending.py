"""Takes one message through one try: prepare, sign, send, commit what came of it.

A message that was sent without a known outcome is never sent again blindly: the repository is asked first
whether it holds the record in this version (reconcile).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from adapter.delivery.circuit import Breaker, Circuit
from adapter.delivery.client import Answer, Repository
from adapter.delivery.heard import issue_codes, kept_issues
from adapter.delivery.outbox import Failure, LeaseLost, Message, Outbox
from adapter.delivery.outgoing import beside_their_client, is_owned, outgoing, receipts, record_version, renamed_core
from adapter.delivery.states import (
    CERTIFICATE,
    CHANGED,
    CONFLICT,
    LONGEST_DELAY,
    NOBODY_THERE,
    PAUSE,
    Known,
    State,
    Verdict,
    delay,
    judge,
    judge_conflict,
    judge_lookup,
)
from adapter.errors import SigningError
from adapter.events import Event, log
from adapter.fhir.canonical import canonical
from adapter.security.keys import KeyProblem
from adapter.security.signatures import Signer
from adapter.source.json import read_json
from adapter.store.cipher import CipherError, KeyNotConfigured
from adapter.types import Resource

CHANGED_MEANWHILE = frozenset({CONFLICT, CHANGED})
"""Answers to replacing what was just found: somebody changed it in between, so it is looked up again."""

FORBIDDEN = 403
FORBIDDEN_TO_ALARM = 5
"""So many messages in a row that are forbidden are no matter of one record."""

EVENTS = {
    State.WAITING: Event.WAITING,
    State.UNKNOWN: Event.UNKNOWN,
    State.DEAD: Event.DEAD,
    State.REJECTED: Event.REJECTED,
}


class Delivery:
    """Delivers claimed messages to one repository.

    Args:
        signer: gives the signing key for each Bundle, so a rotated key is used at once; None sends unsigned.
        clock: UTC seconds; `chance`: random number in [0, 1) for jitter.
    """

    def __init__(
        self,
        outbox: Outbox,
        repository: Repository,
        breaker: Breaker,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
        signer: Callable[[], Signer] | None = None,
    ) -> None:
        self._outbox = outbox
        self._repository = repository
        self._clock = clock
        self._chance = chance
        self._signer = signer
        self._breaker = breaker
        self._forbidden = 0

    def ready(self) -> bool:
        """Say whether the destination takes messages; after a pause one caller probes it with `GET metadata`."""
        state = self._breaker.state(self._clock())
        if state is Circuit.PROBE:
            self._judge_destination(self._repository.metadata())
            state = self._breaker.state(self._clock())
        return state is Circuit.CLOSED

    def deliver(self, message: Message) -> None:
        """Make one try and commit its result; raises only when the database or a bug does."""
        try:
            bundle = beside_their_client(read_json(message.body))
            if message.doubtful:
                self._reconcile(message, bundle)
            else:
                self._send(message, bundle)
        except CipherError as problem:
            self._unreadable(message, problem)
        except LeaseLost:
            log(Event.LEASE_LOST, submission=message.submission)

    def _unreadable(self, message: Message, problem: CipherError) -> None:
        """A body whose key is missing waits for the key; one that is damaged is dead. Neither holds up other lanes."""
        missing = isinstance(problem, KeyNotConfigured)
        doubtful = State.UNKNOWN if message.doubtful else State.WAITING
        verdict = Verdict(doubtful if missing else State.DEAD, LONGEST_DELAY)
        cause = "StorageKeyMissing" if missing else "BodyUnreadable"
        self._fail(message, Answer(message.http_status or 0, cause=cause), message.attempt, verdict)

    def _send(self, message: Message, bundle: Resource) -> None:
        urls = {entry["fullUrl"] for entry in bundle["entry"]}
        known = self._outbox.known(message.record_key)
        former = {url: part for url, part in known.items() if url not in urls}
        moved = renamed_core(bundle, known, former)
        transaction = outgoing(bundle, known | moved, [each for each in former.values() if each not in moved.values()])
        attempt = message.attempt + 1
        try:
            content = self._sign(message, transaction)
        except (SigningError, KeyProblem):
            # The key file is being replaced or is wrong: nothing is sent until it is right again.
            self._not_delivered(message, Answer(0, cause="NoSignature"), attempt)
            return
        self._outbox.sending(message, self._clock())
        log(Event.SENDING, submission=message.submission, attempt=attempt)
        answer = self._repository.post_bundle(content, uuid4().hex)
        if 200 <= answer.status < 300:
            self._received(message, bundle, transaction, answer)
        elif answer.status == CONFLICT or (answer.status == CHANGED and _replaces(transaction)):
            self._settle(message, bundle, answer, attempt)
        else:
            self._not_delivered(message, answer, attempt)

    def _received(self, message: Message, bundle: Resource, transaction: Resource, answer: Answer) -> None:
        try:
            resources, found = receipts(transaction, answer.body)
        except ValueError:
            self._not_delivered(message, Answer(-1, cause="AnswerDoesNotMatch"), message.attempt + 1)
            return
        if found:
            # Somebody else had created what this record owns: replace it now, by the version just learned.
            again = outgoing(bundle, {url: resources[url] for url in resources})
            answer = self._repository.post_bundle(self._sign(message, again), uuid4().hex)
            try:
                resources, _ = receipts(again, answer.body) if 200 <= answer.status < 300 else ({}, [])
            except ValueError:
                answer = Answer(-1, cause="AnswerDoesNotMatch")
            if answer.status in CHANGED_MEANWHILE:
                answer = Answer(-1, cause="ChangedMeanwhile")
            if not 200 <= answer.status < 300:
                self._not_delivered(message, answer, message.attempt + 1)
                return
        self._judge_destination(answer)
        self._delivered(message, resources, bundle, answer.request_id, "receipt")

    def _sign(self, message: Message, transaction: Resource) -> bytes:
        """Return the bytes that go out: signed when there is a key, else the canonical bytes alone."""
        if self._signer is None:
            log(Event.SIGNED, submission=message.submission, key_id="", signed=False)
            return canonical(transaction)
        signer = self._signer()
        when = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        content = signer.sign(transaction, when)
        log(Event.SIGNED, submission=message.submission, key_id=signer.key_id, signed=True)
        return content

    def _delivered(
        self, message: Message, resources: dict[str, Known], bundle: Resource, request_id: str, cause: str
    ) -> None:
        owned = {entry["fullUrl"] for entry in bundle["entry"] if is_owned(entry["resource"])}
        self._outbox.delivered(message, self._clock(), request_id, resources, owned, cause)
        log(Event.DELIVERED, submission=message.submission, attempt=message.attempt + 1, resources=len(resources))

    def _not_delivered(self, message: Message, answer: Answer, attempt: int) -> None:
        self._commit(message, answer, attempt, judge(answer.status, attempt, answer.retry_after))

    def _commit(self, message: Message, answer: Answer, attempt: int, verdict: Verdict) -> None:
        self._judge_destination(answer)
        self._fail(message, answer, attempt, verdict)

    def _fail(self, message: Message, answer: Answer, attempt: int, verdict: Verdict) -> None:
        wait = delay(attempt, self._chance()) if verdict.retry_after is None else verdict.retry_after
        now = self._clock()
        failure = Failure(
            due=now + wait,
            attempts=attempt,
            cause=answer.cause or f"HTTP {answer.status}",
            http_status=max(answer.status, 0),
            issues=kept_issues(answer.body),
        )
        self._outbox.failed(message, verdict.state, now, failure)
        event = EVENTS[verdict.state]
        fields = {
            "submission": message.submission,
            "http_status": answer.status,
            "attempt": attempt,
            "seconds": round(wait, 3),
            "cause": failure.cause,
        }
        log(event, **{name: value for name, value in fields.items() if name in event.allowed})

    def _judge_destination(self, answer: Answer) -> None:
        self._forbidden = self._forbidden + 1 if answer.status == FORBIDDEN else 0
        if self._forbidden == FORBIDDEN_TO_ALARM:
            log(Event.ALL_FORBIDDEN, count=self._forbidden)
        if answer.status in PAUSE or answer.cause == CERTIFICATE:
            self._breaker.pause(self._clock())
            log(Event.PAUSED, http_status=answer.status, cause=answer.cause)
        elif answer.status in NOBODY_THERE:
            self._breaker.failed(self._clock())
        else:
            self._breaker.succeeded()

    def _reconcile(self, message: Message, bundle: Resource) -> None:
        """Ask the repository whether the record is there in this version; send only when it is not."""
        if self._is_there(message, bundle, message.attempt) is False:
            self._send(message, bundle)

    def _settle(self, message: Message, bundle: Resource, refusal: Answer, attempt: int) -> None:
        """Decide about a conflict by what the repository holds (retry table: 409, and 412 on `ifMatch`).

        The record in this version: delivered. Something that it refers to is missing: wait for it. Else the sender
        decides, because somebody else has changed what the record replaces.
        """
        if self._is_there(message, bundle, attempt) is False:
            codes = issue_codes(refusal.body) if refusal.status == CONFLICT else ()
            self._commit(message, refusal, attempt, judge_conflict(codes, attempt, refusal.retry_after))

    def _is_there(self, message: Message, bundle: Resource, attempt: int) -> bool | None:
        """Ask the repository whether it holds the record in this version, and commit the delivery when it does.

        Returns None when the repository could not be asked; then that is committed.
        """
        resources: dict[str, Known] = {}
        client = _client(bundle)
        for entry in bundle["entry"]:
            answer, resource, place = self._repository.find(entry, client)
            if answer.status != 200:
                self._commit(message, answer, attempt, judge_lookup(answer.status, answer.retry_after))
                return None
            if resource is None or not _is_this_version(entry["resource"], resource):
                return False
            resources[entry["fullUrl"]] = place
        self._judge_destination(answer)
        self._delivered(message, resources, bundle, answer.request_id, "reconciled")
        return True


def _client(bundle: Resource) -> str:
    """Return `system|value` of the client that the Bundle is about, as it stands in its criterion; empty without."""
    criteria = (
        entry["request"]["ifNoneExist"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"
    )
    return next((one.removeprefix("identifier=") for one in criteria if one.startswith("identifier=")), "")


def _replaces(transaction: Resource) -> bool:
    return any("ifMatch" in entry["request"] for entry in transaction["entry"])


def _is_this_version(ours: Resource, theirs: Resource) -> bool:
    """Say whether the repository holds our version; what the record does not own may be anybody's."""
    return not is_owned(ours) or record_version(ours) == record_version(theirs)
