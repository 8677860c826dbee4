"""Command line of the endpoint: `kykysilta mock …`. Exit codes: 0 fine, 1 findings, 2 wrong use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from adapter.data import DataFileError
from adapter.i18n import LANGUAGES
from adapter.mock.settings import Auth, ClientSettings, MockSettings, Strictness

if TYPE_CHECKING:
    from adapter.mock.client import MockClient

app = typer.Typer(help="A mock national FHIR R4 endpoint for testers.", no_args_is_help=True)
scenario_app = typer.Typer(help="Scenario files: data, clock, faults and expectations.", no_args_is_help=True)
clock_app = typer.Typer(help="The endpoint's clock.", no_args_is_help=True)
fault_app = typer.Typer(help="Faults on demand.", no_args_is_help=True)
app.add_typer(scenario_app, name="scenario")
app.add_typer(clock_app, name="clock")
app.add_typer(fault_app, name="fault")

Root = Annotated[str, typer.Option("--url", help="root URL of the running endpoint")]
Namespace = Annotated[str, typer.Option("--namespace", help="namespace to act on")]
ROOT = "http://127.0.0.1:8090"


def _fail(text: str) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(2)


@app.command()
def serve(
    host: str = "127.0.0.1",
    port: int = 8090,
    strictness: Annotated[str, typer.Option(help="lenient, national or strict")] = "lenient",
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
    trusted: Annotated[str, typer.Option(help="PEM file of authorities trusted for signatures")] = "",
) -> None:
    """Serve until interrupted."""
    from adapter.mock.serve import run

    if strictness not in get_args(Strictness):
        raise _fail(f"--strictness must be one of {', '.join(get_args(Strictness))}")
    if auth not in get_args(Auth):
        raise _fail(f"--auth must be one of {', '.join(get_args(Auth))}")
    settings = MockSettings(
        host=host,
        port=port,
        strictness=cast(Strictness, strictness),
        policy=policy,
        data=data,
        seed=seed,
        clock=clock,
        auth=cast(Auth, auth),
        clients=_clients(client or [], scopes or [], organization or [], purpose or []),
        certificates=certificates,
        trusted=trusted,
    )
    root = f"{'https' if auth == 'mtls' else 'http'}://{host}:{port}"
    typer.echo(f"FHIR base  {root}{settings.base_path}\npage       {root}/_mock/")
    try:
        run(settings)
    except DataFileError as error:
        raise _fail(str(error)) from None
    except OSError:
        raise _fail(f"port {port} on {host} is taken; choose another with --port") from None


@scenario_app.command("run")
def scenario_run(
    file: Path,
    url: Annotated[str, typer.Option(help="root URL of a running endpoint; by default one is started")] = "",
    namespace: Namespace = "default",
    wait: Annotated[float, typer.Option(help="seconds to wait for a client under test")] = 0.0,
) -> None:
    """Run a scenario file and judge it."""
    from adapter.mock.client import MockClient
    from adapter.mock.runner import run_scenario
    from adapter.mock.scenarios import parse_scenario
    from adapter.mock.serve import running_mock

    try:
        text = file.read_text(encoding="utf-8")
        scenario = parse_scenario(text, str(file))
    except (OSError, DataFileError, ValueError) as error:
        raise _fail(f"{file}: {error}") from None
    try:
        if url:
            with MockClient(url, namespace) as client:
                report = run_scenario(client, scenario, text, wait)
        else:
            with running_mock() as base, MockClient(base.removesuffix("/fhir"), namespace) as client:
                typer.echo(f"FHIR base  {client.fhir_url}")
                report = run_scenario(client, scenario, text, wait)
    except ValueError as error:
        raise _fail(f"{file}: {error}") from None
    for ok, line in report.lines:
        typer.echo(f"{'ok  ' if ok else 'FAIL'}  {line}")
    raise typer.Exit(0 if report.ok else 1)


def _clients(*options: list[str]) -> tuple[ClientSettings, ...]:
    """Join `ID=JWKS`, `ID=scopes`, `ID=organisation` and `ID=purpose`."""
    if wrong := [one for values in options for one in values if "=" not in one]:
        raise _fail(f"--client, --scopes, --organization and --purpose are written ID=…; this is not: {wrong[0][:40]}")
    keys, scopes, organizations, purposes = (dict(one.split("=", 1) for one in values) for values in options)
    if unknown := sorted({*scopes, *organizations, *purposes} - set(keys)):
        raise _fail(f"this client is not registered by --client: {unknown[0][:40]}")
    return tuple(
        ClientSettings(
            name,
            where,
            scopes=scopes.get(name, ""),
            organization=organizations.get(name, ""),
            purpose=purposes.get(name, ""),
        )
        for name, where in keys.items()
    )


@app.command()
def certify(
    url: Annotated[str, typer.Option("--url", help="root URL of a running endpoint; by default one is started")] = "",
    namespace: Namespace = "certification",
    command: Annotated[
        str, typer.Option(help="run for each step, with FHIR_BASE and CERTIFICATION_STEP in its environment")
    ] = "",
    wait: Annotated[float, typer.Option(help="seconds until the expectations of a step must hold")] = 30.0,
    step: Annotated[list[str] | None, typer.Option(help="only this step; repeatable")] = None,
    reports: Annotated[Path, typer.Option(help="folder for the JUnit, JSON and HTML reports")] = Path(),
    port: Annotated[int, typer.Option(help="port of the endpoint that is started")] = 8090,
    language: Annotated[str, typer.Option("--lang", help="fi, sv or en")] = "en",
) -> None:
    """Lead a system under test through named steps and judge each; exit code 1 when a step fails."""
    from adapter.mock.certify import as_html, as_json, as_junit, certification_steps
    from adapter.mock.certify import certify as certify_steps
    from adapter.mock.certify import command as command_act
    from adapter.mock.serve import running_mock

    names = {one.name for one in certification_steps()}
    if unknown := sorted(set(step or []) - names):
        raise _fail(f"no such step: {unknown[0]}; there are {', '.join(sorted(names))}")
    if language not in LANGUAGES:
        raise _fail("--lang must be fi, sv or en")
    with ExitStack() as stack:
        try:
            root = url or stack.enter_context(running_mock(MockSettings(port=port))).removesuffix("/fhir")
        except OSError:
            raise _fail(f"port {port} is taken; choose another with --port") from None
        client = stack.enter_context(_client(root, namespace))
        typer.echo(f"FHIR base  {client.fhir_url}")
        run = command_act(command, client.fhir_url) if command else lambda one: typer.echo(one.task[language])
        results = certify_steps(client, run, wait=wait, names=tuple(step or ()))
    at = datetime.now(UTC)
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "certification.json").write_bytes(as_json(results, at))
    (reports / "certification.xml").write_bytes(as_junit(results))
    (reports / "certification.html").write_text(as_html(results, at, language), encoding="utf-8")
    for one in results:
        typer.echo(f"{'ok  ' if one.ok else 'FAIL'}  {one.step.name}")
        for verdict in one.verdicts:
            if not verdict.ok:
                typer.echo(f"      {verdict.message}")
    raise typer.Exit(0 if all(one.ok for one in results) else 1)


@app.command()
def reset(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Forget all data, faults and the journal of a namespace."""
    with _client(url, namespace) as client:
        client.reset()


@app.command()
def seed(file: Path, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Store the resources of a JSON file (a list, a Bundle or one resource) with their own ids."""
    from adapter.source.json import read_json

    with _client(url, namespace) as client:
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

    with _client(url, namespace) as client:
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
    with _client(url, namespace) as client:
        typer.echo(client.freeze(instant))


@clock_app.command("step")
def clock_step(seconds: float, url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Move the clock on by so many seconds."""
    with _client(url, namespace) as client:
        typer.echo(client.step(seconds))


@clock_app.command("run")
def clock_run(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Let the clock follow the machine's again."""
    with _client(url, namespace) as client:
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
        raise _fail(str(error)) from None
    with _client(url, namespace) as client:
        typer.echo(client.add_fault(checked).name)


@fault_app.command("list")
def fault_list(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """List the rules and how often they have fired."""
    with _client(url, namespace) as client:
        for one in client.faults():
            typer.echo(f"{one.name}  {one.effect.kind}  seen {one.seen}, fired {one.fired}")


@fault_app.command("clear")
def fault_clear(url: Root = ROOT, namespace: Namespace = "default") -> None:
    """Remove all fault rules."""
    with _client(url, namespace) as client:
        client.clear_faults()


@contextmanager
def _client(url: str, namespace: str) -> Iterator[MockClient]:
    """Give a client of the control; say clearly when there is no endpoint or it refuses."""
    import httpx

    from adapter.mock.client import MockClient

    try:
        with MockClient(url, namespace) as client:
            yield client
    except httpx.TransportError:
        raise _fail(f"no endpoint answers at {url}; start one with: kykysilta mock serve") from None
    except ValueError as error:
        raise _fail(str(error)) from None
