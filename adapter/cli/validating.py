"""The command `validate`: FHIR resources, or records mapped first, and a list of findings that people can work from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import (
    MARKS,
    Files,
    Format,
    Lang,
    RecordType,
    Vendor,
    documents,
    fail,
    places,
    read_file,
    show_issues,
    write,
)
from adapter.errors import AdapterError
from adapter.i18n import text
from adapter.types import Issue, Outcome, Resource

if TYPE_CHECKING:
    from rich.console import Console

    from adapter.mapping import Mapped
    from adapter.validation import Validator

LEVELS = {"error": ("fatal", "error"), "warning": ("fatal", "error", "warning")}
_RESOURCE = re.compile(r"^Bundle\.entry\[([0-9]+)\]\.resource")

Paths = list[str] | None


def validate_files(
    files: Files,
    profile: Annotated[Paths, typer.Option("--profile", help="Canonical that each must meet.")] = None,
    definitions: Annotated[Paths, typer.Option("--definitions", help="File, folder or .tgz of your own.")] = None,
    context: Annotated[Paths, typer.Option("--context", help="Related resources for rules.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="Present instant for rules, ISO 8601 with offset.")] = None,
    output: Annotated[Literal["text", "json"], typer.Option("--output", help="For people or for programs.")] = "text",
    fail_on: Annotated[
        Literal["error", "warning"], typer.Option("--fail-on", help="What gives exit code 1.")
    ] = "error",
    record: Annotated[
        bool, typer.Option("--record", help="The files are records: map them first, name their fields.")
    ] = False,
    vendor: Vendor = None,
    record_type: RecordType = None,
    form: Format = None,
    language: Lang = "fi",
) -> None:
    """Validate FHIR R4 resources, or records, against base R4, our profiles and rules, and profiles of your own.

    Exit code 0: nothing refuses; 1: findings; 2: a file that cannot be read or a record that breaks its schema, or
    wrong use.
    """
    if at is not None and not _is_instant(at):
        fail(text("cli.not-an-instant", language))
    validator = _validator(definitions or (), language)
    related = _related(context or (), language)
    worst = Exit.FINE
    for name, data in documents(files, language, ndjson=form == "ndjson"):
        mapped, outcome = _mapped(data, vendor, record_type) if record or vendor or record_type else (None, None)
        outcome = outcome or _judged(mapped, data, validator, profile or (), related, at)
        if output == "json":
            _write_outcome(outcome, language)
        else:
            _show(name, outcome, mapped.bundle if mapped else _document(data, outcome, validator), language)
            if any(issue.key == "validation.no-resource-type" for issue in outcome.issues) and b'"record_type"' in data:
                print(text("cli.is-a-record", language))
        worst = max(worst, _exit_of(outcome, LEVELS[fail_on]))
    raise typer.Exit(worst)


def _is_instant(at: str) -> bool:
    from adapter.validation.fhirpath import FhirPathError, instant

    try:
        return instant(at) is not None
    except FhirPathError:
        return False


def _validator(definitions: Iterable[str], language: str) -> Validator:
    from adapter.validation.judge import packaged_validator, validator_with

    paths = tuple(definitions)
    if not paths:
        return packaged_validator()
    validator = validator_with(paths)
    if validator.load_issues:
        show_issues(text("cli.definitions", language), validator.load_issues, language)
    return validator


def _related(names: Iterable[str], language: str) -> list[Resource]:
    from adapter.source.limits import Limits
    from adapter.validation.reading import read_resource

    found = []
    for name in names:
        try:
            document, _ = read_resource(read_file(name, language), Limits())
        except AdapterError as error:
            show_issues(name, error.issues, language)
            raise typer.Exit(Exit.UNREADABLE) from None
        if not isinstance(document, dict):
            fail(text("cli.context-not-fhir", language, file=name))
        found.append(document)
    return found


def _mapped(data: bytes, vendor: str | None, record_type: str | None) -> tuple[Mapped | None, Outcome | None]:
    from adapter.mapping import map_record
    from adapter.source.record import read

    try:
        return map_record(read(data, record_type=record_type, vendor=vendor)), None
    except AdapterError as error:
        return None, Outcome(tuple(error.issues))


def _judged(
    mapped: Mapped | None,
    data: bytes,
    validator: Validator,
    profiles: Iterable[str],
    related: list[Resource],
    at: str | None,
) -> Outcome:
    from adapter.validation.judge import judge

    document: Any = mapped.bundle if mapped else data
    trace = mapped.locate if mapped else None
    return judge(document, profiles=profiles, validator=validator, context=related, at=at, trace=trace)


def _document(data: bytes, outcome: Outcome, validator: Validator) -> Any:
    """Return what was judged, for its headings; nothing when there is nothing to say or it cannot be read."""
    from adapter.validation.reading import read_resource

    if not outcome.issues:
        return None
    try:
        return read_resource(data, validator.settings.limits)[0]
    except AdapterError:
        return None


def _write_outcome(outcome: Outcome, language: str) -> None:
    from adapter.fhir.canonical import dumps

    write(dumps(outcome.operation_outcome(language)), "-", language)


def _exit_of(outcome: Outcome, levels: tuple[str, ...]) -> Exit:
    if any(issue.severity == "fatal" or issue.key.startswith("source.") for issue in outcome.issues):
        return Exit.UNREADABLE
    return Exit.FINDINGS if any(issue.severity in levels for issue in outcome.issues) else Exit.FINE


def _show(name: str, outcome: Outcome, document: Any, language: str) -> None:
    """Print the verdict, then the findings by resource; what is only told and repeats stands once with a count."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    counts = [
        text(f"cli.{word}", language, count=str(number))
        for word, levels in (("errors", LEVELS["error"]), ("warnings", ("warning",)))
        if (number := sum(issue.severity in levels for issue in outcome.issues))
    ]
    verdict = f"[green]{text('cli.valid', language)}[/]" if outcome.ok else f"[red]{text('cli.not-valid', language)}[/]"
    said = f": {', '.join(counts)}" if counts else ""
    console.print(f"[bold]{escape(name)}[/]: {verdict}{said}", soft_wrap=True)
    groups: dict[str, list[Issue]] = {}
    told: dict[tuple[str, str], int] = {}
    for issue in outcome.issues:
        if issue.severity == "information":
            mark = (issue.rule_id, issue.text(language))
            told[mark] = told.get(mark, 0) + 1
        else:
            groups.setdefault(_heading(issue.expression, document), []).append(issue)
    for heading, issues in groups.items():
        if heading:
            console.print(f"  [bold]{escape(heading)}[/]", soft_wrap=True)
        for issue in issues:
            _show_issue(console, issue, language)
    for (rule, words), number in told.items():
        console.print(f"  · {escape(rule)} {escape(words)}{f' ({number} ×)' if number > 1 else ''}", soft_wrap=True)


def _show_issue(console: Console, issue: Issue, language: str) -> None:
    from rich.markup import escape

    console.print(
        f"    {MARKS[issue.severity]} [bold]{escape(issue.rule_id)}[/] {escape(issue.text(language))}", soft_wrap=True
    )
    for line in places(issue):
        console.print(f"      [dim]{escape(line)}[/]", soft_wrap=True)


def _heading(expression: str, document: Any) -> str:
    """Return `CarePlan, Bundle.entry[0]`; for a single resource its type."""
    found = _RESOURCE.match(expression)
    if not found:
        return re.split(r"[.\[]", expression, maxsplit=1)[0]
    try:
        type_ = document["entry"][int(found[1])]["resource"]["resourceType"]
    except (LookupError, TypeError):
        type_ = ""
    return f"{type_ if isinstance(type_, str) else ''}, Bundle.entry[{found[1]}]".removeprefix(", ")
