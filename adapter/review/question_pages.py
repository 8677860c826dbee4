"""The questions about one client, answered by the engine: who saw what, who may, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from adapter.audit import words
from adapter.audit.acts import act_of
from adapter.audit.rows import Row
from adapter.consent import Decision, explain
from adapter.review import log
from adapter.review.consents import recipients_of
from adapter.review.drafts import Draft, draft_consent
from adapter.review.kept_decisions import agree, kept_decisions
from adapter.review.log import Disclosure
from adapter.review.log_words import organisations_of, who
from adapter.review.matrix import ACTIONS, Access, Answer, Recipient, consent_title
from adapter.review.opened import Opened, access_on, chosen_action, chosen_day, last_day_in_force, open_client
from adapter.review.timeline import moment_day
from adapter.review.web import RefusedError, Reviewer, language_of, office, render
from adapter.review.words import refusal, said
from adapter.terminology import code_system

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that would differ."""

    recipient: Recipient
    data_class: str
    before: str
    after: str


@router.get("/clients/{handle}/seen")
def seen_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Who has been given a class of data, and why."""
    here, asked, language = office(request), request.query_params.get("class", ""), language_of(request)
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "disclosures", **{"class": asked[:64]})
        query = log.LogQuery(client=opened.handle)
        mine = frozenset(one.id for one in opened.file.kept)
        rows = log.search_log(connection, opened.reach, query, mine)
    disclosures = [one for one in opened.disclosed if not asked or asked in one.classes]
    names = opened.file.organisations
    receivers = dict.fromkeys(each for one in disclosures for each in one.recipients)
    return render(
        request, "seen.html", session=session, handle=handle, name=opened.file.name, data_class=asked,
        disclosures=disclosures, receivers=[names.get(each) or each for each in receivers],
        organisations=names, classes=list(code_system("data-class").codes),
        reviewers=[(row.at, act_of(row).name(language)) for row in rows if row.kind == "review"][:20],
        handled=[_handled(row, opened, language) for row in rows if log.handles(row, asked)],
        denied=[(row.at, organisations_of(row, names), refusal(row, language)) for row in rows if log.is_denied(row)],
    )  # fmt: skip


@router.get("/clients/{handle}/matrix")
def matrix_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Who may see what on a day."""
    here, chosen, asked = office(request), chosen_day(request), request.query_params
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "matrix", day=chosen.isoformat())
    access, action = access_on(here, opened.file, chosen), chosen_action(request)
    purpose, data_class = asked.get("purpose", ""), asked.get("class", "")
    purposes = (purpose,) if purpose in access.purposes else access.purposes
    classes = [data_class] if data_class in access.data else list(access.data)
    rows = [(one, [(code, access.cell(one, code, purposes, action)) for code in classes]) for one in access.recipients]
    return render(
        request, "matrix.html", session=session, handle=handle, name=opened.file.name, chosen=chosen.isoformat(),
        purposes=access.purposes, actions=ACTIONS, rows=rows, classes=classes, purpose=purpose, action=action,
        last=last_day_in_force(opened.file, chosen).isoformat(),
        data_class=data_class if data_class in access.data else "", all_classes=list(access.data),
    )  # fmt: skip


@router.get("/clients/{handle}/explain")
def explain_page(request: Request, handle: str, session: Reviewer) -> Response:
    """Why somebody may see a class of data, or may not: as asked in the form, or as an entry of the log says."""
    here, chosen, language, asked = office(request), chosen_day(request), language_of(request), request.query_params
    facts = {"class": asked.get("class", "")[:64], "day": chosen.isoformat()}
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "explain", **facts)
    if asked.get("entry"):
        return _explained_entry(request, session, opened, asked["entry"])
    access = access_on(here, opened.file, chosen)
    recipient = next((one for one in access.recipients if one.key == asked.get("recipient")), None)
    data_class, action, purpose = asked.get("class", ""), chosen_action(request), asked.get("purpose", "")
    purposes = [purpose] if purpose in access.purposes else list(access.purposes)
    told, cell = [], None
    if recipient is not None and data_class in access.data:
        cell = access.cell(recipient, data_class, purposes, action)
        told = _told(access, access.answers(recipient, data_class, purposes, action), language)
    return render(
        request, "explain.html", session=session, handle=handle, name=opened.file.name, chosen=chosen.isoformat(),
        recipients=access.recipients, recipient=recipient, classes=list(access.data), data_class=data_class,
        purposes=access.purposes, purpose=purpose, actions=ACTIONS, action=action, told=told, cell=cell,
    )  # fmt: skip


@router.get("/clients/{handle}/withdrawal")
def withdrawal_page(request: Request, handle: str, session: Reviewer) -> Response:
    """What changes if a consent is withdrawn; nothing is changed."""
    here, action, asked_day = office(request), chosen_action(request), request.query_params.get("day", "")
    consent = request.query_params.get("consent", "")[:64]
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "simulate-withdrawal", consent=consent)
    known = access_on(here, opened.file, chosen_day(request)).file
    given = [(kept.id, one) for kept, one in known.consents if one.get("status") == "active"]
    titles = {name: consent_title(one, language_of(request)) for name, one in given}
    consent = consent or next(iter(titles), "")
    chosen = chosen_day(request) if asked_day else last_day_in_force(opened.file, here.today, consent)
    present = access_on(here, opened.file, chosen)
    after = Access(present.file, present.moment, withdrawn=(consent,))
    changes = _changes(present, after, action) if consent in titles else []
    return render(
        request, "withdrawal.html", session=session, handle=handle, name=opened.file.name, chosen=chosen.isoformat(),
        titles=titles, consent=consent,
        recipients={name: recipients_of(known, one.get("provision", {})) for name, one in given},
        changes=changes, actions=ACTIONS, action=action, asked_day=asked_day, past=chosen < here.today,
    )  # fmt: skip


@router.get("/clients/{handle}/draft")
def draft_page(request: Request, handle: str, session: Reviewer) -> Response:
    """What a consent would open that nobody has given yet; nothing is stored."""
    here, chosen, action = office(request), chosen_day(request), chosen_action(request)
    with here.database.transaction() as connection:
        opened = open_client(here, connection, handle, session, "simulate-draft")
    present = access_on(here, opened.file, chosen)
    draft = Draft.of(request.query_params, present)
    changes: list[Change] = []
    if draft is not None:
        drafted = draft_consent(draft, present, chosen)
        changes = _changes(present, Access(present.file, present.moment, drafts=(drafted,)), action)
    return render(
        request, "draft.html", session=session, handle=handle, name=opened.file.name, chosen=chosen.isoformat(),
        recipients=present.recipients, classes=list(present.data), purposes=list(code_system("consent-purpose").codes),
        draft=draft, changes=changes, actions=ACTIONS, action=action,
    )  # fmt: skip


def _handled(row: Row, opened: Opened, language: str) -> tuple[str, ...]:
    """Return when, what was done, by whom and to which data, of an entry of the use log."""
    by = who(row, opened.file.organisations, language)
    return words.instant(row.at), act_of(row).name(language), by, words.listed(row.what, language)


def _explained_entry(request: Request, session: Any, opened: Opened, written: str) -> Response:
    """Explain an entry of the log: what was decided then, and the same question as the engine answers it today."""
    one = next((each for each in opened.disclosed if str(each.seq) == written), None)
    if one is None:
        raise RefusedError(404)
    access, language = Access(opened.file.at(one.judged), one.judged), language_of(request)
    purposes = [one.purpose] if one.purpose else list(access.purposes)
    recipients = [each for each in access.recipients if _is_among(each, one, opened)]
    classes = [each for each in one.classes if each in access.data]
    asked = [(who, code) for who in recipients for code in classes]
    today = [each.decision for who, code in asked for each in access.answers(who, code, purposes, ACTIONS[0])]
    kept = kept_decisions(office(request), one.traces)
    return render(
        request, "explained-entry.html", session=session, handle=opened.handle, name=opened.file.name, one=one,
        kept=kept, then=dict.fromkeys((each.decision, _sentences(access, each, language)) for each in kept.decisions),
        told=_reasons(access, recipients, classes, purposes, language),
        same=bool(kept.decisions) and agree(kept.decisions, today),
        organisations=opened.file.organisations, judged=moment_day(one.judged).isoformat(),
    )  # fmt: skip


def _reasons(
    access: Access, recipients: list[Recipient], classes: list[str], purposes: list[str], language: str
) -> dict[tuple[str, tuple[str, ...]], dict[str, list[str]]]:
    """Return by word and sentences who may see or not which classes: what is decided alike stands together."""
    found: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for recipient in recipients:
        for code in classes:
            word = access.cell(recipient, code, purposes, ACTIONS[0]).word
            parts = _told(access, access.answers(recipient, code, purposes, ACTIONS[0]), language)
            sentences = tuple(dict.fromkeys(sentence for part in parts for sentence in part["sentences"]))
            found.setdefault((word, sentences), {}).setdefault(recipient.name, []).append(code)
    return found


def _is_among(recipient: Recipient, one: Disclosure, opened: Opened) -> bool:
    names = {opened.file.organisations.get(each, each) for each in one.recipients}
    return recipient.organisation in names or not names


def _told(access: Access, answers: list[Answer], language: str) -> list[dict[str, Any]]:
    """Put answers that say the same together."""
    counts: dict[tuple[str, tuple[str, ...]], int] = {}
    for answer in answers:
        key = (answer.purpose, _sentences(access, answer.decision, language))
        counts[key] = counts.get(key, 0) + 1
    alike: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for (purpose, told), count in counts.items():
        alike.setdefault((told, count), []).append(purpose)
    return [{"purposes": some, "sentences": told, "count": count} for (told, count), some in alike.items()]


def _sentences(access: Access, decision: Decision, language: str) -> tuple[str, ...]:
    """Return a decision in words, with consents called what people call them."""
    titles = {f"Consent/{kept.id}": said("other-consent", language) for kept in access.file.beside}
    titles |= {f"Consent/{kept.id}": consent_title(one, language) for kept, one in access.file.consents}
    sentences = explain(decision, language)
    for name, title in titles.items():
        sentences = tuple(sentence.replace(name, f"”{title}”") for sentence in sentences)
    return sentences


def _changes(present: Access, after: Access, action: str) -> list[Change]:
    """Return the cells that differ."""
    purposes = tuple(dict.fromkeys((*present.purposes, *after.purposes)))
    recipients = {one.key: one for one in (*present.recipients, *after.recipients)}
    return [
        Change(one, code, before, then)
        for one in recipients.values()
        for code in present.data
        for before in [present.cell(one, code, purposes, action).word]
        for then in [after.cell(one, code, purposes, action).word]
        if before != then
    ]
