"""Verbs on recordings: record a sandbox, replay it offline, compare the endpoint with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from adapter.mock.cli_options import ROOT, Namespace, Root, control, fail


def record(
    upstream: Annotated[str, typer.Argument(help="FHIR base of the sandbox")],
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Send the requests that come on to a sandbox, and keep them with their answers."""
    with control(url, namespace) as client:
        client.record(upstream)
        typer.echo(f"send to {client.fhir_url}; afterwards: kykysilta mock recording -o sandbox.har --off")


def recording(
    output: Annotated[Path | None, typer.Option("-o", help="write it as an HTTP Archive")] = None,
    off: Annotated[bool, typer.Option("--off", help="stop to record or to replay")] = False,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Say what is recorded; keep it; stop."""
    with control(url, namespace) as client:
        if output is not None:
            output.write_bytes(client.recorded())
        if off:
            client.stop_recording()
        found = client.recording()
        typer.echo(f"{found['mode']}  {found['exchanges']} exchanges  {found['upstream']}")


def replay(file: Path, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Answer from an HTTP Archive, without the sandbox."""
    with control(url, namespace) as client:
        typer.echo(f"{client.replay(_read(file))} exchanges at {client.fhir_url}")


def compare(file: Path, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Play an HTTP Archive against the endpoint; exit code 1 when it answers differently."""
    import httpx

    from adapter.mock.comparing import compare as compared
    from adapter.mock.storage import from_json

    with control(url, namespace) as client, httpx.Client(timeout=60) as http:
        try:
            number, differences = compared(client.fhir_url, from_json(_read(file)), http)
        except ValueError as error:
            raise fail(f"{file}: {error}") from None
    for one in differences:
        typer.echo(f"{one.number:>5}  {one.request}")
        for what in one.what:
            typer.echo(f"         {what}")
    typer.echo(f"{number} requests, {len(differences)} answered differently")
    raise typer.Exit(1 if differences else 0)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise fail(f"{file}: {error.strerror}") from None


COMMANDS: dict[str, Callable[..., None]] = {
    "record": record,
    "recording": recording,
    "replay": replay,
    "compare": compare,
}
