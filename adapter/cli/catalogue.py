"""Commands about the data files: mappings, profiles; and the mock endpoint's own commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import Lang, fail
from adapter.data import DataFileError, data_root
from adapter.i18n import text

if TYPE_CHECKING:
    from rich.table import Table

    from adapter.validation.rules import ElsewhereRule, Rule, WaitingRule

mappings_app = typer.Typer(help="The mapping files.", no_args_is_help=True)
profiles_app = typer.Typer(help="Our FHIR profiles and business rules.", no_args_is_help=True)


@mappings_app.command("check")
def mappings_check() -> None:
    """Load every mapping, schema and code list, and say what is wrong with file and line."""
    from adapter.mapping import mappings
    from adapter.terminology.check import check

    problems: list[str] = [str(problem) for problem in check()]
    try:
        found = mappings()
    except DataFileError as error:
        problems.append(str(error))
        found = ()
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(Exit.FINDINGS)
    for mapping in found:
        described = mapping.describe()
        print(f"{described['vendor'] or 'records':10} {described['id']:28} {described['version']}  ok")


@mappings_app.command("docs")
def mappings_docs(
    folder: Annotated[Path, typer.Option("--folder", help="Where to write the tables.")] = Path("docs/mappings"),
) -> None:
    """Write the mapping tables for people (Markdown)."""
    from adapter.mapping import mappings
    from adapter.mapping.documentation import pages

    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages(each.mapping for each in mappings()).items():
        (folder / name).write_text(page, encoding="utf-8")
        print(folder / name)


@profiles_app.command("check")
def profiles_check(language: Lang = "fi") -> None:
    """Load the profiles and the business rules; list which rules are judged, which wait, and what is wrong."""
    from rich.console import Console

    from adapter.validation.judge import package_folder, packaged_validator
    from adapter.validation.rules import catalogue

    problems = [issue.text(language) for issue in packaged_validator().load_issues]
    try:
        rules = catalogue()
    except DataFileError as error:
        fail("\n".join([*problems, str(error)]), Exit.FINDINGS)
    for problem in problems:
        print(problem)
    console = Console(width=None if sys.stdout.isatty() else 200)
    if not problems:
        number = sum(1 for _ in package_folder().glob("StructureDefinition-*.json"))
        console.print(text("cli.profiles-understood", language, count=str(number)))
    console.print(_table("judged", [(rule, rule.severity) for rule in rules.rules], language))
    waiting = [(rule, ", ".join(rule.needs)) for rule in rules.waiting]
    console.print(_table("waiting", waiting, language))
    elsewhere = [(rule, ", ".join(rule.decided_by)) for rule in rules.elsewhere]
    console.print(_table("elsewhere", elsewhere, language))
    if problems:
        raise typer.Exit(Exit.FINDINGS)


def _table(kind: str, rows: Sequence[tuple[Rule | WaitingRule | ElsewhereRule, str]], language: str) -> Table:
    """Rules of a kind, and why they are of it."""
    from rich.table import Table

    headings = (text(f"cli.{name}", language) for name in ("rule", "rule-name", f"rules-{kind}-why"))
    title = text(f"cli.rules-{kind}", language, count=str(len(rows)))
    table = Table(*headings, title=title, title_justify="left")
    for rule, why in rows:
        table.add_row(rule.id, rule.key, why)
    return table


@profiles_app.command("build")
def profiles_build(
    core: Annotated[Path | None, typer.Option("--core", help="hl7.fhir.r4.core 4.0.1 as .tgz.")] = None,
    target: Annotated[Path | None, typer.Option("--target", help="Where to write the package.")] = None,
    snapshots: Annotated[bool, typer.Option("--snapshots", help="Every profile whole, for tools that ask so.")] = False,
) -> None:
    """Build the FHIR package from profiles/fsh with SUSHI (needs Node.js)."""
    from adapter.cli.building import BuildFailed, build_package

    folder = target or data_root() / "profiles" / "package"
    try:
        count = build_package(core, folder, snapshots=snapshots)
    except BuildFailed as error:
        fail(str(error), Exit.FINDINGS)
    print(f"{count} resources in {folder}")


@profiles_app.command("pack")
def profiles_pack(
    file: Annotated[Path, typer.Argument(help="The .tgz to write.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="A package built elsewhere, e.g. with snapshots.")
    ] = None,
) -> None:
    """Write our FHIR package as one .tgz file, for other validators and servers."""
    from adapter.cli.building import pack_package

    pack_package(file, folder)
    print(file)
