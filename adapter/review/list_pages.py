"""Pages over all clients: work list, consents, log, and the state of the log itself."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, select

from adapter import audit
from adapter.review import exports
from adapter.review.client_pages import exports_answer
from adapter.review.consents import STATES, ConsentRow, Filters, fitting, rows_of
from adapter.review.files import DECIDING, end_of_day, handle_of, lane_named, read_all
from adapter.review.findings import QUERIES, find
from adapter.review.log import LogRow, search_log
from adapter.review.sessions import Session
from adapter.review.web import check_form, form, language_of, office, render, reviewer, signed_in
from adapter.store.tables import outbox, submission
from adapter.terminology import code_system

router = APIRouter()
Fields = Annotated[dict[str, str], Depends(form)]
Reviewer = Annotated[Session, Depends(reviewer)]
SignedIn = Annotated[Session, Depends(signed_in)]
KINDS = ("decision", "refusal", "outcome", "release", "review", "admin")
DAY_SECONDS = 86_400.0


@router.get("/")
def home(request: Request, session: SignedIn) -> Response:
    """The work list, and the form that opens a client."""
    here = office(request)
    with here.database.transaction() as connection:
        broken = audit.verify(connection)
        files = read_all(connection, here.cipher, DECIDING, session.custodians) if session.role == "reviewer" else {}
        found = find(files, here.clock(), language_of(request))
        handles = {one.lane: handle_of(connection, one.lane) for one in found}
        here.record(connection, session.account, "work-list", findings=len(found))
    groups = [(name, [(one.what, handles[one.lane]) for one in found if one.query == name]) for name in QUERIES]
    missing = request.query_params.get("missing") == "1"
    return render(request, "home.html", session=session, groups=groups, missing=missing, broken=broken)


@router.get("/consents")
def consents_page(request: Request, session: Reviewer) -> Response:
    """All consents, newest versions, before filters are chosen."""
    return _consents(request, session, Filters())


@router.post("/consents")
def consents_filtered(request: Request, fields: Fields, session: Reviewer) -> Response:
    """The consents that pass the filters, on the page or as a file."""
    check_form(session, fields)
    names = ("state", "recipient", "data_class", "purpose")
    return _consents(request, session, Filters(*(fields.get(name, "") for name in names)), fields.get("format", ""))


@router.get("/log")
def log_page(request: Request, session: SignedIn) -> Response:
    """The form of the log search."""
    return _log(request, session, {})


@router.post("/log")
def log_search(request: Request, fields: Fields, session: SignedIn) -> Response:
    """Who did what to whose data and when, on the page or as a file."""
    check_form(session, fields)
    return _log(request, session, fields)


def _consents(request: Request, session: Session, filters: Filters, kind: str = "") -> Response:
    here, language = office(request), language_of(request)
    with here.database.transaction() as connection:
        files = read_all(connection, here.cipher, DECIDING, session.custodians)
        rows = [row for file in files.values() for row in rows_of(file, here.clock(), language) if row.newest]
        fits = fitting(rows, filters, here.today)
        handles = {row.lane: handle_of(connection, row.lane) for row in fits}
        here.record(connection, session.account, "list-consents", rows=len(fits), format=kind or "page")
    if kind in ("csv", "json"):
        return _consent_file(fits, handles, kind)
    names = {lane: file.name for lane, file in files.items()}
    return render(
        request, "consents.html", session=session, rows=fits, handles=handles, names=names, filters=filters,
        states=STATES, classes=_names("data-class", language), purposes=_names("consent-purpose", language),
    )  # fmt: skip


def _consent_file(rows: list[ConsentRow], handles: dict[str, str], kind: str) -> Response:
    columns = ("client", "title", "version", "status", "start", "end", "recipients", "purposes", "classes")
    told = [
        {
            "client": handles[row.lane],
            "title": row.title,
            "version": row.version,
            "status": row.status,
            "start": row.start,
            "end": row.end,
            "recipients": "; ".join(row.recipients),
            "purposes": "; ".join(row.purposes),
            "classes": "; ".join(row.classes),
        }
        for row in rows
    ]
    return exports_answer(exports.as_csv(told, columns) if kind == "csv" else exports.as_json(told), kind, "consents")


def _log(request: Request, session: Session, fields: dict[str, str]) -> Response:
    here, kind = office(request), fields.get("format", "")
    with here.database.transaction() as connection:
        rows: list[LogRow] = []
        if fields:
            client = fields.get("client", "")
            rows = search_log(
                connection,
                kind=fields.get("kind", ""),
                since=_start(fields.get("since", "")),
                until=_end(fields.get("until", "")),
                text=fields.get("text", "").strip(),
                of=[client, *_submissions(connection, client, session)] if client else None,
            )
            here.record(connection, session.account, "search-log", rows=len(rows), format=kind or "page")
    if kind in ("csv", "json"):
        columns = ("seq", "at", "kind", "facts")
        told = [{"seq": row.seq, "at": row.at, "kind": row.kind, "facts": _facts(row)} for row in rows]
        return exports_answer(exports.as_csv(told, columns) if kind == "csv" else exports.as_json(told), kind, "log")
    return render(
        request, "log.html", session=session, rows=rows, facts=_facts, fields=fields, kinds=KINDS, asked=bool(fields)
    )


def _submissions(connection: Connection, client: str, session: Session) -> list[str]:
    lane = lane_named(connection, client)
    query = select(outbox.c.submission).join(submission, outbox.c.submission == submission.c.id)
    query = query.where(outbox.c.lane == lane, submission.c.custodian.in_(session.custodians))
    return list(connection.execute(query).scalars()) if lane else []


def _facts(row: LogRow) -> str:
    return ", ".join(f"{name}: {value}" for name, value in row.facts.items())


def _names(system: str, language: str) -> list[str]:
    codes = code_system(system)
    return [codes.display(code, language) for code in codes.codes]


def _end(written: str) -> float | None:
    try:
        return end_of_day(date.fromisoformat(written))
    except ValueError:
        return None


def _start(written: str) -> float | None:
    end = _end(written)
    return None if end is None else end - DAY_SECONDS + 1
