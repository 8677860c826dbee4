"""`/v1/records`: take records, check them without storing, say where they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from adapter.api.access import Access
from adapter.api.answers import NotFound, NotPossible, TooLarge, json_answer, language_of, outcome
from adapter.delivery.submissions import Status
from adapter.errors import AdapterError, SourceError
from adapter.fhir.canonical import dumps
from adapter.pipeline import Accepted, Line, Sender
from adapter.source.json import read_json
from adapter.types import Issue

LONGEST_BODY = 10_000_000
SEARCH_FIELDS = ("state", "record_type")

router = APIRouter(prefix="/v1/records", tags=["records"])


@router.post("", status_code=202, summary="Hand over one record")
async def accept(
    request: Request,
    type: str | None = None,
    vendor: str | None = None,
    idempotency_key: Annotated[str, Header()] = "",
) -> Response:
    """Take one record. 202 means: it is on disk and will be delivered; `Location` says where to look.

    With an `Idempotency-Key` the same body is answered as before, also after a crash on either side.
    """
    sender = sender_of(request, "c")
    if idempotency_key and not (
        len(idempotency_key) <= 128 and idempotency_key.isascii() and idempotency_key.isprintable()
    ):
        raise SourceError(Issue("error", "api.bad-key"))
    data = await read_body(request)
    accepted = await run_in_threadpool(
        line_of(request).accept,
        data,
        sender=sender,
        record_type=type,
        vendor=vendor,
        idempotency_key=idempotency_key,
    )
    request.app.state.wake()
    headers = {"Location": f"/v1/records/{accepted.submission}"}
    if idempotency_key and accepted.repeated:
        headers["Idempotent-Replayed"] = "true"
    return json_answer(_accepted(accepted, request), status=202, headers=headers)


@router.post("/batch", summary="Hand over many records as NDJSON")
async def accept_batch(request: Request, type: str | None = None, vendor: str | None = None) -> Response:
    """Take records, one JSON a line, and answer one JSON line each as soon as it is judged.

    The body is read only as fast as records are stored, so memory stays bounded.
    """

    sender = sender_of(request, "c")

    async def answers() -> AsyncIterator[bytes]:
        line, number = line_of(request), 0
        try:
            async for data in _lines(request):
                number += 1
                if not data.strip():
                    continue
                try:
                    taken = await run_in_threadpool(line.accept, data, sender=sender, record_type=type, vendor=vendor)
                    answer = {"line": number, "status": 202, **_accepted(taken, request)}
                except AdapterError as error:
                    answer = refused(number, error)
                request.app.state.wake()
                yield dumps(answer) + b"\n"
        except TooLarge as error:
            # The end of such a line is not waited for: what follows it is not read.
            yield dumps(refused(number + 1, error)) + b"\n"

    def refused(number: int, error: AdapterError) -> dict[str, Any]:
        problem = error.operation_outcome(language_of(request))
        return {"line": number, "status": error.http_status, "outcome": problem}

    return Answers(answers(), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


@router.post("/preview", summary="Map and check one record, store nothing")
async def preview(request: Request, type: str | None = None, vendor: str | None = None) -> Response:
    """Return the Bundle that the record would become and everything that is to be said about it."""
    sender_of(request, "c")
    data = await read_body(request)
    checked = await run_in_threadpool(line_of(request).check, data, record_type=type, vendor=vendor)
    return json_answer({"bundle": checked.bundle, "outcome": outcome(checked.warnings, request)})


@router.post("/_search", summary="Find your submissions")
async def search(request: Request) -> Response:
    """Return your newest submissions, by `state` and `record_type` (a JSON object in the body)."""
    sender = sender_of(request, "s")
    wanted = read_json(await read_body(request) or b"{}")
    known = isinstance(wanted, dict) and all(
        name in SEARCH_FIELDS and isinstance(value, str) for name, value in wanted.items()
    )
    if not known:
        raise SourceError(Issue("error", "api.bad-search", {"known": ", ".join(SEARCH_FIELDS)}))
    found = await run_in_threadpool(
        line_of(request).search,
        sender.id,
        state=wanted.get("state"),
        record_type=wanted.get("record_type"),
    )
    return json_answer({"submissions": [_status(status) for status in found]})


@router.get("/{submission}", summary="Where is my record?")
async def read_status(request: Request, submission: str) -> Response:
    """Return state, receipts, warnings and history of one submission."""
    status = await run_in_threadpool(line_of(request).status, submission, sender_of(request, "r").id)
    if status is None:
        raise NotFound(Issue("error", "delivery.no-such-submission"))
    return json_answer(_status(status))


@router.post("/{submission}/replay", summary="Send a rejected, dead or cancelled record again")
async def replay(request: Request, submission: str) -> Response:
    """Queue the submission again with fresh attempts; its place in the client's order is kept."""
    return await _steer(request, submission, line_of(request).replay, "delivery.not-replayable")


@router.post("/{submission}/cancel", summary="Take a record back that was not sent yet")
async def cancel(request: Request, submission: str) -> Response:
    """Cancel a waiting submission; one whose outcome is not known may have arrived and cannot be taken back."""
    return await _steer(request, submission, line_of(request).cancel, "delivery.not-cancellable")


async def _steer(request: Request, submission: str, act: Callable[[str], bool], refusal: str) -> Response:
    sender = sender_of(request, "c")
    status = await run_in_threadpool(line_of(request).status, submission, sender.id)
    if status is None:
        raise NotFound(Issue("error", "delivery.no-such-submission"))
    if not await run_in_threadpool(act, submission):
        raise NotPossible(Issue("error", refusal, {"state": status.state}))
    request.app.state.wake()
    return json_answer({"id": submission})


class Answers(StreamingResponse):
    """A stream of answers made while the request's own body is still coming in.

    Starlette's response waits for a disconnect by reading the same channel, and would swallow the body.
    """

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send every answer as soon as it is there."""
        await self.stream_response(send)


def line_of(request: Request) -> Line:
    """Return the straight line of this application."""
    line: Line = request.app.state.line
    return line


def sender_of(request: Request, letter: str) -> Sender:
    """Return the calling system, when it may do what `letter` stands for (see `adapter.api.access`)."""
    access: Access = request.app.state.access
    return access.sender(request, letter)


async def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        TooLarge: it is longer than 10 MB.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LONGEST_BODY:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


async def _lines(request: Request) -> AsyncIterator[bytes]:
    rest = b""
    async for part in request.stream():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > LONGEST_BODY:
            raise _too_large()
    if rest:
        yield rest


def _too_large() -> TooLarge:
    return TooLarge(Issue("error", "api.body-too-large", {"limit": str(LONGEST_BODY)}))


def _accepted(accepted: Accepted, request: Request) -> dict[str, Any]:
    return {
        "id": accepted.submission,
        "record_type": accepted.record_type,
        "resources": accepted.resources,
        "repeated": accepted.repeated,
        "outcome": outcome(accepted.warnings, request),
    }


def _status(status: Status) -> dict[str, Any]:
    content = asdict(status)
    content["received_at"] = _instant(status.received_at)
    content["due"] = _instant(status.due)
    content["history"] = [
        {"at": _instant(at), "state": state, "attempt": attempt, "cause": cause}
        for at, state, attempt, cause in status.history
    ]
    return content


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
