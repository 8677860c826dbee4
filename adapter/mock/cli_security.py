"""Verbs on clients, tokens and certificates while the endpoint runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapter.mock.cli_options import ROOT, Namespace, Root, control, fail

client_app = typer.Typer(help="Registered clients and their tokens.", no_args_is_help=True)
certificate_app = typer.Typer(help="Certificates of the test CA (mtls).", no_args_is_help=True)


@client_app.command("add")
def client_add(
    name: str,
    keys: Annotated[str, typer.Argument(help="JWKS file, or its URL")],
    scopes: str = "",
    organization: Annotated[str, typer.Option(help="system|value of the organisation it acts for")] = "",
    purpose: Annotated[str, typer.Option(help="system|code of the purpose assumed")] = "",
    url: Root = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Register a client or replace one, e.g. with rotated keys."""
    if not keys.startswith(("http://", "https://")):
        try:
            keys = Path(keys).read_text(encoding="utf-8")
        except OSError as error:
            raise fail(f"{keys}: {error.strerror}") from None
    with control(url, namespace) as client:
        client.register_client(name, keys, scopes=scopes, organization=organization, purpose=purpose)


@client_app.command("revoke-token")
def revoke_token(token_id: str, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Refuse a token from now on, by its jti."""
    with control(url, namespace) as client:
        client.revoke_token(token_id)


@certificate_app.command("issue")
def certificate_issue(
    name: str,
    kind: Annotated[str, typer.Option(help="server, signature, or foreign (of an authority nobody trusts)")] = "server",
    days: Annotated[int | None, typer.Option(help="life; negative: already expired")] = None,
    starts: Annotated[int, typer.Option(help="days from now until it begins to hold")] = 0,
    url: Root = ROOT,
) -> None:
    """Issue a certificate into the endpoint's folder."""
    with control(url, "default") as client:
        typer.echo(client.issue_certificate(name, kind=kind, days=days, starts=starts))  # type: ignore[arg-type]


@certificate_app.command("revoke")
def certificate_revoke(name: str, url: Root = ROOT) -> None:
    """Revoke a certificate: connections made from now on are refused."""
    with control(url, "default") as client:
        client.revoke_certificate(name)


@certificate_app.command("refused")
def certificate_refused(url: Root = ROOT) -> None:
    """List the TLS handshakes that were refused, and why."""
    with control(url, "default") as client:
        for one in client.refused_handshakes():
            typer.echo(f"{one['at']}  {one['reason']}")
