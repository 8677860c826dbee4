"""Read, vread and conditional read (R4 http, "read")."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from adapter.mock.exchange import Answer, Request, version_headers, visible, was_visible
from adapter.mock.interactions.search import read_shape
from adapter.mock.outcomes import refuse
from adapter.mock.search.shaping import shaped
from adapter.mock.storage import Stored


def read(request: Request) -> Answer:
    """`GET Type/id`: 200, 304, 404 unknown, 410 deleted."""
    stored = request.world.store.current(request.path[0], request.path[1])
    return _answer(request, stored)


def vread(request: Request) -> Answer:
    """`GET Type/id/_history/version`: 410 when that version is the deletion."""
    stored = request.world.store.version(request.path[0], request.path[1], request.path[3])
    return _answer(request, stored)


def _answer(request: Request, stored: Stored | None) -> Answer:
    if stored is None:
        raise refuse(404, "not-found")
    if stored.body is None:
        if request.world.dialect("deleted-read", "410") == "404" or not was_visible(request, stored):
            raise refuse(404, "not-found")
        refusal = refuse(410, "deleted")
        refusal.headers = version_headers(stored)
        raise refusal
    resource = visible(request, stored) if request.gate is not None else None
    if request.gate is not None and resource is None:
        raise refuse(404, "not-found")
    headers = version_headers(stored)
    if _unchanged(request, stored):
        return Answer(304, headers=headers)
    summary, elements = read_shape(request.query)
    if summary or elements:
        return Answer(200, shaped(resource or stored.resource, summary, elements), headers=headers)
    if resource is not None:
        return Answer(200, resource, headers=headers)
    return Answer(200, stored=stored, headers=headers)


def etag_versions(header: str) -> list[str]:
    """Return the versions in `If-Match` or `If-None-Match`: `W/"1"`, `"1"` and a bare `1` are all read."""
    return [one.strip().removeprefix("W/").strip('"') for one in header.split(",") if one.strip()]


def _unchanged(request: Request, stored: Stored) -> bool:
    if condition := request.headers.get("if-none-match"):
        versions = etag_versions(condition)
        return str(stored.version) in versions or "*" in versions
    if since := request.headers.get("if-modified-since"):
        try:
            instant = parsedate_to_datetime(since)
        except ValueError:
            return False
        return stored.updated.replace(microsecond=0) <= instant.astimezone(UTC)
    return False
