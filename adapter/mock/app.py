"""The endpoint as one application: FHIR bases, and the tester's control under `/_mock`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from adapter.mock import control, control_recording, control_security, pages
from adapter.mock.control_models import own_site
from adapter.mock.endpoint import FhirEndpoint, Receive, Scope, Send
from adapter.mock.guard import registered
from adapter.mock.outside import outside
from adapter.mock.settings import MockSettings
from adapter.mock.tls import CertificateFolder
from adapter.mock.world import Worlds


class MockApp(FastAPI):
    """FastAPI for the control; requests below a FHIR base go straight to the endpoint."""

    def __init__(self, worlds: Worlds) -> None:
        super().__init__(
            title="Kykysilta mock national endpoint: control",
            openapi_url="/_mock/openapi.json",
            docs_url="/_mock/docs",
            redoc_url=None,
            lifespan=_lifespan,
        )
        self.worlds = worlds
        self.authority: CertificateFolder | None = None
        self.endpoint = FhirEndpoint(worlds)
        for part in (control, control_recording, control_security, pages):
            self.include_router(part.router, dependencies=[Depends(own_site)])
        self.add_api_route("/", pages.root, include_in_schema=False)
        self.add_exception_handler(404, self._lost)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event."""
        place = self.endpoint.place(scope) if scope["type"] == "http" else None
        if place is None:
            await super().__call__(scope, receive, send)
        else:
            await self.endpoint.serve(place, scope, receive, send)

    async def _lost(self, request: Request, error: Exception) -> Response:
        """Say where the FHIR base is to whoever missed it; below `/_mock` FastAPI's own answer stays."""
        assert isinstance(error, HTTPException)
        if request.url.path.startswith("/_mock"):
            return await http_exception_handler(request, error)
        base = f"{str(request.base_url).rstrip('/')}{self.endpoint.base_path}"
        wire = outside(request.headers, "outside-base", base=base)
        return Response(wire.body, wire.status, wire.headers)


class ControlOnly:
    """The same application on a port of its own, without its FHIR bases: those are served over mutual TLS only."""

    def __init__(self, app: MockApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI event; 403 without a body below a FHIR base (rule R11)."""
        if scope["type"] == "http" and self.app.endpoint.place(scope) is not None:
            await Response(status_code=403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    assert isinstance(app, MockApp)
    app.worlds.close()


def create_app(settings: MockSettings | None = None) -> MockApp:
    """Return the application; nothing is opened before the first request of a namespace.

    Raises:
        DataFileError: the policy is unknown or broken.
        KeyProblem: a client's key set cannot be used.
    """
    given = settings or MockSettings()
    for client in given.clients:
        registered(client)
    return MockApp(Worlds(given))
