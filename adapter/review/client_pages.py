"""Pages about one client: consents and course, who may see what, why, and what a withdrawal would change."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from adapter.consent import explain
from adapter.i18n import text
from adapter.review import exports
from adapter.review.consents import rows_of
from adapter.review.files import ClientFile, end_of_day, handle_of, lane_named, lane_of, masked, read_file
from adapter.review.log import disclosures
from adapter.review.matrix import ACTIONS, Access, Answer, Recipient, consent_title
from adapter.review.sessions import Session
from adapter.review.timeline import Span, as_day, picture
from adapter.review.web import Office, RefusedError, check_form, form, language_of, office, redirect, render, reviewer

router = APIRouter()
Fields = Annotated[dict[str, str], Depends(form)]
Reviewer = Annotated[Session, Depends(reviewer)]
EXPORTED = ("kind", "title", "version", "status", "start", "end", "recipients", "purposes", "classes", "exclusions")


@router.post("/clients/_search")
def find_client(request: Request, fields: Fields, session: Reviewer) -> Response:
    """Open a client by identity code; the code stands in the body only."""
    check_form(session, fields)
    here = office(request)
    lane = lane_of(here.id_key, fields.get("identity_code", ""))
    with here.database.transaction() as connection:
        found = read_file(connection, here.cipher, lane, session.custodians) is not None
        handle = handle_of(connection, lane) if found else ""
        facts = {"client": handle} if found else {}
        here.record(connection, session.account, "search-client", found=int(found), **facts)
    return redirect(request, f"/clients/{handle}") if found else redirect(request, "/?missing=1")


@router.get("/clients/{handle}")
def client_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Consents, teams, disclosures and their course."""
    return _client_page(request, handle, session, "open-client", revealed=False)


@router.post("/clients/{handle}/identity")
def reveal(request: Request, handle: str, fields: Fields, session: Reviewer) -> Response:
    """Show the identity code: an act of its own in the audit."""
    check_form(session, fields)
    return _client_page(request, handle, session, "reveal-identity", revealed=True)


@router.get("/clients/{handle}/matrix")
def matrix_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Who may see what on a day."""
    here, chosen = office(request), _day(request)
    with here.database.transaction() as connection:
        file = _opened(here, connection, handle, session)
        here.record(connection, session.account, "matrix", client=handle, day=chosen.isoformat())
    access, purposes, action = _access(here, file, chosen), request.query_params.get("purpose", ""), _action(request)
    asked = (purposes,) if purposes in access.purposes else access.purposes
    rows = [(one, [(code, access.cell(one, code, asked, action)) for code in access.data]) for one in access.recipients]
    return render(
        request, "matrix.html", session=session, handle=handle, name=file.name, chosen=chosen.isoformat(),
        purposes=access.purposes, actions=ACTIONS, rows=rows, classes=list(access.data), purpose=purposes,
        action=action,
    )  # fmt: skip


@router.get("/clients/{handle}/explain")
def explain_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Why somebody may see a class of data, or may not."""
    here, chosen, language = office(request), _day(request), language_of(request)
    asked = request.query_params
    with here.database.transaction() as connection:
        file = _opened(here, connection, handle, session)
        facts = {"client": handle, "class": asked.get("class", "")[:64], "day": chosen.isoformat()}
        here.record(connection, session.account, "explain", **facts)
    access = _access(here, file, chosen)
    recipient = next((one for one in access.recipients if one.key == asked.get("recipient")), None)
    data_class, action = asked.get("class", ""), _action(request)
    purposes = [asked["purpose"]] if asked.get("purpose") in access.purposes else list(access.purposes)
    said: list[dict[str, Any]] = []
    cell = None
    if recipient is not None and data_class in access.data:
        cell = access.cell(recipient, data_class, purposes, action)
        said = _said(access, access.answers(recipient, data_class, purposes, action), language)
    return render(
        request, "explain.html", session=session, handle=handle, name=file.name, chosen=chosen.isoformat(),
        recipients=access.recipients, recipient=recipient, classes=list(access.data), data_class=data_class,
        purposes=access.purposes, purpose=asked.get("purpose", ""), actions=ACTIONS, action=action, said=said,
        cell=cell,
    )  # fmt: skip


@router.get("/clients/{handle}/withdrawal")
def withdrawal_page(request: Request, handle: str, session: Reviewer) -> Response:
    """What changes if a consent is withdrawn; nothing is changed."""
    here, chosen = office(request), _day(request)
    consent = request.query_params.get("consent", "")[:64]
    with here.database.transaction() as connection:
        file = _opened(here, connection, handle, session)
        here.record(connection, session.account, "simulate-withdrawal", client=handle, consent=consent)
    present = _access(here, file, chosen)
    titles = {kept.id: consent_title(one, language_of(request)) for kept, one in present.file.consents}
    after = Access(present.file, present.moment, withdrawn=(consent,))
    action = _action(request)
    changes = _changes(present, after, action) if consent in titles else []
    return render(
        request, "withdrawal.html", session=session, handle=handle, name=file.name, chosen=chosen.isoformat(),
        titles=titles, consent=consent, changes=changes, actions=ACTIONS, action=action,
    )  # fmt: skip


@router.post("/clients/{handle}/export")
def export_client(request: Request, handle: str, fields: Fields, session: Reviewer) -> Response:
    """Consents and disclosures of a client as a file."""
    check_form(session, fields)
    here, language = office(request), language_of(request)
    kind = "csv" if fields.get("format") == "csv" else "json"
    with here.database.transaction() as connection:
        file = _opened(here, connection, handle, session)
        rows = _exported(file, connection, here.clock(), language)
        here.record(connection, session.account, "export-client", client=handle, format=kind, rows=len(rows))
    body = exports.as_csv(rows, EXPORTED) if kind == "csv" else exports.as_json(rows)
    return exports_answer(body, kind, "client")


def exports_answer(body: bytes, kind: str, name: str) -> Response:
    """Return a file to keep; its name tells nothing of anybody."""
    media = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
    headers = {"Content-Disposition": f'attachment; filename="kykysilta-{name}.{kind}"'}
    return Response(body, media_type=media, headers=headers)


def _client_page(request: Request, handle: str, session: Session, act: str, *, revealed: bool) -> Response:
    here, language = office(request), language_of(request)
    with here.database.transaction() as connection:
        file = _opened(here, connection, handle, session)
        here.record(connection, session.account, act, client=handle)
        released = disclosures(connection, file)
    present = file.at(float("inf"))
    access = Access(present, here.clock())
    rows = rows_of(file, here.clock(), language)
    asked = request.query_params.get("class", "")
    shown = [one for one in released if not asked or asked in one.classes]
    return render(
        request, "client.html", session=session, handle=handle, name=file.name, consents=rows,
        identity_code=file.identity_code if revealed else masked(file.identity_code), revealed=revealed,
        members=[one for one in access.recipients if one.team], disclosures=shown, classes=list(access.data),
        data_class=asked, picture=picture(_spans(rows, access.recipients), here.today),
    )  # fmt: skip


def _opened(here: Office, connection: Connection, handle: str, session: Session) -> ClientFile:
    lane = lane_named(connection, handle)
    file = read_file(connection, here.cipher, lane, session.custodians) if lane else None
    if file is None:
        raise RefusedError(404)
    return file


def _access(here: Office, file: ClientFile, chosen: date) -> Access:
    moment = here.clock() if chosen == here.today else end_of_day(chosen)
    return Access(file.at(moment), moment)


def _day(request: Request) -> date:
    asked = request.query_params.get("day", "")
    try:
        return date.fromisoformat(asked) if asked else office(request).today
    except ValueError:
        return office(request).today


def _action(request: Request) -> str:
    asked = request.query_params.get("action", "")
    return asked if asked in ACTIONS else ACTIONS[0]


def _said(access: Access, answers: list[Answer], language: str) -> list[dict[str, Any]]:
    """Put answers that say the same together, and call consents what people call them."""
    titles = {f"Consent/{kept.id}": text("review.other-consent", language) for kept in access.file.beside}
    titles |= {f"Consent/{kept.id}": consent_title(one, language) for kept, one in access.file.consents}
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    for answer in answers:
        sentences = list(explain(answer.decision, language))
        for name, title in titles.items():
            sentences = [sentence.replace(name, f"”{title}”") for sentence in sentences]
        said = (answer.purpose, tuple(sentences))
        found[said] = found.get(said, 0) + 1
    return [{"purpose": purpose, "sentences": said, "count": count} for (purpose, said), count in found.items()]


def _changes(present: Access, after: Access, action: str) -> list[tuple[Recipient, str, str, str]]:
    """Return recipient, data class and the words before and after, where they differ."""
    purposes = present.purposes
    return [
        (one, code, before, then)
        for one in present.recipients
        for code in present.data
        for before in [present.cell(one, code, purposes, action).word]
        for then in [after.cell(one, code, purposes, action).word]
        if before != then
    ]


def _spans(rows: list[Any], recipients: tuple[Recipient, ...]) -> list[Span]:
    consents = [Span("consent", row.title, start, as_day(row.end), row.status)
                for row in reversed(rows) if row.newest and (start := as_day(row.start))]  # fmt: skip
    members = [Span("member", one.name, start, as_day(one.period[1]), one.role)
               for one in recipients if one.team and (start := as_day(one.period[0]))]  # fmt: skip
    return consents + members


def _exported(file: ClientFile, connection: Connection, moment: float, language: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "kind": "consent",
            "title": row.title,
            "version": row.version,
            "status": row.status,
            "start": row.start,
            "end": row.end,
            "recipients": "; ".join(row.recipients),
            "purposes": "; ".join(row.purposes),
            "classes": "; ".join(row.classes),
            "exclusions": "; ".join(row.exclusions),
        }
        for row in rows_of(file, moment, language)
    ]
    rows += [
        {
            "kind": "disclosure",
            "title": one.record_type,
            "status": one.basis,
            "start": one.at,
            "recipients": one.recipients,
            "purposes": one.purpose,
            "classes": "; ".join(one.classes),
        }
        for one in disclosures(connection, file)
    ]
    return rows
