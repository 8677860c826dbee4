"""Sends files to a running adapter over HTTP, waits for receipts and shows both in a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapter.client import AdapterClient, Conflict, Forbidden, Problem, Refused
from adapter.client.answers import FINAL
from adapter.i18n import text

UNAUTHORIZED = 401
STYLES = {"delivered": "green", "refused": "red", "rejected": "red", "dead": "red"}


@dataclass(slots=True)
class Sent:
    """One file on its way.

    Attributes:
        name: of the file.
        state: `refused`, or the state that the adapter tells.
        problems: warnings, or why it was refused or did not arrive.
        receipts: full URL of an entry to `Type/id`.
    """

    name: str
    record_type: str = ""
    submission: str = ""
    resources: int = 0
    state: str = ""
    problems: list[Problem] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Folder part of the name."""
        return self.name.rpartition("/")[0]

    @property
    def file(self) -> str:
        """Name without folder and ending."""
        return self.name.rpartition("/")[2].removesuffix(".json")

    @property
    def refused(self) -> bool:
        """True when the adapter did not take it."""
        return self.state == "refused"


class Sender:
    """Hands records over one by one and follows them.

    Args:
        client: of the adapter.
        language: of the table's words.
    """

    def __init__(self, client: AdapterClient, language: str) -> None:
        self._client = client
        self._language = language

    def send(self, name: str, data: bytes, *, vendor: str | None, record_type: str | None) -> Sent:
        """Hand one record over; a refusal is noted.

        Raises:
            ApiError: the adapter does not answer, or lets nobody in.
        """
        try:
            taken = self._client.send(data, vendor=vendor, record_type=record_type)
        except (Refused, Forbidden, Conflict) as refusal:
            if refusal.status == UNAUTHORIZED:
                raise
            return Sent(name, state="refused", problems=list(refusal.problems))
        return Sent(name, taken.record_type, taken.id, taken.resources, "queued", list(taken.problems))

    def wait(self, sent: Sequence[Sent], *, seconds: float, tick: Callable[[], None] = lambda: None) -> None:
        """Ask until every submission is final or the time is over."""
        until = time.monotonic() + seconds
        while True:
            waiting = {item.submission: item for item in sent if item.state not in (*FINAL, "refused")}
            for submission, status in self._client.receipts(list(waiting)).items():
                item = waiting[submission]
                item.state, item.receipts = status.state, dict(status.receipts)
                if status.final and status.state != "delivered":
                    item.problems += status.problems
            tick()
            if all(item.state in FINAL for item in waiting.values()) or time.monotonic() > until:
                return
            time.sleep(0.1)

    def show(self, sent: Sequence[Sent]) -> None:
        """Print the table record → resources → receipt, then what is to be said about each."""
        console = Console(highlight=False)
        headings = ("record", "type", "resources", "state", "receipt", "notes")
        table = Table(*(text(f"cli.{heading}", self._language) for heading in headings))
        folder = ""
        for item in sent:
            if item.folder != folder:
                folder = item.folder
                table.add_section()
                table.add_row(f"[bold]{escape(folder)}[/]")
            receipt = next(iter(item.receipts.values()), "").partition("/")[0]
            style = STYLES.get(item.state, "yellow")
            notes = str(len(item.problems)) if item.problems else ""
            count = str(item.resources or "")
            table.add_row(escape(item.file), item.record_type, count, f"[{style}]{item.state}[/]", receipt, notes)
        console.print(table)
        for item in sent:
            for problem in item.problems:
                rule, said = f"[bold]{escape(problem.rule)}[/]", escape(problem.text or problem.expression)
                console.print(f"{escape(item.name)}: {rule} {said}{_place(problem)}", soft_wrap=True)
        arrived = sum(item.state == "delivered" for item in sent)
        words = text("cli.delivered-of", self._language, arrived=str(arrived), total=str(len(sent)))
        console.print(f"\n[bold]{words}[/]")


def _place(problem: Problem) -> str:
    """Return the sender's own field with line and column, as far as they are known."""
    line = f" ({problem.line}:{problem.column})" if problem.line else ""
    return f" [dim]{escape(problem.path)}{line}[/]" if problem.path else ""
