"""How the outbox does, in numbers for operators: stock, lanes, rates, last errors. It names no person and no sender."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from adapter.delivery.states import State
from adapter.store.tables import destination, outbox, transition

MINUTES = 60
LOOKED_AT = 50_000
"""So many of the newest changes of state are looked at, so that the page stays quick however old the database is."""

ERRORS = (State.WAITING, State.UNKNOWN, State.REJECTED, State.DEAD)


@dataclass(frozen=True, slots=True)
class Stock:
    """Messages in one state, and the seconds since the oldest one came into it."""

    state: State
    count: int
    age: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One client's queue.

    Attributes:
        count: messages that are not final.
        age: seconds since its head came into its state.
        state: of the head.
    """

    count: int
    age: float
    state: State


@dataclass(frozen=True, slots=True)
class Trouble:
    """A change of state that was no success: seconds ago, the state, its cause."""

    age: float
    state: State
    cause: str


@dataclass(frozen=True, slots=True)
class Destination:
    """A repository.

    Attributes:
        failures: tries in a row that found nobody there.
        pause: seconds until it is asked again; 0 when messages go out.
    """

    name: str
    failures: int
    pause: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the status page shows.

    Attributes:
        stock: every state in which there are messages.
        open_lanes: clients whose messages are on their way.
        lanes: the slowest of them.
        accepted, delivered: messages a minute over the last hour, the oldest minute first.
        troubles: newest first.
    """

    stock: tuple[Stock, ...]
    open_lanes: int
    lanes: tuple[Lane, ...]
    accepted: tuple[int, ...]
    delivered: tuple[int, ...]
    troubles: tuple[Trouble, ...]
    destinations: tuple[Destination, ...]


def overview(connection: Connection, now: float, *, most: int = 12) -> Overview:
    """Return how the outbox does.

    Args:
        now: UTC seconds.
        most: how many lanes and troubles are told.
    """
    newest = connection.execute(select(func.max(transition.c.id))).scalar() or 0
    recent = transition.c.id > newest - LOOKED_AT
    change = select(transition.c.at, transition.c.state, transition.c.cause).where(recent)
    rows = connection.execute(change.where(transition.c.at > now - 60 * MINUTES)).all()
    troubles = connection.execute(
        change.where(transition.c.state.in_(ERRORS)).order_by(transition.c.id.desc()).limit(most)
    )
    places = connection.execute(select(destination).order_by(destination.c.name))
    return Overview(
        stock=_stock(connection, now),
        open_lanes=connection.execute(select(func.count(outbox.c.lane.distinct())).where(~outbox.c.final)).scalar_one(),
        lanes=_lanes(connection, now, most),
        accepted=_minutes([row.at for row in rows if row.cause == "accepted"], now),
        delivered=_minutes([row.at for row in rows if row.state == State.DELIVERED], now),
        troubles=tuple(Trouble(max(0.0, now - row.at), State(row.state), row.cause) for row in troubles),
        destinations=tuple(Destination(row.name, row.failures, max(0.0, row.open_until - now)) for row in places),
    )


def _stock(connection: Connection, now: float) -> tuple[Stock, ...]:
    rows = connection.execute(
        select(outbox.c.state, func.count(), func.min(outbox.c.updated_at)).group_by(outbox.c.state)
    )
    found = {State(state): Stock(State(state), count, max(0.0, now - since)) for state, count, since in rows}
    return tuple(found[state] for state in State if state in found)


def _lanes(connection: Connection, now: float, most: int) -> tuple[Lane, ...]:
    slowest = (
        select(outbox.c.lane, func.count().label("count"), func.min(outbox.c.seq).label("head"))
        .where(~outbox.c.final)
        .group_by(outbox.c.lane)
        .order_by(func.min(outbox.c.updated_at))
        .limit(most)
        .subquery()
    )
    rows = connection.execute(
        select(slowest.c.count, outbox.c.updated_at, outbox.c.state).join(slowest, outbox.c.seq == slowest.c.head)
    )
    found = [Lane(count, max(0.0, now - since), State(state)) for count, since, state in rows]
    return tuple(sorted(found, key=lambda lane: -lane.age))


def _minutes(instants: list[float], now: float) -> tuple[int, ...]:
    counts = [0] * MINUTES
    for instant in instants:
        minute = MINUTES - 1 - int((now - instant) // 60)
        if 0 <= minute < MINUTES:
            counts[minute] += 1
    return tuple(counts)
