"""A request as the interactions see it, and their answer. Entries of a Bundle are the same as requests of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from adapter.mock.clock import http_date
from adapter.mock.storage import Stored
from adapter.security.tokens import Access
from adapter.types import Issue, Resource

if TYPE_CHECKING:
    from adapter.mock.consent_gate import Gate
    from adapter.mock.world import World

Query = list[tuple[str, str]]


@dataclass(slots=True)
class Request:
    """One FHIR request.

    Attributes:
        method: HTTP method.
        path: segments below the FHIR base.
        query: parameters of the URL, decoded, in order.
        headers: by lower-case name.
        body: bytes of the body; empty for an entry of a Bundle, which has `resource`.
        base: absolute FHIR base URL as the caller sees it.
        resource: the body when it was read already.
        in_bundle: True for an entry of a batch or transaction.
        access: what the caller's token allows; None under `--auth open`.
        certificate: `x5t#S256` of the caller's TLS certificate, or empty.
        interaction: of the route that fits; empty when none does.
        gate: decides what the caller may see; None when everything may be seen.
        as_of: a stale search sees nothing written after this instant (microseconds since the epoch).
    """

    world: World
    method: str
    path: tuple[str, ...]
    query: Query = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = ""
    resource: Resource | None = None
    in_bundle: bool = False
    as_of: int | None = None
    access: Access | None = None
    certificate: str = ""
    interaction: str = ""
    gate: Gate | None = None

    def preference(self, name: str) -> str:
        """Return the value of one preference of `Prefer` (RFC 7240), or an empty string."""
        given = self.headers.get("prefer")
        if not given:
            return ""
        for part in given.replace(";", ",").split(","):
            key, _, value = part.strip().partition("=")
            if key.lower() == name:
                return value.strip('"')
        return ""

    @property
    def client(self) -> str:
        """Id of the calling system; empty under `--auth open`."""
        return self.access.client.id if self.access is not None else ""

    @property
    def language(self) -> str:
        """Language for texts, see `asked_language`."""
        return asked_language(self.headers.get("accept-language", ""))


@dataclass(slots=True)
class Answer:
    """The answer to a request; the body is a resource (dict), a stored version (its bytes) or nothing.

    Attributes:
        written: the version that a write made or found, whatever the body is.
    """

    status: int
    resource: Resource | None = None
    stored: Stored | None = None
    headers: dict[str, str] = field(default_factory=dict)
    written: Stored | None = None

    def body_resource(self) -> Resource | None:
        """Return the body as a resource, read from the stored bytes if need be."""
        if self.resource is None and self.stored is not None:
            return self.stored.resource
        return self.resource


@dataclass(slots=True)
class Wire:
    """An answer as it goes out; `refusal` are the issues of its OperationOutcome."""

    status: int
    headers: dict[str, str]
    body: bytes
    refusal: tuple[Issue, ...] = ()


def asked_language(header: str) -> str:
    """Return the first of fi, sv, en that `Accept-Language` names, else English."""
    for part in header.split(","):
        code = part.split(";")[0].strip()[:2].lower()
        if code in ("fi", "sv", "en"):
            return code
    return "en"


def visible(request: Request, stored: Stored) -> Resource | None:
    """Return what the caller may see of a version; None looks like "not there"."""
    if stored.body is None:
        return None
    return stored.resource if request.gate is None else request.gate.show(stored)


def was_visible(request: Request, deletion: Stored) -> bool:
    """Say whether the caller might see the version before a deletion; to others it never was there."""
    before = request.world.store.version(deletion.type, deletion.id, str(deletion.version - 1))
    return request.gate is None or (before is not None and visible(request, before) is not None)


def version_headers(stored: Stored) -> dict[str, str]:
    """Return ETag and Last-Modified of a version."""
    return {"ETag": stored.etag, "Last-Modified": http_date(stored.updated)}


def location(request: Request, stored: Stored) -> str:
    """Return the absolute, versioned URL of a version."""
    return f"{request.base}/{stored.path}/_history/{stored.version}"


def parse_query(text: str) -> Query:
    """Return the decoded parameters of a query string."""
    return parse_qsl(text, keep_blank_values=True, separator="&") if text else []
