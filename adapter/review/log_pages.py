"""Pages of the log: search, who saw what between two instants (GDPR art. 33), the copy for the client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from types import MappingProxyType

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from adapter.audit import breach, log_copy, persons
from adapter.audit.acts import act_of, acts
from adapter.audit.rows import Row
from adapter.review.accounts import accounts
from adapter.review.files import ZONE, end_of_day, handle_of, lane_named, read_file
from adapter.review.kin import KIN, Kinship, StaffRegisterError, staff_register
from adapter.review.log import REASONS, LogQuery, Reach, search_log
from adapter.review.log_words import NOBODY, Names, about, actor
from adapter.review.opened import clients_named, open_client
from adapter.review.sessions import Session
from adapter.review.sheets import facts
from adapter.review.web import (
    Fields,
    Office,
    RefusedError,
    Reviewer,
    SignedIn,
    check_form,
    language_of,
    office,
    render,
)
from adapter.review.words import said
from adapter.terminology import code_system

router = APIRouter()
KINDS = ("decision", "refusal", "denied", "preview", "outcome", "release", "review", "admin", *KIN)
DAY_SECONDS = 86_400.0
PSEUDONYM = re.compile("[0-9a-f]{32}")
NAMED = 20
"""Of how many clients a page of the log tells the names; the others are a link."""

TEXTS = ("kind", "client", "who", "organisation", "purpose", "ground", "text")


@router.get("/log")
def log_page(request: Request, session: SignedIn) -> Response:
    """The form of the log search."""
    return _log_page(request, session, {}, [], problem="")


@router.post("/log")
def log_search(request: Request, fields: Fields, session: SignedIn) -> Response:
    """Who did what to whose data and when; the reason for looking is asked and logged."""
    check_form(session, fields)
    if fields.get("reason") not in REASONS:
        return _log_page(request, session, fields, [], problem="reason")
    here = office(request)
    with here.database.transaction() as connection:
        asked = client_asked(here, connection, session, fields, language_of(request))
        rows, who = found_rows(here, connection, session, asked, language_of(request))
        names = _names_for(here, connection, session, rows)
        told = {"client": asked["client"]} if lane_named(connection, asked["client"]) else {}
        here.record(connection, session.account, "search-log", reason=fields["reason"], rows=len(rows), **told)
    return _log_page(request, session, fields, rows, problem="", who=who, names=names)


@router.get("/breach")
def breach_page(request: Request, session: Reviewer) -> Response:
    """The form of the breach search."""
    return render(request, "breach.html", session=session, fields={}, found=None, names={})


@router.post("/breach")
def breach_search(request: Request, fields: Fields, session: Reviewer) -> Response:
    """Who saw what between two instants, and whose data."""
    check_form(session, fields)
    here = office(request)
    with here.database.transaction() as connection:
        asked = client_asked(here, connection, session, fields, language_of(request))
        found = found_breach(connection, session, asked)
        names, organisations = names_in(here, connection, session, found.clients)
        told = {"since": int(found.since), "until": int(found.until), "clients": len(found.clients)}
        here.record(connection, session.account, "breach-search", rows=len(found.sights), **told)
    return render(
        request, "breach.html", session=session, fields=fields, found=found, names=names, organisations=organisations,
        act_name=lambda code: acts()[code].name(language_of(request)),
    )  # fmt: skip


@router.get("/clients/{handle}/log-copy")
def log_copy_page(request: Request, handle: str, session: Reviewer) -> Response:
    """The client's own log: what is told, what may be withheld, until when an answer is owed."""
    here = office(request)
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "prepare-log-copy")
        mine = frozenset(one.id for one in opened.file.kept)
        rows = search_log(connection, opened.reach, LogQuery(client=opened.handle), mine)
    usual = datetime.fromtimestamp(log_copy.usual_start(here.clock()), ZONE).date()
    told = [row for row in rows if act_of(row).told]
    return render(
        request, "log-copy.html", session=session, handle=handle, name=opened.file.name, rows=told,
        organisations=opened.file.organisations, requesters=log_copy.REQUESTERS, grounds=log_copy.GROUNDS,
        since=usual.isoformat(), act_name=lambda row: act_of(row).name(language_of(request)),
        due=log_copy.due_day(here.clock()).isoformat(),
    )  # fmt: skip


def client_asked(
    here: Office, connection: Connection, session: Session, fields: dict[str, str], language: str
) -> dict[str, str]:
    """Return the fields with the client's pseudonym in place of the identity code or name that a reviewer typed.

    Raises:
        RefusedError: what was typed leads to nobody or to several (404).
    """
    typed = fields.get("client", "").strip()
    if not typed or PSEUDONYM.fullmatch(typed) or session.role != "reviewer":
        return fields | {"client": typed}
    found = clients_named(here, connection, session, typed)
    if len(found) != 1:
        raise here.refused(404, session.account, "unclear-client", said("log.client-unclear", language))
    return fields | {"client": next(iter(found))}


def found_rows(
    here: Office, connection: Connection, session: Session, fields: dict[str, str], language: str
) -> tuple[list[Row], dict[int, str]]:
    """Return the entries that a filled-in form asks for; of look-ups among one's own also the professional by entry.

    Raises:
        RefusedError: an auditor asks who is of whose family (403), or the staff register cannot be read (409).
    """
    query = LogQuery(
        since=start_of(fields.get("since", "")),
        until=end_of(fields.get("until", "")),
        **{name: fields.get(name, "").strip() for name in TEXTS},
    )
    lane = lane_named(connection, query.client) if query.client else None
    file = read_file(connection, here.cipher, lane, session.custodians) if lane else None
    mine = frozenset(one.id for one in file.kept) if file else frozenset()
    query = replace(query, client=handle_of(connection, lane)) if lane else query
    reach, kind = Reach.of(connection, session.who), query.kind
    if kind not in KIN:
        return search_log(connection, reach, query, mine), {}
    if session.role != "reviewer":
        raise here.refused(403, session.account, "role")
    try:
        staff = staff_register(here.settings.staff_register)
    except (OSError, StaffRegisterError):
        raise RefusedError(409, said("log.staff-register", language)) from None
    kinship = Kinship(connection, here.cipher, session.custodians, staff)
    rows = search_log(connection, reach, replace(query, kind=""), mine, also=lambda row: kinship.holds(kind, row))
    return rows, {row.seq: kinship.name_of(row) for row in rows}


def found_breach(connection: Connection, session: Session, fields: dict[str, str]) -> breach.Breach:
    """Return who saw what in the span of a filled-in form, as far as the reviewer may see.

    Raises:
        RefusedError: an instant is missing or no instant (400).
    """
    since, until = instant_of(fields.get("since", "")), instant_of(fields.get("until", ""))
    if since is None or until is None:
        raise RefusedError(400)
    narrowed = {name: fields.get(name, "").strip() for name in ("by", "organisation", "client")}
    return breach.search(connection, since, until, shows=Reach.of(connection, session.who).shows, **narrowed)


def names_in(
    here: Office, connection: Connection, session: Session, clients: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the names of clients whom the reviewer may see, and of the organisations in their records."""
    names: dict[str, str] = {}
    organisations: dict[str, str] = {}
    for client in clients:
        person = persons.person(connection, client)
        file = read_file(connection, here.cipher, person.lookup, session.custodians) if person else None
        if file is not None:
            names[client] = file.name
            organisations |= {each: name for each, name in file.organisations.items() if name}
    return names, organisations


def _names_for(here: Office, connection: Connection, session: Session, rows: list[Row]) -> Names:
    """Return the names that entries need; an auditor gets no client's."""
    clients = tuple(dict.fromkeys(row.fact("client") for row in rows if row.fact("client")))[:NAMED]
    seen = names_in(here, connection, session, clients) if session.role == "reviewer" else ({}, {})
    return Names(*seen, {one.id: one.title for one in accounts(connection)})


def start_of(written: str) -> float | None:
    """Return the first instant of a day in Finland; None when it is no day."""
    end = end_of(written)
    return None if end is None else end - DAY_SECONDS + 1


def end_of(written: str) -> float | None:
    """Return the last second of a day in Finland; None when it is no day."""
    try:
        return end_of_day(date.fromisoformat(written))
    except ValueError:
        return None


def instant_of(written: str) -> float | None:
    """Return a time of a form (`2024-05-31T12:00`, Finnish time) in UTC seconds; None when it is none."""
    try:
        return datetime.fromisoformat(written).replace(tzinfo=ZONE).timestamp()
    except ValueError:
        return None


def _log_page(
    request: Request,
    session: Session,
    fields: dict[str, str],
    rows: list[Row],
    *,
    problem: str,
    who: Mapping[int, str] = MappingProxyType({}),
    names: Names = NOBODY,
) -> Response:
    language = language_of(request)
    return render(
        request, "log.html", session=session, rows=rows, who=who, facts=facts, fields=fields, reasons=REASONS,
        kinds=[each for each in KINDS if each not in KIN or session.role == "reviewer"],
        purposes=list(code_system("consent-purpose").codes), grounds=list(code_system("disclosure-basis").codes),
        asked=bool(fields) and not problem, problem=problem, names=names,
        act_name=lambda row: act_of(row).name(language), actor=lambda row: actor(row, names, language),
        about=lambda row: about(row, names, language),
    )  # fmt: skip
