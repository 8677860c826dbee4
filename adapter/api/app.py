"""Puts the vendor API together."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version

from cryptography import x509
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from adapter.api import access as access_routes
from adapter.api import catalogue, lifecycle, metrics, records, status_page, submissions
from adapter.api.access import Access, line_of
from adapter.api.answers import error_answer, json_answer
from adapter.api.bodies import BODY_SECONDS
from adapter.api.keys import InWork
from adapter.api.openapi import describe, page
from adapter.api.pace import Pace
from adapter.api.refusals import (
    STORE_PROBLEMS,
    BadRequest,
    Broken,
    NotAllowed,
    NotFound,
    of_database,
)
from adapter.api.turns import Turns
from adapter.delivery import Chore, Chores, Worker
from adapter.delivery.chores import WARNING_DAYS
from adapter.errors import AdapterError
from adapter.events import Event, log
from adapter.pipeline import Line
from adapter.security.connections import STOPPING
from adapter.store.cipher import KeyNotConfigured
from adapter.types import Issue

REQUESTS_A_SECOND = 200.0
BURST = 1000.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class VendorApi(FastAPI):
    """FastAPI that logs each request by its route, and keeps what went wrong inside out of answers and server logs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)
            if message["type"] == "http.response.body":
                await asyncio.sleep(0)  # it leaves now, not when everything else is done for the request

        # What comes out here is answered and logged already by `_broken`; the server would print the values in it.
        with suppress(Exception):
            await super().__call__(scope, receive, noting)
        # What is mounted (the reviewer's pages) knows its routes from its own place on.
        route = scope.get("root_path", "") + getattr(scope.get("route"), "path", "")
        milliseconds = round((time.monotonic() - began) * 1000)
        method = scope["method"] if scope["method"] in METHODS else "other"
        log(Event.ANSWERED, method=method, route=route, http_status=status, milliseconds=milliseconds)


def create_app(
    line: Line,
    *,
    access: Access | None = None,
    workers: int = 2,
    chores: Sequence[Chore] = (),
    body_seconds: float = BODY_SECONDS,
    certificates: Callable[[], Mapping[str, x509.Certificate]] = dict,
) -> VendorApi:
    """Return the application; its workers deliver while it runs.

    Args:
        line: the straight line that it offers.
        access: who may call; by default programs on this machine only.
        workers: delivering threads; 0 accepts only.
        chores: what is done now and then while it runs.
        body_seconds: a body must be complete by then, and a batch may not pause for longer.
        certificates: tells those in use, by what they are for; their end is announced a month ahead.
    """
    worker = Worker(line.outbox, line.delivery, threads=workers)
    turns = Turns(line, worker.wake)
    beside = Chores(chores)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Callable[[], None]]]:
        beside.start()
        worker.start()
        turns.start()
        yield {STOPPING: line.hurry}
        await run_in_threadpool(turns.stop)
        await run_in_threadpool(worker.stop)
        await run_in_threadpool(beside.stop)
        line.close()
        log(Event.STOPPED, part="api")

    app = VendorApi(
        title="Kykysilta vendor API",
        version=_version(),
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.line = line
    app.state.turns = turns
    app.state.wake = worker.wake
    app.state.access = access or Access(None, "", Pace(REQUESTS_A_SECOND, BURST, time.monotonic))
    app.state.in_work = InWork()
    app.state.body_seconds = body_seconds
    app.state.certificates = certificates
    _add_routes(app)
    _add_refusals(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


def _add_routes(app: FastAPI) -> None:
    for part in (access_routes, records, submissions, lifecycle, catalogue, metrics, status_page):
        # The routes themselves: those of a router that is included are looked through twice for each request.
        app.router.routes += part.router.routes

    @app.get("/v1/docs", include_in_schema=False)
    async def documentation() -> Response:
        """Show what can be called; served from here alone, so it works in a closed network."""
        return HTMLResponse(page(describe(app)))

    @app.get("/healthz", tags=["service"])
    async def alive() -> Response:
        """Say that the process answers."""
        return json_answer({"status": "alive"})

    @app.get("/readyz", tags=["service"])
    def ready(request: Request) -> Response:
        """Say that the database answers, 503 when it does not or is damaged; which certificates end within 30 days."""
        line_of(request).outbox.reach()
        ending = {name: int(days) for name, days in metrics.days_of(request).items() if days <= WARNING_DAYS}
        return json_answer({"status": "ready"} | ({"certificates_end_in_days": ending} if ending else {}))


def _add_refusals(app: FastAPI) -> None:
    """Say every refusal the same way: as OperationOutcome or problem details, in the caller's language."""
    app.add_exception_handler(AdapterError, _answer_error)
    app.add_exception_handler(ClientDisconnect, _nobody_listens)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _bad_request)
    for kind in STORE_PROBLEMS:
        app.add_exception_handler(kind, _unavailable)
    app.add_exception_handler(Exception, _broken)


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AdapterError)
    return error_answer(request, error)


async def _nobody_listens(_request: Request, _error: Exception) -> Response:
    """The caller went away in the middle of its body: nothing was taken, and nobody reads this answer."""
    return Response(status_code=400)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return error_answer(request, NotAllowed((error.headers or {}).get("Allow", "")))
    if error.status_code == 404:
        return error_answer(request, NotFound(Issue("error", "api.no-such-address")))
    return await _bad_request(request, error)


async def _bad_request(request: Request, _error: Exception) -> Response:
    return error_answer(request, BadRequest(Issue("error", "api.bad-request")))


async def _unavailable(request: Request, error: Exception) -> Response:
    """The database is full, locked, gone or damaged, or its key is missing: nothing was taken."""
    if isinstance(error, KeyNotConfigured):
        log(Event.STORAGE_KEY_MISSING)
    else:
        log(Event.API_FAILED, error_type=type(error).__name__, place="database")
    return error_answer(request, of_database(error))


async def _broken(request: Request, error: Exception) -> Response:
    last = traceback.extract_tb(error.__traceback__)[-1]
    log(Event.API_FAILED, error_type=type(error).__name__, place=f"{last.name}:{last.lineno}")
    return error_answer(request, Broken())


def _version() -> str:
    try:
        return version("kykysilta")
    except PackageNotFoundError:
        return "0"
