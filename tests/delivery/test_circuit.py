"""A repository that is down is left alone, asked once in a while, and found again."""

from __future__ import annotations

from adapter.delivery.circuit import FAILURES_TO_OPEN, FIRST_PAUSE, LONGEST_PAUSE, PROBE_SECONDS, Breaker, Circuit
from adapter.store import Database


def test_a_few_failures_do_not_open(database: Database) -> None:
    """One hiccup is no outage, and a success forgets it."""
    breaker = Breaker(database, "https://r.example/fhir")
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(0.0)
    assert breaker.state(0.0) is Circuit.CLOSED
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.state(0.0) is Circuit.CLOSED


def test_an_outage_opens_and_one_probe_asks(database: Database) -> None:
    """After the pause exactly one caller probes; another process shares the state."""
    breaker = Breaker(database, "https://r.example/fhir")
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(0.0)
    other = Breaker(database, "https://r.example/fhir")
    assert other.state(FIRST_PAUSE - 1) is Circuit.OPEN
    assert [breaker.state(FIRST_PAUSE), other.state(FIRST_PAUSE)] == [Circuit.PROBE, Circuit.OPEN]
    assert other.state(FIRST_PAUSE + PROBE_SECONDS) is Circuit.PROBE
    breaker.succeeded()
    assert other.state(FIRST_PAUSE) is Circuit.CLOSED


def test_many_workers_that_fail_together_tell_of_one_outage(database: Database) -> None:
    """What was on its way when the circuit opened makes the pause no longer; a failed probe does."""
    breaker = Breaker(database, "https://r.example/fhir")
    for _ in range(64):
        breaker.failed(0.0)
    assert breaker.state(FIRST_PAUSE) is Circuit.PROBE
    breaker.failed(FIRST_PAUSE, probe=True)
    assert breaker.state(3 * FIRST_PAUSE - 1) is Circuit.OPEN
    assert breaker.state(3 * FIRST_PAUSE) is Circuit.PROBE


def test_a_late_failure_does_not_shorten_a_pause(database: Database) -> None:
    """A repository that refuses our credentials is left alone as long as was said."""
    breaker = Breaker(database, "https://r.example/fhir")
    breaker.pause(0.0)
    breaker.failed(1.0)
    assert breaker.state(LONGEST_PAUSE - 1) is Circuit.OPEN


def test_destinations_do_not_mix(database: Database) -> None:
    """Another repository goes on working."""
    Breaker(database, "https://down.example/fhir").pause(0.0)
    assert Breaker(database, "https://down.example/fhir").state(1.0) is Circuit.OPEN
    assert Breaker(database, "https://up.example/fhir").state(1.0) is Circuit.CLOSED
