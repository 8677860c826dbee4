"""Commands that run the service or hand it records: demo, serve, send."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.calling import HERE, Url, calling
from adapter.cli.configuration import Config, LangAsked
from adapter.cli.exits import Exit
from adapter.cli.inputs import Files, Lang, RecordType, Vendor, documents, fail
from adapter.cli.starting import configured
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.settings import Settings


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when everything has arrived.")] = False,
    port: Annotated[int, typer.Option("--port", help="Port of the adapter.")] = 8080,
    mock_port: Annotated[int, typer.Option("--mock-port", help="Port of the mock repository.")] = 8090,
    language: Lang = "fi",
) -> None:
    """Show the main job end to end on this machine: mock repository, adapter, scenarios in, receipts out."""
    from adapter.cli.demo import run_demo
    from adapter.serve import NoAddressError, PortTakenError

    try:
        arrived = run_demo(port, mock_port, once=once, language=language)
    except PortTakenError as error:
        option = "--mock-port" if error.port == mock_port else "--port"
        fail(text("delivery.port-taken", language, port=str(error.port), option=option))
    except NoAddressError as error:
        fail(text("cli.no-address", language, address=error.address, reason=error.reason))
    if not arrived:
        raise typer.Exit(Exit.NOT_DELIVERED)


def serve(config: Config = None, lang: LangAsked = None) -> None:
    """Serve the vendor API."""
    from adapter.serve import run

    with _started(config, lang) as settings:
        run(settings)


def work(
    config: Config = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="How many deliver at the same time.")] = 16,
    lang: LangAsked = None,
) -> None:
    """Deliver what `kykysilta serve` accepts, in a process of its own; several may share the database."""
    from adapter.serve import work as deliver

    with _started(config, lang) as settings:
        deliver(settings, threads=threads)


@contextmanager
def _started(config: Path | None, lang: str | None) -> Iterator[Settings]:
    """Give the settings to what runs on and logs."""
    from adapter.events import configure_logging

    with configured(config, lang) as settings:
        configure_logging(logging.getLevelNamesMapping()[settings.log_level.upper()])
        yield settings


def send(
    files: Files,
    url: Url = HERE,
    vendor: Vendor = None,
    record_type: RecordType = None,
    language: Lang = "fi",
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for the receipts; 0 = do not wait.")] = 30.0,
) -> None:
    """Hand records to a running adapter and wait for their receipts."""
    from adapter.cli.sending import Sender

    with calling(url, language) as client:
        sender = Sender(client, language)
        sent = [
            sender.send(name, data, vendor=vendor, record_type=record_type)
            for name, data in documents(files, language, ndjson=False)
        ]
        if wait:
            sender.wait(sent, seconds=wait)
        sender.show(sent)
    if any(item.refused for item in sent):
        raise typer.Exit(Exit.FINDINGS)
    if wait and any(item.state != "delivered" for item in sent):
        raise typer.Exit(Exit.NOT_DELIVERED)
