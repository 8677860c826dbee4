"""Faults on demand: which requests, when, and what goes wrong; before or after the write was committed.

Rules are tried in the order in which they were added; the first that fires decides. Counting is per rule, chance is
drawn from a seed, time is the endpoint's own clock: the same run breaks the same way again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapter.mock.exchange import Request
from adapter.mock.fault_kinds import AT_TOKEN_ENDPOINT, NOT_DONE, TOKEN_PATH, Kind, OAuthError


def _compiles(pattern: str) -> str:
    """Check a regular expression; pydantic turns the error into one about the field."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression, searched for (not anchored)."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Match(_Model):
    """Which requests; what is not given fits every one."""

    method: Pattern = Field(default="", description="HTTP method or a regular expression, e.g. POST|PUT")
    path: Pattern = Field(default="", description="regular expression on the path below the FHIR base, e.g. ^CarePlan")
    body: Pattern = Field(default="", description="regular expression on the body")
    header: dict[str, Pattern] = Field(default_factory=dict, description="header name to regular expression")


class When(_Model):
    """Which of the fitting requests."""

    nth: int = Field(default=0, ge=0, description="only the n-th fitting request, counted from 1")
    every: int = Field(default=0, ge=0, description="every n-th fitting request")
    count: int = Field(default=0, ge=0, description="at most so many times; 0 means always")
    probability: float = Field(default=1.0, ge=0, le=1, description="chance, drawn from the seed")
    seed: int = Field(default=0, description="seed of the chance")
    since: datetime | None = Field(default=None, description="not before this instant of the endpoint's clock")
    until: datetime | None = Field(default=None, description="not after this instant of the endpoint's clock")


class Effect(_Model):
    """What goes wrong."""

    kind: Kind
    commit: bool | None = Field(
        None,
        description="whether the request is done before it goes wrong; by default no for status, drop, reset, html",
    )
    status: int = Field(default=503, ge=100, le=599, description="for status and html")
    retry_after: str = Field(default="", description="Retry-After: seconds, or `date:30` for an HTTP date 30 s ahead")
    headers: dict[str, str] = Field(default_factory=dict, description="more headers of a status answer")
    error: OAuthError = Field(default="invalid_client", description="for oauth-error")
    seconds: float = Field(
        default=0.0, ge=-86400, le=86400, description="latency, lag of a stale search, skew of the clock"
    )
    sigma: float = Field(default=0.0, ge=0, le=3, description="latency: lognormal with median `seconds`; 0 means fixed")
    bytes_per_second: int = Field(default=200, ge=1, description="for slow")

    @property
    def commits(self) -> bool:
        """Whether the request is done."""
        return self.kind not in NOT_DONE if self.commit is None else self.commit


class FaultRule(_Model):
    """A rule as a tester writes it."""

    name: str = Field(default="", description="shown in the journal; given when empty")
    match: Match = Field(default_factory=Match)
    when: When = Field(default_factory=When)
    effect: Effect


class FaultState(FaultRule):
    """A rule and how often it has been asked and has fired."""

    seen: int = 0
    fired: int = 0


class _Live:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.seen = 0
        self.fired = 0
        seed = rule.when.seed
        self._random = random.Random(seed) if seed is not None else None  # noqa: S311 - wanted repeatable

    def fires(self, request: Request) -> bool:
        """Count the request and say whether the rule fires."""
        if not _fits(self.rule.match, request) or not _concerns(self.rule.effect.kind, request):
            return False
        self.seen += 1
        when, now = self.rule.when, request.world.clock.now()
        fires = (
            (not when.nth or self.seen == when.nth)
            and (not when.every or self.seen % when.every == 0)
            and (not when.count or self.fired < when.count)
            and (when.since is None or now >= when.since)
            and (when.until is None or now <= when.until)
            and (when.probability >= 1 or self._chance(request) < when.probability)
        )
        self.fired += fires
        return fires

    def _chance(self, request: Request) -> float:
        """Chance of the rule's own seed, else of the namespace's."""
        return self._random.random() if self._random is not None else request.world.identities.chance()


def _fits(match: Match, request: Request) -> bool:
    if match.method and not re.fullmatch(match.method, request.method, re.IGNORECASE):
        return False
    if match.path and not re.search(match.path, "/".join(request.path)):
        return False
    if match.body and not re.search(match.body.encode(), request.body):
        return False
    return all(re.search(pattern, request.headers.get(name.lower(), "")) for name, pattern in match.header.items())


def _concerns(kind: Kind, request: Request) -> bool:
    """False where the kind has no meaning: errors of the token endpoint elsewhere, an expired token there."""
    if kind == "token-expired":
        return request.path != TOKEN_PATH
    return kind not in AT_TOKEN_ENDPOINT or request.path == TOKEN_PATH


class Faults:
    """The rules of one namespace."""

    def __init__(self) -> None:
        self._live: list[_Live] = []
        self._number = 0

    def add(self, rule: FaultRule) -> FaultState:
        """Add a rule; a rule of the same name is replaced and counts anew."""
        self._number += 1
        named = rule if rule.name else rule.model_copy(update={"name": f"fault-{self._number}"})
        self.remove(named.name)
        self._live.append(_Live(named))
        return _state(self._live[-1])

    def remove(self, name: str) -> bool:
        """Remove a rule; False when there is none of that name."""
        before = len(self._live)
        self._live = [one for one in self._live if one.rule.name != name]
        return len(self._live) < before

    def clear(self) -> None:
        """Remove all rules."""
        self._live = []

    def __iter__(self) -> Iterator[FaultState]:
        """The rules with their counts."""
        return iter([_state(one) for one in self._live])

    def choose(self, request: Request) -> FaultRule | None:
        """Return the rule that fires for this request; every fitting rule counts it."""
        fired = [one.rule for one in self._live if one.fires(request)]
        return fired[0] if fired else None


def _state(live: _Live) -> FaultState:
    return FaultState(**live.rule.model_dump(), seen=live.seen, fired=live.fired)
