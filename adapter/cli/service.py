"""Commands that run or talk to the service: demo, serve, send, outbox, config."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import Files, Lang, RecordType, Vendor, documents, fail
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.settings import Settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Url = Annotated[str, typer.Option("--url", help="Base URL of the adapter.")]

config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
outbox_app = typer.Typer(help="Look at what was accepted and where it is.", no_args_is_help=True)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when everything has arrived.")] = False,
    port: Annotated[int, typer.Option("--port", help="Port of the adapter.")] = 8080,
    mock_port: Annotated[int, typer.Option("--mock-port", help="Port of the mock repository.")] = 8090,
    language: Lang = "fi",
) -> None:
    """Show the main job end to end on this machine: mock repository, adapter, scenarios in, receipts out."""
    from adapter.cli.demo import run_demo
    from adapter.serve import PortTakenError

    try:
        arrived = run_demo(port, mock_port, once=once, language=language)
    except PortTakenError as error:
        option = "--mock-port" if error.port == mock_port else "--port"
        fail(text("delivery.port-taken", language, port=str(error.port), option=option))
    if not arrived:
        raise typer.Exit(Exit.NOT_DELIVERED)


def serve(config: Config = None) -> None:
    """Serve the vendor API."""
    from adapter.events import configure_logging
    from adapter.serve import MissingKeyError, PortTakenError, run

    settings = settings_of(config)
    configure_logging()
    try:
        run(settings)
    except PortTakenError as error:
        fail(text("delivery.port-taken", settings.language, port=str(error.port), option="KYKYSILTA_PORT"))
    except MissingKeyError as error:
        fail(str(error))


def send(
    files: Files,
    url: Url = "http://127.0.0.1:8080",
    vendor: Vendor = None,
    record_type: RecordType = None,
    language: Lang = "fi",
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for the receipts; 0 = do not wait.")] = 30.0,
) -> None:
    """Hand records to a running adapter and wait for their receipts."""
    from adapter.cli.sending import Sender

    with Sender(url, language) as sender:
        sent = [
            sender.send(name, data, vendor=vendor, record_type=record_type)
            for name, data in documents(files, ndjson=False)
        ]
        if wait:
            sender.wait(sent, seconds=wait)
        sender.show(sent)
    if any(item.refused for item in sent):
        raise typer.Exit(Exit.FINDINGS)
    if wait and any(item.state != "delivered" for item in sent):
        raise typer.Exit(Exit.NOT_DELIVERED)


@config_app.command("check")
def config_check(config: Config = None) -> None:
    """Say what is wrong with the settings, or that nothing is."""
    from adapter.serve import MissingKeyError, check_keys

    settings = settings_of(config)
    try:
        check_keys(settings)
    except MissingKeyError as error:
        fail(str(error), Exit.FINDINGS)
    print("settings: ok")


@outbox_app.command("list")
def outbox_list(
    url: Url = "http://127.0.0.1:8080",
    state: Annotated[str | None, typer.Option("--state", help="Only this state.")] = None,
) -> None:
    """List the newest submissions."""
    from rich.console import Console
    from rich.table import Table

    table = Table("submission", "record", "version", "state", "attempts", "received")
    for row in _ask("POST", f"{url}/v1/records/_search", {"state": state} if state else {})["submissions"]:
        cells = (row["id"], row["record_type"], row["record_version"], row["state"], row["attempts"])
        table.add_row(*map(str, cells), row["received_at"])
    Console().print(table)


@outbox_app.command("show")
def outbox_show(submission: str, url: Url = "http://127.0.0.1:8080") -> None:
    """Show one submission: state, receipts, what the repository said, every step."""
    from rich.console import Console

    Console().print_json(data=_ask("GET", f"{url}/v1/records/{submission}", None))


@outbox_app.command("replay")
def outbox_replay(submission: str, url: Url = "http://127.0.0.1:8080") -> None:
    """Send a rejected, dead or cancelled submission again."""
    print(_ask("POST", f"{url}/v1/records/{submission}/replay", None)["id"])


@outbox_app.command("cancel")
def outbox_cancel(submission: str, url: Url = "http://127.0.0.1:8080") -> None:
    """Take back a submission that was not sent yet."""
    print(_ask("POST", f"{url}/v1/records/{submission}/cancel", None)["id"])


@outbox_app.command("watch")
def outbox_watch(
    url: Url = "http://127.0.0.1:8080",
    seconds: Annotated[float, typer.Option("--every", help="Seconds between looks.")] = 1.0,
) -> None:
    """Show live how many submissions are in which state; stop with Ctrl-C."""
    from collections import Counter

    from rich.live import Live
    from rich.table import Table

    with Live(auto_refresh=False) as live:
        try:
            while True:
                rows = _ask("POST", f"{url}/v1/records/_search", {})["submissions"]
                table = Table("state", "newest submissions", title=time.strftime("%H:%M:%S"))
                for name, count in sorted(Counter(row["state"] for row in rows).items()):
                    table.add_row(name, str(count))
                live.update(table, refresh=True)
                time.sleep(seconds)
        except KeyboardInterrupt:
            return


def _ask(method: str, url: str, body: object) -> Any:
    import httpx

    try:
        response = httpx.request(method, url, json=body, timeout=30)
    except httpx.HTTPError as error:
        fail(
            f"the adapter does not answer ({type(error).__name__}); start it with: kykysilta serve", Exit.NOT_DELIVERED
        )
    if response.is_error:
        fail(response.text, Exit.UNREADABLE)
    return response.json()


def settings_of(config: Path | None) -> Settings:
    """Return the settings, or say what is wrong with them and exit."""
    from pydantic import ValidationError

    from adapter.serve import load_settings

    try:
        return load_settings(config)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False))
        fail("settings: " + "; ".join(problems))
