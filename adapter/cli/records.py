"""Commands about records: map, unmap, explain, decide, generate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.exits import Exit
from adapter.cli.inputs import (
    File,
    Files,
    Form,
    Format,
    Lang,
    Output,
    RecordType,
    Vendor,
    documents,
    fail,
    fail_at,
    read_file,
    show_error,
    show_issues,
    write,
)
from adapter.errors import AdapterError, ConsentRefused, SourceError
from adapter.i18n import text

if TYPE_CHECKING:
    from adapter.mapping import Mapped


def map_files(
    files: Files,
    vendor: Vendor = None,
    record_type: RecordType = None,
    form: Format = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show which field made which element.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Show what became of every field.")] = False,
    contained: Annotated[bool, typer.Option("--contained", help="Supporting resources inside the core ones.")] = False,
    out: Output = "-",
    language: Lang = "fi",
) -> None:
    """Map records to FHIR R4 Bundles: one JSON line each."""
    from adapter.fhir.canonical import dumps
    from adapter.mapping.contained import contain

    worst, written = Exit.FINE, 0
    for name, data in documents(files, language, ndjson=form == "ndjson"):
        try:
            mapped = _map(data, vendor, record_type, form)
        except AdapterError as error:
            show_error(name, error, language)
            worst = max(worst, _exit_of(error))
            continue
        write(dumps(contain(mapped.bundle) if contained else mapped.bundle), out, language, more=bool(written))
        written += 1
        if trace:
            _show_trace(mapped, "", language)
        if report:
            _show_report(name, mapped, language)
    raise typer.Exit(worst)


def unmap_files(files: Files, form: Format = None, out: Output = "-", language: Lang = "fi") -> None:
    """Turn FHIR Bundles of ours back into canonical records: one JSON line each."""
    from adapter.fhir.canonical import dumps
    from adapter.mapping import unmap
    from adapter.source.json import read_json

    worst, written = Exit.FINE, 0
    for name, data in documents(files, language, ndjson=form == "ndjson"):
        try:
            for record in unmap(read_json(data)):
                write(dumps(record), out, language, more=bool(written))
                written += 1
        except AdapterError as error:
            show_error(name, error, language)
            worst = max(worst, _exit_of(error))
    raise typer.Exit(worst)


def explain_file(
    file: File,
    element: Annotated[
        str, typer.Argument(help="Element (CarePlan.status) or field (services[0]); all by default.")
    ] = "",
    vendor: Vendor = None,
    record_type: RecordType = None,
    language: Lang = "fi",
) -> None:
    """Say which of your fields made this element, and which elements a field made."""
    try:
        mapped = _map(read_file(file, language), vendor, record_type)
    except AdapterError as error:
        show_error(file, error, language)
        raise typer.Exit(_exit_of(error)) from None
    if not _show_trace(mapped, element, language):
        fail(text("cli.nothing-found", language, name=element), Exit.FINDINGS)


def decide_file(file: File, language: Lang = "fi") -> None:
    """Decide consent cases: one JSON line a case."""
    from adapter.consent import decide_cases
    from adapter.source.json import read_json

    try:
        for answer in decide_cases(read_json(read_file(file, language))):
            print(json.dumps(answer, ensure_ascii=False))
    except AdapterError as error:
        show_error(file, error, language)
        raise typer.Exit(Exit.UNREADABLE) from None


def generate(
    clients: Annotated[int, typer.Option("--clients", help="How many clients.", min=1)] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same records.")] = 1,
    folder: Annotated[Path | None, typer.Option("--folder", help="One file a record here; else NDJSON.")] = None,
    language: Lang = "fi",
) -> None:
    """Make synthetic clients with all their records (identity codes 900–999, issued to nobody)."""
    from rich.console import Console
    from rich.progress import track

    from adapter.fhir.canonical import dumps
    from adapter.source.synthetic import records

    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fail_at(folder, error, language)
    console = Console(stderr=True)
    total = clients * RECORDS_A_CLIENT
    hidden = folder is None and sys.stdout.isatty()
    for record in track(records(clients, seed), "generate", total=total, console=console, disable=hidden):
        if folder is None:
            write(dumps(record), "-", language)
        else:
            (folder / f"{record['record_id']}.json").write_bytes(dumps(record))


RECORDS_A_CLIENT = 6
_REPORT = ("what-became", "field", "why", "ignored", "one-way", "completed", "no-place")


def _map(data: bytes, vendor: str | None, record_type: str | None, form: Form | None = None) -> Mapped:
    from adapter.mapping import map_record
    from adapter.source.record import read

    one = "json" if form == "ndjson" else form
    return map_record(read(data, record_type=record_type, vendor=vendor, format=one))


def _exit_of(error: AdapterError) -> Exit:
    if isinstance(error, ConsentRefused):
        return Exit.REFUSED
    return Exit.UNREADABLE if isinstance(error, SourceError) else Exit.FINDINGS


def _show_trace(mapped: Mapped, element: str, language: str) -> int:
    """Print element, field and how, in a table on standard output; returns how many rows there were."""
    from rich.console import Console
    from rich.table import Table

    from adapter.mapping import explain

    rows = explain(mapped, element)
    table = Table()
    for heading in ("element", "your-field", "translated-by", "mapping-row"):
        table.add_column(text(f"cli.{heading}", language), overflow="fold")
    for row in rows:
        table.add_row(_short(row.element, mapped), row.source or "–", row.via or "", row.row)
    if rows:
        Console(stderr=not element and not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 200).print(table)
    return len(rows)


def _short(element: str, mapped: Mapped) -> str:
    head, _, rest = element.partition(".resource")
    if not head.startswith("Bundle.entry["):
        return element
    number = int(head[len("Bundle.entry[") : -1])
    return f"[{number}] {mapped.bundle['entry'][number]['resource']['resourceType']}{rest}"


def _show_report(name: str, mapped: Mapped, language: str) -> None:
    from rich.console import Console
    from rich.table import Table

    report = mapped.report
    show_issues(name, report.issues, language)
    words = {name: text(f"cli.{name}", language) for name in _REPORT}
    title = text("cli.values-stand", language, count=str(report.mapped))
    table = Table(words["what-became"], words["field"], words["why"], title=title)
    told = {"ignored": report.ignored, "one-way": report.one_way, "completed": report.completed}
    for what, fields in told.items():
        for field, why in fields.items():
            table.add_row(words[what], field, why)
    for field in report.unknown:
        table.add_row(f"[red]{words['no-place']}[/]", field, "")
    if table.row_count:
        Console(stderr=True).print(table)
