"""Notes of reviewers on findings: looked at, handed to somebody, opened again. Consents are not touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast, get_args

from sqlalchemy import Connection, insert, select

from adapter.review.accounts import account_of
from adapter.store import Cipher
from adapter.store.review_tables import review_account, review_note, review_permission

State = Literal["open", "reviewed"]
STATES: tuple[State, ...] = get_args(State)
PERMISSIONS = ("unknown", "informed", "given", "restricted", "withdrawn")
"""What OmaKanta said of the national permission (luovutuslupa) when somebody looked there."""

LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Note:
    """One note on a finding.

    Attributes:
        author, assignee: names of accounts; the assignee may be empty.
    """

    at: float
    author: str
    state: State
    assignee: str
    text: str


@dataclass(frozen=True, slots=True)
class Permission:
    """What somebody saw of the client's national permission, and when they looked.

    Attributes:
        status: one of `PERMISSIONS`.
        checked_on: day, ISO 8601.
    """

    at: float
    author: str
    status: str
    checked_on: str


def add_note(
    connection: Connection,
    cipher: Cipher,
    subject: str,
    lane: str,
    account: str,
    at: float,
    *,
    state: State,
    assignee: str,
    text: str,
) -> None:
    """Write a note; the newest one says the state of its subject."""
    sealed = cipher.encrypt(f"review_note/text/{subject}", text[:LONGEST_NOTE].encode()) if text else None
    values = {"subject": subject, "lane": lane, "account": account, "at": at, "state": state, "text": sealed}
    connection.execute(insert(review_note).values(assignee=assignee or None, **values))


def notes_on(connection: Connection, cipher: Cipher, subject: str) -> list[Note]:
    """Return the notes on a subject, newest first."""
    names = _names(connection)
    query = select(review_note).where(review_note.c.subject == subject).order_by(review_note.c.id.desc())
    return [
        Note(
            row.at,
            names.get(row.account, ""),
            cast(State, row.state),
            names.get(row.assignee or "", ""),
            cipher.decrypt(f"review_note/text/{subject}", row.text).decode() if row.text else "",
        )
        for row in connection.execute(query)
    ]


def states(connection: Connection) -> dict[str, tuple[State, str]]:
    """Return state and assignee of everything that has a note."""
    names = _names(connection)
    rows = connection.execute(select(review_note).order_by(review_note.c.id))
    return {row.subject: (cast(State, row.state), names.get(row.assignee or "", "")) for row in rows}


def set_permission(connection: Connection, lane: str, account: str, at: float, *, status: str, checked_on: str) -> None:
    """Keep what somebody saw of a client's national permission."""
    values = {"lane": lane, "account": account, "at": at, "status": status, "checked_on": checked_on}
    connection.execute(insert(review_permission).values(**values))


def permissions_of(connection: Connection, lane: str) -> list[Permission]:
    """Return what was seen of a client's national permission, newest first."""
    names = _names(connection)
    query = select(review_permission).where(review_permission.c.lane == lane).order_by(review_permission.c.id.desc())
    return [
        Permission(row.at, names.get(row.account, ""), row.status, row.checked_on) for row in connection.execute(query)
    ]


def _names(connection: Connection) -> dict[str, str]:
    return {row.id: account_of(row).title for row in connection.execute(select(review_account))}
