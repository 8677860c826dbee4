"""Taking files along: who takes what is logged, and a file about many clients waits for a second reviewer."""

from __future__ import annotations

import json
import secrets
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row, insert, select, update

from adapter.review.accounts import accounts
from adapter.review.exports import FORMATS, package
from adapter.review.makers import FOR_AUDITORS, MAKERS, ONE_CLIENT, Made, Wanted
from adapter.review.sessions import Session
from adapter.review.web import (
    Fields,
    Office,
    RefusedError,
    Reviewer,
    SignedIn,
    check_form,
    language_of,
    office,
    redirect,
    render,
)
from adapter.store.review_tables import review_export

router = APIRouter()
VALID_SECONDS = 24 * 3600.0
"""How long an approval holds, and how long one may be asked for."""


@router.post("/exports")
def export(request: Request, fields: Fields, session: SignedIn) -> Response:
    """Give a file, or put the wish before a second reviewer when it is about many clients."""
    check_form(session, fields)
    here, language = office(request), language_of(request)
    what = _what(here, session, fields)
    with here.database.transaction() as connection:
        made = MAKERS[what](Wanted(here, connection, session, fields, language))
        if made.clients > here.settings.four_eyes_clients:
            name = _wait(here, connection, session, what, made, fields)
            here.record(connection, session.account, "export-waits", what=what, clients=made.clients, export=name)
            return redirect(request, "/exports")
        _note(here, connection, session, what, made, fields)
    return _file(here, made, what, fields, language)


@router.get("/exports")
def exports_page(request: Request, session: Reviewer) -> Response:
    """Files that wait: one's own, and those of others that one may approve."""
    here = office(request)
    with here.database.transaction() as connection:
        rows = [row for row in _waiting(connection, here.clock()) if _concerns(row, session)]
        names = {one.id: one.title for one in accounts(connection)}
        here.record(connection, session.account, "list-exports", rows=len(rows))
    return render(
        request, "exports.html", session=session, rows=rows, names=names, limit=here.settings.four_eyes_clients,
        formats=FORMATS,
    )  # fmt: skip


@router.post("/exports/{name}/approve")
def approve(request: Request, name: str, fields: Fields, session: Reviewer) -> Response:
    """Let a file go; nobody approves their own, and only who sees all of the same controllers may."""
    check_form(session, fields)
    here = office(request)
    with here.database.transaction() as connection:
        row = _one(connection, name, here.clock())
        if not _may_approve(row, session):
            raise here.refused(403, session.account, "four-eyes", export=name)
        values = {"approver": session.account, "approved_at": here.clock()}
        connection.execute(update(review_export).where(review_export.c.id == name).values(**values))
        here.record(connection, session.account, "export-approved", what=row.kind, export=name)
    return redirect(request, "/exports")


@router.post("/exports/{name}/file")
def approved_file(request: Request, name: str, fields: Fields, session: Reviewer) -> Response:
    """Give the file to who asked for it, when a second reviewer has let it go."""
    check_form(session, fields)
    here, language = office(request), language_of(request)
    with here.database.transaction() as connection:
        row = _one(connection, name, here.clock())
        if row.account != session.account or row.approver is None:
            raise here.refused(403, session.account, "four-eyes", export=name)
        asked: dict[str, str] = json.loads(here.cipher.decrypt(f"review_export/fields/{name}", row.fields))
        made = MAKERS[row.kind](Wanted(here, connection, session, asked, language))
        if made.clients > row.clients:
            raise RefusedError(409)
        _note(here, connection, session, row.kind, made, asked)
    return _file(here, made, row.kind, asked, language)


def _what(here: Office, session: Session, fields: dict[str, str]) -> str:
    what = fields.get("what", "")
    if what not in MAKERS or fields.get("format") not in FORMATS:
        raise RefusedError(400)
    if session.role != "reviewer" and what not in FOR_AUDITORS:
        raise here.refused(403, session.account, "role", what=what)
    return what


def _wait(here: Office, connection: Connection, session: Session, what: str, made: Made, fields: dict[str, str]) -> str:
    name = secrets.token_hex(16)
    asked = json.dumps({key: value for key, value in fields.items() if key != "form_token"}).encode()
    values = {
        "id": name,
        "account": session.account,
        "at": here.clock(),
        "kind": what,
        "clients": made.clients,
        "custodians": json.dumps(sorted(session.custodians)),
        "fields": here.cipher.encrypt(f"review_export/fields/{name}", asked),
    }
    connection.execute(insert(review_export).values(**values))
    return name


def _note(
    here: Office, connection: Connection, session: Session, what: str, made: Made, fields: dict[str, str]
) -> None:
    if what not in ONE_CLIENT:
        rows = sum(len(table.rows) for table in made.sheet.tables)
        told = {"rows": rows, "clients": made.clients}
        here.record(connection, session.account, f"export-{what}", format=fields["format"], **told)


def _file(here: Office, made: Made, what: str, fields: dict[str, str], language: str) -> Response:
    """Return the ZIP; its name tells nothing of anybody."""
    content = package(
        made.sheet, fields["format"], f"kykysilta-{what}", language=language, made=here.clock(), sign=here.sign
    )
    headers = {"Content-Disposition": f'attachment; filename="kykysilta-{what}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


def _waiting(connection: Connection, now: float) -> list[Row[Any]]:
    query = select(review_export).where(review_export.c.at > now - VALID_SECONDS)
    return list(connection.execute(query.order_by(review_export.c.at.desc())))


def _one(connection: Connection, name: str, now: float) -> Row[Any]:
    row = next((each for each in _waiting(connection, now) if each.id == name), None)
    if row is None:
        raise RefusedError(404)
    return row


def _may_approve(row: Row[Any], session: Session) -> bool:
    return row.account != session.account and session.custodians >= set(json.loads(row.custodians))


def _concerns(row: Row[Any], session: Session) -> bool:
    return row.account == session.account or _may_approve(row, session)
