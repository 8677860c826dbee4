"""Takes messages through one try: prepare and sign, send, say what came of it. Who commits that is the worker.

A message that was sent without a known outcome is never sent again blindly: the repository is asked first
whether it holds the record in this version (reconcile).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

from adapter.delivery.circuit import Breaker
from adapter.delivery.client import Answer, Repository
from adapter.delivery.destination import Destination
from adapter.delivery.heard import issue_codes, kept_issues
from adapter.delivery.messages import Delivered, Failed, LeaseLost, Message, Outcome
from adapter.delivery.outbox import Outbox
from adapter.delivery.outgoing import (
    client_of,
    is_owned,
    is_this_version,
    outgoing,
    receipts,
    renamed_core,
    replaces,
)
from adapter.delivery.states import (
    CHANGED,
    CONFLICT,
    LONGEST_DELAY,
    NOT_COUNTED,
    UNTIMELY,
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
from adapter.fhir.canonical import canonical, read_canonical
from adapter.security.keys import OUT_OF_TIME, KeyProblem
from adapter.security.signatures import Signer
from adapter.store.cipher import CipherError, KeyNotConfigured
from adapter.tracing import traced
from adapter.types import Resource

CHANGED_MEANWHILE = frozenset({CONFLICT, CHANGED})
"""Answers to replacing what was just found: somebody changed it in between, so it is looked up again."""

EVENTS = {
    State.WAITING: Event.WAITING,
    State.UNKNOWN: Event.UNKNOWN,
    State.DEAD: Event.DEAD,
    State.REJECTED: Event.REJECTED,
}


@dataclass(frozen=True, slots=True)
class Try:
    """A message that can go out.

    Attributes:
        bundle: as accepted.
        transaction: what is sent; empty for a doubtful message, about which the repository is asked first.
        content: the bytes of the transaction, signed.
    """

    message: Message
    bundle: Resource
    transaction: Resource
    content: bytes


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
        self._destination = Destination(repository, breaker, clock)

    def ready(self) -> bool:
        """Say whether the destination takes messages."""
        return self._destination.ready()

    @traced("prepare")
    def prepare(self, message: Message) -> Try | Outcome:
        """Open and sign a message, without asking anybody; an outcome when it cannot go out.

        What is doubtful is not signed yet. A Try of the others may be sent when it is committed that it begins.
        """
        try:
            bundle = cast("Resource", read_canonical(message.body))
        except CipherError as problem:
            return self._unreadable(message, problem)
        return Try(message, bundle, {}, b"") if message.doubtful else self._signed(message, bundle)

    @traced("send")
    def send(self, prepared: Try) -> Outcome | None:
        """Send what was prepared, or first ask about it; returns what came of it, None when the lease was lost."""
        message = prepared.message
        if not message.doubtful:
            return self._post(prepared)
        found = self._look_up(message, prepared.bundle, message.attempt)
        if found is not None:
            return found
        signed = self._signed(message, prepared.bundle)
        if not isinstance(signed, Try):
            return signed
        return self._post(signed) if self._begin(message) else None

    @traced("tell")
    def tell(self, outcome: Outcome) -> None:
        """Log what was committed."""
        message = outcome.message
        if isinstance(outcome, Delivered):
            count = len(outcome.resources)
            log(Event.DELIVERED, submission=message.submission, attempt=outcome.attempts, resources=count)
            return
        event = EVENTS[outcome.state]
        fields = {
            "submission": message.submission,
            "http_status": outcome.http_status,
            "attempt": outcome.attempts,
            "seconds": round(outcome.due - self._clock(), 3),
            "cause": outcome.cause,
        }
        log(event, **{name: value for name, value in fields.items() if name in event.allowed})

    def _begin(self, message: Message) -> bool:
        """Commit that a try begins; False when somebody else has the message."""
        try:
            self._outbox.sending(message, self._clock())
        except LeaseLost:
            log(Event.LEASE_LOST, submission=message.submission)
            return False
        return True

    def _unreadable(self, message: Message, problem: CipherError) -> Outcome:
        """A body whose key is missing waits for the key; one that is damaged is dead. Neither holds up other lanes."""
        missing = isinstance(problem, KeyNotConfigured)
        doubtful = State.UNKNOWN if message.doubtful else State.WAITING
        verdict = Verdict(doubtful if missing else State.DEAD, LONGEST_DELAY)
        cause = "StorageKeyMissing" if missing else "BodyUnreadable"
        return self._failed(message, Answer(message.http_status or 0, cause=cause), message.attempt, verdict)

    def _signed(self, message: Message, bundle: Resource) -> Try | Outcome:
        urls = {entry["fullUrl"] for entry in bundle["entry"]}
        former = {url: part for url, part in message.known.items() if url not in urls}
        moved = renamed_core(bundle, message.known, former)
        gone = [each for each in former.values() if each not in moved.values()]
        transaction = outgoing(bundle, {**message.known, **moved}, gone)
        try:
            return Try(message, bundle, transaction, self._sign(message, transaction))
        except (SigningError, KeyProblem) as problem:
            # The file of the key or of its certificate is being replaced or is wrong: nothing is sent until it is
            # right again, and that counts as no try.
            ended = isinstance(problem, KeyProblem) and problem.reason in OUT_OF_TIME
            answer = Answer(0, cause=UNTIMELY if ended else "NoSignature")
            return self._judged(message, answer, message.attempt, Verdict(State.WAITING))

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

    def _post(self, prepared: Try) -> Outcome:
        message, transaction = prepared.message, prepared.transaction
        log(Event.SENDING, submission=message.submission, attempt=message.attempt + 1)
        answer = self._repository.post_bundle(prepared.content, uuid4().hex)
        if 200 <= answer.status < 300:
            return self._received(prepared, answer)
        if answer.status == CONFLICT or (answer.status == CHANGED and replaces(transaction)):
            return self._settle(message, prepared.bundle, answer)
        return self._not_delivered(message, answer)

    def _received(self, prepared: Try, answer: Answer) -> Outcome:
        message, bundle = prepared.message, prepared.bundle
        try:
            resources, found = receipts(prepared.transaction, answer.body)
        except ValueError:
            return self._not_delivered(message, Answer(-1, cause="AnswerDoesNotMatch"))
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
                return self._not_delivered(message, answer)
        self._destination.judge(answer)
        return _delivered(message, bundle, resources, answer.request_id, "receipt", message.attempt + 1)

    def _settle(self, message: Message, bundle: Resource, refusal: Answer) -> Outcome:
        """Decide about a conflict by what the repository holds (retry table: 409, and 412 on `ifMatch`).

        The record in this version: delivered. Something that it refers to is missing: wait for it. Else the sender
        decides, because somebody else has changed what the record replaces.
        """
        attempt = _counted(message, refusal)
        found = self._look_up(message, bundle, attempt)
        if found is not None:
            return found
        codes = issue_codes(refusal.body) if refusal.status == CONFLICT else ()
        return self._judged(message, refusal, attempt, judge_conflict(codes, attempt, refusal.retry_after))

    def _look_up(self, message: Message, bundle: Resource, attempt: int) -> Outcome | None:
        """Ask the repository whether it holds the record in this version: then it is delivered, None when it is not.

        When the repository could not be asked, the outcome stays unknown.
        """
        resources: dict[str, Known] = {}
        client = client_of(bundle)
        for entry in bundle["entry"]:
            answer, resource, place = self._repository.find(entry, client)
            if answer.status != 200:
                return self._judged(message, answer, attempt, judge_lookup(answer.status, answer.retry_after))
            if resource is None or not is_this_version(entry["resource"], resource):
                return None
            resources[entry["fullUrl"]] = place
        self._destination.judge(answer)
        return _delivered(message, bundle, resources, answer.request_id, "reconciled", attempt)

    def _not_delivered(self, message: Message, answer: Answer) -> Outcome:
        attempt = _counted(message, answer)
        return self._judged(message, answer, attempt, judge(answer.status, attempt, answer.retry_after))

    def _judged(self, message: Message, answer: Answer, attempt: int, verdict: Verdict) -> Outcome:
        self._destination.judge(answer)
        return self._failed(message, answer, attempt, verdict)

    def _failed(self, message: Message, answer: Answer, attempt: int, verdict: Verdict) -> Outcome:
        wait = delay(attempt, self._chance()) if verdict.retry_after is None else verdict.retry_after
        return Failed(
            message,
            verdict.state,
            due=self._clock() + wait,
            attempts=attempt,
            cause=answer.cause or f"HTTP {answer.status}",
            http_status=max(answer.status, 0),
            issues=kept_issues(answer.body),
        )


def _counted(message: Message, answer: Answer) -> int:
    """Return which try of a message this was; it is the first one when those before it said nothing of the message."""
    anew = message.http_status in NOT_COUNTED and not message.doubtful and answer.status not in NOT_COUNTED
    return 1 if anew else message.attempt + 1


def _delivered(
    message: Message, bundle: Resource, resources: dict[str, Known], request_id: str, cause: str, attempts: int
) -> Delivered:
    owned: Collection[str] = {entry["fullUrl"] for entry in bundle["entry"] if is_owned(entry["resource"])}
    return Delivered(message, request_id, resources, owned, cause, attempts)
