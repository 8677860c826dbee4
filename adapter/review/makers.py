"""What can be taken along as a file: for each kind a function that makes the sheet, with the reviewer's own reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from adapter.audit import breach, log_copy
from adapter.audit.processing import facts_sheet, processing_record
from adapter.audit.sheets import Sheet
from adapter.lifecycle.withdrawal import receipt_for
from adapter.review import sheets
from adapter.review.consents import Filters, rows_of
from adapter.review.findings import QUERIES
from adapter.review.list_pages import chosen_consents, work_list
from adapter.review.log_pages import client_asked, end_of, found_breach, found_rows, names_in, start_of
from adapter.review.opened import open_client
from adapter.review.sessions import Session
from adapter.review.web import Office, RefusedError
from adapter.review.words import said


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file is asked for with.

    Attributes:
        fields: of the form.
    """

    here: Office
    connection: Connection
    session: Session
    fields: dict[str, str]
    language: str


@dataclass(frozen=True, slots=True)
class Made:
    """A sheet, and how many clients it is about."""

    sheet: Sheet
    clients: int


def _consents(wanted: Wanted) -> Made:
    filters = Filters.of(wanted.fields)
    rows, handles, _ = chosen_consents(wanted.here, wanted.connection, wanted.session, filters, wanted.language)
    return Made(sheets.consents_sheet(rows, handles, wanted.language), len(handles))


def _log(wanted: Wanted) -> Made:
    rows, _ = found_rows(wanted.here, wanted.connection, wanted.session, _asked(wanted), wanted.language)
    return Made(sheets.log_sheet(rows, wanted.language), len({row.fact("client") for row in rows} - {""}))


def _breach(wanted: Wanted) -> Made:
    found = found_breach(wanted.connection, wanted.session, _asked(wanted))
    told = breach.affected(wanted.connection, wanted.here.cipher, found)
    _, organisations = names_in(wanted.here, wanted.connection, wanted.session, found.clients)
    return Made(breach.breach_sheet(found, told, wanted.language, organisations), len(found.clients))


def _client(wanted: Wanted) -> Made:
    here, language = wanted.here, wanted.language
    opened = open_client(
        here, wanted.connection, wanted.fields.get("client", ""), wanted.session, "export-client", **_told(wanted)
    )
    rows = rows_of(opened.file, here.clock(), language)
    return Made(sheets.client_sheet(opened.file, rows, opened.disclosed, language, here.clock()), 1)


def _receipt(wanted: Wanted) -> Made:
    here, language = wanted.here, wanted.language
    opened = open_client(
        here, wanted.connection, wanted.fields.get("client", ""), wanted.session, "export-receipt", **_told(wanted)
    )
    rows = [row for row in rows_of(opened.file, here.clock(), language) if row.status == "inactive"]
    row = next((each for each in rows if each.id == wanted.fields.get("consent")), None)
    if row is None:
        raise RefusedError(404)
    told = receipt_for(wanted.connection, here.cipher, row.id, language)
    return Made(sheets.receipt_sheet(told, row, language), 1)


def _log_copy(wanted: Wanted) -> Made:
    """Make the client's copy of the log; giving it is logged by `adapter.audit.log_copy`."""
    here, fields = wanted.here, wanted.fields
    opened = open_client(here, wanted.connection, fields.get("client", ""), wanted.session, "prepare-log-copy")
    grounds = {int(name[5:]): value for name, value in fields.items() if name.startswith("hold-") and value}
    named = (one for one in log_copy.REQUESTERS if one == fields.get("requester"))
    requester: log_copy.Requester = next(named, "other")
    by = {"reviewer": wanted.session.account}
    try:
        copy = log_copy.give_log_copy(
            wanted.connection,
            opened.handle,
            here.clock(),
            since=start_of(fields.get("since", "")),
            until=end_of(fields.get("until", "")),
            reason=fields.get("reason", ""),
            requester=requester,
            minor_forbids=fields.get("minor_forbids") == "1",
            withhold={seq: value for seq, value in grounds.items() if value in log_copy.GROUNDS},
            asked=end_of(fields.get("asked", "")),
            by=by,
            shows=opened.reach.shows,
        )
    except log_copy.LogCopyRefused as refused:
        note = partial(
            log_copy.note_refusal, client=opened.handle, now=here.clock(), refused=refused, requester=requester, by=by
        )
        raise RefusedError(refused.http_status, refused.text(wanted.language), note=note) from None
    return Made(
        log_copy.log_copy_sheet(copy, fields.get("copy_language", wanted.language), opened.file.organisations), 1
    )


def _asked(wanted: Wanted) -> dict[str, str]:
    return client_asked(wanted.here, wanted.connection, wanted.session, wanted.fields, wanted.language)


def _told(wanted: Wanted) -> dict[str, str]:
    return {"format": wanted.fields.get("format", "")}


def _record(wanted: Wanted) -> Made:
    return Made(processing_record(wanted.connection, wanted.here.settings, wanted.language), 0)


def _facts(wanted: Wanted) -> Made:
    here, session, language = wanted.here, wanted.session, wanted.language
    work = work_list(here, wanted.connection, session, language)
    counts = {said(f"finding-{name}", language): sum(one.query == name for one in work.found) for name in QUERIES}
    return Made(facts_sheet(wanted.connection, here.settings, here.clock(), language, counts), 0)


MAKERS: Mapping[str, Callable[[Wanted], Made]] = {
    "consents": _consents,
    "log": _log,
    "breach": _breach,
    "client": _client,
    "receipt": _receipt,
    "log-copy": _log_copy,
    "record": _record,
    "facts": _facts,
}
ONE_CLIENT = frozenset({"client", "receipt", "log-copy"})
"""What is about one client; its maker writes the act to the audit."""

FOR_AUDITORS = frozenset({"log", "record", "facts"})
"""What holds no client's data by name."""
