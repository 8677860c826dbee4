"""Puts the reviewer's pages together: an application of its own, mounted at `/review`."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapter.i18n import text
from adapter.review import (
    client_pages,
    export_pages,
    list_pages,
    log_pages,
    question_pages,
    service_pages,
    sign_in_pages,
)
from adapter.review.openid import OpenId
from adapter.review.signing import signing
from adapter.review.web import (
    NotSignedInError,
    Office,
    RefusedError,
    add_headers,
    language_of,
    office,
    redirect,
    render,
    session_in,
)
from adapter.security.signatures import Signer
from adapter.settings import Settings
from adapter.store import DATABASE_PROBLEMS, Cipher, DamagedError, Database

PAUSE_SECONDS = 5
"""When to try again, after something that passes."""


def review_app(
    database: Database,
    cipher: Cipher,
    *,
    id_key: bytes,
    settings: Settings,
    signer: Callable[[], Signer] | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Return the application of the reviewer's pages.

    Args:
        database, cipher, id_key: the same as the pipeline's.
        settings: of the adapter: its log-in, the limit of exports, and what the sheets tell of the service.
        signer: gives the key that signs exports; None leaves them unsigned.
        clock: UTC seconds.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    openid = OpenId(settings.openid) if settings.openid else None
    sign = signing(signer) if signer else None
    app.state.office = Office(database, cipher, id_key, settings, openid, sign, clock)
    for part in (sign_in_pages, list_pages, log_pages, question_pages, client_pages, export_pages, service_pages):
        app.include_router(part.router)
    app.middleware("http")(add_headers)
    app.add_exception_handler(NotSignedInError, _to_sign_in)
    app.add_exception_handler(RefusedError, _refused)
    for problem in DATABASE_PROBLEMS:
        app.add_exception_handler(problem, _unavailable)
    return app


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    return redirect(request, "/sign-in")


async def _unavailable(request: Request, error: Exception) -> Response:
    """The database is full, locked, gone or damaged: say so, and write nothing."""
    key = "api.damaged" if isinstance(error, DamagedError) else "api.unavailable"
    why = text(key, language_of(request), seconds=str(PAUSE_SECONDS))
    return render(request, "refused.html", status=503, refused=503, why=why)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    if error.note is not None:
        with office(request).database.transaction() as connection:
            error.note(connection)
    session = session_in(request)
    return render(request, "refused.html", session=session, status=error.status, refused=error.status, why=error.why)
