"""Whether the repository takes messages at all: every answer is judged, and a pause is left with a probe."""

from __future__ import annotations

from collections.abc import Callable

from adapter.delivery.circuit import Breaker, Circuit
from adapter.delivery.client import Answer, Repository
from adapter.delivery.states import NOBODY_THERE, PAUSE
from adapter.events import Event, log

FORBIDDEN = 403
FORBIDDEN_TO_ALARM = 5
"""So many messages in a row that are forbidden are no matter of one record."""


class Destination:
    """One repository, as its answers show it.

    Args:
        clock: UTC seconds.
    """

    def __init__(self, repository: Repository, breaker: Breaker, clock: Callable[[], float]) -> None:
        self._repository = repository
        self._breaker = breaker
        self._clock = clock
        self._forbidden = 0

    def ready(self) -> bool:
        """Say whether it takes messages; after a pause one caller probes it with `GET metadata`."""
        state = self._breaker.state(self._clock())
        if state is Circuit.PROBE:
            self.judge(self._repository.metadata(), probe=True)
            state = self._breaker.state(self._clock())
        return state is Circuit.CLOSED

    def judge(self, answer: Answer, *, probe: bool = False) -> None:
        """Take note of an answer: a good one closes the circuit, silence opens it in the end, some pause it at once."""
        self._forbidden = self._forbidden + 1 if answer.status == FORBIDDEN else 0
        if self._forbidden == FORBIDDEN_TO_ALARM:
            log(Event.ALL_FORBIDDEN, count=self._forbidden)
        if answer.status in PAUSE or answer.cause in PAUSE:
            self._breaker.pause(self._clock())
            log(Event.PAUSED, http_status=answer.status, cause=answer.cause)
        elif answer.status in NOBODY_THERE:
            self._breaker.failed(self._clock(), probe=probe)
        else:
            self._breaker.succeeded()
