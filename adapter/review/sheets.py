"""What the pages show, as sheets for files: titled tables of words in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapter.audit.acts import act_of
from adapter.audit.rows import Row
from adapter.audit.sheets import Sheet, Table
from adapter.audit.words import as_day, day, instant
from adapter.lifecycle.withdrawal import Told
from adapter.review.consents import ConsentRow
from adapter.review.files import ClientFile
from adapter.review.log import Disclosure
from adapter.review.words import code_name, said


def consents_sheet(rows: Sequence[ConsentRow], clients: Mapping[str, str], language: str) -> Sheet:
    """Return a list of consents.

    Args:
        clients: pseudonym by lane.
    """
    table = _table("consents", language, ((clients[row.lane], *_consent(row, language)) for row in rows))
    return Sheet(said("consents", language), (said("found", language, count=len(rows)),), (table,))


def log_sheet(rows: Sequence[Row], language: str) -> Sheet:
    """Return entries of the log."""
    cells = ((str(row.seq), instant(row.at), act_of(row).name(language), facts(row)) for row in rows)
    return Sheet(said("log", language), (said("log-note", language),), (_table("log", language, cells),))


def client_sheet(
    file: ClientFile, consents: Sequence[ConsentRow], disclosed: Sequence[Disclosure], language: str, made: float
) -> Sheet:
    """Return what a client may ask for (GDPR art. 15): consents, disclosures, recipients, grounds."""
    rows = (_consent(row, language) for row in consents)
    tables = (
        _table("client-consents", language, rows),
        _table("disclosures", language, (disclosure_cells(one, file, language) for one in disclosed)),
        _table("held", language, ((kind, str(count)) for kind, count in _held(file).items())),
    )
    lead = (said("sheets.client-lead", language, day=as_day(made)), said("sheets.third-persons", language))
    return Sheet(said("sheets.client-title", language), lead, tables)


def receipt_sheet(told: Told, row: ConsentRow, language: str) -> Sheet:
    """Return the receipt of a withdrawal and the list of those to be told of it (GDPR art. 7(3), 19)."""
    receipt = told.receipt
    return Sheet(receipt.title, receipt.lines, (_table("notify", language, _to_notify(told, row, language)),))


def _to_notify(told: Told, row: ConsentRow, language: str) -> Iterable[tuple[str, str]]:
    """Yield whom the consent named, and who got data by a consent."""
    received = {
        name: said("sheets.received", language, day=as_day(one.last), count=one.times) for one, name in told.recipients
    }
    named = dict.fromkeys(row.recipients, said("sheets.named", language))
    return (named | received).items()


def disclosure_cells(one: Disclosure, file: ClientFile, language: str) -> tuple[str, ...]:
    """Return when, to whom, on which ground, for what purpose and which data."""
    return (
        instant(one.at),
        ", ".join(file.organisations.get(each) or each for each in one.recipients),
        code_name("disclosure-basis", one.basis, language),
        code_name("consent-purpose", one.purpose, language),
        ", ".join(code_name("data-class", each, language) for each in one.classes),
    )


def facts(row: Row) -> str:
    """Return the facts of an entry in one cell."""
    return ", ".join(f"{name}: {value}" for name, value in row.facts.items() if name != "act")


def _consent(row: ConsentRow, language: str) -> tuple[str, ...]:
    return (
        row.title,
        str(row.version),
        said(f"status-{row.status}", language),
        f"{day(row.start)}–{day(row.end)}",
        "; ".join(row.recipients),
        "; ".join(code_name("consent-purpose", each, language) for each in row.purposes),
        "; ".join(code_name("data-class", each, language) for each in row.classes),
        "; ".join(row.exclusions),
        row.document,
    )


def _held(file: ClientFile) -> dict[str, int]:
    """Count records by type: the client is told what is held, the records themselves come from their own system."""
    kinds = [one.record_type for one in file.kept]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _table(name: str, language: str, rows: Iterable[tuple[str, ...]]) -> Table:
    columns = tuple(part.strip() for part in said(f"sheets.columns-{name}", language).split("|"))
    return Table(said(f"sheets.table-{name}", language), columns, tuple(rows))
