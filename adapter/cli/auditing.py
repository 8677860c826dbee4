"""`kykysilta log-copy` and `audit`: the log is told to clients, searched, projected, and persons are erased from it.

Whoever is asked about is named by identity code on the first line of standard input, never on the command line.
"""

from __future__ import annotations

import sys
import time as clock
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.configuration import Config, LangAsked
from adapter.cli.exits import Exit
from adapter.cli.inputs import Output, fail, write
from adapter.cli.starting import opened
from adapter.i18n import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from adapter.audit.log_copy import Ground
    from adapter.audit.sheets import Sheet
    from adapter.settings import Settings

audit_app = typer.Typer(help="Work with the audit log.", no_args_is_help=True)
Format = Annotated[str, typer.Option("--format", help="text, json or csv.")]
Since = Annotated[str, typer.Option("--since", help="First day or instant.")]
Until = Annotated[str, typer.Option("--until", help="Last day or instant; now by default.")]
FORMATS = ("text", "json", "csv")
BY = {"operator": "cli"}
"""Who acts, in the log, when an operator uses a command."""


def log_copy(
    config: Config = None,
    since: Since = "",
    until: Until = "",
    reason: Annotated[str, typer.Option("--reason", help="Special reason for entries older than two years.")] = "",
    requester: Annotated[
        str, typer.Option("--requester", help="client, guardian, representative or other.")
    ] = "client",
    minor_forbids: Annotated[bool, typer.Option("--minor-forbids", help="A minor forbids telling others.")] = False,
    withhold: Annotated[list[str] | None, typer.Option("--withhold", help="NO=GROUND of an entry not shown.")] = None,
    form: Format = "text",
    out: Output = "-",
    lang: LangAsked = None,
) -> None:
    """Write the client's copy of the log; the identity code is read from standard input."""
    from adapter.audit.log_copy import REQUESTERS, LogCopyRefused, give_log_copy, log_copy_sheet, note_refusal

    now = clock.time()
    with opened(config, lang) as (settings, database):
        language = settings.language
        asked = next((one for one in REQUESTERS if one == requester), None)
        if asked is None:
            fail(text("common.bad-choice", language, option="--requester", allowed=", ".join(REQUESTERS)))
        with database.reading() as connection:
            client = _client(connection, settings, language)
        try:
            with database.transaction() as connection:
                copy = give_log_copy(
                    connection,
                    client,
                    now,
                    since=_instant(since, language),
                    until=_instant(until, language, last=True),
                    reason=reason,
                    requester=asked,
                    minor_forbids=minor_forbids,
                    withhold=_withheld(withhold or (), language),
                    by=BY,
                )
                names = _organisations(connection, settings, client)
                write(_written(log_copy_sheet(copy, language, names), form, language), out, language)
        except LogCopyRefused as refused:
            with database.transaction() as connection:
                note_refusal(connection, client, now, refused, requester=asked, by=BY)
            fail(refused.text(language), Exit.REFUSED)


@audit_app.command("breach")
def breach(
    since: Since,
    until: Until = "",
    by: Annotated[str, typer.Option("--by", help="Only acts of this user, reviewer or system.")] = "",
    organisation: Annotated[str, typer.Option("--organisation", help="Only what this organisation saw.")] = "",
    identities: Annotated[bool, typer.Option("--identities", help="Name the affected clients, to tell them.")] = False,
    config: Config = None,
    form: Format = "text",
    out: Output = "-",
    lang: LangAsked = None,
) -> None:
    """Write who saw what between two instants, and which clients are affected (GDPR art. 33 and 34)."""
    from adapter import audit
    from adapter.audit.breach import affected, breach_sheet, search
    from adapter.serve import keys
    from adapter.store import Cipher

    now = clock.time()
    with opened(config, lang) as (settings, database), database.transaction() as connection:
        language = settings.language
        start, end = _instant(since, language), _instant(until, language, last=True)
        found = search(connection, start or 0.0, end or now, by=by, organisation=organisation)
        told = affected(connection, Cipher(keys(settings)[1]) if identities else None, found)
        sheet = breach_sheet(found, told, language)
        counts = {"rows": len(found.sights), "clients": len(found.clients), "identities": int(identities)}
        audit.append(connection, now, "review", {"act": "breach-search", **counts, **BY})
        write(_written(sheet, form, language), out, language)


@audit_app.command("export")
def export(
    since: Since = "",
    until: Until = "",
    national: Annotated[bool, typer.Option("--national", help="Disclosure notices instead of BALP events.")] = False,
    config: Config = None,
    out: Output = "-",
    lang: LangAsked = None,
) -> None:
    """Write entries as FHIR AuditEvents, one a line."""
    from adapter import audit
    from adapter.audit.notice import disclosure_notice
    from adapter.audit.pieces import Site
    from adapter.audit.projection import audit_events
    from adapter.audit.rows import read_rows
    from adapter.fhir.canonical import canonical

    with opened(config, lang) as (settings, database), database.transaction() as connection:
        organisation = settings.signing.organisation if settings.signing else "kykysilta"
        site = Site("kykysilta", settings.public_url or f"http://{settings.host}:{settings.port}", organisation)
        start, end = _instant(since, settings.language), _instant(until, settings.language, last=True)
        rows = list(read_rows(connection, since=start, until=end))
        notices = (disclosure_notice(row, site) for row in rows)
        events = [event for row in rows for event in audit_events(row, site)]
        lines = [one for one in notices if one is not None] if national else events
        audit.append(connection, clock.time(), "review", {"act": "export-log", "rows": len(lines), **BY})
        write(b"\n".join(canonical(line) for line in lines), out, settings.language)


@audit_app.command("erase")
def erase(
    all_expired: Annotated[
        bool, typer.Option("--expired", help="Everybody whose last entry is older than log_retention_years.")
    ] = False,
    config: Config = None,
    lang: LangAsked = None,
) -> None:
    """Drop the key row of a client and forget their records; the identity code is read from standard input."""
    from adapter.audit.erasure import erase_person, expired
    from adapter.audit.log_copy import years_before
    from adapter.store.erasure import StillOpenError

    now = clock.time()
    with opened(config, lang) as (settings, database), database.transaction() as connection:
        language = settings.language
        if all_expired:
            gone = expired(connection, years_before(now, settings.log_retention_years))
        else:
            gone = [_client(connection, settings, language)]
        try:
            count = sum(erase_person(connection, now, one, BY) or 0 for one in gone)
        except StillOpenError as error:
            fail(text("audit.still-open", language, count=str(error.count)), Exit.FINDINGS)
    print(text("audit.erased", language, persons=str(len(gone)), count=str(count)))


@audit_app.command("processing")
def processing(
    contact: Annotated[str, typer.Option("--contact", help="Data-protection officer of the controller.")] = "",
    config: Config = None,
    form: Format = "text",
    out: Output = "-",
    lang: LangAsked = None,
) -> None:
    """Write the record of processing activities (GDPR art. 30)."""
    from adapter.audit.processing import processing_record

    with opened(config, lang) as (settings, database), database.reading() as connection:
        record = processing_record(connection, settings, settings.language, contact)
        write(_written(record, form, settings.language), out, settings.language)


@audit_app.command("facts")
def facts(config: Config = None, form: Format = "text", out: Output = "-", lang: LangAsked = None) -> None:
    """Write the facts for a data-protection impact assessment (GDPR art. 35)."""
    from adapter.audit.processing import facts_sheet

    with opened(config, lang) as (settings, database), database.reading() as connection:
        sheet = facts_sheet(connection, settings, clock.time(), settings.language)
        write(_written(sheet, form, settings.language), out, settings.language)


def _client(connection: Connection, settings: Settings, language: str) -> str:
    """Return the pseudonym of the client whose identity code stands on standard input."""
    from adapter.audit import persons
    from adapter.review.files import lane_of
    from adapter.serve import keys

    code = sys.stdin.readline().strip()
    found = persons.known(connection, lane_of(connection, keys(settings)[0], code))
    if found is None:
        fail(text("audit.no-such-client", language), Exit.FINDINGS)
    return found


def _organisations(connection: Connection, settings: Settings, client: str) -> dict[str, str]:
    """Return names of organisations by id, as the client's records have them."""
    from sqlalchemy import select

    from adapter.review.files import lane_named, read_file
    from adapter.serve import keys
    from adapter.store import Cipher
    from adapter.store.tables import submission

    lane = lane_named(connection, client) or ""
    custodians = connection.execute(select(submission.c.custodian).distinct()).scalars()
    file = read_file(connection, Cipher(keys(settings)[1]), lane, frozenset(custodians))
    return file.organisations if file else {}


def _instant(value: str, language: str, *, last: bool = False) -> float | None:
    """Return UTC seconds; a day begins at midnight in Finland, as `last` it ends there."""
    from adapter.audit.words import ZONE

    if not value:
        return None
    try:
        if len(value) <= len("2026-11-22"):
            day = date.fromisoformat(value)
            return datetime.combine(day, time.max if last else time.min, ZONE).timestamp()
        moment = datetime.fromisoformat(value)
    except ValueError:
        fail(text("audit.no-instant", language, value=value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZONE)).timestamp()


def _withheld(values: list[str] | tuple[str, ...], language: str) -> dict[int, Ground]:
    from adapter.audit.log_copy import GROUNDS

    found: dict[int, Ground] = {}
    for value in values:
        number, _, named = value.partition("=")
        ground = next((one for one in GROUNDS if one == named), None)
        if not number.isdecimal() or ground is None:
            fail(text("audit.bad-withhold", language, grounds=", ".join(GROUNDS)))
        found[int(number)] = ground
    return found


def _written(sheet: Sheet, form: str, language: str) -> bytes:
    import json

    from adapter.review.exports import as_csv

    if form == "json":
        return json.dumps(sheet.as_json(), ensure_ascii=False, indent=1).encode()
    if form == "csv":
        return as_csv(*sheet.tables)
    if form != "text":
        fail(text("common.bad-choice", language, option="--format", allowed=", ".join(FORMATS)))
    return sheet.as_text().rstrip().encode()
