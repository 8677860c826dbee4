"""Pages about one client: finding them, consents, teams and course, identity code, the national permission."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adapter.review import notes
from adapter.review.consents import ConsentRow, rows_of
from adapter.review.files import masked
from adapter.review.matrix import Recipient
from adapter.review.opened import Opened, access_on, clients_named, open_client
from adapter.review.sessions import Session
from adapter.review.timeline import Span, as_day, moment_day, picture
from adapter.review.web import Fields, RefusedError, Reviewer, check_form, language_of, office, redirect, render
from adapter.review.words import code_name, said

router = APIRouter()
QUESTIONS = {"open": "", "seen": "/seen", "may": "/matrix", "withdrawal": "/withdrawal"}
"""What the first page asks about a client, and the page that answers."""


@router.post("/clients/_search")
def find_client(request: Request, fields: Fields, session: Reviewer) -> Response:
    """Open a client by identity code or name and go to the answer; the code stands in the body only."""
    check_form(session, fields)
    here, asked = office(request), fields.get("client", "").strip()
    with here.database.transaction() as connection:
        found = clients_named(here, connection, session, asked)
        facts = {"client": next(iter(found))} if len(found) == 1 else {}
        here.record(connection, session.account, "search-client", found=len(found), **facts)
    answer = QUESTIONS.get(fields.get("question", ""), "")
    query = urlencode({"class": fields["class"]}) if fields.get("class") else ""
    if len(found) == 1:
        return redirect(request, f"/clients/{next(iter(found))}{answer}{'?' if query else ''}{query}")
    if not found:
        return redirect(request, "/?missing=1")
    return render(request, "clients.html", session=session, found=found, answer=answer, asked_class=query)


@router.get("/clients/{handle}")
def client_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Consents, teams, disclosures and their course."""
    return _client_page(request, handle, session, "open-client", revealed=False)


@router.post("/clients/{handle}/identity")
def reveal(request: Request, handle: str, fields: Fields, session: Reviewer) -> Response:
    """Show the identity code: an act of its own in the audit."""
    check_form(session, fields)
    return _client_page(request, handle, session, "reveal-identity", revealed=True)


@router.post("/clients/{handle}/permission")
def permission(request: Request, handle: str, fields: Fields, session: Reviewer) -> Response:
    """Keep what somebody saw of the client's national permission."""
    check_form(session, fields)
    here, status = office(request), fields.get("status", "")
    if status not in notes.PERMISSIONS:
        raise RefusedError(400)
    checked_on = as_day(fields.get("checked_on", "")) or here.today
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "set-permission", status=status)
        values = {"status": status, "checked_on": checked_on.isoformat()}
        notes.set_permission(connection, opened.lane, session.account, here.clock(), **values)
    return redirect(request, f"/clients/{handle}#permission")


def _client_page(request: Request, handle: str, session: Session, act: str, *, revealed: bool) -> Response:
    here, language = office(request), language_of(request)
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, act)
        permissions = notes.permissions_of(connection, opened.lane)
    file, access = opened.file, access_on(here, opened.file, here.today)
    rows = rows_of(file, here.clock(), language)
    spans = _spans(opened, rows, access.recipients, permissions, language)
    return render(
        request, "client.html", session=session, handle=handle, name=file.name, consents=rows,
        identity_code=file.identity_code if revealed else masked(file.identity_code), revealed=revealed,
        members=[one for one in access.recipients if one.team], permissions=permissions,
        statuses=notes.PERMISSIONS, picture=picture(spans, here.today), classes=list(access.data),
        given=[row for row in rows if row.newest and row.status == "active"],
    )  # fmt: skip


def _spans(
    opened: Opened,
    rows: list[ConsentRow],
    recipients: tuple[Recipient, ...],
    permissions: list[notes.Permission],
    language: str,
) -> list[Span]:
    """Return what happened to a client in the order in which it began; what has no length is a single day."""

    def point(kind: str, title: str, at: float | date) -> Span:
        when = at if isinstance(at, date) else moment_day(at)
        return Span(kind, title, when, when, said(f"span-{kind}", language))

    spans = [Span("consent", row.title, start, as_day(row.end), said(f"status-{row.status}", language))
             for row in rows if row.newest and (start := as_day(row.start))]  # fmt: skip
    spans += [point("version", f"{row.title} ({said('version', language).lower()} {row.version})", row.recorded)
              for row in rows if row.version > 1]  # fmt: skip
    spans += [Span("refusal", f"{row.title}: {each}", start, as_day(row.end), said("excluded", language))
              for row in rows if row.newest and (start := as_day(row.start)) for each in row.exclusions]  # fmt: skip
    spans += [Span("member", f"{one.name}, {one.organisation}", start, as_day(one.period[1]), one.role)
              for one in recipients if one.team and (start := as_day(one.period[0]))]  # fmt: skip
    for each in opened.disclosed:
        names = ", ".join(opened.file.organisations.get(one) or one for one in each.recipients)
        spans.append(
            point("disclosure", f"{code_name('disclosure-basis', each.basis, language)}: {names}", each.judged)
        )
    for seen in permissions:
        when = as_day(seen.checked_on)
        if when:
            spans.append(point("permission", said(f"client.permission-{seen.status}", language), when))
    return sorted(spans, key=lambda span: span.start)
