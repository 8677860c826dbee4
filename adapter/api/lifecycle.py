"""What happens to records after they were taken: invalidated, withdrawn with a receipt, fetched by others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from adapter.api.access import line_of, sender_of
from adapter.api.answers import accepts, json_answer, language_of, outcome
from adapter.api.bodies import read_body
from adapter.api.refusals import BadRequest
from adapter.api.submissions import instant, own_submission
from adapter.consent.model import HANDLING
from adapter.errors import ChangedContent, NotYours, OutdatedVersion
from adapter.fhir.canonical import dumps
from adapter.lifecycle.fetching import Elsewhere, Question
from adapter.lifecycle.invalidation import Invalidation
from adapter.lifecycle.recipients import Recipient
from adapter.lifecycle.withdrawal import Told
from adapter.pipeline import Accepted, Line, Sender
from adapter.source import record_types
from adapter.source.json import read_json
from adapter.terminology import code_system
from adapter.types import Issue

LONGEST_REASON = 1000
REASON = re.compile(rf"(?=.*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f]{{1,{LONGEST_REASON}}}", re.DOTALL)
"""Not blank, and of the characters that a FHIR string may hold."""

WITHDRAWAL_FIELDS = (
    "withdrawal_scope",
    "recipient",
    "data_class",
    "withdrawn_by",
    "withdrawn_at",
    "recorded_by",
)
FETCH_FIELDS = ("client", "organisation", "practitioner", "purpose", "record_types", "legal_basis")
OVERTAKEN = 5
"""So often a withdrawal begins anew when another version of the consent was taken in between."""

PLAN = "work_ability_plan"

router = APIRouter(prefix="/v1", tags=["after the hand-over"])


def body(**examples: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a JSON body by its examples, for OpenAPI."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": True, "content": {"application/json": {"examples": named}}}}


@router.post(
    "/records/{submission}/invalidate",
    status_code=202,
    summary="Take a record back: entered in error",
    openapi_extra=body(wrong_client={"reason": "Kirjattu väärälle asiakkaalle"}),
)
async def invalidate(request: Request, submission: str) -> Response:
    """Invalidate the record of a submission in all its versions (mitätöinti). The body is `{"reason": "…"}`.

    What was not sent yet is never sent. What may be in the repository is marked there as entered in error, by an
    update that you follow like any record. `recipients` lists every organisation that got the data from here: tell
    them. Doing it again changes nothing and answers the same.
    """
    status = await own_submission(request, submission, sender_of(request, "c").id)
    content = read_json(await read_body(request, longest=LONGEST_REASON * 10) or b"{}")
    reason = content.get("reason") if isinstance(content, dict) and content.keys() <= {"reason"} else None
    if not isinstance(reason, str) or not REASON.fullmatch(reason):
        raise BadRequest(Issue("error", "api.reason-required", {"most": str(LONGEST_REASON)}))
    done = await run_in_threadpool(line_of(request).afterwards.invalidate, status.id, reason.strip())
    request.app.state.wake()
    headers = {"Location": f"/v1/records/{done.submission}"} if done.submission else {}
    return json_answer(_invalidation(done), status=202, headers=headers)


@router.post(
    "/records/{submission}/withdraw",
    status_code=202,
    summary="Withdraw a consent in one step",
    openapi_extra=body(
        whole={},
        one_recipient={
            "withdrawal_scope": "recipient",
            "recipient": {"organisation": {"id": "0246246-0", "name": "Kela", "organisation_type": "kela"}},
        },
        one_data_class={"withdrawal_scope": "data-class", "data_class": "diagnosis"},
    ),
)
async def withdraw(request: Request, submission: str) -> Response:
    """Withdraw the consent of a submission, wholly or in part; it acts on the next request of anybody.

    The body has the fields of a withdrawal as in a consent record; an empty object withdraws the whole consent, by
    the client, now. The next version of the record is made from the newest one and taken like any version:
    `record_version` says which, so count on from there. The answer holds the client's receipt.
    """
    sender = sender_of(request, "c")
    status = await own_submission(request, submission, sender.id)
    content = read_json(await read_body(request, longest=100_000) or b"{}")
    if not isinstance(content, dict) or content.keys() - set(WITHDRAWAL_FIELDS):
        raise BadRequest(Issue("error", "api.bad-fetch", {"known": ", ".join(WITHDRAWAL_FIELDS)}))
    line = line_of(request)
    version, taken = await run_in_threadpool(_withdrawn, line, status.id, content, sender)
    request.app.state.wake()
    told = await run_in_threadpool(line.afterwards.receipt, taken.submission, language_of(request))
    answer = {"id": taken.submission, "record_version": version, **_receipt(told)}
    return json_answer(answer, status=202, headers={"Location": f"/v1/records/{taken.submission}"})


@router.get("/records/{submission}/receipt", summary="The client's receipt for a consent")
async def read_receipt(request: Request, submission: str) -> Response:
    """Return the receipt for the version of a consent that a submission brought, in the caller's language.

    `Accept: text/plain` gives it as text to print or to send. After a withdrawal or correction
    `recipients_to_notify` lists every organisation that got data on the strength of a consent.
    """
    status = await own_submission(request, submission, sender_of(request, "r").id)
    told = await run_in_threadpool(line_of(request).afterwards.receipt, status.id, language_of(request))
    if accepts(request, "text/plain"):
        headers = {"Cache-Control": "no-store", "Content-Language": told.receipt.language}
        return PlainTextResponse(told.receipt.as_text(), headers=headers)
    return json_answer(_receipt(told))


@router.post(
    "/clients/_fetch",
    summary="Fetch other organisations' records of a client",
    openapi_extra=body(
        plan={
            "client": {"personal_identity_code": "080885-906S"},
            "organisation": {"id": "1.2.246.10.32213086.10.12"},
            "practitioner": {"id": "90000000011", "system": "urn:oid:1.2.246.537.26"},
            "purpose": "service-coordination",
        },
        assessments_by_system={
            "client": {"id": "asiakas-906", "system": "urn:oid:1.2.246.10.12345678.40"},
            "organisation": {"id": "0246246-0"},
            "purpose": "team-assessment",
            "record_types": ["functional_assessment", "health_check"],
        },
    ),
)
async def fetch(request: Request) -> Response:
    """Return the client's records that your organisation may see, as canonical records.

    The client's consent, or a statutory right that you name in `legal_basis`, decides at this moment, and every look
    stands in the client's log. What may not be seen is answered like what is not there: an empty list. `handling`
    says that the data may not be disclosed further and not be used for anything else. A record that you may see and
    whose content is not kept here any more stands in `elsewhere`: since when, and where in the repository it lies.
    """
    sender = sender_of(request, "s")
    question = _question(read_json(await read_body(request, longest=100_000) or b"{}"), sender)
    if sender.custodians is not None and _name_of(question.organisation) not in sender.custodians:
        await run_in_threadpool(line_of(request).afterwards.refuse_fetch, question, sender.id, "foreign-custodian")
        raise NotYours(Issue("error", "api.foreign-organisation"))
    found = await run_in_threadpool(line_of(request).afterwards.fetch, question, sender.id)
    handling = [coding.code for coding in HANDLING] if found.records else []
    return json_answer({"records": found.records, "handling": handling, **_elsewhere(request, found.elsewhere)})


def _withdrawn(
    line: Line, submission: str, act: dict[str, Any], sender: Sender, again: int = OVERTAKEN
) -> tuple[int, Accepted]:
    """Hand over the next version of a consent; whoever was overtaken makes it from the newest one again.

    Raises:
        AdapterError: the consent has ended meanwhile, or what is withdrawn is not understood.
    """
    record = line.afterwards.withdrawn(submission, act)
    try:
        return record["record_version"], line.accept(dumps(record), sender=sender)
    except (ChangedContent, OutdatedVersion):
        if not again:
            raise
    return _withdrawn(line, submission, act, sender, again - 1)


def _elsewhere(request: Request, found: Sequence[Elsewhere]) -> dict[str, Any]:
    """Say where to read the records whose content is not kept here: as fields, and in words."""
    if not found:
        return {}
    places = [one._asdict() | {"since": instant(one.since)} for one in found]
    issues = tuple(
        Issue("warning", "api.read-elsewhere", {name: str(place[name]) for name in place}) for place in places
    )
    return {"elsewhere": places, "outcome": outcome(issues, request)}


def _recipient(one: Recipient) -> dict[str, Any]:
    return one._asdict() | {"last": instant(one.last)}


def _receipt(told: Told) -> dict[str, Any]:
    grounds, language = told.receipt.grounds, told.receipt.language
    return {
        "act": told.receipt.act,
        "language": language,
        "title": told.receipt.title,
        "lines": list(told.receipt.lines),
        "processing_basis": {"gdpr_article_6": grounds.article6, "gdpr_article_9": grounds.article9},
        "ground_for_disclosure": grounds.disclosure,
        "is_kanta_permission": False,
        "recipients_to_notify": [_recipient(one) | {"name": name} for one, name in told.recipients],
    }


def _invalidation(done: Invalidation) -> dict[str, Any]:
    return {
        "id": done.submission,
        "record_type": done.record_type,
        "record_version": done.record_version,
        "cancelled": list(done.cancelled),
        "recipients": [_recipient(one) for one in done.recipients],
    }


def _question(content: Any, sender: Sender) -> Question:
    """Read and check the body of a fetch.

    Raises:
        BadRequest: a field is missing, unknown or of a wrong kind.
    """
    if not isinstance(content, dict) or content.keys() - set(FETCH_FIELDS):
        raise BadRequest(Issue("error", "api.bad-fetch", {"known": ", ".join(FETCH_FIELDS)}))
    given: dict[str, Any] = {name: content.get(name) for name in FETCH_FIELDS}
    client, purpose, practitioner = given["client"], given["purpose"], given["practitioner"] or {}
    organisation, basis = given["organisation"] or _only(sender) or {}, given["legal_basis"] or ""
    wanted = given["record_types"] or [PLAN]
    purposes = code_system("consent-purpose").codes
    _allow("client", _names_client(client), "personal_identity_code; id, system")
    _allow("organisation", _is_reference(organisation), "id, system")
    _allow("practitioner", practitioner == {} or _is_reference(practitioner), "id, system")
    _allow("purpose", isinstance(purpose, str) and purpose in purposes, ", ".join(purposes))
    known = isinstance(wanted, list) and all(one in record_types() for one in wanted)
    _allow("record_types", known, ", ".join(record_types()))
    _allow("legal_basis", isinstance(basis, str) and len(basis) <= 128, "text")
    return Question(client, organisation, practitioner, purpose, tuple(wanted), basis)


def _only(sender: Sender) -> dict[str, str] | None:
    """The organisation of a caller that acts for one alone."""
    mine = sender.custodians or frozenset[str]()
    if len(mine) != 1:
        return None
    system, _, identity = next(iter(mine)).rpartition("|")
    return {"id": identity} | ({"system": system} if system else {})


def _name_of(organisation: Mapping[str, str]) -> str:
    """Name an organisation as a client's custodians do: the same id of another system is another organisation."""
    system = organisation.get("system")
    return f"{system}|{organisation['id']}" if system else organisation["id"]


def _names_client(value: Any) -> bool:
    texts = isinstance(value, dict) and all(isinstance(each, str) and each.strip() for each in value.values())
    return texts and (value.keys() == {"personal_identity_code"} or value.keys() == {"id", "system"})


def _is_reference(value: Any) -> bool:
    texts = isinstance(value, dict) and all(isinstance(each, str) and each.strip() for each in value.values())
    return texts and "id" in value and value.keys() <= {"id", "system"}


def _allow(field: str, allowed: bool, text: str) -> None:
    if not allowed:
        raise BadRequest(Issue("error", "api.bad-search-value", {"field": field, "allowed": text}))
