"""Command line of the endpoint: `kykysilta mock …`. Exit codes: 0 fine, 1 findings, 2 wrong use."""

from __future__ import annotations

import typer

from adapter.mock import cli_data, cli_faults, cli_journal, cli_recording, cli_runs, cli_security, cli_serve

app = typer.Typer(help="A mock national FHIR R4 endpoint for testers.", no_args_is_help=True)
scenario_app = typer.Typer(help="Scenario files: data, clock, faults and expectations.", no_args_is_help=True)

for commands in (
    cli_serve.COMMANDS,
    cli_data.COMMANDS,
    cli_journal.COMMANDS,
    cli_recording.COMMANDS,
    cli_runs.COMMANDS,
):
    for name, verb in commands.items():
        app.command(name)(verb)
for name, group in {
    "scenario": scenario_app,
    "clock": cli_faults.clock_app,
    "fault": cli_faults.fault_app,
    "client": cli_security.client_app,
    "certificate": cli_security.certificate_app,
}.items():
    app.add_typer(group, name=name)
scenario_app.command("run")(cli_runs.scenario_run)
scenario_app.command("begin")(cli_runs.scenario_begin)
