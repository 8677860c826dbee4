"""`kykysilta demo`: everything at once on loopback, over the real HTTP interfaces."""

from __future__ import annotations

import logging
import secrets
import signal
import time
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from adapter.cli.calling import calling
from adapter.cli.sending import Sender, Sent
from adapter.data import data_root
from adapter.demo import DEMO_REVIEWER, demo
from adapter.events import configure_logging
from adapter.i18n import text

VENDORS = ("lahde", "silmu")
WAIT_SECONDS = 60.0


def run_demo(port: int, mock_port: int, *, once: bool, language: str) -> bool:
    """Send every scenario and show the receipts; returns whether everything arrived.

    Raises:
        PortTakenError: a port is taken.
    """
    console = Console(highlight=False)
    configure_logging(logging.ERROR)
    password = secrets.token_urlsafe(12)
    signal.signal(signal.SIGTERM, _stop)
    with demo(port, mock_port, reviewer_password=password) as (adapter, mock), calling(adapter, language) as client:
        sender, sent = Sender(client, language), list[Sent]()
        scenarios = scenario_files()
        with Progress(console=console) as progress:
            sending = progress.add_task(text("cli.demo-sending", language), total=len(scenarios))
            for name, path, vendor in scenarios:
                sent.append(sender.send(name, path.read_bytes(), vendor=vendor, record_type=None))
                progress.advance(sending)
            arriving = progress.add_task(text("cli.demo-delivering", language), total=len(sent))
            sender.wait(
                sent,
                seconds=WAIT_SECONDS,
                tick=lambda: progress.update(arriving, completed=sum(item.state == "delivered" for item in sent)),
            )
        sender.show(sent)
        arrived = all(item.state == "delivered" for item in sent)
        if not once:
            places = {
                "cli.demo-repository": f"{mock}/fhir/CarePlan",
                "cli.demo-page": f"{mock}/_mock/",
                "cli.demo-api": f"{adapter}/v1/docs",
                "cli.demo-status": f"{adapter}/status",
                "cli.demo-review": f"{adapter}/review/  ({DEMO_REVIEWER} / {password})",
                "cli.demo-record": f"{adapter}/v1/records/{_worth_a_look(sent)}",
            }
            told = "\n".join(f"{text(key, language):<24} {place}" for key, place in places.items())
            console.print(f"\n{told}\n\n{text('cli.demo-stop', language)}", soft_wrap=True)
            _stay()
    return arrived


def _stop(_number: int, _frame: object) -> None:
    """End as after Ctrl-C: servers stop, the temporary folder goes."""
    raise SystemExit(0)


def _worth_a_look(sent: list[Sent]) -> str:
    """The submission to look at first: one that did not arrive, else the first."""
    taken = [item for item in sent if item.submission]
    return next((item.submission for item in taken if item.state != "delivered"), taken[0].submission if taken else "")


def scenario_files() -> list[tuple[str, Path, str | None]]:
    """Return name, file and vendor of every scenario record, in the order in which they are sent."""
    folder = data_root() / "fixtures" / "scenarios"
    found: list[tuple[str, Path, str | None]] = []
    for path in sorted(folder.glob("SCN-*/records/*")):
        vendor = next((name for name in VENDORS if f".{name}." in path.name), None)
        if vendor is None:
            found.append((f"{path.parent.parent.name}/{path.name}", path, vendor))
    return found


def _stay() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return
