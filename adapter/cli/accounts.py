"""`kykysilta accounts`: who may sign in to the reviewer's pages, as what, and whose clients they see.

A password is asked for without an echo, or read from the first line of standard input; it never stands on the
command line.
"""

from __future__ import annotations

import getpass
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.configuration import Config, LangAsked
from adapter.cli.exits import Exit
from adapter.cli.inputs import fail
from adapter.cli.starting import opened
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.review.accounts import Role
    from adapter.settings import Settings
    from adapter.store import Database

accounts_app = typer.Typer(help="Accounts of the reviewer's pages (/review).", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the reviewer signs in with.")]
Custodians = Annotated[
    list[str] | None,
    typer.Option("--custodian", help="Identifier of a controller whose clients are shown; repeat for several."),
]
RoleOption = Annotated[str, typer.Option("--role", help="reviewer, or auditor (log only, no client).")]
_COLUMNS = ("account-name", "account-role", "state", "account-custodians")
_WORDS = (*_COLUMNS, "account-external", "account-locked", "account-open", "account-blind")
_ASKED = ("new-password", "once-more")


@accounts_app.command("add")
def add(
    name: Name,
    role: RoleOption = "reviewer",
    custodian: Custodians = None,
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """Create an account; without --custodian it sees no client."""
    from adapter.review import create_reviewer
    from adapter.review.accounts import UnfitError

    with opened(config, lang, new=True) as (settings, database):
        kind = _role(role, settings)
        if name in _names(database):
            fail(text("cli.account-exists", settings.language, name=name))
        password = _password(settings)
        try:
            create_reviewer(database, name, password, role=kind, custodians=custodian or (), at=time.time())
        except UnfitError as error:
            fail(error.issue.text(settings.language))


@accounts_app.command("list")
def show(config: Config = None, lang: LangAsked = None) -> None:
    """List accounts with role, state and controllers."""
    from rich.console import Console
    from rich.table import Table

    from adapter.review.accounts import accounts

    with opened(config, lang, new=True) as (settings, database), database.reading() as connection:
        words = {name: text(f"cli.{name}", settings.language) for name in _WORDS}
        table = Table(*(words[column] for column in _COLUMNS))
        for one in accounts(connection):
            name = f"{one.title} ({words['account-external']})" if one.external else one.name
            state = words["account-locked" if one.locked else "account-open"]
            table.add_row(name, one.role, state, ", ".join(sorted(one.custodians)) or f"– ({words['account-blind']})")
    Console().print(table)


@accounts_app.command("lock")
def lock(name: Name, config: Config = None, lang: LangAsked = None) -> None:
    """Close an account at once; its sessions end."""
    with opened(config, lang, new=True) as (settings, database):
        _change(settings, database, name, {"locked": True}, "account-lock")


@accounts_app.command("unlock")
def unlock(name: Name, config: Config = None, lang: LangAsked = None) -> None:
    """Open a locked account."""
    with opened(config, lang, new=True) as (settings, database):
        _change(settings, database, name, {"locked": False}, "account-unlock")


@accounts_app.command("role")
def change_role(
    name: Name, role: Annotated[str, typer.Argument()], config: Config = None, lang: LangAsked = None
) -> None:
    """Make an account a reviewer or an auditor."""
    with opened(config, lang, new=True) as (settings, database):
        _change(settings, database, name, {"role": _role(role, settings)}, "account-role")


@accounts_app.command("custodians")
def change_custodians(
    name: Name,
    custodians: Annotated[list[str] | None, typer.Argument(help="All of them; none means: sees nobody.")] = None,
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """Say whose clients an account sees, in place of what was said before."""
    from adapter.review.accounts import custodian_values

    with opened(config, lang, new=True) as (settings, database):
        _change(settings, database, name, custodian_values(custodians or ()), "account-custodians")


@accounts_app.command("password")
def change_password(name: Name, config: Config = None, lang: LangAsked = None) -> None:
    """Give an account a new password; its sessions end."""
    from adapter.review.accounts import OPENID, UnfitError, hashed

    with opened(config, lang, new=True) as (settings, database):
        if name.startswith(OPENID):
            fail(text("cli.account-no-password", settings.language))
        try:
            password = hashed(_password(settings))
        except UnfitError as error:
            fail(error.issue.text(settings.language))
        _change(settings, database, name, {"password": password}, "account-password")


def _change(settings: Settings, database: Database, name: str, values: dict[str, object], act: str) -> None:
    from adapter.review.accounts import UnknownAccountError, change_account

    try:
        with database.transaction() as connection:
            change_account(connection, name, values, time.time(), act)
    except UnknownAccountError:
        fail(text("cli.account-unknown", settings.language, name=name), Exit.FINDINGS)


def _role(name: str, settings: Settings) -> Role:
    from adapter.review.accounts import ROLES

    found = next((role for role in ROLES if role == name), None)
    if found is None:
        fail(text("cli.account-role-unknown", settings.language, roles=", ".join(ROLES)))
    return found


def _names(database: Database) -> set[str]:
    from adapter.review.accounts import accounts

    with database.reading() as connection:
        return {one.name for one in accounts(connection)}


def _password(settings: Settings) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first, again = (getpass.getpass(text(f"cli.{ask}", settings.language) + ": ") for ask in _ASKED)
    if first != again:
        fail(text("cli.passwords-differ", settings.language))
    return first
