"""The circuit breaker of a destination: when it is down, nothing is tried in vain and nothing is lost.

Its state stands in the database, so all workers share it and it survives a restart; claims look at it a few times a
second, and a success writes only what is not so already. After the pause one probe (`GET metadata`) decides whether
deliveries go on.
"""

from __future__ import annotations

import math
from enum import StrEnum

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapter.store import Database
from adapter.store.tables import destination

FAILURES_TO_OPEN = 5
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
PROBE_SECONDS = 30.0
CLOSED_SECONDS = 0.2
"""So late a process learns that another one has found nobody there."""

_STATE = select(destination.c.failures, destination.c.open_until).where(destination.c.name == bindparam("called"))
_CHANGE = update(destination).where(destination.c.name == bindparam("called"))
_PROBE = _CHANGE.where(destination.c.open_until == bindparam("seen"))


class Circuit(StrEnum):
    """Whether messages may go out: `closed` yes, `open` no, `probe` this caller is to ask first."""

    CLOSED = "closed"
    OPEN = "open"
    PROBE = "probe"


class Breaker:
    """The breaker of one destination.

    Args:
        name: base URL of the repository; it names no person.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._self = {"called": name}
        self._failures = True
        """Whether there are failures to forget, as far as this process knows."""

        self._looked = -math.inf

        with database.transaction() as connection:
            # Two processes may start at once.
            add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            row = add(destination).values(name=name, failures=0, open_until=0.0)
            connection.execute(row.on_conflict_do_nothing())

    def state(self, now: float) -> Circuit:
        """Return the state at `now` (UTC seconds); `probe` is given to one caller at a time."""
        if not self._failures and 0 <= now - self._looked < CLOSED_SECONDS:
            return Circuit.CLOSED
        with self._database.reading() as connection:
            row = connection.execute(_STATE, self._self).one()
        self._failures, self._looked = row.failures > 0, now
        if row.failures < FAILURES_TO_OPEN:
            return Circuit.CLOSED
        if now < row.open_until <= now + 2 * LONGEST_PAUSE:  # further ahead: the clock was set back
            return Circuit.OPEN
        # Whoever moves the end of the pause has the probe; the others see an open circuit.
        given = self._self | {"open_until": now + PROBE_SECONDS, "seen": row.open_until}
        taken = self._database.together(lambda connection: connection.execute(_PROBE, given).rowcount)
        return Circuit.PROBE if taken == 1 else Circuit.OPEN

    def failed(self, now: float, *, probe: bool = False) -> None:
        """Count a try that found nobody there; after some in a row the circuit opens, longer after each failed probe.

        Args:
            now: UTC seconds.
            probe: it was the probe. Other tries that end while the circuit is open were on their way when it opened:
                they tell of the same outage once more, and do not make its pause longer.
        """

        def act(connection: Connection) -> None:
            row = connection.execute(_STATE.with_for_update(), self._self).one()
            if row.failures >= FAILURES_TO_OPEN and now < row.open_until and not probe:
                return
            failures = row.failures + 1
            beyond = min(failures - FAILURES_TO_OPEN, 10)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**beyond) if beyond >= 0 else 0.0
            connection.execute(_CHANGE, self._self | {"failures": failures, "open_until": now + pause})

        self._failures = True
        self._database.together(act)

    def pause(self, now: float) -> None:
        """Stop the destination at once, e.g. because it refuses our credentials."""
        self._failures = True
        self._set(failures=FAILURES_TO_OPEN, open_until=now + LONGEST_PAUSE)

    def succeeded(self) -> None:
        """Somebody answered: close the circuit."""
        if self._failures:
            self._set(failures=0, open_until=0.0)
            self._failures = False

    def _set(self, *, failures: int, open_until: float) -> None:
        given = self._self | {"failures": failures, "open_until": open_until}
        self._database.together(lambda connection: connection.execute(_CHANGE, given))
