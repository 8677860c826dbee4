"""Assertions on the journal and on the effect: what a good client does, and a bad one does not.

`count`, `never`, `sequence` look at the requests; `stored-once` and `no-duplicates` at what they left;
`handshake-refused` at certificates that mutual TLS turned away; `retry-spacing` at the patience between an answer
that asked to wait and the next try; the others at what a client does after an answer (`adapter.mock.effects`).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapter.mock.effects import Verdict, effect_verdict
from adapter.mock.exchange import Request
from adapter.mock.faults import Pattern
from adapter.mock.journal import Entry, JournalFilter
from adapter.mock.search.request import matches
from adapter.mock.world import World


class RequestFilter(BaseModel):
    """Which requests of the journal; what is not given fits every one."""

    model_config = ConfigDict(extra="forbid")
    method: str = ""
    path: Pattern = Field(default="", description="regular expression on the path below the FHIR base")
    status: str = Field(default="", description="404, or a class such as 4xx")
    request_id: str = ""
    rule: str = Field(default="", description="id of a rule that refused, e.g. K7010")
    fault: str = Field(default="", description="name of the fault rule that fired")
    since: int = Field(default=0, description="entries with a greater number")

    def journal_filter(self) -> JournalFilter:
        """The same as the journal understands it."""
        return JournalFilter(**self.model_dump())


class Assertion(BaseModel):
    """One expectation."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal[
        "count",
        "never",
        "sequence",
        "stored-once",
        "retry-spacing",
        "no-duplicates",
        "updated-with-if-match",
        "withdrawal-respected",
        "delivered-after",
        "followed-up",
        "handshake-refused",
    ]
    requests: RequestFilter = Field(default_factory=RequestFilter, description="count, never, retry-spacing")
    sequence: list[RequestFilter] = Field(default_factory=list, description="in this order, others may lie between")
    exactly: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    resource_type: str = Field(default="", description="stored-once")
    identifier: str = Field(default="", description="stored-once: system|value")
    posted: int | None = Field(default=None, description="stored-once: how often it must have been sent")
    jittered: bool = Field(default=False, description="retry-spacing: three waits or more must not all be the same")


LOOK = "Look at the requests: `kykysilta mock journal`, or the page at /_mock/."
ONCE = (
    "Create with If-None-Exist: identifier=system|value (ifNoneExist in a transaction), so that sending again after a "
    "lost answer finds what is stored already."
)
KEEP = "Keep what no answer has confirmed, and send it again."
ADVICE = {
    "stored-once": ONCE,
    "no-duplicates": f"{ONCE} When nothing was sent twice, the sender gives two things one identifier.",
    "retry-spacing": "After 429 and 503 wait as long as Retry-After says, and not always equally long.",
    "updated-with-if-match": 'Read the resource, and send its version with the change: If-Match: W/"1".',
    "withdrawal-respected": "Ask for the consent before each delivery, not only before the first.",
    "delivered-after": KEEP,
    "followed-up": KEEP,
    "handshake-refused": "Issue a wrong certificate (`kykysilta mock certificate issue`), and connect with it.",
}
"""What to do when an assertion does not hold, by its kind; `LOOK` for the others."""


def judge(world: World, assertion: Assertion) -> Verdict:
    """Judge one assertion on a namespace."""
    verdict = _verdict(world, assertion)
    return verdict if verdict.ok else verdict.model_copy(update={"advice": ADVICE.get(assertion.kind, LOOK)})


def _verdict(world: World, assertion: Assertion) -> Verdict:
    found = world.journal.find(assertion.requests.journal_filter())
    if assertion.kind == "count":
        return _count(assertion, len(found), "such requests", _numbers(found))
    if assertion.kind == "handshake-refused":
        refused = [one for one in world.handshakes if one.showed_certificate]
        return _count(assertion, len(refused), "certificates refused in the TLS handshake", [])
    if assertion.kind == "never":
        return Verdict(ok=not found, message=f"{len(found)} such requests, none wanted", evidence=_numbers(found))
    if assertion.kind == "sequence":
        return _sequence(assertion, world.journal.find())
    if assertion.kind == "stored-once":
        return _stored_once(world, assertion)
    if assertion.kind == "retry-spacing":
        return _retry_spacing(assertion, found)
    return effect_verdict(world, assertion.kind, found)


def _numbers(entries: list[Entry]) -> list[int]:
    return [one.number for one in entries]


def _count(assertion: Assertion, number: int, what: str, evidence: list[int]) -> Verdict:
    ok = (
        (assertion.exactly is None or number == assertion.exactly)
        and (assertion.at_least is None or number >= assertion.at_least)
        and (assertion.at_most is None or number <= assertion.at_most)
    )
    wanted = [
        f"{word} {value}"
        for word, value in (
            ("exactly", assertion.exactly),
            ("at least", assertion.at_least),
            ("at most", assertion.at_most),
        )
        if value is not None
    ]
    return Verdict(ok=ok, message=f"{number} {what}, wanted {', '.join(wanted)}", evidence=evidence)


def _sequence(assertion: Assertion, entries: list[Entry]) -> Verdict:
    steps, evidence = list(assertion.sequence), []
    for entry in entries:
        if steps and steps[0].journal_filter().fits(entry):
            evidence.append(entry.number)
            steps.pop(0)
    done = len(assertion.sequence) - len(steps)
    message = f"{done} of {len(assertion.sequence)} steps seen in order"
    return Verdict(ok=not steps, message=message, evidence=evidence)


def _stored_once(world: World, assertion: Assertion) -> Verdict:
    """Exactly one resource carries the identifier now, and it was created once, however often it was sent."""
    request = Request(world, "GET", (assertion.resource_type,))
    query = [("identifier", assertion.identifier)]
    stored = len(matches(request, assertion.resource_type, query))
    value = assertion.identifier.rpartition("|")[2].encode()
    sent = [
        one
        for one in world.journal.find()
        if one.request.method in ("POST", "PUT") and value in one.request.body and not one.request.path[1:]
    ]
    ok = stored == 1 and (assertion.posted is None or len(sent) == assertion.posted)
    message = f"{assertion.resource_type} stored {stored} times, sent {len(sent)} times"
    return Verdict(ok=ok, message=message, evidence=_numbers(sent))


def _retry_spacing(assertion: Assertion, entries: list[Entry]) -> Verdict:
    """Whoever was told to wait (Retry-After) waits that long before the same request comes again."""
    lanes: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        digest = hashlib.sha256(entry.request.body).hexdigest()
        lanes.setdefault((entry.request.method, entry.target, digest), []).append(entry)
    early, waits = [], []
    for lane in lanes.values():
        for first, second in pairwise(lane):
            wait = second.elapsed - first.elapsed
            waits.append(wait)
            if wait + 0.005 < _asked(first):
                early.append(second.number)
    same = assertion.jittered and len(waits) >= 3 and max(waits) - min(waits) < 0.002
    ok = bool(waits) and not early and not same
    reason = f"{len(early)} came too early" if early else "all waits are the same" if same else "all waited"
    return Verdict(ok=ok, message=f"{len(waits)} retries: {reason if waits else 'none seen'}", evidence=early)


def _asked(entry: Entry) -> float:
    text = entry.wire.headers.get("Retry-After", "")
    if not text:
        return 0.0
    if text.replace(".", "", 1).isdigit():
        return float(text)
    until: datetime = parsedate_to_datetime(text)
    return (until - entry.at.replace(microsecond=0)).total_seconds()
