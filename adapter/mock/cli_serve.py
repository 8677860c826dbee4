"""`mock serve`, and what a tester needs before the first request: keys and a token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from adapter.data import DataFileError
from adapter.i18n import text
from adapter.mock.cli_options import Lang, fail
from adapter.mock.settings import Auth, ClientSettings, MockSettings, Strictness

if TYPE_CHECKING:
    from adapter.mock.serve import Addresses


def serve(
    host: str = "127.0.0.1",
    port: int = 8090,
    strictness: Annotated[str, typer.Option(help="lenient, national or strict")] = "national",
    policy: Annotated[str, typer.Option(help="open, national, or a policy file")] = "open",
    data: Annotated[str, typer.Option(help="folder of the databases, or memory")] = "memory",
    seed: Annotated[int | None, typer.Option(help="server ids are drawn from this number")] = None,
    clock: Annotated[datetime | None, typer.Option(help="the clock stands still at this instant")] = None,
    auth: Annotated[str, typer.Option(help="open, smart, or mtls (smart over mutual TLS)")] = "open",
    client: Annotated[list[str] | None, typer.Option(help="ID=JWKS file or URL; repeatable")] = None,
    scopes: Annotated[list[str] | None, typer.Option(help="ID='scopes of that client'; repeatable")] = None,
    organization: Annotated[
        list[str] | None, typer.Option(help="ID=system|value of the organisation it acts for; repeatable")
    ] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="ID=system|code of the purpose assumed; repeatable")] = None,
    certificates: Annotated[str, typer.Option(help="folder for the test CA's certificates (mtls)")] = "certificates",
    control_port: Annotated[
        int | None, typer.Option(help="port of control and page beside mutual TLS; by default the next one")
    ] = None,
    trusted: Annotated[str, typer.Option(help="PEM file of authorities trusted for signatures")] = "",
    language: Lang = "en",
) -> None:
    """Serve until interrupted."""
    from adapter.mock.serve import run
    from adapter.mock.storage import StoreProblem
    from adapter.security.keys import KeyProblem

    for option, chosen, choices in (("--strictness", strictness, Strictness), ("--auth", auth, Auth)):
        if chosen not in get_args(choices):
            raise fail(text("common.bad-choice", language, option=option, allowed=", ".join(get_args(choices))))
    settings = MockSettings(
        host=host,
        port=port,
        strictness=cast(Strictness, strictness),
        policy=policy,
        data=data,
        seed=seed,
        clock=clock,
        auth=cast(Auth, auth),
        clients=_clients(language, client or [], scopes or [], organization or [], purpose or []),
        certificates=certificates,
        control_port=control_port,
        trusted=_readable(trusted, "--trusted", language),
    )
    try:
        run(settings, lambda addresses: _announce(settings, addresses))
    except KeyProblem as problem:
        raise fail(problem.text(language)) from None
    except StoreProblem as problem:
        raise fail(problem.issue.text(language)) from None
    except DataFileError as error:
        raise fail(str(error)) from None
    except OSError:
        raise fail(text("mock.cannot-listen", language, host=host, port=str(port))) from None


def _announce(settings: MockSettings, addresses: Addresses) -> None:
    """Say where everything is, and what to do next where tokens are wanted."""
    typer.echo(f"FHIR base  {addresses.fhir}\npage       {addresses.control}/_mock/")
    if settings.auth == "open":
        return
    typer.echo(f"token      {addresses.fhir.removesuffix(settings.base_path)}/oauth/token (private_key_jwt)")
    if settings.clients:
        name = settings.clients[0].id
        more = f" --certificates {settings.certificates}" if settings.auth == "mtls" else ""
        typer.echo(f"to try it  kykysilta mock token {name} --key {name}.key.pem --url {addresses.fhir}{more}")
    else:
        typer.echo("no client  make keys with: kykysilta mock keys ehr; serve again with: --client ehr=ehr.jwks.json")


def _clients(language: str, *options: list[str]) -> tuple[ClientSettings, ...]:
    """Join `ID=JWKS`, `ID=scopes`, `ID=organisation` and `ID=purpose`."""
    if wrong := [one for values in options for one in values if "=" not in one]:
        raise fail(text("mock.named-without-id", language, value=wrong[0][:40]))
    keys, scopes, organizations, purposes = (dict(one.split("=", 1) for one in values) for values in options)
    if unknown := sorted({*scopes, *organizations, *purposes} - set(keys)):
        raise fail(text("mock.client-not-registered", language, value=unknown[0][:40]))
    return tuple(
        ClientSettings(
            name,
            where if where.startswith(("http://", "https://", "{")) else _readable(where, "--client", language),
            scopes=scopes.get(name, ""),
            organization=organizations.get(name, ""),
            purpose=purposes.get(name, ""),
        )
        for name, where in keys.items()
    )


def _readable(path: str, option: str, language: str) -> str:
    if path and not Path(path).is_file():
        raise fail(text("mock.no-such-file", language, option=option, path=path))
    return path


def keys(name: str, folder: Annotated[Path, typer.Option(help="where the files go")] = Path()) -> None:
    """Make a key pair for a client: NAME.key.pem is its secret, NAME.jwks.json registers it."""
    from adapter.mock.token_client import write_keys

    try:
        key, public = write_keys(folder, name)
    except FileExistsError:
        raise fail(f"there is a key of that name already: {folder / name}.key.pem") from None
    except OSError as error:
        raise fail(f"the files cannot be written: {error.strerror}") from None
    typer.echo(f"{key}\n{public}")


def token(
    client: str,
    key: Annotated[Path, typer.Option(help="PEM file of the client's private key")],
    url: Annotated[str, typer.Option("--url", help="FHIR base")] = "http://127.0.0.1:8090/fhir",
    scope: Annotated[str, typer.Option(help="SMART scopes, separated by blanks")] = "system/*.cruds",
    certificates: Annotated[Path | None, typer.Option(help="folder of the test CA (mtls)")] = None,
) -> None:
    """Print an access token of a registered client."""
    import httpx

    from adapter.mock.token_client import TokenClient, certified
    from adapter.security.keys import KeyProblem

    try:
        http = certified(certificates, client) if certificates is not None else None
        with TokenClient(url, client, key.read_bytes(), http) as asking:
            typer.echo(asking.token(scope))
    except httpx.TransportError:
        raise fail(f"no endpoint answers at {url}; start one with: kykysilta mock serve --auth smart") from None
    except (OSError, KeyProblem, ValueError) as error:
        raise fail(str(error)) from None


COMMANDS: dict[str, Callable[..., None]] = {"serve": serve, "keys": keys, "token": token}
