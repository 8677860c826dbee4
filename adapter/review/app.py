"""Puts the reviewer's pages together: an application of its own, mounted at `/review`."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapter.review import client_pages, list_pages, sign_in_pages
from adapter.review.web import NotSignedInError, Office, RefusedError, add_headers, redirect, render
from adapter.store import Cipher, Database


def review_app(database: Database, cipher: Cipher, *, id_key: bytes, clock: Callable[[], float] = time.time) -> FastAPI:
    """Return the application of the reviewer's pages.

    Args:
        database, cipher, id_key: the same as the pipeline's.
        clock: UTC seconds.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.office = Office(database, cipher, id_key, clock)
    app.include_router(sign_in_pages.router)
    app.include_router(client_pages.router)
    app.include_router(list_pages.router)
    app.middleware("http")(add_headers)
    app.add_exception_handler(NotSignedInError, _to_sign_in)
    app.add_exception_handler(RefusedError, _refused)
    return app


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    return redirect(request, "/sign-in")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return render(request, "refused.html", status=error.status, refused=error.status)
