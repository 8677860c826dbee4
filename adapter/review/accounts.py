"""Local accounts and sessions of reviewers: argon2id, server-side sessions, limits on idling and guessing."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal, cast, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, func, insert, select, update

from adapter.store import Database
from adapter.store.tables import review_account, review_failure, review_session

Role = Literal["reviewer", "auditor"]
"""`reviewer` opens clients; `auditor` reads the log and the state of the service, and no client's data."""

ROLES: tuple[Role, ...] = get_args(Role)
IDLE_SECONDS = 15 * 60.0
LONGEST_SECONDS = 8 * 3600.0
GUESSES = 5
GUESS_WINDOW_SECONDS = 15 * 60.0
SHORTEST_PASSWORD = 12

_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("nobody has this password")
"""Verified when the name is unknown, so that the answer takes as long as for a known one."""


class TooManyGuessesError(Exception):
    """The name was tried too often; it opens again when `GUESS_WINDOW_SECONDS` have passed."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in reviewer.

    Attributes:
        account: opaque id of the account; what the audit names.
        name: what the reviewer signs in with.
        form_token: must come back with every form (cross-site request forgery).
    """

    account: str
    name: str
    role: Role
    form_token: str


def create_reviewer(database: Database, name: str, password: str, *, role: Role = "reviewer", at: float = 0.0) -> str:
    """Create an account, or give an existing one a new password and role; returns its opaque id.

    Args:
        at: the present instant, UTC seconds; stored as the time of creation.

    Raises:
        ValueError: the name is empty or longer than 64 characters, or the password is shorter than 12.
    """
    if not 1 <= len(name) <= 64 or len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a name has 1 to 64 characters, a password at least {SHORTEST_PASSWORD}")
    hashed = _HASHER.hash(password)
    with database.transaction() as connection:
        found = connection.execute(select(review_account.c.id).where(review_account.c.name == name)).scalar()
        if found is not None:
            changed = update(review_account).where(review_account.c.id == found)
            connection.execute(changed.values(password=hashed, role=role))
            connection.execute(delete(review_session).where(review_session.c.account == found))
            return str(found)
        account = secrets.token_hex(16)
        values = {"id": account, "name": name, "password": hashed, "role": role, "created_at": at}
        connection.execute(insert(review_account).values(values))
    return account


def sign_in(connection: Connection, name: str, password: str, now: float) -> tuple[str, str] | None:
    """Return session token and account id, or None when name and password do not fit (the failure is counted).

    Raises:
        TooManyGuessesError: the name was tried too often.
    """
    guessed = hashlib.sha256(name.encode()).hexdigest()
    recent = (review_failure.c.name == guessed) & (review_failure.c.at > now - GUESS_WINDOW_SECONDS)
    if connection.execute(select(func.count()).select_from(review_failure).where(recent)).scalar_one() >= GUESSES:
        raise TooManyGuessesError
    row = connection.execute(select(review_account).where(review_account.c.name == name)).first()
    if not _fits(row.password if row else _NOBODY, password) or row is None:
        connection.execute(delete(review_failure).where(review_failure.c.at <= now - GUESS_WINDOW_SECONDS))
        connection.execute(insert(review_failure).values(name=guessed, at=now))
        return None
    connection.execute(delete(review_failure).where(review_failure.c.name == guessed))
    token = secrets.token_urlsafe(32)
    connection.execute(
        insert(review_session).values(
            token=_stored(token), account=row.id, form_token=secrets.token_urlsafe(32), created_at=now, used_at=now
        )
    )
    return token, str(row.id)


def session_of(connection: Connection, token: str, now: float) -> Session | None:
    """Return the session of a token and count it as used; None when there is none or it is over."""
    joined = review_session.join(review_account, review_session.c.account == review_account.c.id)
    query = select(review_session, review_account.c.name, review_account.c.role).select_from(joined)
    row = connection.execute(query.where(review_session.c.token == _stored(token))).first()
    if row is None:
        return None
    if now - row.used_at > IDLE_SECONDS or now - row.created_at > LONGEST_SECONDS:
        sign_out(connection, token)
        return None
    used = update(review_session).where(review_session.c.token == row.token)
    connection.execute(used.values(used_at=now))
    return Session(row.account, row.name, cast(Role, row.role), row.form_token)


def sign_out(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(delete(review_session).where(review_session.c.token == _stored(token)))


def _fits(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _stored(token: str) -> str:
    """The store keeps a hash only: who reads the database cannot take a session over."""
    return hashlib.sha256(token.encode()).hexdigest()
