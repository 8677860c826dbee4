"""What the commands share: reading `FILE` or `-`, writing `-o`, words for people on standard error."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated, Literal, NoReturn

import typer

from adapter.cli.exits import Exit
from adapter.errors import AdapterError
from adapter.i18n import Language, text
from adapter.types import Issue, Severity

Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Files to read; - is standard input.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="File to read; - is standard input.")]
Output = Annotated[str, typer.Option("-o", "--out", metavar="FILE", help="Where to write; standard output by default.")]
Lang = Annotated[Language, typer.Option("--lang", envvar="KYKYSILTA_LANGUAGE", help="Language of texts.")]
Form = Literal["json", "xml", "ndjson"]
Format = Annotated[Form | None, typer.Option("--format", help="Of the input; recognised when not given.")]
Vendor = Annotated[str | None, typer.Option("--vendor", help="Name of a vendor format; canonical by default.")]
RecordType = Annotated[str | None, typer.Option("--type", help="Record type, when the record does not say it.")]

LARGEST_READ = 11_000_000
"""Bytes of one document that are read at most: just over the largest that any limit allows, so that it still tells."""

MARKS: dict[Severity, str] = {"fatal": "[red]✗[/]", "error": "[red]✗[/]", "warning": "[yellow]![/]", "information": "·"}


REFUSED_FILES = {
    errno.ENOENT: "cli.file-absent",
    errno.ENOTDIR: "cli.file-absent",
    errno.EACCES: "cli.file-forbidden",
    errno.EPERM: "cli.file-forbidden",
    errno.EROFS: "cli.file-forbidden",
    errno.EISDIR: "cli.file-is-folder",
    errno.ENOSPC: "cli.file-no-room",
}
"""What is said when the operating system refuses a file; everything else is told in its own words."""


def read_file(name: str, language: str, longest: int = LARGEST_READ) -> bytes:
    """Return the bytes of a file or of standard input, at most so many; exits with 2 when it cannot be read."""
    if name == "-":
        return sys.stdin.buffer.read(longest)
    try:
        with Path(name).open("rb") as file:
            return file.read(longest)
    except OSError as error:
        fail_at(name, error, language)


def documents(names: Iterable[str], language: str, *, ndjson: bool) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every document: a file each, or a line each of NDJSON (streamed)."""
    for name in names:
        if not (ndjson or name.endswith(".ndjson")):
            yield name, read_file(name, language)
            continue
        with _stream(name, language) as stream:
            for number, line in enumerate(iter(lambda: stream.readline(LARGEST_READ), b""), start=1):
                if line.strip():
                    yield f"{name}:{number}", line


def _stream(name: str, language: str) -> IO[bytes]:
    try:
        return sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as error:
        fail_at(name, error, language)


def write(content: bytes, out: str, language: str, *, more: bool = False) -> None:
    """Write bytes and a line end to standard output, or to a file: replaced, or with `more` continued.

    Exits with 2 when the file cannot be written.
    """
    if out == "-":
        sys.stdout.buffer.write(content + b"\n")
        sys.stdout.buffer.flush()
        return
    try:
        with Path(out).open("ab" if more else "wb") as file:
            file.write(content + b"\n")
    except OSError as error:
        fail_at(out, error, language)


def fail(told: str, code: Exit = Exit.UNREADABLE) -> NoReturn:
    """Say what is wrong on standard error and exit."""
    print(told, file=sys.stderr)
    raise typer.Exit(code)


def fail_at(name: object, error: OSError, language: str, code: Exit = Exit.UNREADABLE) -> NoReturn:
    """Say which file the operating system refused, what to do, and its own words, on standard error; then exit."""
    key = REFUSED_FILES.get(error.errno or 0, "cli.file-refused")
    fail(text(key, language, name=str(name), reason=error.strerror or type(error).__name__), code)


def show_issues(name: str, issues: Iterable[Issue], language: str) -> None:
    """Print issues under a heading on standard error, one paragraph each: text, then places."""
    from rich.console import Console
    from rich.markup import escape
    from rich.padding import Padding

    console = Console(stderr=True, highlight=False)
    console.print(f"[bold]{escape(name)}[/]")
    for issue in issues:
        console.print(f"  {MARKS[issue.severity]} [bold]{escape(issue.rule_id)}[/] {escape(issue.text(language))}")
        for line in places(issue):
            console.print(Padding(f"[dim]{escape(line)}[/]", (0, 0, 0, 4)), soft_wrap=True)


def show_error(name: str, error: AdapterError, language: str) -> None:
    """Print a refusal."""
    show_issues(name, error.issues, language)


def places(issue: Issue) -> Iterator[str]:
    """Yield where it is: the sender's field with line and column, the FHIR element, the profile."""
    if issue.source:
        line = f" ({issue.source.line}:{issue.source.column})" if issue.source.line else ""
        yield f"{issue.source.path}{line}"
    if issue.expression:
        yield issue.expression
    if issue.profile:
        yield issue.profile
