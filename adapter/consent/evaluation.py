"""From rules to an outcome: provisions of one record, then all records of a client (R10, R13 – R16, R32)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from adapter.consent.model import CRITERIA, UNKNOWN, YES, CriterionName, DecidedBy, Effect, Match, Reason
from adapter.consent.provisions import Provision
from adapter.consent.question import Question
from adapter.consent.reading import Shelf
from adapter.consent.records import Rules, Version

STAGES = {name: stage for stage, name in enumerate(CRITERIA)}
_LATER_STAGES = {
    reason: stage
    for stage, reason in enumerate(
        (
            Reason.CONSENT_UNVERIFIED,
            Reason.PERFORMER_NOT_AUTHORISED,
            Reason.CUSTODIAN_NOT_COVERED,
            Reason.PERMIT_NOT_SPECIFIC,
        ),
        start=len(STAGES),
    )
}
"""What is looked at after the criteria, in order: evidence (R11), then specificity (R15)."""


_NOT_COVERED = {
    "actor": Reason.ACTOR_NOT_COVERED,
    "purpose": Reason.PURPOSE_NOT_COVERED,
    "action": Reason.ACTION_NOT_COVERED,
    "class": Reason.CLASS_NOT_COVERED,
    "code": Reason.CODE_NOT_COVERED,
    "label": Reason.LABEL_NOT_COVERED,
    "dataPeriod": Reason.DATA_PERIOD_NOT_COVERED,
    "data": Reason.DATA_NOT_COVERED,
    "period": Reason.RULE_NOT_YET_VALID,
}
_NEAR = {
    Match.UNKNOWN: Reason.CRITERION_NOT_UNDERSTOOD,
    Match.TEAM_NOT_ACTIVE: Reason.TEAM_NOT_ACTIVE,
    Match.MEMBERSHIP_NOT_CURRENT: Reason.TEAM_MEMBERSHIP_NOT_CURRENT,
    Match.ADDED_LATER: Reason.MEMBER_ADDED_AFTER_CONSENT,
    Match.OVER: Reason.RULE_EXPIRED,
}
_LIFE_CYCLE = (
    Reason.CONSENT_EXPIRED,
    Reason.CONSENT_NOT_YET_VALID,
    Reason.CONSENT_INACTIVE,
    Reason.CONSENT_REJECTED,
    Reason.CONSENT_NOT_AGREED,
    Reason.CONSENT_ENTERED_IN_ERROR,
)
_FLAWS = (Reason.CONSENT_MALFORMED, Reason.CONSENT_NOT_UNDERSTOOD, Reason.VERSION_AMBIGUOUS)


class Failure(NamedTuple):
    """Where a permit failed: the stage in the order of R32, and how near it was within the stage."""

    stage: int
    match: Match
    reason: Reason


class Miss(NamedTuple):
    """A permit that did not reach the request."""

    failure: Failure
    by: DecidedBy


class Outcome(NamedTuple):
    """What one provision comes to, with all rules below it."""

    effect: Effect
    match: Match
    provision: Provision


@dataclass(slots=True)
class Findings:
    """What all records of one client come to, gathered before R32 chooses among it."""

    flaws: list[tuple[Reason, DecidedBy]] = field(default_factory=list)
    refusals: list[tuple[Match, DecidedBy]] = field(default_factory=list)
    permits: list[DecidedBy] = field(default_factory=list)
    cuts: list[tuple[str, DecidedBy]] = field(default_factory=list)
    misses: list[Miss] = field(default_factory=list)
    life_cycle: list[tuple[Reason, DecidedBy]] = field(default_factory=list)


class Ruling(NamedTuple):
    """The word about one resource of one client: effect, reason, who decided, elements to cut out."""

    effect: Effect
    reason: Reason
    decided_by: tuple[DecidedBy, ...]
    cuts: tuple[str, ...] = ()


def rule_on(question: Question, shelf: Shelf) -> Ruling:
    """Decide about one resource of one client by the consents on file."""
    return choose(gather(question, shelf))


def choose(found: Findings) -> Ruling:
    """Choose the reason in the order of R32; a refusal beats every permit (R10)."""
    for reason in _FLAWS:
        by = [by for flaw, by in found.flaws if flaw is reason]
        if by:
            return Ruling("deny", reason, _sorted(by))
    for match, reason in ((YES, Reason.EXPLICIT_DENY), (UNKNOWN, Reason.DENY_NOT_UNDERSTOOD)):
        by = [by for applies, by in found.refusals if applies is match]
        if by:
            return Ruling("deny", reason, _sorted(by))
    if found.permits:
        cuts = tuple(dict.fromkeys(path for path, _ in found.cuts))
        reason = Reason.PARTIAL_REDACTED if cuts else Reason.CONSENT_PERMIT
        by = found.permits + [by for _, by in found.cuts]
        return Ruling("permit", reason, _sorted(by), cuts)
    if found.misses:
        return Ruling("deny", nearest_miss(found.misses).failure.reason, ())
    for reason in _LIFE_CYCLE:
        by = [by for life, by in found.life_cycle if life is reason]
        if by:
            return Ruling("deny", reason, _sorted(by))
    return Ruling("deny", Reason.NO_CONSENT, ())


def nearest_miss(misses: Iterable[Miss]) -> Miss:
    """Return the permit that failed latest; among equals the one first by name."""
    return min(misses, key=lambda miss: (-miss.failure.stage, -miss.failure.match, miss.by))


def gather(question: Question, shelf: Shelf) -> Findings:
    """Ask every record that concerns the client."""
    found = Findings()
    for version in counting(question, shelf, found):
        weigh(version, question, found)
    return found


def weigh(version: Version, question: Question, found: Findings) -> Outcome | None:
    """Add what one record says to the findings, and return it; None when it says nothing."""
    rules = version.rules
    outcome = walk(rules, question, version, found.misses)
    if outcome is not None:
        by = version.provision(outcome.provision.path)
        if outcome.effect == "deny":
            found.refusals.append((outcome.match, by))
            return outcome
        found.permits.append(by)
    if rules.root.refuses_codes:
        found.cuts.extend(_cuts(rules, question, version))
    return outcome


def counting(question: Question, shelf: Shelf, found: Findings) -> Iterator[Version]:
    """Yield the versions whose rules count now (R4 – R9); what keeps others away goes into `found`."""
    for version in _in_question(question, shelf, found):
        reason = standing_of(version, question)
        if reason is None:
            yield version
        elif reason in _FLAWS:
            found.flaws.append((reason, version.provision("Consent")))
        else:
            found.life_cycle.append((reason, version.provision("Consent.status")))


def _in_question(question: Question, shelf: Shelf, found: Findings) -> Iterator[Version]:
    """Yield the newest version of each record that concerns the client (R6, R7).

    Versions that cannot be ordered, or in retrospect not be dated, are a flaw unless none of them has an effect.
    """
    retrospective = question.asking.request.mode == "retrospective"
    for group in shelf.groups_of(question.client):
        versions = group.newest_at(question.moment) if retrospective else group.newest
        sure = len(versions) == 1 and (not retrospective or versions[0].recorded is not None)
        concerned = [one for one in versions if _concerns(one, question)]
        if not sure and any(one.without_effect is None for one in concerned):
            by = min(one.provision("Consent.meta") for one in concerned)
            found.flaws.append((Reason.VERSION_AMBIGUOUS, by))
            continue
        yield from concerned


def standing_of(version: Version, question: Question) -> Reason | None:
    """Return why a version does not count now; None when it does."""
    reason = version.without_effect or version.flaw
    if reason is not None:
        return reason
    in_force = version.rules.in_force
    if question.moment >= in_force.high:
        return Reason.CONSENT_EXPIRED
    return Reason.CONSENT_NOT_YET_VALID if question.moment < in_force.low else None


def _concerns(version: Version, question: Question) -> bool:
    """Tell whether a version is about this client and its scope about this request (R4)."""
    scopes = question.asking.configuration.scopes
    if version.scope and version.scope != scopes.privacy:
        purposes = scopes.limited.get(version.scope, ())
        if question.asking.request.purpose not in purposes:
            return False
    return not question.client_names.isdisjoint(version.clients)


def walk(rules: Rules, question: Question, version: Version, misses: list[Miss]) -> Outcome | None:
    """Return what one record says: the deepest rule that applies, deny before permit among siblings (R13).

    Permits that did not reach the request, or do not count, are added to `misses`.
    """
    return _outcome(rules.root, YES, None, rules, question, version, misses)


def _outcome(
    provision: Provision,
    above: Match,
    failed_above: Failure | None,
    rules: Rules,
    question: Question,
    version: Version,
    misses: list[Miss],
) -> Outcome | None:
    """Return what a rule comes to, given how far the rules above it apply and which criterion failed there."""
    applies, failing = judge(provision, question)
    failed = failed_above
    if failing is not None and (provision.effect == "permit" or provision.children):
        failed = _earlier(_failure(*failing), failed_above)
    if above is not YES:
        applies = min(applies, above)
    objection: Failure | None = None
    if provision.effect == "permit":
        objection = failed or _not_counting(rules, provision, question)
        if objection is not None:
            misses.append(Miss(objection, version.provision(provision.path)))
        if applies < UNKNOWN:
            return None
    below: list[tuple[Effect, Outcome]] = []
    for child in provision.children:
        found = _outcome(child, applies, failed, rules, question, version, misses)
        if found is not None:
            below.append((child.effect, found))
    if applies < UNKNOWN:
        return None
    return _settled(provision, applies, objection, below) if below else _own(provision, applies, objection)


def _settled(
    provision: Provision, applies: Match, objection: Failure | None, below: list[tuple[Effect, Outcome]]
) -> Outcome | None:
    """Combine a rule that applies, or may apply, with what the rules directly below it come to.

    `turned` are those of the other type, or with one below them: deeper on the path, they decide. A rule of the same
    type changes nothing by itself, but as a sibling its deny beats a permit.
    """
    denies = [found for _, found in below if found.effect == "deny"]
    turned = [found for effect, found in below if {effect, found.effect} != {provision.effect}]
    if provision.effect == "deny" and not turned and not provision.is_default:
        return _own(provision, applies, objection)
    if denies:
        return max(denies, key=lambda found: found.match)
    return turned[0] if turned else _own(provision, applies, objection)


def _own(provision: Provision, applies: Match, objection: Failure | None) -> Outcome | None:
    """Return what a rule says by itself: a permit that counts, a refusal; a default says nothing (R14)."""
    if provision.effect == "permit":
        return Outcome("permit", YES, provision) if objection is None else None
    return None if provision.is_default else Outcome("deny", applies, provision)


def judge(provision: Provision, question: Question) -> tuple[Match, tuple[CriterionName, Match] | None]:
    """Return whether a rule's own criteria hold, and the first that does not, with what it said (R16)."""
    applies = YES
    failed: tuple[CriterionName, Match] | None = None
    for criterion in provision.criteria:
        match = criterion.match(question)
        if match is YES:
            continue
        if failed is None:
            failed = criterion.name, match
        if match < UNKNOWN:
            return match, failed
        applies = UNKNOWN
    return applies, failed


def _failure(name: CriterionName, match: Match) -> Failure:
    return Failure(STAGES[name], match, _NEAR.get(match) or _NOT_COVERED[name])


def _not_counting(rules: Rules, provision: Provision, question: Question) -> Failure | None:
    """Return why a permit that reaches the request still does not count (R11, R15)."""
    objection = rules.evidence.objection(question)
    if objection is None and not provision.specific:
        objection = Reason.PERMIT_NOT_SPECIFIC
    return None if objection is None else Failure(_LATER_STAGES[objection], Match.NO, objection)


def _earlier(one: Failure, other: Failure | None) -> Failure:
    return one if other is None else min(one, other, key=lambda failure: (failure.stage, failure.match))


def _cuts(rules: Rules, question: Question, version: Version) -> Iterator[tuple[str, DecidedBy]]:
    """Yield the elements that a refusal by code reaches, although it does not reach the whole resource (R28)."""
    for part in question.item.cuttable:
        question.element = part
        outcome = walk(rules, question, version, [])
        if outcome is not None and outcome.effect == "deny":
            yield part.path, version.provision(outcome.provision.path)
    question.element = None


def _sorted(by: Iterable[DecidedBy]) -> tuple[DecidedBy, ...]:
    return tuple(sorted(set(by)))
