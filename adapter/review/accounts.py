"""Accounts of reviewers: argon2id passwords, a role, the controllers whose clients they see, limits on guessing.

An account without controllers sees no client. Accounts are made on the command line or by the organisation's
log-in (`adapter.review.openid`), never on the pages.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from adapter import audit
from adapter.store import Database
from adapter.store.review_tables import review_account, review_failure, review_session
from adapter.types import Issue

Role = Literal["reviewer", "auditor"]
"""`reviewer` opens clients; `auditor` reads the log and the state of the service, and no client's data."""

ROLES: tuple[Role, ...] = get_args(Role)
GUESSES = 5
GUESS_WINDOW_SECONDS = 15 * 60.0
SHORTEST_PASSWORD = 12
OPENID = "openid:"
"""How the names of accounts begin that the organisation's log-in made; they have no password."""

_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("nobody has this password")
"""Verified when the name is unknown, so that the answer takes as long as for a known one."""


class TooManyGuessesError(Exception):
    """The name was tried too often; it opens again when `GUESS_WINDOW_SECONDS` have passed."""


class UnknownAccountError(LookupError):
    """No account has this name."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in.

    Attributes:
        id: opaque; what the audit names.
        name: what they sign in with, unique.
        title: what the pages call them.
        custodians: identifier values of the controllers whose clients they see.
    """

    id: str
    name: str
    title: str
    role: Role
    locked: bool
    custodians: frozenset[str]

    @property
    def external(self) -> bool:
        """The organisation's log-in signs this account in."""
        return self.name.startswith(OPENID)


class UnfitError(ValueError):
    """A name or password that no account can have.

    Attributes:
        issue: what is wrong with it.
    """

    def __init__(self, key: str, **values: str) -> None:
        self.issue = Issue("error", key, values)
        super().__init__(self.issue.text("en"))


def create_reviewer(
    database: Database,
    name: str,
    password: str,
    *,
    role: Role = "reviewer",
    custodians: Iterable[str] = (),
    at: float = 0.0,
) -> str:
    """Create an account, or give an existing one a new password, role and controllers; returns its opaque id.

    Args:
        custodians: identifier values of the controllers whose clients the account sees; none sees nobody.
        at: the present instant, UTC seconds.

    Raises:
        UnfitError: the name is empty, reserved or longer than 64 characters, or the password is shorter than 12.
    """
    if not 1 <= len(name) <= 64 or name.startswith(OPENID):
        raise UnfitError("cli.account-name-unfit", reserved=OPENID)
    values: dict[str, object] = {
        "password": hashed(password),
        "role": role,
        "title": name,
        "custodians": _listed(custodians),
    }
    with database.transaction() as connection:
        return put_account(connection, name, values, at)


def put_account(connection: Connection, name: str, values: dict[str, object], at: float) -> str:
    """Create the account or change the one that has the name, note it in the audit, and return its id."""
    found = connection.execute(select(review_account.c.id).where(review_account.c.name == name)).scalar()
    account = str(found or secrets.token_hex(16))
    if found is None:
        connection.execute(insert(review_account).values(id=account, name=name, created_at=at, **values))
        audit.append(connection, at, "admin", {"act": "account-add", "account": account})
    else:
        change_account(connection, name, values, at, "account-change")
    return account


def change_account(connection: Connection, name: str, values: dict[str, object], at: float, act: str) -> None:
    """Change columns of an account, end its sessions and note the act in the audit.

    Raises:
        UnknownAccountError: no account has the name.
    """
    found = connection.execute(select(review_account.c.id).where(review_account.c.name == name)).scalar()
    if found is None:
        raise UnknownAccountError
    connection.execute(update(review_account).where(review_account.c.id == found).values(**values))
    connection.execute(delete(review_session).where(review_session.c.account == found))
    audit.append(connection, at, "admin", {"act": act, "account": str(found)})


def accounts(connection: Connection) -> list[Account]:
    """Return every account by name."""
    return [account_of(row) for row in connection.execute(select(review_account).order_by(review_account.c.name))]


def account_of(row: Row[tuple[object, ...]]) -> Account:
    """Return the account of a row of `review_account`."""
    named = frozenset(json.loads(row.custodians))
    return Account(row.id, row.name, row.title or row.name, cast(Role, row.role), bool(row.locked), named)


def custodian_values(custodians: Iterable[str]) -> dict[str, object]:
    """Return the column that binds an account to these controllers."""
    return {"custodians": _listed(custodians)}


def check_password(connection: Connection, name: str, password: str, now: float) -> str | None:
    """Return the id of the account, or None when name and password do not fit (the failure is counted).

    Raises:
        TooManyGuessesError: the name was tried too often.
    """
    guessed = hashlib.sha256(name.encode()).hexdigest()
    recent = (review_failure.c.name == guessed) & (review_failure.c.at > now - GUESS_WINDOW_SECONDS)
    if connection.execute(select(func.count()).select_from(review_failure).where(recent)).scalar_one() >= GUESSES:
        raise TooManyGuessesError
    row = connection.execute(select(review_account).where(review_account.c.name == name)).first()
    if not _fits(row.password if row else _NOBODY, password) or row is None or row.locked:
        connection.execute(delete(review_failure).where(review_failure.c.at <= now - GUESS_WINDOW_SECONDS))
        connection.execute(insert(review_failure).values(name=guessed, at=now))
        return None
    connection.execute(delete(review_failure).where(review_failure.c.name == guessed))
    return str(row.id)


def hashed(password: str) -> str:
    """Return the argon2id hash of a new password.

    Raises:
        UnfitError: it is shorter than 12 characters.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise UnfitError("cli.account-password-short", least=str(SHORTEST_PASSWORD))
    return _HASHER.hash(password)


def _fits(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _listed(custodians: Iterable[str]) -> str:
    return json.dumps(sorted(set(custodians)))
