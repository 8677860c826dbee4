"""Command line of the endpoint: `kykysilta mock …`. Exit codes: 0 fine, 1 findings, 2 wrong use."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from adapter.mock.cli_options import ROOT, Namespace, Root, control, fail
from adapter.mock.cli_runs import certify, scenario_run, verify
from adapter.mock.cli_serve import keys, serve, token

app = typer.Typer(help="A mock national FHIR R4 endpoint for testers.", no_args_is_help=True)
scenario_app = typer.Typer(help="Scenario files: data, clock, faults and expectations.", no_args_is_help=True)
clock_app = typer.Typer(help="The endpoint's clock.", no_args_is_help=True)
fault_app = typer.Typer(help="Faults on demand.", no_args_is_help=True)
app.add_typer(scenario_app, name="scenario")
app.add_typer(clock_app, name="clock")
app.add_typer(fault_app, name="fault")


@app.command()
def reset(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Forget all data, faults and the journal of a namespace."""
    with control(url, namespace) as client:
        client.reset()


@app.command()
def seed(file: Path, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Store the resources of a JSON file (a list, a Bundle or one resource) with their own ids."""
    from adapter.source.json import read_json

    with control(url, namespace) as client:
        typer.echo(f"{client.seed(read_json(file.read_bytes()))} resources stored")


@app.command()
def journal(
    url: Root = ROOT,
    namespace: Namespace = "default",
    status: Annotated[str, typer.Option(help="404, or a class such as 4xx")] = "",
    path: Annotated[str, typer.Option(help="regular expression on the path")] = "",
    har: Annotated[Path | None, typer.Option(help="write an HTTP Archive instead")] = None,
) -> None:
    """List the requests that came."""
    from adapter.mock.storage import to_json

    with control(url, namespace) as client:
        if har is not None:
            har.write_bytes(to_json(client.har(status=status, path=path)))
            return
        for one in client.journal(status=status, path=path):
            fault = f"  fault {one['fault']}" if one["fault"] else ""
            rules = f"  {', '.join(one['rules'])}" if one["rules"] else ""
            typer.echo(f"{one['number']:>5}  {one['status']}  {one['method']:<6} {one['url']}{rules}{fault}")


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
    kind: str,
    method: str = "",
    path: str = "",
    nth: int = 0,
    count: int = 0,
    probability: float = 1.0,
    status: int = 503,
    retry_after: str = "",
    seconds: float = 0.0,
    commit: Annotated[bool | None, typer.Option(help="whether the write happens before it goes wrong")] = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Add a fault rule, e.g. `fault add drop --method POST --nth 3 --commit`."""
    from adapter.mock.faults import FaultRule

    rule = {
        "match": {"method": method, "path": path},
        "when": {"nth": nth, "count": count, "probability": probability},
        "effect": {
            "kind": kind,
            "status": status,
            "retry_after": retry_after,
            "seconds": seconds,
            "commit": commit,
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


@fault_app.command("clear")
def fault_clear(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Remove all fault rules."""
    with control(url, namespace) as client:
        client.clear_faults()


for command in (serve, keys, token, certify, verify):
    app.command()(command)
scenario_app.command("run")(scenario_run)
