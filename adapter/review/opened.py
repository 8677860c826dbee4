"""A client as a page opens it: the file, what was disclosed of it, and the questions to the engine at a chosen day.

Every page about one client comes through `open_client`: it checks whose client that is and writes the act down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fastapi import Request
from sqlalchemy import Connection

from adapter.review.consents import rows_of
from adapter.review.files import DECIDING, ClientFile, end_of_day, handle_of, lane_named, lane_of, read_all, read_file
from adapter.review.log import Disclosure, Reach, disclosures
from adapter.review.matrix import ACTIONS, Access
from adapter.review.sessions import Session
from adapter.review.timeline import as_day
from adapter.review.web import Office, office

SHORTEST_NAME = 2


@dataclass(frozen=True, slots=True)
class Opened:
    """A client whom the reviewer may see.

    Attributes:
        handle: pseudonym, stands in addresses.
        disclosed: newest first.
    """

    handle: str
    lane: str
    file: ClientFile
    reach: Reach
    disclosed: tuple[Disclosure, ...]


def open_client(
    here: Office, connection: Connection, handle: str, session: Session, act: str, **facts: str | int
) -> Opened:
    """Return a client and write the act to the audit.

    Raises:
        RefusedError: there is no such client, or not for this reviewer (404 for both; the log knows the difference).
    """
    lane = lane_named(connection, handle)
    file = read_file(connection, here.cipher, lane, session.custodians) if lane else None
    if file is None or lane is None:
        named = {"client": handle} if lane else {}
        raise here.refused(404, session.account, "foreign-client" if lane else "unknown-client", **named)
    handle, reach = handle_of(connection, lane), Reach.of(connection, session.who)
    here.record(connection, session.account, act, client=handle, **facts)
    return Opened(handle, lane, file, reach, tuple(disclosures(connection, reach, {handle: file})[handle]))


def clients_named(here: Office, connection: Connection, session: Session, asked: str) -> dict[str, str]:
    """Return pseudonyms and names of the clients whom an identity code or all words of a name fit."""
    lane = lane_of(connection, here.id_key, asked)
    file = read_file(connection, here.cipher, lane, session.custodians)
    if file is not None:
        return {handle_of(connection, lane): file.name}
    if len(asked) < SHORTEST_NAME:
        return {}
    files = read_all(connection, here.cipher, (*DECIDING, "client"), session.custodians)
    words = asked.lower().split()
    named = {lane: one.name for lane, one in files.items() if all(word in one.name.lower() for word in words)}
    return {handle_of(connection, lane): name for lane, name in named.items()}


def chosen_day(request: Request) -> date:
    """Return the day asked for; today when none or no day is given."""
    try:
        return date.fromisoformat(request.query_params.get("day", ""))
    except ValueError:
        return office(request).today


def chosen_action(request: Request) -> str:
    """Return the action asked for; disclosing when none is given."""
    asked = request.query_params.get("action", "")
    return asked if asked in ACTIONS else ACTIONS[0]


def moment_of(here: Office, chosen: date) -> float:
    """Return the instant that a day stands for: now for today, else its end in Finland."""
    return here.clock() if chosen == here.today else end_of_day(chosen)


def last_day_in_force(file: ClientFile, today: date, consent: str = "") -> date:
    """Return today while a consent is in force, else the last day on which one was; today when none ever was.

    Args:
        consent: opaque id of the only consent to look at; empty looks at all.
    """
    rows = [row for row in rows_of(file, end_of_day(today), "fi") if row.newest and consent in ("", row.id)]
    if any(row.in_force for row in rows):
        return today
    ends = (as_day(row.end) for row in rows if row.status == "active")
    return max((end for end in ends if end is not None and end < today), default=today)


def access_on(here: Office, file: ClientFile, chosen: date) -> Access:
    """Return the questions to the engine about a file as it was on a day."""
    moment = moment_of(here, chosen)
    return Access(file.at(moment), moment)
