"""Verbs on time and trouble: the endpoint's clock, and faults on demand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, get_args

import typer

from adapter.mock.cli_options import ROOT, Namespace, Root, control, fail
from adapter.mock.fault_kinds import Kind

clock_app = typer.Typer(help="The endpoint's clock.", no_args_is_help=True)
fault_app = typer.Typer(help="Faults on demand.", no_args_is_help=True)


@clock_app.command("now")
def clock_now(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Say what time it is there."""
    with control(url, namespace) as client:
        typer.echo(client.now())


@clock_app.command("freeze")
def clock_freeze(
    instant: Annotated[datetime | None, typer.Argument(help="now when left out")] = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Let the clock stand still."""
    with control(url, namespace) as client:
        typer.echo(client.freeze(instant))


@clock_app.command("step")
def clock_step(seconds: float, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Move the clock on by so many seconds."""
    with control(url, namespace) as client:
        typer.echo(client.step(seconds))


@clock_app.command("run")
def clock_run(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Let the clock follow the machine's again."""
    with control(url, namespace) as client:
        typer.echo(client.run_clock())


@fault_app.command("add")
def fault_add(
    kind: Annotated[str, typer.Argument(help=", ".join(get_args(Kind)))],
    name: Annotated[str, typer.Option(help="shown in the journal")] = "",
    method: str = "",
    path: str = "",
    nth: Annotated[int, typer.Option(help="only the n-th fitting request")] = 0,
    every: Annotated[int, typer.Option(help="every n-th fitting request")] = 0,
    count: int = 0,
    probability: float = 1.0,
    status: int = 503,
    retry_after: str = "",
    seconds: Annotated[float, typer.Option(help="latency, lag of a stale search, skew of the clock")] = 0.0,
    error: Annotated[str, typer.Option(help="of oauth-error")] = "invalid_client",
    commit: Annotated[bool | None, typer.Option(help="whether the write happens before it goes wrong")] = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Add a fault rule, e.g. `fault add drop --method POST --nth 3 --commit`."""
    from adapter.mock.faults import FaultRule

    rule = {
        "name": name,
        "match": {"method": method, "path": path},
        "when": {"nth": nth, "every": every, "count": count, "probability": probability},
        "effect": {
            "kind": kind,
            "status": status,
            "retry_after": retry_after,
            "seconds": seconds,
            "commit": commit,
            "error": error,
        },
    }
    try:
        checked = FaultRule.model_validate(rule)
    except ValueError as error:
        raise fail(str(error)) from None
    with control(url, namespace) as client:
        typer.echo(client.add_fault(checked).name)


@fault_app.command("list")
def fault_list(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """List the rules and how often they have fired."""
    with control(url, namespace) as client:
        for one in client.faults():
            typer.echo(f"{one.name}  {one.effect.kind}  seen {one.seen}, fired {one.fired}")


@fault_app.command("remove")
def fault_remove(name: str, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Remove one fault rule."""
    with control(url, namespace) as client:
        client.remove_fault(name)


@fault_app.command("clear")
def fault_clear(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Remove all fault rules."""
    with control(url, namespace) as client:
        client.clear_faults()
