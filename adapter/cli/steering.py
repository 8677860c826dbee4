"""How commands send submissions again or take them back, by the API or straight on the database: each is tried."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import fail
from adapter.i18n import text

REPLAYABLE = ("rejected", "dead", "cancelled")
Submissions = Annotated[list[str] | None, typer.Argument(metavar="[SUBMISSION]…", help="Ids that the adapter gave.")]


def check_named(submissions: Sequence[str] | None, state: str | None, language: str) -> None:
    """Exit with 2 unless a command says either which submissions it means or one state that can be sent again."""
    if bool(submissions) == bool(state) or state not in (None, *REPLAYABLE):
        fail(text("cli.name-or-state", language, states=" ".join(REPLAYABLE)))


def steer(submissions: Iterable[str], act: Callable[[str], str]) -> None:
    """Do something to each submission: print those to which it was done, and say of the others why not.

    Args:
        act: does it, and returns why not; empty when it was done.

    Raises:
        typer.Exit: 1, some were refused.
    """
    refused = False
    for submission in submissions:
        why = act(submission)
        print(f"{submission}: {why}" if why else submission, file=sys.stderr if why else sys.stdout)
        refused = refused or bool(why)
    if refused:
        raise typer.Exit(Exit.FINDINGS)
