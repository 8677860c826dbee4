"""Puts the vendor API together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapter.api import catalogue, records
from adapter.api.answers import error_answer, json_answer
from adapter.delivery import Worker
from adapter.errors import AdapterError
from adapter.pipeline import Line


def create_app(line: Line, *, workers: int = 2) -> FastAPI:
    """Return the application; its workers deliver while it runs.

    Args:
        line: the straight line that it offers.
        workers: delivering threads; 0 accepts only.
    """
    worker = Worker(line.outbox, line.deliver, ready=line.ready, threads=workers)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        yield
        worker.stop()

    app = FastAPI(
        title="Kykysilta vendor API",
        version=_version(),
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url="/v1/docs",
        redoc_url=None,
    )
    app.state.line = line
    app.state.wake = worker.wake
    app.state.sender_of = _everybody_is_local()
    app.include_router(records.router)
    app.include_router(catalogue.router)
    app.add_exception_handler(AdapterError, _answer_error)

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


def _everybody_is_local() -> Callable[[Request], str]:
    return lambda _request: "local"


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AdapterError)
    return error_answer(request, error)


def _version() -> str:
    try:
        return version("kykysilta")
    except PackageNotFoundError:
        return "0"
