"""`/v1/records`: take records one by one or as a stream of lines, or check one without storing it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from adapter.api.access import line_of, sender_of
from adapter.api.answers import json_answer, outcome, refused_line
from adapter.api.bodies import lines, read_body
from adapter.api.keys import InWork, checked_key
from adapter.api.refusals import STORE_PROBLEMS, of_database
from adapter.api.turns import AT_ONCE, Turns, Way
from adapter.errors import AdapterError
from adapter.fhir.canonical import dumps
from adapter.pipeline import Accepted, Sender


class Straight(APIRoute):
    """A route whose function takes nothing but the request: FastAPI is not asked to find out what else it wants."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function as it is."""
        return self.endpoint


router = APIRouter(prefix="/v1/records", tags=["records"], route_class=Straight)


def _parameter(name: str, place: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "schema": {"type": "string"}, "description": description}


READING = [
    _parameter("type", "query", "Record type, when the record does not say it itself."),
    _parameter("vendor", "query", "Name of a vendor format (see /v1/mappings); none: canonical form."),
]
KEY = _parameter(
    "idempotency-key",
    "header",
    "Up to 128 visible ASCII characters of your own, e.g. a UUID. The same key and body are answered as before for two "
    "days; another body under the same key is 422.",
)


class Asked(NamedTuple):
    """What a caller says beside the records. Read by hand: FastAPI takes longer for it than for all the rest.

    Attributes:
        reading: how the records are to be read.
        key: of idempotency, or empty.
    """

    reading: dict[str, str | None]
    key: str


def _reading(request: Request) -> dict[str, str | None]:
    return {"record_type": request.query_params.get("type"), "vendor": request.query_params.get("vendor")}


def _asked(request: Request, *, room: int = 0) -> Asked:
    """Return what a caller says; `room` as in `checked_key`."""
    return Asked(_reading(request), checked_key(request.headers.get("Idempotency-Key", ""), room=room))


@router.post("", status_code=202, summary="Hand over one record", openapi_extra={"parameters": [*READING, KEY]})
async def accept(request: Request) -> Response:
    """Take one record. 202 means: it is on disk and will be delivered; `Location` says where to look.

    The same record in the same version is stored once, however often it comes; with an `Idempotency-Key` the same
    body is also answered as before. Both hold after a crash on either side.
    """
    sender = sender_of(request, "c")
    asked = _asked(request)
    in_work: InWork = request.app.state.in_work
    with in_work.alone(sender.id, asked.key):
        data = await read_body(request)
        accepted = await _take(request, sender, data, asked)
    headers = {"Location": f"/v1/records/{accepted.submission}"}
    if asked.key and accepted.repeated:
        headers["Idempotent-Replayed"] = "true"
    return json_answer(_told(request, accepted, asked.key), status=202, headers=headers)


@router.post("/batch", summary="Hand over many records as NDJSON", openapi_extra={"parameters": [*READING, KEY]})
async def accept_batch(request: Request) -> Response:
    """Take records, one JSON a line, and answer one JSON line each as soon as those that came with it are judged.

    The body is read only as fast as records are stored and answers are taken, so memory stays bounded. An
    `Idempotency-Key` stands for the whole batch: each line is kept under it with its number.
    """
    sender = sender_of(request, "c")
    asked = _asked(request, room=len("#") + 12)

    async def answers() -> AsyncIterator[bytes]:
        number = 0
        try:
            async for arrived in lines(request):
                numbered = [(place, data) for place, data in enumerate(arrived, number + 1) if data.strip()]
                number += len(arrived)
                for begin in range(0, len(numbered), AT_ONCE):
                    yield await _judged(request, sender, numbered[begin : begin + AT_ONCE], asked)
        except AdapterError as error:
            # Too long or too slow a line: what follows it is not read.
            yield dumps(_refused(request, number + 1, error)) + b"\n"

    return Answers(answers(), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


@router.post("/preview", summary="Map and check one record, store nothing", openapi_extra={"parameters": READING})
async def preview(request: Request) -> Response:
    """Return the Bundle that the record would become and everything that is to be said about it."""
    sender = sender_of(request, "c")
    data = await read_body(request)
    checked = await run_in_threadpool(line_of(request).check, data, sender=sender, **_reading(request))
    return json_answer({"bundle": checked.arrived.bundle, "outcome": outcome(checked.warnings, request)})


class Answers(StreamingResponse):
    """A stream of answers made while the request's own body is still coming in.

    Starlette's response waits for a disconnect by reading the same channel, and would swallow the body.
    """

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send every answer as soon as it is there."""
        await self.stream_response(send)


async def _take(request: Request, sender: Sender, data: bytes, asked: Asked) -> Accepted:
    turns: Turns = request.app.state.turns
    return await turns.accept(Way(sender, **asked.reading), data, asked.key)


async def _judged(request: Request, sender: Sender, numbered: Sequence[tuple[int, bytes]], asked: Asked) -> bytes:
    """Return the answers to some lines of a batch; what can be stored together is."""
    records = [(data, f"{asked.key}#{number}" if asked.key else "") for number, data in numbered]
    answers = await run_in_threadpool(line_of(request).accept_many, records, sender=sender, **asked.reading)
    request.app.state.wake()
    told = (_answer(request, number, answer, asked.key) for (number, _), answer in zip(numbered, answers, strict=True))
    return b"".join(dumps(one) + b"\n" for one in told)


def _answer(request: Request, number: int, answer: Accepted | Exception, key: str) -> dict[str, Any]:
    """Return the answer to one line of a batch."""
    if isinstance(answer, Accepted):
        return {"line": number, "status": 202, **_told(request, answer, key)}
    if isinstance(answer, AdapterError):
        return _refused(request, number, answer)
    if isinstance(answer, STORE_PROBLEMS):
        return _refused(request, number, of_database(answer))
    raise answer


def _refused(request: Request, number: int, error: AdapterError) -> dict[str, Any]:
    return {"line": number, "status": error.http_status, **refused_line(request, error)}


def _told(request: Request, accepted: Accepted, key: str) -> dict[str, Any]:
    """The answer to a record that was taken; `idempotency` says by what a repeat is recognised.

    A consent has a receipt for its client.
    """
    own = f"/v1/records/{accepted.submission}"
    receipt = {"receipt": f"{own}/receipt"} if accepted.record_type == "consent" else {}
    return receipt | {
        "id": accepted.submission,
        "record_type": accepted.record_type,
        "resources": accepted.resources,
        "repeated": accepted.repeated,
        "idempotency": "Idempotency-Key" if key else "source_system, record_id, record_version",
        "outcome": outcome(accepted.warnings, request),
    }
