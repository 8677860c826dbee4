"""Puts the vendor API together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.requests import ClientDisconnect

from adapter.api import catalogue, metrics, records
from adapter.api.access import Access, Pace
from adapter.api.access import router as access_routes
from adapter.api.answers import error_answer, json_answer
from adapter.api.openapi import describe, page
from adapter.delivery import Chore, Chores, Worker
from adapter.errors import AdapterError
from adapter.pipeline import Line

REQUESTS_A_SECOND = 200.0
BURST = 1000.0


def create_app(line: Line, *, access: Access | None = None, workers: int = 2, chores: Sequence[Chore] = ()) -> FastAPI:
    """Return the application; its workers deliver while it runs.

    Args:
        line: the straight line that it offers.
        access: who may call; by default loopback only.
        workers: delivering threads; 0 accepts only.
        chores: what is done now and then while it runs.
    """
    worker = Worker(line.outbox, line.deliver, ready=line.ready, threads=workers)
    beside = Chores(chores)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        beside.start()
        worker.start()
        yield
        worker.stop()
        beside.stop()
        line.close()

    app = FastAPI(
        title="Kykysilta vendor API",
        version=_version(),
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.line = line
    app.state.wake = worker.wake
    app.state.access = access or Access(None, "", Pace(REQUESTS_A_SECOND, BURST, time.monotonic))
    app.include_router(access_routes)
    app.include_router(records.router)
    app.include_router(catalogue.router)
    app.include_router(metrics.router)
    app.add_exception_handler(AdapterError, _answer_error)
    app.add_exception_handler(ClientDisconnect, _nobody_listens)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]

    @app.get("/v1/docs", include_in_schema=False)
    async def documentation() -> Response:
        """Show what can be called; served from here alone, so it works in a closed network."""
        return HTMLResponse(page(describe(app)))

    @app.get("/healthz", tags=["service"])
    async def alive() -> Response:
        """Say that the process answers."""
        return json_answer({"status": "alive"})

    @app.get("/readyz", tags=["service"])
    def ready() -> Response:
        """Say that the database answers."""
        line.search("", state=None, record_type=None)
        return json_answer({"status": "ready"})

    return app


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AdapterError)
    return error_answer(request, error)


async def _nobody_listens(_request: Request, _error: Exception) -> Response:
    """The caller went away in the middle of its body: nothing was taken, and nobody reads this answer."""
    return Response(status_code=400)


def _version() -> str:
    try:
        return version("kykysilta")
    except PackageNotFoundError:
        return "0"
