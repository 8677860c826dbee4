"""The words of the consent engine: three values, closed lists of reasons, decisions and their trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol

Effect = Literal["permit", "deny"]
Verdict = Literal["permit", "deny", "partial"]


class Match(IntEnum):
    """What a criterion says, on one scale: OR is `max`, AND is `min` (R16).

    The values under UNKNOWN are all NO; they differ only in how near the miss was.
    """

    NO = 0
    TEAM_NOT_ACTIVE = 1
    MEMBERSHIP_NOT_CURRENT = 2
    ADDED_LATER = 3
    OVER = 4
    UNKNOWN = 8
    YES = 9


NO, UNKNOWN, YES = Match.NO, Match.UNKNOWN, Match.YES

CriterionName = Literal["period", "actor", "purpose", "action", "class", "code", "label", "dataPeriod", "data"]
CRITERIA: tuple[CriterionName, ...] = (
    "period", "actor", "purpose", "action", "class", "code", "label", "dataPeriod", "data",
)  # fmt: skip
"""The criteria of a provision in the order of R32: a permit that fails later is the nearer miss."""


class Reason(StrEnum):
    """Why a decision is what it is: the closed list of the specification."""

    CONSENT_PERMIT = "CONSENT_PERMIT"
    STATUTORY_BASIS = "STATUTORY_BASIS"
    PARTIAL_REDACTED = "PARTIAL_REDACTED"
    PARTIAL_WITHHELD = "PARTIAL_WITHHELD"
    ALL_WITHHELD = "ALL_WITHHELD"
    SUBMIT_NOT_FULLY_PERMITTED = "SUBMIT_NOT_FULLY_PERMITTED"
    REQUEST_INVALID = "REQUEST_INVALID"
    SUBJECT_MISMATCH = "SUBJECT_MISMATCH"
    REQUESTER_ROLE_INACTIVE = "REQUESTER_ROLE_INACTIVE"
    PURPOSE_CONFLICTS_WITH_LABEL = "PURPOSE_CONFLICTS_WITH_LABEL"
    LEGAL_BASIS_UNKNOWN = "LEGAL_BASIS_UNKNOWN"
    CONSENT_MALFORMED = "CONSENT_MALFORMED"
    CONSENT_NOT_UNDERSTOOD = "CONSENT_NOT_UNDERSTOOD"
    VERSION_AMBIGUOUS = "VERSION_AMBIGUOUS"
    EXPLICIT_DENY = "EXPLICIT_DENY"
    DENY_NOT_UNDERSTOOD = "DENY_NOT_UNDERSTOOD"
    CRITERION_NOT_UNDERSTOOD = "CRITERION_NOT_UNDERSTOOD"
    PERMIT_NOT_SPECIFIC = "PERMIT_NOT_SPECIFIC"
    CONSENT_UNVERIFIED = "CONSENT_UNVERIFIED"
    PERFORMER_NOT_AUTHORISED = "PERFORMER_NOT_AUTHORISED"
    CUSTODIAN_NOT_COVERED = "CUSTODIAN_NOT_COVERED"
    ACTOR_NOT_COVERED = "ACTOR_NOT_COVERED"
    TEAM_MEMBERSHIP_NOT_CURRENT = "TEAM_MEMBERSHIP_NOT_CURRENT"
    MEMBER_ADDED_AFTER_CONSENT = "MEMBER_ADDED_AFTER_CONSENT"
    TEAM_NOT_ACTIVE = "TEAM_NOT_ACTIVE"
    PURPOSE_NOT_COVERED = "PURPOSE_NOT_COVERED"
    ACTION_NOT_COVERED = "ACTION_NOT_COVERED"
    CLASS_NOT_COVERED = "CLASS_NOT_COVERED"
    CODE_NOT_COVERED = "CODE_NOT_COVERED"
    LABEL_NOT_COVERED = "LABEL_NOT_COVERED"
    DATA_PERIOD_NOT_COVERED = "DATA_PERIOD_NOT_COVERED"
    DATA_NOT_COVERED = "DATA_NOT_COVERED"
    RULE_EXPIRED = "RULE_EXPIRED"
    RULE_NOT_YET_VALID = "RULE_NOT_YET_VALID"
    CONSENT_EXPIRED = "CONSENT_EXPIRED"
    CONSENT_NOT_YET_VALID = "CONSENT_NOT_YET_VALID"
    CONSENT_INACTIVE = "CONSENT_INACTIVE"
    CONSENT_REJECTED = "CONSENT_REJECTED"
    CONSENT_NOT_AGREED = "CONSENT_NOT_AGREED"
    CONSENT_ENTERED_IN_ERROR = "CONSENT_ENTERED_IN_ERROR"
    NO_CONSENT = "NO_CONSENT"


class Coding(NamedTuple):
    """System and code; two codings are the same only when both are."""

    system: str
    code: str

    def __str__(self) -> str:
        return f"{self.system}|{self.code}"


class DecidedBy(NamedTuple):
    """A provision that decided: `Consent/id`, its version and the FHIRPath of the provision."""

    consent: str
    version: str
    path: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """What must be done before release: cut the elements named by their FHIRPaths out of the resource."""

    code: Literal["REDACT"]
    resource: str
    paths: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the obligation as the decision format writes it."""
        return {"code": self.code, "resource": self.resource, "paths": list(self.paths)}


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """One criterion of one provision: what it said, what the provision wants, what the request has.

    `wanted` and `given` are codes and references; never free text, never a name.
    """

    name: CriterionName
    result: Literal["YES", "NO", "UNKNOWN"]
    detail: str = ""
    wanted: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of the way to a decision.

    Attributes:
        rule: number of the rule, `R1` … `R33`.
        outcome: a reason, or a word of the trace: `passed`, `counts`, `ignored`, `matches`, `no-match`,
            `nearest-miss`.
        resource: key of the resource in question; empty when the step concerns the whole request.
        consent, version, path: which provision of which version, where the step concerns one.
        effect: `permit` or `deny` for a provision.
        criteria: the results of a provision's criteria, in the order of R32.
        needs: for the nearest miss: what would have to change for a permit.
    """

    rule: str
    outcome: str
    resource: str = ""
    consent: str = ""
    version: str = ""
    path: str = ""
    effect: str = ""
    criteria: tuple[CriterionResult, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """The decision about one resource of a request.

    Attributes:
        key: `Type/id`; a resource without an id, or met before, has its position behind `#`.
        index: position in the request, from 0.
        statutory_rule: id of the statutory rule that permits; empty when consents decide.
    """

    key: str
    index: int
    decision: Verdict
    reason: Reason
    decided_by: tuple[DecidedBy, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    statutory_rule: str = ""


HANDLING: tuple[Coding, ...] = (
    Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NORDSCLCD"),
    Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NOREUSE"),
)
"""Handling labels of every released Bundle: no redisclosure without consent, no use beyond the purpose."""


class Grounds(Protocol):
    """What a decision can tell of itself, worked out only when somebody asks."""

    def trace(self) -> tuple[TraceStep, ...]:
        """Return the way to the decision."""

    def team_member(self) -> bool:
        """Tell whether the requester is a current member of an active team of the client."""


@dataclass(frozen=True)
class Decision:
    """What the engine decided, and why.

    Attributes:
        decision: `permit`, `deny` or `partial` (release what the entries and obligations leave).
        reason: one of the closed list; for reviewers, see `adapter.consent.outward` for requesters.
        obligations: elements to cut out before release.
        entries: the decision about each resource, by key, when the request names several.
        decided_by: provisions that decided.
        statutory_rule: id of the statutory rule that permits, else empty; such an event is for review.
        grounds: works out `trace` and `team_member`.
    """

    decision: Verdict
    reason: Reason
    obligations: tuple[Obligation, ...] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)
    decided_by: tuple[DecidedBy, ...] = ()
    statutory_rule: str = ""
    grounds: Grounds | None = field(default=None, repr=False, compare=False)

    @property
    def handling(self) -> tuple[Coding, ...]:
        """Handling labels for what is released; none when nothing is."""
        return () if self.decision == "deny" else HANDLING

    @property
    def review(self) -> bool:
        """True when the event must be marked for the reviewer: a statutory right was used (R31)."""
        return bool(self.statutory_rule)

    @cached_property
    def trace(self) -> tuple[TraceStep, ...]:
        """The way to the decision, step by step; worked out when first read, before the request changes."""
        return self.grounds.trace() if self.grounds else ()

    @cached_property
    def team_member(self) -> bool:
        """True when the requester is a current member of an active team of the client (R33)."""
        return self.grounds is not None and self.grounds.team_member()

    def as_json(self) -> dict[str, Any]:
        """Return the decision as plain JSON, as `kykysilta decide` prints it."""
        found: dict[str, Any] = {"decision": self.decision, "reason": str(self.reason)}
        if self.entries:
            found["entries"] = {key: entry.decision for key, entry in self.entries.items()}
        if self.obligations:
            found["obligations"] = [obligation.as_json() for obligation in self.obligations]
        if self.decided_by:
            found["decidedBy"] = [{"consent": by.consent, "path": by.path} for by in self.decided_by]
        if self.statutory_rule:
            found["statutoryRule"] = self.statutory_rule
        return found
