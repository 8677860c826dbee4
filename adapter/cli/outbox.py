"""`kykysilta outbox`: what you handed over and where it is; send again, take back, watch live; deliver."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.calling import HERE, Url, calling
from adapter.cli.inputs import Lang
from adapter.cli.letters import letters_app
from adapter.cli.lists import DAY, STYLES, WHEN, Limit, Type, coloured, show_fitting
from adapter.cli.service import work
from adapter.cli.steering import Submissions, check_named, steer
from adapter.i18n import text

if TYPE_CHECKING:
    from rich.table import Table

    from adapter.client import AdapterClient, Status

outbox_app = typer.Typer(help="Look at what was handed over and where it is.", no_args_is_help=True)
LAYOUTS = (
    ("submission", "record", "version", "state", "attempts", "received"),
    ("submission", "record", "version", "state", "received"),
    ("submission", "record", "state", "received"),
    ("submission", "record", "state", "received-day"),
    ("submission", "state"),
)
"""Columns of the list, for ever narrower screens: the fourth fits into 80, and every row is one line."""

Submission = Annotated[str, typer.Argument(metavar="SUBMISSION", help="Id that the adapter gave.")]
State = Annotated[str | None, typer.Option("--state", help="Only this state.")]


outbox_app.command("work")(work)
outbox_app.add_typer(letters_app, name="dead-letters")


@outbox_app.command("list")
def show_list(
    url: Url = HERE,
    state: State = None,
    record_type: Type = None,
    limit: Limit = 100,
    language: Lang = "fi",
) -> None:
    """List the newest submissions; a narrow screen shows fewer columns, `show` tells the rest."""
    with calling(url, language) as adapter:
        found = list(islice(adapter.search(state=state, record_type=record_type), limit))
    show_fitting([_cells(status) for status in found], LAYOUTS, language)


@outbox_app.command("show")
def show_one(submission: Submission, url: Url = HERE, language: Lang = "fi") -> None:
    """Show one submission: state, what to do, receipts, what the repository said, every step."""
    from rich.console import Console
    from rich.markup import escape

    with calling(url, language) as adapter:
        status = adapter.status(submission)
    told = Console(highlight=False, soft_wrap=True).print
    told(f"[bold]{status.record_type}[/] {status.record_version}  {coloured(status.state)}\n{status.advice}\n")
    for step in status.history:
        told(f"{step.at.astimezone():{WHEN}}  {step.state:<10} {step.attempt}  {escape(step.cause)}")
    for problem in status.problems:
        place = problem.path or problem.expression
        told(f"[bold]{escape(problem.rule)}[/] {escape(problem.text or problem.code)} {escape(place)}")
    for place in status.receipts.values():
        told(f"[green]{escape(place)}[/]")


@outbox_app.command("replay")
def replay(
    submissions: Submissions = None,
    url: Url = HERE,
    state: State = None,
    record_type: Type = None,
    language: Lang = "fi",
) -> None:
    """Send rejected, dead or cancelled submissions again: the named ones, or all of a state (and type).

    Each is tried; exit 1: some were refused, and it was said why.
    """
    check_named(submissions, state, language)
    with calling(url, language) as adapter:
        steer(submissions or _ids(adapter, state, record_type), partial(_refusal, adapter.replay))


@outbox_app.command("cancel")
def cancel(
    submissions: Annotated[list[str], typer.Argument(metavar="SUBMISSION…")], url: Url = HERE, language: Lang = "fi"
) -> None:
    """Take back submissions that were not sent yet; exit 1: some were refused, and it was said why."""
    with calling(url, language) as adapter:
        steer(submissions, partial(_refusal, adapter.cancel))


@outbox_app.command("invalidate")
def invalidate(
    submission: Submission,
    reason: Annotated[str, typer.Option("--reason", help="Why, for people; it goes to the repository.")],
    url: Url = HERE,
    language: Lang = "fi",
) -> None:
    """Take a record back in all its versions as entered in error; prints who got its data and is to be told."""
    with calling(url, language) as adapter:
        done = adapter.invalidate(submission, reason)
    for recipient in done.recipients:
        print(recipient.organisation)


@outbox_app.command("receipt")
def receipt(submission: Submission, url: Url = HERE, language: Lang = "fi") -> None:
    """Print the client's receipt for a consent: what was given or withdrawn, in plain words."""
    with calling(url, language) as adapter:
        found = adapter.receipt(submission)
    print("\n".join((found["title"], "", *found["lines"])))


@outbox_app.command("watch")
def watch(
    url: Url = HERE,
    seconds: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between looks.")] = 1.0,
    looks: Annotated[int, typer.Option("--looks", help="Stop after so many; 0 = at Ctrl-C.")] = 0,
    newest: Annotated[int, typer.Option("--newest", min=1, help="How many submissions to look at.")] = 1000,
    language: Lang = "fi",
) -> None:
    """Show live how many of the newest submissions are in which state and how old the oldest one is."""
    from rich.live import Live

    number = 0
    with calling(url, language) as adapter, Live(auto_refresh=False) as live:
        try:
            while not looks or number < looks:
                if number:
                    time.sleep(seconds)
                number += 1
                live.update(_picture(list(islice(adapter.search(), newest)), language), refresh=True)
        except KeyboardInterrupt:
            return


def _refusal(act: Callable[[str], None], submission: str) -> str:
    """Return why the adapter does not do it to this submission; empty when it did."""
    from adapter.client import Conflict, NotFound

    try:
        act(submission)
    except (Conflict, NotFound) as refused:
        return str(refused)
    return ""


def _ids(adapter: AdapterClient, state: str | None, record_type: str | None) -> list[str]:
    """Ids of a state, oldest first: a client's records keep their order."""
    return [status.id for status in adapter.search(state=state, record_type=record_type)][::-1]


def _cells(status: Status) -> dict[str, str]:
    received = status.received_at.astimezone()
    return {
        "submission": status.id,
        "record": status.record_type,
        "version": str(status.record_version),
        "state": coloured(status.state),
        "attempts": str(status.attempts),
        "received": f"{received:{WHEN}}",
        "received-day": f"{received:{DAY}}",
    }


def _picture(found: list[Status], language: str) -> Table:
    from rich.table import Table

    counts, now = Counter(status.state for status in found), time.time()
    table = Table(text("cli.state", language), text("cli.count", language), text("cli.oldest", language), "")
    table.title = time.strftime("%H:%M:%S")
    for state, count in sorted(counts.items()):
        oldest = max(now - status.received_at.timestamp() for status in found if status.state == state)
        bar = "█" * max(1, round(30 * count / len(found)))
        table.add_row(coloured(state), str(count), f"{oldest:.0f} s", f"[{STYLES.get(state, 'cyan')}]{bar}[/]")
    return table
