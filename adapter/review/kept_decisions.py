"""Decisions as the log kept them: what was decided then, and whether the engine says the same today."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapter.audit.traces import TraceBroken, read
from adapter.consent import Decision
from adapter.consent.written import read_decision
from adapter.review.web import Office
from adapter.store.cipher import KeyNotConfigured


@dataclass(frozen=True, slots=True)
class Kept:
    """The decisions of one entry of the log.

    Attributes:
        decisions: those whose trace is the one that the entry names.
        broken: how many traces are missing or were changed.
        closed: how many need a storage key that is not configured.
    """

    decisions: tuple[Decision, ...] = ()
    broken: int = 0
    closed: int = 0


def kept_decisions(here: Office, hashes: Iterable[str]) -> Kept:
    """Return the decisions whose traces have these hashes."""
    decisions, broken, closed = [], 0, 0
    with here.database.reading() as connection:
        for name in hashes:
            try:
                decisions.append(read_decision(read(connection, name, here.cipher)))
            except TraceBroken:
                broken += 1
            except KeyNotConfigured:
                closed += 1
    return Kept(tuple(decisions), broken, closed)


def agree(then: Iterable[Decision], today: Iterable[Decision]) -> bool:
    """Say whether decisions have the same word by the same consents and statutes."""
    return _gist(then) == _gist(today)


def _gist(decisions: Iterable[Decision]) -> tuple[set[str], set[str], set[str]]:
    told = list(decisions)
    return (
        {one.decision for one in told},
        {by.consent for one in told for by in one.decided_by},
        {one.statutory_rule for one in told} - {""},
    )
