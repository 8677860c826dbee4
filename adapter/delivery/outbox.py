"""The outbox: accepted means committed. One state machine; lanes keep the order of each client.

Every change of state is written as a `transition` row in the same transaction, and workers write the changes of many
messages in one (`Outbox.turn`). Who has what in hand: `adapter.delivery.leases`; what is written: `changes`; what
people do: `steering`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import Connection, func, insert, select

from adapter.delivery import changes, jobs, leases, spreading, steering
from adapter.delivery.messages import Message, Outcome
from adapter.delivery.overview import Overview, overview
from adapter.delivery.states import State
from adapter.store import Cipher, Database
from adapter.store.prepared import Insertion
from adapter.store.tables import outbox
from adapter.types import Issue

LEASE_SECONDS = 30.0

_QUEUE = Insertion(insert(outbox))
_ANY = select(outbox.c.seq).limit(1)
_STOCK = select(outbox.c.state, func.count(), func.min(outbox.c.updated_at)).group_by(outbox.c.state)


class Outbox:
    """Reads and writes the outbox. `now` is always the caller's: UTC seconds.

    Args:
        lease: seconds after which the message of a silent worker is free again; a living one renews it.
    """

    def __init__(self, database: Database, cipher: Cipher, *, lease: float = LEASE_SECONDS) -> None:
        self._database = database
        self._cipher = cipher
        self.lease = lease

    def put(self, connection: Connection, lanes: Mapping[str, str], now: float, *, cause: str = "accepted") -> None:
        """Queue accepted submissions inside the transaction that stores them.

        Args:
            lanes: of each submission, by its id, in the order in which they came.
        """
        row = {"state": State.QUEUED, "final": False, "due": now, "updated_at": now}
        _QUEUE(connection, [row | {"submission": one, "lane": lane} for one, lane in lanes.items()])
        changes.record(connection, [(one, State.QUEUED, 0, cause) for one in lanes], now)
        jobs.spread(connection, lanes.values())

    def turn(
        self,
        now: float,
        *,
        outcomes: Sequence[Outcome] = (),
        begin: Sequence[Message] = (),
        worker: str = "",
        limit: int = 0,
        lanes: Collection[str] | None = None,
    ) -> list[Message]:
        """Commit at once what came of tries, that others begin, and who takes the next messages; returns these.

        Args:
            begin: messages that are sent when this is committed, and not before.
            worker: names the claim; each has a name of its own.
            limit: so many messages are claimed at most.
            lanes: only of these; None for all.

        Raises:
            LeaseLost: another worker has one of the messages; nothing was committed, and nothing may be sent.
        """

        def act(connection: Connection) -> list[Message]:
            if outcomes:
                changes.conclude(connection, outcomes, now)
            if begin:
                changes.begin(connection, begin, now, now + self.lease)
            claimed = limit and leases.claim(connection, self._cipher, worker, now, self.lease, limit, lanes)
            changes.attest(connection, outcomes, now)
            return claimed or []

        return self._database.together(act)

    def claim(self, worker: str, now: float, limit: int = 1) -> list[Message]:
        """Lease up to `limit` due lane heads to `worker`, oldest first."""
        return self.turn(now, worker=worker, limit=limit)

    def sending(self, message: Message, now: float) -> None:
        """Commit that a try begins: after a crash the outcome counts as unknown.

        Raises:
            LeaseLost: another worker has the message; nothing may be sent.
        """
        self.turn(now, begin=[message])

    def any_due(self, now: float) -> bool:
        """Say whether there is something to claim; it writes nothing and waits for nobody."""
        with self._database.reading() as connection:
            return leases.any_due(connection, now, self.lease)

    def waits(self, lanes: Collection[str], now: float) -> dict[str, float | None]:
        """Return in how many seconds each of these lanes has something to claim; None for a lane that is empty."""
        with self._database.reading() as connection:
            return leases.waits(connection, lanes, now, self.lease)

    def share(self, lanes: int, clock: Callable[[], float]) -> spreading.Share | None:
        """Return what deals out lanes to a worker, so many at once; None where it may take any: on SQLite."""

        def lost() -> list[str]:
            with self._database.reading() as connection:
                return leases.forgotten(connection, clock(), self.lease)

        return spreading.share_of(self._database.engine, lanes=lanes, lease=self.lease, lost=lost)

    def renew(self, workers: Collection[str], now: float) -> None:
        """Hold on to what these workers have in hand, however slow the repository is."""
        self._database.together(lambda connection: leases.renew(connection, workers, now, now + self.lease))

    def release(self, messages: Collection[Message]) -> None:
        """Give back what was claimed and not begun, so that somebody else may take it at once."""
        held = [message.lease for message in messages]
        self._database.together(lambda connection: leases.release(connection, held))

    def replay(self, submission_ids: Sequence[str], now: float) -> dict[str, Issue]:
        """Take up final but undelivered messages again; returns of those that were not why, see `steering.replay`."""
        with self._database.transaction() as connection:
            return steering.replay(connection, submission_ids, now, self.lease)

    def cancel(self, submission_ids: Sequence[str], now: float) -> dict[str, Issue]:
        """Take back messages that surely were not sent; returns of those that were not why, see `steering.cancel`."""
        with self._database.transaction() as connection:
            return steering.cancel(connection, submission_ids, now, self.lease)

    def take_back(self, connection: Connection, submission_ids: Sequence[str], now: float) -> list[str]:
        """Cancel for good, for an invalidation, in its transaction; see `steering.take_back`."""
        return steering.take_back(connection, submission_ids, now, self.lease)

    def reach(self) -> None:
        """Return when the database answers.

        Raises:
            DamagedError: it is damaged.
            sqlalchemy.exc.DatabaseError: it does not answer.
        """
        self._database.refuse_damaged()
        with self._database.reading() as connection:
            connection.execute(_ANY).first()

    def stock(self) -> dict[State, tuple[int, float]]:
        """Return for each state how many messages there are and since when the oldest one is in it."""
        with self._database.reading() as connection:
            return {State(state): (count, oldest) for state, count, oldest in connection.execute(_STOCK)}

    def overview(self, now: float) -> Overview:
        """Return how the outbox does, for operators."""
        with self._database.reading() as connection:
            return overview(connection, now)
