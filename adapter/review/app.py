"""Puts the reviewer's pages together: an application of its own, mounted at `/review`."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response

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
from adapter.review.web import NotSignedInError, Office, RefusedError, add_headers, office, redirect, render
from adapter.security.signatures import Signer
from adapter.settings import Settings
from adapter.store import Cipher, Database


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
    return app


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    return redirect(request, "/sign-in")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    if error.note is not None:
        with office(request).database.transaction() as connection:
            error.note(connection)
    return render(request, "refused.html", status=error.status, refused=error.status, why=error.why)
