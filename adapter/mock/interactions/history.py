"""History at three levels: instance, type, system (R4 http, "history"); newest first, with stable pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from adapter.mock.clock import fhir_instant
from adapter.mock.exchange import Answer, Request, visible
from adapter.mock.interactions.search import asked_page, page_links
from adapter.mock.outcomes import refuse
from adapter.mock.search.dates import date_range
from adapter.mock.search.pages import Result
from adapter.mock.search.request import DEFAULT_COUNT, SILENT, whole_number
from adapter.mock.storage import Stored
from adapter.types import Resource

PARAMETERS = ("_count", "_since", "_at")


def history(request: Request) -> Answer:
    """`GET [Type[/id]]/_history` with `_count`, `_since`, `_at`."""
    path = [one for one in request.path if one != "_history"]
    values = dict(request.query)
    world = request.world
    if page := asked_page(request, request.query):
        return Answer(200, _bundle(request, *page))
    if request.preference("handling") == "strict" or world.strictness == "strict":
        _check_known(values)
    versions = world.store.history(*path)
    if len(path) == 2 and not versions:
        raise refuse(404, "not-found")
    if "_since" in values:
        since = _range("_since", values["_since"])[0]
        versions = [one for one in versions if one[1] >= since]
    if "_at" in values:
        versions = _current_at(world.store.by_sequence([one[0] for one in versions]), _range("_at", values["_at"]))
    if request.gate is not None:
        versions = _permitted(request, versions)
        if len(path) == 2 and not versions:
            raise refuse(404, "not-found")
    size = whole_number("_count", values.get("_count", str(DEFAULT_COUNT)))
    result = Result([one[0] for one in versions], size, None, request.client)
    token = world.pages.keep(result) if 0 < result.size < len(result.sequences) else ""
    return Answer(200, _bundle(request, result, token, 0))


def _check_known(values: dict[str, str]) -> None:
    """Refuse what a history cannot be asked for, under strict handling."""
    for name in values:
        if name not in (*PARAMETERS, *SILENT):
            raise refuse(400, "unknown-history-parameter", parameter=name, allowed=", ".join(PARAMETERS))


def _permitted(request: Request, versions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Versions that the caller may see; of a deletion nothing is told but to whom the version before it may show."""
    found = request.world.store.by_sequence([one[0] for one in versions])
    shown = {one.path for one in found if one.body is not None and visible(request, one) is not None}
    kept = {one.seq for one in found if one.path in shown}
    return [one for one in versions if one[0] in kept]


def _range(name: str, text: str) -> tuple[int, int]:
    try:
        return date_range(text)
    except (ValueError, OverflowError):
        raise refuse(400, "bad-value", parameter=name, kind="date", hint="2025-03-14T08:00:00+02:00") from None


def _current_at(versions: list[Stored], span: tuple[int, int]) -> list[tuple[int, int]]:
    """Versions that were the present one at some time within the span."""
    found: list[tuple[int, int]] = []
    successor: dict[str, int] = {}
    for one in versions:
        begun = int(one.updated.timestamp() * 1_000_000)
        ended = successor.get(one.path)
        if begun <= span[1] and (ended is None or ended > span[0]):
            found.append((one.seq, begun))
        successor[one.path] = begun
    return found


def _bundle(request: Request, result: Result, token: str, offset: int) -> Resource:
    url = f"{request.base}/{'/'.join(request.path)}"
    used = urlencode([(name, value) for name, value in request.query if name in PARAMETERS])
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": request.world.identities.draw(),
        "meta": {"lastUpdated": fhir_instant(request.world.clock.now())},
        "type": "history",
        "total": len(result.sequences),
        "link": page_links(url, result, token, offset, f"{url}?{used}" if used else url),
    }
    found = request.world.store.by_sequence(result.sequences[offset : offset + result.size])
    if found:
        bundle["entry"] = [_entry(request, one) for one in found]
    if request.gate is not None and (labels := request.gate.handling):
        bundle["meta"]["security"] = labels
    return bundle


def _entry(request: Request, stored: Stored) -> dict[str, Any]:
    url = stored.type if stored.method == "POST" else stored.path
    status = {"POST": "201", "DELETE": "204"}.get(stored.method, "201" if stored.version == 1 else "200")
    entry: dict[str, Any] = {"fullUrl": f"{request.base}/{stored.path}"}
    if stored.body is not None and (resource := visible(request, stored)) is not None:
        entry["resource"] = resource
    return entry | {
        "request": {"method": stored.method, "url": url},
        "response": {"status": status, "etag": stored.etag, "lastModified": fhir_instant(stored.updated)},
    }
