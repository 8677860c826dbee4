"""`/v1/records/…` after the hand-over: where is it, find many, send again, take back. A sender sees only its own."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from adapter.api.access import line_of, sender_of
from adapter.api.answers import json_answer, language_of
from adapter.api.bodies import read_body
from adapter.api.refusals import BadRequest, NotFound, NotPossible
from adapter.delivery.states import State
from adapter.delivery.submissions import Status, Wanted
from adapter.i18n import text
from adapter.source import record_types
from adapter.source.json import read_json
from adapter.types import Issue

LONGEST_WAIT = 60.0
FIRST_LOOK = 0.05
LAST_LOOK = 1.0
MOST = 1000
SEARCH_FIELDS = ("state", "record_type", "ids", "before", "limit")
_ID = re.compile(r"[0-9a-f]{32}")

router = APIRouter(prefix="/v1/records", tags=["records"])

Wait = Annotated[
    str, Query(description="Seconds (at most 60) to wait for a final state before answering. Polling made cheap.")
]


@router.post("/_search", summary="Find your submissions")
async def search(request: Request) -> Response:
    """Return your submissions, newest first, by a JSON object in the body; an empty one finds all.

    `ids` (at most 1000) asks for the receipts of many submissions at once; `state` and `record_type` narrow;
    `limit` is 100 unless told otherwise; `before` continues where the `next` of the answer before ended.
    """
    sender = sender_of(request, "s")
    wanted = _wanted(read_json(await read_body(request) or b"{}"))
    found = await run_in_threadpool(line_of(request).search, sender.id, wanted)
    answer: dict[str, Any] = {"submissions": [_status(status, language_of(request)) for status in found]}
    if len(found) == wanted.limit and not wanted.ids:
        answer["next"] = found[-1].id
    return json_answer(answer)


@router.get("/{submission}", summary="Where is my record?")
async def read_status(request: Request, submission: str, wait: Wait = "0") -> Response:
    """Return state, receipts, warnings, history of one submission, and what you should do now."""
    seconds = _seconds(wait)
    sender = sender_of(request, "r").id
    until, pause = time.monotonic() + seconds, FIRST_LOOK
    while True:
        status = await own_submission(request, submission, sender)
        if State(status.state).final or time.monotonic() + pause > until:
            return json_answer(_status(status, language_of(request)))
        await asyncio.sleep(pause)
        pause = min(LAST_LOOK, pause * 2)


@router.post("/{submission}/replay", summary="Send a rejected, dead or cancelled record again")
async def replay(request: Request, submission: str) -> Response:
    """Queue the submission again with fresh attempts; its place in the client's order is kept.

    Not when the record was invalidated, or a newer version of it was handed over (409).
    """
    return await _steer(request, submission, line_of(request).replay)


@router.post("/{submission}/cancel", summary="Take a record back that was not sent yet")
async def cancel(request: Request, submission: str) -> Response:
    """Cancel a waiting submission; one whose outcome is not known may have arrived and cannot be taken back."""
    return await _steer(request, submission, line_of(request).cancel)


async def _steer(request: Request, submission: str, act: Callable[[str], Issue | None]) -> Response:
    await own_submission(request, submission, sender_of(request, "c").id)
    refused = await run_in_threadpool(act, submission)
    if refused:
        raise NotPossible(refused)
    request.app.state.wake()
    return json_answer({"id": submission})


async def own_submission(request: Request, submission: str, sender: str) -> Status:
    """Return a submission of this sender.

    Raises:
        NotFound: there is none under this id, or it is another sender's: both look the same.
    """
    known = _ID.fullmatch(submission)
    status = await run_in_threadpool(line_of(request).status, submission, sender) if known else None
    if status is None:
        raise NotFound(Issue("error", "delivery.no-such-submission"))
    return status


def _wanted(content: Any) -> Wanted:
    if not isinstance(content, dict) or content.keys() - set(SEARCH_FIELDS):
        raise BadRequest(Issue("error", "api.bad-search", {"known": ", ".join(SEARCH_FIELDS)}))
    states = [state.value for state in State]
    ids, limit, before = content.get("ids", []), content.get("limit", 100), content.get("before")
    _allow("state", content.get("state") in (None, *states), ", ".join(states))
    _allow("record_type", content.get("record_type") in (None, *record_types()), ", ".join(record_types()))
    _allow("ids", isinstance(ids, list) and len(ids) <= MOST and all(map(_is_id, ids)), f"1–{MOST} × [0-9a-f]{{32}}")
    _allow("before", before is None or _is_id(before), "[0-9a-f]{32}")
    _allow("limit", type(limit) is int and 1 <= limit <= MOST, f"1–{MOST}")
    return Wanted(content.get("state"), content.get("record_type"), tuple(ids), before, len(ids) or limit)


def _allow(field: str, allowed: bool, text: str) -> None:
    if not allowed:
        raise BadRequest(Issue("error", "api.bad-search-value", {"field": field, "allowed": text}))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _seconds(wait: str) -> float:
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?", wait) or float(wait) > LONGEST_WAIT:
        raise BadRequest(Issue("error", "api.bad-wait", {"most": f"{LONGEST_WAIT:g}"}))
    return float(wait)


def _status(status: Status, language: str) -> dict[str, Any]:
    content = asdict(status)
    content["warnings"] = [issue.as_fhir(language) for issue in status.warnings]
    content["advice"] = text(f"api.state-{status.state}", language)
    content["received_at"] = instant(status.received_at)
    content["due"] = instant(status.due)
    content["history"] = [
        {"at": instant(at), "state": state, "attempt": attempt, "cause": cause}
        for at, state, attempt, cause in status.history
    ]
    return content


def instant(seconds: float) -> str:
    """Return UTC seconds as the API tells instants."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
