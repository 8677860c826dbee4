"""The words of a hand-over: who hands over, what is answered, what the log keeps of the ground for a release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adapter.mapping import Mapped
from adapter.release import Released, Word, grounds
from adapter.source.record import SourceRecord
from adapter.types import Issue, Resource
from adapter.validation.judge import placed

JUDGED_NOW_SECONDS = 60.0
RELATED = {
    "work_ability_plan": ("client", "consent", "team", "work_ability_plan"),
    "team": ("client", "consent", "team", "work_ability_plan"),
    "consent": ("team",),
    "health_check": ("client", "health_check"),
    "functional_assessment": ("functional_assessment",),
}
"""Which of the client's other records the rules about a record type look at."""

DECIDING = ("consent", "team")
"""Which of them decide who may see a record."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a record that was taken.

    Attributes:
        submission: opaque id, safe in URLs.
        record_type: as in the envelope.
        resources: how many resources the Bundle has.
        warnings: what the sender should know though the record was taken.
        repeated: the same version with the same content had been taken before; nothing new was stored.
    """

    submission: str
    record_type: str
    resources: int
    warnings: tuple[Issue, ...]
    repeated: bool = False


class Foreseen(NamedTuple):
    """The answer to a record that would be taken.

    Attributes:
        warnings: what its sender would be told.
        decided: on which ground it would go to others; None for a repeat, about which nothing is decided.
    """

    arrived: Arrived
    warnings: tuple[Issue, ...]
    decided: Decided | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """The system that hands a record over.

    Attributes:
        id: its client id; submissions of one are not seen by another.
        custodians: identifier values of the controllers whose records it may hand over, and of the organisations
            that it may fetch for (`system|id` where they have no OID and no Y-tunnus); None = any (loopback only).
    """

    id: str
    custodians: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A record that was read and mapped.

    Attributes:
        bundle: as it will be sent.
        key: keyed hash of source system and record id: names the record over its versions.
        lookups: keyed hashes of the codes by which it names its client.
    """

    source: SourceRecord
    mapped: Mapped
    bundle: Resource
    key: str
    lookups: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What it has in common with another that is about the same client, or is the same record."""
        return (*self.lookups, self.key)

    @property
    def related(self) -> tuple[str, ...]:
        """Types of the client's records that the judgements about this one look at."""
        deciding = DECIDING if "release" in self.mapped.record else ()
        return tuple(dict.fromkeys((*RELATED.get(self.mapped.record_type, ()), *deciding)))

    def placed(self, issues: Iterable[Issue]) -> tuple[Issue, ...]:
        """Return issues with the sender's own places, line and column; those that have one keep it."""
        return tuple(issue if issue.source else placed(issue, self.mapped.locate) for issue in issues)


@dataclass(frozen=True, slots=True)
class Decided:
    """On which ground a record goes to others, and the gate's words about its parts."""

    released: Released
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """A record that went through read, map, consent and validate.

    Attributes:
        warnings: what its sender should know.
    """

    arrived: Arrived
    decided: Decided
    warnings: tuple[Issue, ...]


def ground_of(released: Released, words: Sequence[Word]) -> dict[str, str]:
    """Return ground, purpose and receiving organisations for the audit; persons are not named there."""
    found = {"basis": released.basis, "purpose": released.purpose, "recipients": ", ".join(released.organisations)}
    return {name: value for name, value in (found | grounds(words)).items() if value}


def judged_as_of(at: float, now: float) -> dict[str, int]:
    """Say as of when a record was judged, where that is not now: a demonstration of old records."""
    return {"judged": int(at)} if abs(now - at) > JUDGED_NOW_SECONDS else {}
