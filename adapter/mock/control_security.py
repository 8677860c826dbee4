"""Control of clients, tokens and certificates: what a tester switches to see the adapter refused properly."""

from __future__ import annotations

import re

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from adapter.mock.clock import fhir_instant
from adapter.mock.control_models import InWorld
from adapter.mock.guard import Guard
from adapter.mock.settings import ClientSettings
from adapter.mock.tls import CertificateFolder, CertificateKind
from adapter.mock.world import World
from adapter.security.keys import KeyProblem

router = APIRouter(prefix="/_mock/api", tags=["security"])


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewClient(_Model):
    """A client to register."""

    id: str
    keys: str = Field(description="JWKS as JSON text, or its URL")
    scopes: str = ""
    certificate: str = Field(default="", description="x5t#S256 of its TLS certificate")
    organization: str = Field(default="", description="system|value of the organisation that it acts for")
    purpose: str = Field(default="", description="system|code of the purpose assumed when it states none")


@router.post("/{namespace}/clients", status_code=201)
async def register(world: InWorld, client: NewClient) -> None:
    """Register a client or replace one, e.g. with rotated keys; only with tokens switched on."""
    if not client.keys.lstrip().startswith(("{", "http://", "https://")):
        raise HTTPException(422, "keys must be a JWKS or its URL")
    try:
        _guard(world).register(ClientSettings(**client.model_dump()))
    except KeyProblem as problem:
        raise HTTPException(422, str(problem)) from None


@router.post("/{namespace}/tokens/{token_id}/revoke", status_code=204)
async def revoke_token(world: InWorld, token_id: str) -> None:
    """Refuse a token from now on, by its `jti`."""
    _guard(world).tokens.revoke(token_id)


def _guard(world: World) -> Guard:
    if world.guard is None:
        raise HTTPException(409, "the endpoint runs without tokens; start it with --auth smart")
    return world.guard


class NewCertificate(_Model):
    """A certificate to issue."""

    kind: CertificateKind = Field(default="server", description="foreign: of an authority that nobody trusts")
    days: int | None = Field(default=None, ge=-3650, le=730, description="negative: already expired")
    starts: int = Field(default=0, ge=0, le=3650, description="days from now until it begins to hold")


class Handshake(_Model):
    """A TLS handshake that was refused."""

    at: str
    reason: str


@router.get("/certificates")
async def handshakes(request: Request) -> list[Handshake]:
    """TLS handshakes that were refused, oldest first: no request came of them."""
    refused = _authority(request, "endpoint").refused
    return [Handshake(at=fhir_instant(one.at), reason=one.reason) for one in refused]


@router.post("/certificates/{name}", status_code=201)
async def issue(request: Request, name: str, wanted: NewCertificate) -> dict[str, str]:
    """Issue a certificate of the test authority into its folder; only with mTLS."""
    authority = _authority(request, name)
    authority.issue(name, wanted.kind, days=wanted.days, starts=wanted.starts)
    return {"thumbprint": authority.thumbprint(name)}


@router.post("/certificates/{name}/revoke", status_code=204)
async def revoke_certificate(request: Request, name: str) -> None:
    """Revoke a certificate: connections made from now on are refused."""
    try:
        _authority(request, name).revoke(name)
    except FileNotFoundError:
        raise HTTPException(404, "no such certificate") from None


def _authority(request: Request, name: str) -> CertificateFolder:
    found: CertificateFolder | None = request.app.authority
    if found is None:
        raise HTTPException(409, "the endpoint runs without mTLS; start it with --auth mtls")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name):
        raise HTTPException(422, "a name is 1 to 64 letters, digits and hyphens")
    return found
