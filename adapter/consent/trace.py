"""How a decision came about, step by step, for reviewers (consent.md §3.2): worked out when asked for.

The steps come from the same functions that decided; nothing is judged a second time by other rules. They hold
codes, references and FHIRPaths, never free text or names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from adapter.consent.evaluation import Findings, choose, counting, nearest_miss, weigh
from adapter.consent.model import (
    CRITERIA,
    UNKNOWN,
    YES,
    CriterionResult,
    DecidedBy,
    Entry,
    Match,
    Reason,
    TraceStep,
)
from adapter.consent.question import Asking, Question
from adapter.consent.subject import clients_of
from adapter.consent.teams import standing

if TYPE_CHECKING:
    from adapter.consent.item import Item
    from adapter.consent.provisions import Provision
    from adapter.consent.reading import Shelf
    from adapter.consent.records import Version

RULES: dict[Reason, str] = {
    Reason.CONSENT_PERMIT: "R10",
    Reason.STATUTORY_BASIS: "R31",
    Reason.PARTIAL_REDACTED: "R28",
    Reason.PARTIAL_WITHHELD: "R28",
    Reason.ALL_WITHHELD: "R28",
    Reason.SUBMIT_NOT_FULLY_PERMITTED: "R28",
    Reason.REQUEST_INVALID: "R2",
    Reason.SUBJECT_MISMATCH: "R3",
    Reason.REQUESTER_ROLE_INACTIVE: "R2",
    Reason.PURPOSE_CONFLICTS_WITH_LABEL: "R26",
    Reason.LEGAL_BASIS_UNKNOWN: "R31",
    Reason.CONSENT_MALFORMED: "R8",
    Reason.CONSENT_NOT_UNDERSTOOD: "R8",
    Reason.VERSION_AMBIGUOUS: "R6",
    Reason.EXPLICIT_DENY: "R10",
    Reason.DENY_NOT_UNDERSTOOD: "R16",
    Reason.CRITERION_NOT_UNDERSTOOD: "R16",
    Reason.PERMIT_NOT_SPECIFIC: "R15",
    Reason.CONSENT_UNVERIFIED: "R11",
    Reason.PERFORMER_NOT_AUTHORISED: "R11",
    Reason.CUSTODIAN_NOT_COVERED: "R11",
    Reason.ACTOR_NOT_COVERED: "R17",
    Reason.TEAM_MEMBERSHIP_NOT_CURRENT: "R20",
    Reason.MEMBER_ADDED_AFTER_CONSENT: "R20",
    Reason.TEAM_NOT_ACTIVE: "R20",
    Reason.PURPOSE_NOT_COVERED: "R22",
    Reason.ACTION_NOT_COVERED: "R23",
    Reason.CLASS_NOT_COVERED: "R24",
    Reason.CODE_NOT_COVERED: "R25",
    Reason.LABEL_NOT_COVERED: "R27",
    Reason.DATA_PERIOD_NOT_COVERED: "R29",
    Reason.DATA_NOT_COVERED: "R30",
    Reason.RULE_EXPIRED: "R9",
    Reason.RULE_NOT_YET_VALID: "R9",
    Reason.CONSENT_EXPIRED: "R9",
    Reason.CONSENT_NOT_YET_VALID: "R9",
    Reason.CONSENT_INACTIVE: "R5",
    Reason.CONSENT_REJECTED: "R5",
    Reason.CONSENT_NOT_AGREED: "R5",
    Reason.CONSENT_ENTERED_IN_ERROR: "R5",
    Reason.NO_CONSENT: "R1",
}
"""The rule that each reason comes from."""

_WORDS: dict[Match, Literal["YES", "NO", "UNKNOWN"]] = {YES: "YES", UNKNOWN: "UNKNOWN"}
_GATE = {Reason.SUBJECT_MISMATCH: 0, Reason.PURPOSE_CONFLICTS_WITH_LABEL: 1, Reason.LEGAL_BASIS_UNKNOWN: 2}


class RefusedRequest:
    """Grounds of a request that the first gate refused."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason

    def trace(self) -> tuple[TraceStep, ...]:
        """Return the one step."""
        return (TraceStep(RULES[self.reason], self.reason),)

    def team_member(self) -> bool:
        """Nobody who was not let in is known to be a member."""
        return False


class RequestGrounds:
    """Grounds of a request that passed the first gate."""

    def __init__(self, asking: Asking, items: tuple[Item, ...], entries: tuple[Entry, ...], shelf: Shelf) -> None:
        self.asking = asking
        self.items = items
        self.entries = entries
        self.shelf = shelf

    def trace(self) -> tuple[TraceStep, ...]:
        """Return all steps: the request's, then those of each resource in turn."""
        steps = [TraceStep("R2", "passed")]
        for item, entry in zip(self.items, self.entries, strict=True):
            steps.extend(self._item(item, entry))
        return tuple(steps)

    def team_member(self) -> bool:
        """Tell whether the requester is a current member of an active team of the client."""
        client, context = self.asking.request.client, self.asking.context
        for team in context.of_type("CareTeam"):
            for key in context.keys_of(team):
                found = standing(context.named(key), self.asking, client)
                if found is not None and found.best in (YES, Match.ADDED_LATER):
                    return True
        return False

    def _item(self, item: Item, entry: Entry) -> Iterator[TraceStep]:
        stopped = _GATE.get(entry.reason, len(_GATE))
        for rule in ("R3", "R26", "R31")[:stopped]:
            yield TraceStep(rule, "passed", entry.key)
        if stopped < len(_GATE) or entry.statutory_rule:
            yield TraceStep(RULES[entry.reason], entry.reason, entry.key)
            return
        for client in clients_of(item, self.asking.request.client, self.items) or ():
            yield from _client_steps(Question(self.asking, item, client), entry.key, self.shelf)
        if entry.reason is Reason.SUBMIT_NOT_FULLY_PERMITTED:
            yield TraceStep("R28", entry.reason, entry.key)


def _client_steps(question: Question, key: str, shelf: Shelf) -> Iterator[TraceStep]:
    found = Findings()
    steps: list[TraceStep] = []
    for version in counting(question, shelf, found):
        steps.append(TraceStep("R4", "counts", key, version.name, version.version, "Consent"))
        steps.append(_evidence(version, question, key))
        steps.extend(_provision_steps(version, version.rules.root, question, key))
        outcome = weigh(version, question, found)
        if outcome is not None:
            by = version.provision(outcome.provision.path)
            word = "decides" if outcome.match is YES else "applies-unread"
            steps.append(TraceStep("R13", word, key, *by, effect=outcome.effect))
    for reason, by in (*found.flaws, *found.life_cycle):
        steps.append(TraceStep(RULES[reason], reason, key, *by))
    yield from sorted(steps, key=lambda step: step.consent)
    if found.misses:
        nearest = nearest_miss(found.misses)
        needs = _needs(nearest.by.consent, nearest.by.path, steps) or (str(nearest.failure.reason),)
        yield TraceStep("R32", "nearest-miss", key, *nearest.by, effect="permit", needs=needs)
    ruling = choose(found)
    for by in ruling.decided_by or (DecidedBy("", "", ""),):
        yield TraceStep(RULES[ruling.reason], ruling.reason, key, *by)


def _evidence(version: Version, question: Question, key: str) -> TraceStep:
    objection = version.rules.evidence.objection(question)
    return TraceStep("R11", objection or "passed", key, version.name, version.version, "Consent")


def _provision_steps(version: Version, provision: Provision, question: Question, key: str) -> Iterator[TraceStep]:
    results = []
    applies = YES
    for criterion in provision.criteria:
        match = criterion.match(question)
        applies = min(applies, match)
        detail = "" if match in (YES, UNKNOWN, Match.NO) else match.name
        said = _WORDS.get(match, "NO")
        results.append(CriterionResult(criterion.name, said, detail, criterion.wanted(), criterion.given(question)))
    word = "matches" if applies is YES else "unknown" if applies is UNKNOWN else "no-match"
    by = version.provision(provision.path)
    yield TraceStep("R16", word, key, *by, effect=provision.effect, criteria=tuple(results))
    for child in provision.children:
        yield from _provision_steps(version, child, question, key)


def _needs(consent: str, path: str, steps: list[TraceStep]) -> tuple[str, ...]:
    """Return what would have to change for a permit: criteria on its path that fail, then what R11 objects to."""
    failing = {
        result.name
        for step in steps
        if step.rule == "R16" and step.consent == consent and _is_on_path(step.path, path)
        for result in step.criteria
        if result.result != "YES"
    }
    objections = tuple(step.outcome for step in steps if step.rule == "R11" and step.consent == consent)
    return (*(name for name in CRITERIA if name in failing), *(word for word in objections if word != "passed"))


def _is_on_path(step_path: str, path: str) -> bool:
    return path == step_path or path.startswith(f"{step_path}.")
