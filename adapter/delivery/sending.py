"""Takes one message through one try: prepare, sign, send, commit what came of it.

A message that was sent without a known outcome is never sent again blindly: the repository is asked first
whether it holds the record in this version (reconcile).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from adapter.delivery.circuit import Breaker, Circuit
from adapter.delivery.client import Answer, Repository
from adapter.delivery.outbox import Failure, LeaseLost, Message, Outbox
from adapter.delivery.outgoing import is_owned, outgoing, receipts, record_version, renamed_core
from adapter.delivery.states import (
    LONGEST_DELAY,
    NOBODY_THERE,
    PAUSE,
    Known,
    State,
    Verdict,
    delay,
    judge,
    judge_lookup,
)
from adapter.errors import SigningError
from adapter.events import Event, log
from adapter.fhir.canonical import canonical
from adapter.security.keys import KeyProblem
from adapter.security.signatures import Signer
from adapter.source.identity_code import is_inside
from adapter.source.json import read_json
from adapter.store.cipher import CipherError, KeyNotConfigured
from adapter.types import Resource

CHANGED_MEANWHILE = frozenset({409, 412})
"""Answers to replacing what was just found: somebody changed it in between, so it is looked up again."""

MOST_ISSUES = 50
_WORD = re.compile(r"[a-z-]{1,40}")
_PATH = re.compile(r"[A-Z][A-Za-z]{1,60}(?:\.[A-Za-z][A-Za-z0-9]{0,60}(?:\([A-Za-z]{0,60}\))?|\[[0-9]{1,6}\]){0,40}")
_URI = re.compile(r"(?:https?://|urn:oid:)[A-Za-z0-9./_-]{1,200}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

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
            bundle: Resource = read_json(message.body)
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
        urls = [entry["fullUrl"] for entry in bundle["entry"]]
        known, parts = self._outbox.known(urls, message.record_key)
        former = {url: part for url, part in parts.items() if url not in urls}
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
            issues=_issues(answer.body),
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
        if answer.status in PAUSE:
            self._breaker.pause(self._clock())
            log(Event.PAUSED, http_status=answer.status)
        elif answer.status in NOBODY_THERE:
            self._breaker.failed(self._clock())
        else:
            self._breaker.succeeded()

    def _reconcile(self, message: Message, bundle: Resource) -> None:
        """Ask the repository whether the record is there in this version; send only when it is not."""
        resources: dict[str, Known] = {}
        client = _client(bundle)
        for entry in bundle["entry"]:
            answer, resource, place = self._repository.find(entry, client)
            if answer.status != 200:
                self._commit(message, answer, message.attempt, judge_lookup(answer.status, answer.retry_after))
                return
            if resource is None or not _is_this_version(entry["resource"], resource):
                self._send(message, bundle)
                return
            resources[entry["fullUrl"]] = place
        self._judge_destination(answer)
        self._delivered(message, resources, bundle, answer.request_id, "reconciled")


def _client(bundle: Resource) -> str:
    """Return `system|value` of the client that the Bundle is about, as it stands in its criterion; empty without."""
    criteria = (
        entry["request"]["ifNoneExist"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient"
    )
    return next((one.removeprefix("identifier=") for one in criteria if one.startswith("identifier=")), "")


def _is_this_version(ours: Resource, theirs: Resource) -> bool:
    """Say whether the repository holds our version; what the record does not own may be anybody's."""
    return not is_owned(ours) or record_version(ours) == record_version(theirs)


def _issues(body: Resource) -> str:
    """Keep of an OperationOutcome what names no value: severity, code, details.coding and expression.

    Each must look like what it should be, because the repository may write anything anywhere.
    """
    issues = body.get("issue")
    kept = [_issue(issue) for issue in (issues if isinstance(issues, list) else ())[:MOST_ISSUES]]
    return json.dumps([issue for issue in kept if issue], ensure_ascii=False) if any(kept) else ""


def _issue(issue: object) -> Resource:
    if not isinstance(issue, dict):
        return {}
    kept = {key: issue[key] for key in ("severity", "code") if _looks(_WORD, issue.get(key))}
    for key in ("expression", "location"):
        paths = issue.get(key)
        found = [path for path in (paths if isinstance(paths, list) else ())[:MOST_ISSUES] if _looks(_PATH, path)]
        kept |= {key: found} if found else {}
    details = issue.get("details")
    codings = details.get("coding") if isinstance(details, dict) else None
    codes = [
        {"system": coding["system"], "code": coding["code"]}
        for coding in (codings if isinstance(codings, list) else ())[:MOST_ISSUES]
        if isinstance(coding, dict) and _looks(_URI, coding.get("system")) and _looks(_CODE, coding.get("code"))
    ]
    return kept | ({"details": {"coding": codes}} if codes else {})


def _looks(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and pattern.fullmatch(text) is not None and not is_inside(text)
