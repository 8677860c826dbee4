"""All commands in one list; the file of each part loads only when one of its commands is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer

COMMANDS = {
    "demo": "adapter.cli.service:demo",
    "map": "adapter.cli.records:map_files",
    "unmap": "adapter.cli.records:unmap_files",
    "explain": "adapter.cli.records:explain_file",
    "validate": "adapter.cli.validating:validate_files",
    "decide": "adapter.cli.records:decide_file",
    "generate": "adapter.cli.records:generate",
    "send": "adapter.cli.service:send",
    "serve": "adapter.cli.service:serve",
    "verify-log": "adapter.cli.verification:verify_log",
    "log-copy": "adapter.cli.auditing:log_copy",
}
GROUPS = {
    "audit": "adapter.cli.verification:audit_app",
    "accounts": "adapter.cli.accounts:accounts_app",
    "config": "adapter.cli.configuration:config_app",
    "outbox": "adapter.cli.outbox:outbox_app",
    "storage": "adapter.cli.storage:storage_app",
    "mappings": "adapter.cli.catalogue:mappings_app",
    "profiles": "adapter.cli.catalogue:profiles_app",
    "mock": "adapter.mock.cli:app",
}


HELP = "Work-ability records from any Finnish EHR to a Kanta-style FHIR R4 repository, and back."


def command_line(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the application: with the one command that the arguments name, with all when they name none."""
    made = typer.Typer(
        name="kykysilta", help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    made.callback(help=HELP)(_together)
    named = {name for name in arguments[:1] if name in COMMANDS or name in GROUPS}
    for name, home in COMMANDS.items():
        if name in (named or COMMANDS):
            made.command(name)(_found(home))
    for name, home in GROUPS.items():
        if name in (named or GROUPS):
            made.add_typer(_found(home), name=name)
    return made


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"kykysilta {version('kykysilta')}")
        raise typer.Exit


def _together(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Keep the name of a command that stands alone, and say the version."""


def _found(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)
