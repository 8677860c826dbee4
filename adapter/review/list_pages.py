"""Pages over all clients: work list with its findings and notes, and the list of consents."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, replace
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Connection, delete, insert, select

from adapter import audit
from adapter.review import notes
from adapter.review.accounts import accounts
from adapter.review.consents import PERFORMERS, STATES, ConsentRow, Filters, fitting, rows_of
from adapter.review.files import DECIDING, handle_of, read_all
from adapter.review.findings import QUERIES, Case, Finding, find
from adapter.review.log import Reach, disclosures
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
from adapter.store.review_tables import review_filter
from adapter.terminology import code_system

router = APIRouter()
REMEMBERED_SECONDS = 60.0
FILTERS_KEPT = 20


class WorkList(NamedTuple):
    """Findings, and the clients they are about: pseudonym and name by lane."""

    found: list[Finding]
    handles: dict[str, str]
    names: dict[str, str]


@router.get("/")
def home(request: Request, session: SignedIn) -> Response:
    """What to look into, and the form that opens a client."""
    here = office(request)
    with here.database.transaction() as connection:
        work = work_list(here, connection, session, language_of(request))
        states = notes.states(connection)
        broken = log_finding(here, connection)
        here.record(connection, session.account, "work-list", findings=len(work.found))
    groups = [(name, [one for one in work.found if one.query == name]) for name in QUERIES]
    return render(
        request, "home.html", session=session, groups=groups, work=work, states=states, broken=broken,
        missing=request.query_params.get("missing") == "1", classes=list(code_system("data-class").codes),
        open_count=sum(states.get(one.key, ("open", ""))[0] == "open" for one in work.found),
    )  # fmt: skip


@router.get("/findings/{key}")
def finding_page(request: Request, key: str, session: Reviewer) -> Response:
    """One finding with its notes."""
    here = office(request)
    with here.database.transaction() as connection:
        work, one = _finding(here, connection, session, key, language_of(request))
        written = notes.notes_on(connection, here.cipher, key)
        people = [each for each in accounts(connection) if not each.locked and each.role == "reviewer"]
        here.record(connection, session.account, "open-finding", client=work.handles[one.lane], query=one.query)
    mine = [each for each in people if each.custodians & session.custodians]
    return render(
        request, "finding.html", session=session, one=one, handle=work.handles[one.lane], name=work.names[one.lane],
        notes=written, state=written[0].state if written else "open", people=mine,
    )  # fmt: skip


@router.post("/findings/{key}")
def note_finding(request: Request, key: str, fields: Fields, session: Reviewer) -> Response:
    """Mark a finding as looked at, hand it to somebody, open it again, or write a note. No consent changes."""
    check_form(session, fields)
    here = office(request)
    state: notes.State = "reviewed" if fields.get("state") == "reviewed" else "open"
    with here.database.transaction() as connection:
        work, one = _finding(here, connection, session, key, language_of(request))
        known = {each.id for each in accounts(connection) if each.custodians & session.custodians}
        assignee = fields.get("assignee", "")
        values = {"state": state, "assignee": assignee if assignee in known else "", "text": fields.get("text", "")}
        notes.add_note(connection, here.cipher, key, one.lane, session.account, here.clock(), **values)  # type: ignore[arg-type]
        here.record(connection, session.account, "note", client=work.handles[one.lane], query=one.query, state=state)
    return redirect(request, f"/findings/{key}")


@router.get("/consents")
def consents_page(request: Request, session: Reviewer) -> Response:
    """All consents, newest versions; a saved filter is named by a random id."""
    here, saved = office(request), request.query_params.get("filter", "")
    with here.database.reading() as connection:
        kept = _saved(connection, session).get(saved, Filters())
    return _consents(request, session, replace(kept, state=request.query_params.get("state", kept.state)))


@router.post("/consents")
def consents_filtered(request: Request, fields: Fields, session: Reviewer) -> Response:
    """The consents that pass the filters."""
    check_form(session, fields)
    return _consents(request, session, Filters.of(fields))


@router.post("/consents/filters")
def save_filter(request: Request, fields: Fields, session: Reviewer) -> Response:
    """Keep a filter under a random id; the name of a recipient is not kept."""
    check_form(session, fields)
    here, name = office(request), secrets.token_hex(16)
    wanted = json.dumps(asdict(replace(Filters.of(fields), recipient="")))
    with here.database.transaction() as connection:
        for old in list(_saved(connection, session))[: -FILTERS_KEPT + 1]:
            connection.execute(delete(review_filter).where(review_filter.c.id == old))
        connection.execute(insert(review_filter).values(id=name, account=session.account, fields=wanted))
    return redirect(request, f"/consents?filter={name}")


def chosen_consents(
    here: Office, connection: Connection, session: Session, filters: Filters, language: str
) -> tuple[list[ConsentRow], dict[str, str], dict[str, str]]:
    """Return the newest versions that pass the filters, with pseudonyms and names of their clients by lane."""
    files = read_all(connection, here.cipher, DECIDING, session.custodians)
    moment = here.clock()
    rows = [
        row
        for file in files.values()
        for row in fitting(file, [row for row in rows_of(file, moment, language) if row.newest], filters, moment)
    ]
    rows.sort(key=lambda row: -row.recorded)
    handles = {row.lane: handle_of(connection, row.lane) for row in rows}
    return rows, handles, {lane: files[lane].name for lane in handles}


def work_list(here: Office, connection: Connection, session: Session, language: str) -> WorkList:
    """Return the findings of a reviewer's clients; worked out anew after a minute. Auditors have none."""
    if session.role != "reviewer":
        return WorkList([], {}, {})
    mark = ("work-list", session.custodians, language)
    known = here.remembered.get(mark)
    if known is not None and 0 <= here.clock() - known[0] < REMEMBERED_SECONDS:
        found: WorkList = known[1]
        return found
    files = read_all(connection, here.cipher, DECIDING, session.custodians)
    handles = {lane: handle_of(connection, lane) for lane in files}
    reach, moment = Reach.of(connection, session.who), here.clock()
    given = disclosures(connection, reach, {handles[lane]: file for lane, file in files.items()})
    cases = {lane: Case(file.at(moment), given[handles[lane]], moment, language) for lane, file in files.items()}
    work = WorkList(find(cases), handles, {lane: file.name for lane, file in files.items()})
    here.remembered[mark] = (moment, work)
    return work


def log_finding(here: Office, connection: Connection) -> audit.Finding | None:
    """Return what is wrong with the log; checked anew after a minute."""
    known = here.remembered.get("log")
    if known is None or not 0 <= here.clock() - known[0] < REMEMBERED_SECONDS:
        known = here.remembered["log"] = (here.clock(), audit.verify(connection))
    finding: audit.Finding | None = known[1]
    return finding


def _finding(
    here: Office, connection: Connection, session: Session, key: str, language: str
) -> tuple[WorkList, Finding]:
    work = work_list(here, connection, session, language)
    one = next((each for each in work.found if each.key == key), None)
    if one is None:
        raise RefusedError(404)
    return work, one


def _consents(request: Request, session: Session, filters: Filters) -> Response:
    here, language = office(request), language_of(request)
    with here.database.transaction() as connection:
        rows, handles, names = chosen_consents(here, connection, session, filters, language)
        saved = _saved(connection, session)
        here.record(connection, session.account, "list-consents", rows=len(rows))
    return render(
        request, "consents.html", session=session, rows=rows, handles=handles, names=names, filters=filters,
        states=STATES, performers=PERFORMERS, classes=list(code_system("data-class").codes), saved=saved,
        purposes=list(code_system("consent-purpose").codes),
    )  # fmt: skip


def _saved(connection: Connection, session: Session) -> dict[str, Filters]:
    query = select(review_filter).where(review_filter.c.account == session.account)
    return {row.id: Filters.of(json.loads(row.fields)) for row in connection.execute(query)}
