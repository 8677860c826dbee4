"""`kykysilta outbox dead-letters`: what was given up, of all senders, for the operator; straight on the database."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.configuration import Config, LangAsked
from adapter.cli.inputs import fail
from adapter.cli.lists import DAY, WHEN, Limit, Type, coloured, show_fitting
from adapter.cli.starting import opened
from adapter.cli.steering import REPLAYABLE, Submissions, check_named, steer
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.delivery.letters import Letter, Sought
    from adapter.store import Database
    from adapter.types import Issue

letters_app = typer.Typer(
    help="For the operator: what ended without being in the repository, of all senders. Reads the settings.",
    no_args_is_help=True,
)
AT_ONCE = 500
"""So many are taken up in one transaction: others write in between."""

LAYOUTS = (
    ("submission", "sender", "record", "state", "attempts", "http", "cause", "since"),
    ("submission", "sender", "state", "http", "cause", "since-day"),
    ("submission", "sender", "state", "cause"),
    ("submission", "state", "cause"),
)
State = Annotated[str | None, typer.Option("--state", help="Only this state: rejected, dead or cancelled.")]
Sender = Annotated[str | None, typer.Option("--sender", help="Only of this API client.")]


@letters_app.command("list")
def show(
    state: State = None,
    record_type: Type = None,
    sender: Sender = None,
    limit: Limit = 100,
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """List what was rejected or given up, newest first, with the cause; what was cancelled with `--state cancelled`."""
    from adapter.delivery import letters

    with opened(config, lang) as (settings, database):
        sought = _sought(state, record_type, sender, settings.language)
        with database.reading() as connection:
            found = letters.newest(connection, sought, limit)
    show_fitting([_cells(letter) for letter in found], LAYOUTS, settings.language)


@letters_app.command("replay")
def replay(
    submissions: Submissions = None,
    state: State = None,
    record_type: Type = None,
    sender: Sender = None,
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """Send submissions again: the named ones, or all of a state (and type, and sender), oldest first.

    Each is tried; exit 1: some were refused, and it was said why.
    """
    from adapter.delivery import letters

    with opened(config, lang) as (settings, database):
        language = settings.language
        check_named(submissions, state, language)
        sought = _sought(state, record_type, sender, language)
        with database.reading() as connection:
            names = submissions or letters.names(connection, sought)
        refused: dict[str, Issue] = {}
        tried = _tried(database, names, settings.lease_seconds, refused)
        steer(tried, lambda one: refused[one].text(language) if one in refused else "")


def _tried(database: Database, names: Sequence[str], lease: float, refused: dict[str, Issue]) -> Iterator[str]:
    """Yield submissions that were tried, and write down which of them were refused."""
    from adapter.delivery import steering

    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        with database.transaction() as connection:
            refused |= steering.replay(connection, some, time.time(), lease, operator="cli")
        yield from some


def _sought(state: str | None, record_type: str | None, sender: str | None, language: str) -> Sought:
    from adapter.delivery.letters import Sought
    from adapter.source import record_types

    for option, value, allowed in (("--state", state, REPLAYABLE), ("--type", record_type, record_types())):
        if value not in (None, *allowed):
            fail(text("common.bad-choice", language, option=option, allowed=", ".join(allowed)))
    return Sought(state, record_type, sender)


def _cells(letter: Letter) -> dict[str, str]:
    from rich.markup import escape

    since = datetime.fromtimestamp(letter.since).astimezone()
    return {
        "submission": letter.submission,
        "sender": escape(letter.sender),
        "record": letter.record_type,
        "state": coloured(letter.state),
        "attempts": str(letter.attempts),
        "http": str(letter.http_status or "–"),
        "cause": escape(letter.cause),
        "since": f"{since:{WHEN}}",
        "since-day": f"{since:{DAY}}",
    }
