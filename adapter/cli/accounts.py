"""`kykysilta accounts`: who may sign in to the reviewer's pages, as what, and whose clients they see.

A password is asked for without an echo, or read from the first line of standard input; it never stands on the
command line.
"""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.configuration import Config, settings_of
from adapter.cli.exits import Exit
from adapter.cli.inputs import fail

if TYPE_CHECKING:
    from adapter.review.accounts import Role
    from adapter.store import Database

accounts_app = typer.Typer(help="Accounts of the reviewer's pages (/review).", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the reviewer signs in with.")]
Custodians = Annotated[
    list[str] | None,
    typer.Option("--custodian", help="Identifier of a controller whose clients are shown; repeat for several."),
]
RoleOption = Annotated[str, typer.Option("--role", help="reviewer, or auditor (log only, no client).")]


@accounts_app.command("add")
def add(name: Name, role: RoleOption = "reviewer", custodian: Custodians = None, config: Config = None) -> None:
    """Create an account; without --custodian it sees no client."""
    from adapter.review import create_reviewer

    kind = _role(role)
    with _database(config) as database:
        if name in _names(database):
            fail(f"{name} exists already; use: accounts password, role, custodians or unlock")
        try:
            create_reviewer(database, name, _password(), role=kind, custodians=custodian or (), at=time.time())
        except ValueError as error:
            fail(str(error))


@accounts_app.command("list")
def show(config: Config = None) -> None:
    """List accounts with role, state and controllers."""
    from rich.console import Console
    from rich.table import Table

    from adapter.review.accounts import accounts

    table = Table("name", "role", "state", "custodians")
    with _database(config) as database, database.reading() as connection:
        for one in accounts(connection):
            name = f"{one.title} (single sign-on)" if one.external else one.name
            state = "locked" if one.locked else "open"
            table.add_row(name, one.role, state, ", ".join(sorted(one.custodians)) or "– (sees nobody)")
    Console().print(table)


@accounts_app.command("lock")
def lock(name: Name, config: Config = None) -> None:
    """Close an account at once; its sessions end."""
    _change(config, name, {"locked": True}, "account-lock")


@accounts_app.command("unlock")
def unlock(name: Name, config: Config = None) -> None:
    """Open a locked account."""
    _change(config, name, {"locked": False}, "account-unlock")


@accounts_app.command("role")
def change_role(name: Name, role: Annotated[str, typer.Argument()], config: Config = None) -> None:
    """Make an account a reviewer or an auditor."""
    _change(config, name, {"role": _role(role)}, "account-role")


@accounts_app.command("custodians")
def change_custodians(
    name: Name,
    custodians: Annotated[list[str] | None, typer.Argument(help="All of them; none means: sees nobody.")] = None,
    config: Config = None,
) -> None:
    """Say whose clients an account sees, in place of what was said before."""
    from adapter.review.accounts import custodian_values

    _change(config, name, custodian_values(custodians or ()), "account-custodians")


@accounts_app.command("password")
def change_password(name: Name, config: Config = None) -> None:
    """Give an account a new password; its sessions end."""
    from adapter.review.accounts import OPENID, hashed

    if name.startswith(OPENID):
        fail("this account is signed in by the organisation's log-in and has no password")
    try:
        _change(config, name, {"password": hashed(_password())}, "account-password")
    except ValueError as error:
        fail(str(error))


def _change(config: Config, name: str, values: dict[str, object], act: str) -> None:
    from adapter.review.accounts import UnknownAccountError, change_account

    with _database(config) as database:
        try:
            with database.transaction() as connection:
                change_account(connection, name, values, time.time(), act)
        except UnknownAccountError:
            fail(f"there is no account {name}; see: kykysilta accounts list", Exit.FINDINGS)


def _role(name: str) -> Role:
    from adapter.review.accounts import ROLES

    found = next((role for role in ROLES if role == name), None)
    if found is None:
        fail(f"a role is one of: {', '.join(ROLES)}")
    return found


def _names(database: Database) -> set[str]:
    from adapter.review.accounts import accounts

    with database.reading() as connection:
        return {one.name for one in accounts(connection)}


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first, again = getpass.getpass("New password: "), getpass.getpass("Once more: ")
    if first != again:
        fail("the two passwords differ; nothing was changed")
    return first


@contextmanager
def _database(config: Config) -> Iterator[Database]:
    from adapter.store import Database

    database = Database(settings_of(config).database)
    try:
        yield database
    finally:
        database.close()
