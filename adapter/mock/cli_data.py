"""Verbs on what a namespace holds and how it behaves: reset, seed, export, snapshots, behaviour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from adapter.mock.cli_options import ROOT, Namespace, Root, control, fail


def namespaces(url: Root = ROOT) -> None:
    """List the namespaces in use."""
    with control(url, "default") as client:
        for name in client.namespaces():
            typer.echo(name)


def drop(namespace: str, url: Root = ROOT) -> None:
    """Close and forget a namespace."""
    with control(url, namespace) as client:
        client.drop()


def reset(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Forget all data, faults and the journal of a namespace."""
    with control(url, namespace) as client:
        client.reset()


def seed(file: Path, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Store the resources of a JSON file (a list, a Bundle or one resource) with their own ids."""
    from adapter.errors import SourceError
    from adapter.source.json import read_json

    try:
        resources = read_json(file.read_bytes())
    except (OSError, SourceError) as error:
        raise fail(f"{file}: {error}") from None
    with control(url, namespace) as client:
        typer.echo(f"{client.seed(resources)} resources stored")


def export(
    output: Annotated[Path | None, typer.Option("-o", help="file; by default the standard output")] = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Write all present resources as NDJSON."""
    with control(url, namespace) as client:
        found = client.export()
    if output is not None:
        output.write_bytes(found)
    else:
        typer.echo(found.decode(), nl=False)


def snapshot(
    name: str = typer.Argument("default"),
    output: Annotated[Path | None, typer.Option("-o", help="also write it as a SQLite database")] = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Remember the data under a name."""
    with control(url, namespace) as client:
        client.snapshot(name)
        if output is not None:
            output.write_bytes(client.download(name))


def restore(name: str = typer.Argument("default"), url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Go back to a snapshot."""
    with control(url, namespace) as client:
        client.restore(name)


def behave(
    policy: Annotated[str, typer.Option(help="open, national, or a policy file")] = "",
    strictness: Annotated[str, typer.Option(help="lenient, national or strict")] = "",
    dialect: Annotated[list[str] | None, typer.Option(help="name=value, e.g. version-conflict=409; repeatable")] = None,
    seed: Annotated[int | None, typer.Option(help="server ids are drawn from this number")] = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Change how a namespace behaves while it runs; say how it does."""
    if wrong := [one for one in dialect or [] if "=" not in one]:
        raise fail(f"--dialect is written name=value; this is not: {wrong[0][:40]}")
    text = policy
    if policy.endswith((".yaml", ".yml")):
        try:
            text = Path(policy).read_text(encoding="utf-8")
        except OSError as error:
            raise fail(f"{policy}: {error.strerror}") from None
    with control(url, namespace) as client:
        client.behave(
            policy=text or None,
            strictness=strictness or None,
            dialect=dict(one.split("=", 1) for one in dialect or []) or None,
            seed=seed,
        )
        for name, value in client.behaviour().items():
            typer.echo(f"{name}  {value}")


COMMANDS: dict[str, Callable[..., None]] = {
    "namespaces": namespaces,
    "drop": drop,
    "reset": reset,
    "seed": seed,
    "export": export,
    "snapshot": snapshot,
    "restore": restore,
    "behave": behave,
}
