"""Verbs on what happened: the journal, one request of it, the audit log, and judgements."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from adapter.mock.cli_options import ROOT, Namespace, Root, control, fail


def journal(
    url: Root = ROOT,
    namespace: Namespace = "default",
    method: str = "",
    status: Annotated[str, typer.Option(help="404, or a class such as 4xx")] = "",
    path: Annotated[str, typer.Option(help="regular expression on the path")] = "",
    request_id: str = "",
    rule: Annotated[str, typer.Option(help="id of a rule that refused, e.g. K7010")] = "",
    fault: Annotated[str, typer.Option(help="name of the fault rule that fired")] = "",
    har: Annotated[Path | None, typer.Option(help="write an HTTP Archive instead")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="forget the requests instead")] = False,
) -> None:
    """List the requests that came."""
    from adapter.mock.storage import to_json

    wanted = {
        "method": method,
        "status": status,
        "path": path,
        "request_id": request_id,
        "rule": rule,
        "fault": fault,
    }
    with control(url, namespace) as client:
        if clear:
            client.clear_journal()
            return
        if har is not None:
            har.write_bytes(to_json(client.har(**wanted)))
            return
        for one in client.journal(**wanted):
            broken_by = f"  fault {one['fault']}" if one["fault"] else ""
            rules = f"  {', '.join(one['rules'])}" if one["rules"] else ""
            shown = "lost" if one["broken"] else one["status"]
            typer.echo(f"{one['number']:>5}  {shown}  {one['method']:<6} {one['url']}{rules}{broken_by}")


def show(number: int, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Show one request with everything that was kept."""
    with control(url, namespace) as client:
        typer.echo(json.dumps(client.entry(number), indent=2, ensure_ascii=False))


def curl(number: int, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Show one request as a shell command."""
    with control(url, namespace) as client:
        typer.echo(client.curl(number))


def audit(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Show the audit log of a policy that keeps one; exit code 1 when its chain is broken."""
    with control(url, namespace) as client:
        found = client.audit()
    for one in found["entries"]:
        typer.echo(json.dumps(one, ensure_ascii=False))
    raise typer.Exit(0 if found["intact"] else 1)


def judge(
    kind: Annotated[str, typer.Argument(help="count, never, stored-once, no-duplicates, retry-spacing, …")],
    resource_type: str = "",
    identifier: Annotated[str, typer.Option(help="stored-once: system|value")] = "",
    method: str = "",
    path: str = "",
    status: str = "",
    fault: str = "",
    exactly: int | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Judge an expectation, e.g. `assert no-duplicates`; exit code 1 when it does not hold."""
    from adapter.mock.assertions import Assertion, RequestFilter

    try:
        wanted = Assertion(
            kind=kind,  # type: ignore[arg-type]
            requests=RequestFilter(method=method, path=path, status=status, fault=fault),
            resource_type=resource_type,
            identifier=identifier,
            exactly=exactly,
            at_least=at_least,
            at_most=at_most,
        )
    except ValueError as error:
        raise fail(str(error)) from None
    with control(url, namespace) as client:
        verdict = client.judge(wanted)
    typer.echo(f"{'ok  ' if verdict.ok else 'FAIL'}  {kind}: {verdict.text}")
    raise typer.Exit(0 if verdict.ok else 1)


COMMANDS: dict[str, Callable[..., None]] = {
    "journal": journal,
    "show": show,
    "curl": curl,
    "audit": audit,
    "assert": judge,
}
