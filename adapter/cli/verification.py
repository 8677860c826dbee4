"""`kykysilta verify-log`, the keys of its checkpoints, and the check of files that were taken along."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.auditing import audit_app
from adapter.cli.configuration import Config, LangAsked
from adapter.cli.exits import Exit
from adapter.cli.inputs import Output, fail, read_file, write
from adapter.cli.starting import configured, opened
from adapter.i18n import text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from adapter.settings import Settings
    from adapter.store import Cipher


def verify_log(
    config: Config = None,
    checkpoint: Annotated[list[Path] | None, typer.Option("--checkpoint", help="Checkpoint kept elsewhere.")] = None,
    key: Annotated[
        list[Path] | None, typer.Option("--key", help="PEM of a public key that signed checkpoints (Ed25519).")
    ] = None,
    first: Annotated[int | None, typer.Option("--from", min=1, help="First entry to look at; 1 by default.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Last entry to look at; it must be there.")] = None,
    lang: LangAsked = None,
) -> None:
    """Check the audit log; exit 1 names the first thing that does not fit, 5 says that the log is empty."""
    from adapter.audit import WHOLE, Part
    from adapter.audit.verification import examine
    from adapter.delivery.configured import audit_key

    part = Part(first or WHOLE.first, last or WHOLE.last)
    with opened(config, lang) as (settings, database), database.reading() as connection:
        language = settings.language
        kept = [read_file(str(path), language).decode("utf-8", "replace") for path in checkpoint or ()]
        keys = [_public_key(path, language) for path in key or ()]
        own = None if keys else audit_key(settings)
        if kept and not keys and own is None:
            fail(text("audit.verify-no-key", language))
        report = examine(connection, keys or ([own.public_key()] if own else []), kept, part, _cipher(settings))
    if report.finding is not None:
        number = str(report.finding.seq)
        fail(text(f"audit.verify-{report.finding.kind}", language, number=number), Exit.FINDINGS)
    if report.entries == 0:
        fail(text("audit.verify-empty", language), Exit.NOTHING)
    print(text("audit.verify-fits", language, entries=str(report.entries), held=str(report.held)))
    if report.unchecked:
        print(text("audit.verify-unchecked", language, count=str(report.unchecked)))
    if report.unopened:
        print(text("audit.verify-unopened", language, count=str(report.unopened)))
    if not kept:
        print(text("audit.verify-no-anchor", language))
    if part.first > 1:
        print(text("audit.verify-part", language, first=str(part.first)))


@audit_app.command("checkpoint")
def checkpoint(config: Config = None, out: Output = "-", lang: LangAsked = None) -> None:
    """Sign the present state of the log and write the checkpoint, to be kept elsewhere."""
    from adapter import audit

    with opened(config, lang) as (settings, database), database.transaction() as connection:
        key = _needed_key(settings)
        write(audit.checkpoint(connection, time.time(), key).rstrip().encode(), out, settings.language)


@audit_app.command("change-key")
def change_key(
    new: Annotated[Path, typer.Argument(metavar="NEW.pem", help="The new private key (Ed25519, PEM).")],
    config: Config = None,
    out: Output = "-",
    lang: LangAsked = None,
) -> None:
    """Hand over from `audit_key_file` to a new checkpoint key; stop the service first, change the setting after."""
    from adapter.audit import verification

    with opened(config, lang) as (settings, database), database.transaction() as connection:
        old = _needed_key(settings)
        coming = _needed_key(settings.model_copy(update={"audit_key_file": new}))
        told = verification.change_key(connection, time.time(), old, coming)
        write(told.rstrip().encode(), out, settings.language)
    print(text("audit.key-changed", settings.language), file=sys.stderr)


@audit_app.command("check-export")
def check_export(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="A file taken from the reviewer's pages.")],
    key: Annotated[
        list[Path] | None, typer.Option("--key", help="PEM of the public key or certificate; by default our own.")
    ] = None,
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """Check hashes and signature of a file from the reviewer's pages; exit 1 names every part that is wrong."""
    from adapter.review.checking import LARGEST, flaws_of

    with configured(config, lang) as settings:
        language = settings.language
        keys = [_verifying_key(path, language) for path in key or ()] or _signing_key(settings)
    found = flaws_of(read_file(str(file), language, longest=LARGEST), keys)
    if found:
        lines = (text(f"audit.export-{one.kind}", language, name=one.name) for one in found)
        fail("\n".join(lines), Exit.FINDINGS)
    print(text("audit.export-whole" if keys else "audit.export-no-key", language))


def _signing_key(settings: Settings) -> list[Any]:
    """Return the public key of `signing`; nothing when none is set."""
    from adapter.delivery.configured import signer

    current = signer(settings)
    return [current().private_key.public_key()] if current else []


def _verifying_key(path: Path, language: str) -> Any:
    """Return the public key of a PEM file: a key, or a certificate of one."""
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    content = read_file(str(path), language)
    try:
        is_certificate = b"BEGIN CERTIFICATE" in content
        return load_pem_x509_certificate(content).public_key() if is_certificate else load_pem_public_key(content)
    except ValueError:
        fail(text("audit.export-bad-key", language, name=path.name))


def _cipher(settings: Settings) -> Cipher | None:
    """Return what opens the traces of decisions; whoever verifies elsewhere may have no storage key."""
    from adapter.serve import MissingKeyError, keys
    from adapter.store import Cipher

    try:
        _, storage_keys = keys(settings)
    except MissingKeyError:
        return None
    return Cipher(storage_keys)


def _needed_key(settings: Settings) -> Ed25519PrivateKey:
    from adapter.delivery.configured import audit_key

    return audit_key(settings) or fail(text("audit.no-audit-key", settings.language))


def _public_key(path: Path, language: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        fail(text("audit.no-public-key", language, name=path.name))
    return key
