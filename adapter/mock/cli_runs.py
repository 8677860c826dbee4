"""`mock scenario run` and `mock certify`: a file or a list of steps, judged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.data import DataFileError
from adapter.mock.cli_options import ROOT, Lang, Namespace, control, fail
from adapter.mock.settings import MockSettings

if TYPE_CHECKING:
    from adapter.mock.certify import Place


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
        raise fail(f"{file}: {error}") from None
    try:
        if url:
            with MockClient(url, namespace) as client:
                report = run_scenario(client, scenario, text, wait)
        else:
            with running_mock() as base, MockClient(base.removesuffix("/fhir"), namespace) as client:
                typer.echo(f"FHIR base  {client.fhir_url}")
                report = run_scenario(client, scenario, text, wait)
    except ValueError as error:
        raise fail(f"{file}: {error}") from None
    for ok, line in report.lines:
        typer.echo(f"{'ok  ' if ok else 'FAIL'}  {line}")
    raise typer.Exit(0 if report.ok else 1)


def scenario_begin(
    file: Path,
    url: Annotated[str, typer.Option("--url", help="root URL of the running endpoint")] = ROOT,
    namespace: Namespace = "default",
) -> None:
    """Bring a namespace into the first state of a scenario file; its steps are not sent."""
    with control(url, namespace) as client:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise fail(f"{file}: {error.strerror}") from None
        typer.echo(f"{client.scenario(text)} resources stored at {client.fhir_url}")


def certify(
    url: Annotated[str, typer.Option("--url", help="root URL of a running endpoint; by default one is started")] = "",
    namespace: Namespace = "certification",
    command: Annotated[
        str, typer.Option(help="run for each step; FHIR_BASE, CERTIFICATION_STEP, … stand in its environment")
    ] = "",
    wait: Annotated[float, typer.Option(help="seconds until the expectations of a step must hold")] = 30.0,
    step: Annotated[list[str] | None, typer.Option(help="only this step; repeatable")] = None,
    reports: Annotated[Path, typer.Option(help="folder for the JUnit, JSON and HTML reports and the summary")] = Path(),
    signing_key: Annotated[
        Path | None, typer.Option(help="PEM file of the key that signs the summary; by default one for this run")
    ] = None,
    port: Annotated[int, typer.Option(help="port of the endpoint that is started")] = 8090,
    language: Lang = "en",
) -> None:
    """Lead a system under test through named steps and judge each; exit code 1 when a step fails."""
    from adapter.mock.certify import as_html, as_json, as_junit, certification_steps
    from adapter.mock.certify import certify as certify_steps
    from adapter.mock.certify import command as command_act
    from adapter.mock.serve import running_mock
    from adapter.mock.summary import sign_summary
    from adapter.mock.token_client import make_key
    from adapter.security.key_files import read_private_key
    from adapter.security.keys import KeyProblem

    names = {one.name for one in certification_steps()}
    if unknown := sorted(set(step or []) - names):
        raise fail(f"no such step: {unknown[0]}; there are {', '.join(sorted(names))}")
    try:
        key = read_private_key(signing_key.read_bytes() if signing_key is not None else make_key()[0])
    except OSError as error:
        raise fail(f"--signing-key: {error.strerror}") from None
    except KeyProblem as problem:
        raise fail(problem.at("--signing-key").text(language)) from None
    with ExitStack() as stack:
        try:
            root = url or stack.enter_context(running_mock(MockSettings(port=port))).removesuffix("/fhir")
        except OSError:
            raise fail(f"port {port} is taken; choose another with --port") from None
        client = stack.enter_context(control(root, namespace))
        typer.echo(f"FHIR base  {client.fhir_url}")
        run = command_act(command) if command else lambda one, place: _tell(one.task[language], place)
        results = certify_steps(client, run, wait=wait, names=tuple(step or ()))
    at = datetime.now(UTC)
    reports.mkdir(parents=True, exist_ok=True)
    report = as_json(results, at)
    (reports / "certification.json").write_bytes(report)
    (reports / "certification.xml").write_bytes(as_junit(results))
    (reports / "certification.jws").write_text(sign_summary(results, report, at, key), encoding="ascii")
    (reports / "certification.html").write_text(as_html(results, at, language, key.key_id), encoding="utf-8")
    for one in results:
        typer.echo(f"{'ok  ' if one.ok else 'FAIL'}  {one.step.name}")
        for verdict in one.verdicts:
            if not verdict.ok:
                typer.echo(f"      {verdict.text}")
    raise typer.Exit(0 if all(one.ok for one in results) else 1)


def _tell(task: str, place: Place) -> None:
    """Tell a person what to do, and where when it is not the endpoint that was named at the start."""
    typer.echo(task)
    if place.certificate is not None:
        for name, value in place.environment().items():
            typer.echo(f"  {name}={value}")


def verify(
    summary: Annotated[Path, typer.Argument(help="certification.jws")],
    report: Annotated[Path | None, typer.Option(help="certification.json; by default beside the summary")] = None,
    keys: Annotated[Path | None, typer.Option(help="JWKS file of the expected signer")] = None,
) -> None:
    """Check the signed summary of a certification run; exit code 1 when it does not hold or a step failed."""
    from adapter.mock.summary import read_summary

    try:
        full = (report or summary.with_suffix(".json")).read_bytes()
        key_set = keys.read_text(encoding="utf-8") if keys is not None else None
        found = read_summary(summary.read_text(encoding="ascii"), full, key_set)
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    for name, ok in found["steps"].items():
        typer.echo(f"{'ok  ' if ok else 'FAIL'}  {name}")
    typer.echo(f"signed summary of {found['at']}{'' if keys else '; the signer is not checked without --keys'}")
    raise typer.Exit(0 if found["ok"] else 1)


COMMANDS: dict[str, Callable[..., None]] = {"certify": certify, "verify": verify}
