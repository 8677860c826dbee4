"""Pages about the service: record of processing, facts for the impact assessment, health, accessibility."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection, func, select

from adapter import audit
from adapter.audit.rows import read_rows
from adapter.review.list_pages import log_finding
from adapter.review.makers import MAKERS, Wanted
from adapter.review.sessions import Session
from adapter.review.web import SignedIn, language_of, office, render
from adapter.store.tables import audit_checkpoint, submission

router = APIRouter()


@router.get("/record")
def record_page(request: Request, session: SignedIn) -> Response:
    """The record of processing activities (GDPR art. 30), with the versions of configuration and statutory rules."""
    return _sheet(request, session, "record")


@router.get("/facts")
def facts_page(request: Request, session: SignedIn) -> Response:
    """The facts for an impact assessment (GDPR art. 35)."""
    return _sheet(request, session, "facts")


@router.get("/health")
def health_page(request: Request, session: SignedIn) -> Response:
    """Whether consents are enforced and the log holds: last decision, newest consent, log, checkpoint."""
    here = office(request)
    with here.database.transaction() as connection:
        here.remembered.pop("log", None)
        broken = log_finding(here, connection)
        values = _state(connection)
        here.record(connection, session.account, "health")
    return render(
        request, "health.html", session=session, broken=broken, checked=here.remembered["log"][0],
        signed_exports=here.sign is not None, **values,
    )  # fmt: skip


@router.get("/accessibility")
def accessibility_page(request: Request) -> Response:
    """How far the pages are accessible, and where to say when they are not."""
    return render(request, "accessibility.html")


def _state(connection: Connection) -> dict[str, Any]:
    decisions = read_rows(connection, kinds=("decision", "refusal", "release"), newest_first=True)
    consents = select(func.count(), func.max(submission.c.received_at)).where(submission.c.record_type == "consent")
    count, newest = connection.execute(consents).one()
    return {
        "last_decision": next((row.at for row in decisions), None),
        "consents": count,
        "newest_consent": newest,
        "entries": audit.size(connection),
        "checkpointed": audit.checkpointed(connection),
        "checkpoint_at": connection.execute(select(func.max(audit_checkpoint.c.at))).scalar(),
    }


def _sheet(request: Request, session: Session, what: str) -> Response:
    here = office(request)
    with here.database.transaction() as connection:
        made = MAKERS[what](Wanted(here, connection, session, {}, language_of(request)))
        here.record(connection, session.account, f"open-{what}")
    return render(request, "sheet.html", session=session, sheet=made.sheet, what=what)
