"""Sessions of reviewers live on the server; the browser holds a random token, the store its hash.

A session ends after a quarter of an hour without a click and after eight hours in any case; the pages say when
(WCAG 2.2.1), and a click goes on.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from adapter.review.accounts import Account, Role, account_of
from adapter.store.review_tables import review_account, review_session

IDLE_SECONDS = 15 * 60.0
LONGEST_SECONDS = 8 * 3600.0
WARNING_SECONDS = 3 * 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in reviewer.

    Attributes:
        who: the account.
        form_token: must come back with every form (cross-site request forgery).
        ends: when it is over unless something is clicked, UTC seconds.
        last: when it is over in any case.
    """

    who: Account
    form_token: str
    ends: float
    last: float

    @property
    def account(self) -> str:
        """Opaque id of the account; what the audit names."""
        return self.who.id

    @property
    def role(self) -> Role:
        """What the account may do."""
        return self.who.role

    @property
    def custodians(self) -> frozenset[str]:
        """The controllers whose clients are shown."""
        return self.who.custodians


def open_session(connection: Connection, account: str, now: float) -> str:
    """Open a session and return its token."""
    token, form_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    values = {"token": _stored(token), "account": account, "form_token": form_token}
    connection.execute(insert(review_session).values(created_at=now, used_at=now, **values))
    return token


def session_of(connection: Connection, token: str, now: float, *, click: bool = True) -> Session | None:
    """Return the session of a token; None when there is none, it is over, or its account was locked.

    Args:
        click: counts as use and puts the end off; a page that only looks at the clock does not.
    """
    row = connection.execute(_with_account().where(review_session.c.token == _stored(token))).first()
    if row is None:
        return None
    last = row.session_at + LONGEST_SECONDS
    if row.locked or now > min(row.used_at + IDLE_SECONDS, last):
        end_session(connection, token)
        return None
    used = now if click else row.used_at
    if click:
        mine = update(review_session).where(review_session.c.token == _stored(token))
        connection.execute(mine.values(used_at=now))
    return Session(account_of(row), row.form_token, min(used + IDLE_SECONDS, last), last)


def end_session(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(delete(review_session).where(review_session.c.token == _stored(token)))


def _with_account() -> Any:
    used = review_session.c
    joined = review_session.join(review_account, used.account == review_account.c.id)
    columns = (used.form_token, used.used_at, used.created_at.label("session_at"))
    return select(review_account, *columns).select_from(joined)


def _stored(token: str) -> str:
    """The store keeps a hash only: who reads the database cannot take a session over."""
    return hashlib.sha256(token.encode()).hexdigest()
