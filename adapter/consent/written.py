"""A decision with its trace as canonical bytes, and back: what the log keeps is explained like one just made.

They hold what a trace holds: codes, references and FHIRPaths, never free text or names (consent engine, `trace`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from adapter.consent.model import DecidedBy, Decision, Entry, Obligation, Reason, TraceStep, Verdict
from adapter.source.identity_code import without_codes


@dataclass(frozen=True, slots=True)
class _Written:
    """What is written of a decision; the fields are those of `Decision`."""

    decision: Verdict
    reason: Reason
    obligations: tuple[Obligation, ...]
    entries: Mapping[str, Entry]
    decided_by: tuple[DecidedBy, ...]
    statutory_rule: str
    trace: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class WrittenGrounds:
    """Grounds of a decision that was read again."""

    steps: tuple[TraceStep, ...]

    def trace(self) -> tuple[TraceStep, ...]:
        """Return the steps as they were written."""
        return self.steps

    def team_member(self) -> bool:
        """Nobody is asked again: what was written does not say it."""
        return False


class Trace(NamedTuple):
    """What the log keeps of a decision.

    Attributes:
        hash: SHA-256 of the body, hex.
        body: canonical JSON; the same decision gives the same bytes.
    """

    hash: str
    body: bytes


_SIGNS = b"+ABCDEFUVWXYabcdefuvwxy"
_SHAPES = bytes.maketrans(b"123456789" + _SIGNS, b"0" * 9 + b"-" * len(_SIGNS))
"""Makes every identity code look alike; to look for that shape costs little, and few traces have it."""

_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(_Written)


def write_decision(decision: Decision) -> Trace:
    """Return a decision with its steps as canonical JSON, and the hash of that.

    The steps are worked out for this alone: a decision that somebody keeps does not keep them too. What looks like an
    identity code is masked: somebody may have used one as an id.
    """
    steps = decision.grounds.trace() if decision.grounds else ()
    said = (decision.obligations, decision.entries, decision.decided_by, decision.statutory_rule)
    written = _ENCODER.encode(_Written(decision.decision, decision.reason, *said, steps))
    body = without_codes(written.decode()).encode() if b"000000-000" in written.translate(_SHAPES) else written
    return Trace(hashlib.sha256(body).hexdigest(), body)


def read_decision(data: bytes) -> Decision:
    """Return a decision that `write_decision` wrote.

    Raises:
        ValueError: the bytes are no such decision.
    """
    kept = _DECODER.decode(data)
    said = (kept.obligations, kept.entries, kept.decided_by, kept.statutory_rule)
    return Decision(kept.decision, kept.reason, *said, WrittenGrounds(kept.trace))
