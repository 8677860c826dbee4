"""The circuit breaker of a destination: when it is down, nothing is tried in vain and nothing is lost.

Its state stands in the database, so all workers share it and it survives a restart. After the pause one probe
(`GET metadata`) decides whether deliveries go on.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Select, Update, select, update
from sqlalchemy.dialects import postgresql, sqlite

from adapter.store import Database
from adapter.store.tables import destination

FAILURES_TO_OPEN = 5
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
PROBE_SECONDS = 30.0


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
        self._name = name
        with database.transaction() as connection:
            # Two processes may start at once.
            add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            row = add(destination).values(name=name, failures=0, open_until=0.0)
            connection.execute(row.on_conflict_do_nothing())

    def state(self, now: float) -> Circuit:
        """Return the state at `now` (UTC seconds); `probe` is given to one caller at a time."""
        with self._database.reading() as connection:
            row = connection.execute(self._row()).one()
        if row.failures < FAILURES_TO_OPEN:
            return Circuit.CLOSED
        if now < row.open_until <= now + 2 * LONGEST_PAUSE:  # further ahead: the clock was set back
            return Circuit.OPEN
        with self._database.transaction() as connection:
            # Whoever moves the end of the pause has the probe; the others see an open circuit.
            taken = connection.execute(
                update(destination)
                .where(destination.c.name == self._name, destination.c.open_until == row.open_until)
                .values(open_until=now + PROBE_SECONDS)
            )
        return Circuit.PROBE if taken.rowcount == 1 else Circuit.OPEN

    def failed(self, now: float) -> None:
        """Count a try that found nobody there; after some in a row the circuit opens, longer each time."""
        with self._database.transaction() as connection:
            failures = connection.execute(self._row().with_for_update()).one().failures + 1
            beyond = min(failures - FAILURES_TO_OPEN, 10)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**beyond) if beyond >= 0 else 0.0
            connection.execute(self._change(failures=failures, open_until=now + pause))

    def pause(self, now: float) -> None:
        """Stop the destination at once, e.g. because it refuses our credentials."""
        with self._database.transaction() as connection:
            connection.execute(self._change(failures=FAILURES_TO_OPEN, open_until=now + LONGEST_PAUSE))

    def succeeded(self) -> None:
        """Somebody answered: close the circuit."""
        with self._database.reading() as connection:
            if connection.execute(self._row()).one().failures == 0:
                return
        with self._database.transaction() as connection:
            connection.execute(self._change(failures=0, open_until=0.0))

    def _row(self) -> Select[tuple[int, float]]:
        return select(destination.c.failures, destination.c.open_until).where(destination.c.name == self._name)

    def _change(self, *, failures: int, open_until: float) -> Update:
        row = update(destination).where(destination.c.name == self._name)
        return row.values(failures=failures, open_until=open_until)
