"""Sends files to a running adapter over HTTP, waits for receipts and shows both in a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapter.i18n import text

FINAL = ("delivered", "rejected", "dead", "cancelled")
STYLES = {"delivered": "green", "refused": "red", "rejected": "red", "dead": "red"}


@dataclass(slots=True)
class Sent:
    """One file on its way.

    Attributes:
        name: of the file.
        state: `refused`, or the state that the adapter tells.
        issues: `OperationOutcome.issue` of warnings or of the refusal.
        receipts: full URL of an entry to `Type/id`.
    """

    name: str
    record_type: str = ""
    submission: str = ""
    resources: int = 0
    state: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)
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
    """A connection to an adapter.

    Args:
        url: its base URL.
        language: of the texts in answers.
    """

    def __init__(self, url: str, language: str) -> None:
        self._language = language
        self._client = httpx.Client(base_url=url, headers={"Accept-Language": language}, timeout=60)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def send(self, name: str, data: bytes, *, vendor: str | None, record_type: str | None) -> Sent:
        """Hand one record over.

        Raises:
            httpx.HTTPError: the adapter does not answer.
        """
        query = {key: value for key, value in (("vendor", vendor), ("type", record_type)) if value}
        response = self._client.post("/v1/records", content=data, params=query)
        answer = response.json()
        if response.status_code != 202:
            return Sent(name, state="refused", issues=answer.get("issue", []))
        return Sent(
            name,
            record_type=answer["record_type"],
            submission=answer["id"],
            resources=answer["resources"],
            state="queued",
            issues=[issue for issue in answer["outcome"]["issue"] if issue["severity"] != "information"],
        )

    def refresh(self, sent: Sent) -> None:
        """Ask where a submission is."""
        answer = self._client.get(f"/v1/records/{sent.submission}").json()
        sent.state, sent.receipts = answer["state"], answer["receipts"]
        if sent.state in FINAL and sent.state != "delivered":
            sent.issues += answer["issues"]

    def wait(self, sent: Sequence[Sent], *, seconds: float, tick: Callable[[], None] = lambda: None) -> None:
        """Ask until every submission is final or the time is over."""
        until = time.monotonic() + seconds
        while True:
            waiting = [item for item in sent if item.state not in (*FINAL, "refused")]
            for item in waiting:
                self.refresh(item)
            tick()
            if all(item.state in FINAL for item in waiting) or time.monotonic() > until:
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
            notes = str(len(item.issues)) if item.issues else ""
            count = str(item.resources or "")
            table.add_row(escape(item.file), item.record_type, count, f"[{style}]{item.state}[/]", receipt, notes)
        console.print(table)
        for item in sent:
            for issue in item.issues:
                coding = issue.get("details", {}).get("coding", [{}])[0].get("code", "")
                said = issue.get("details", {}).get("text") or " ".join(issue.get("expression", ()))
                console.print(f"{escape(item.name)}: [bold]{escape(coding)}[/] {escape(said)}", soft_wrap=True)
        arrived = sum(item.state == "delivered" for item in sent)
        words = text("cli.delivered-of", self._language, arrived=str(arrived), total=str(len(sent)))
        console.print(f"\n[bold]{words}[/]")
