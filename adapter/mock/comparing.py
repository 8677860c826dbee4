"""Compares the endpoint with a recording: plays the recorded requests again and says where the answers differ.

What every server draws for itself (ids, versions, instants, request ids) does not count; ids are followed from
answer to request, so that a recorded update finds what the recorded create made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from adapter.mock.recording import Exchange, read_har
from adapter.mock.storage import from_json

DRAWN = frozenset(("id", "versionId", "lastUpdated", "lastModified", "etag", "location", "fullUrl", "url", "timestamp"))
"""Members whose values each server draws for itself."""

HEADERS = ("content-type", "etag", "location", "last-modified", "retry-after", "allow")
_LOCATION = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?$")


@dataclass(frozen=True, slots=True)
class Difference:
    """One exchange that went differently; `what` names places and kinds, never values of a record."""

    number: int
    request: str
    what: tuple[str, ...]


def compare(fhir_url: str, archive: Any, http: httpx.Client) -> tuple[int, list[Difference]]:
    """Play an HTTP Archive against a FHIR base.

    Returns:
        the number of requests sent and those that were answered differently.

    Raises:
        ValueError: the archive is none.
    """
    base, exchanges = read_har(archive)
    known: dict[str, str] = {base: fhir_url} if base else {}
    differences = []
    for number, one in enumerate(exchanges, 1):
        answer = http.request(
            one.method,
            fhir_url + _translated(one.path, known),
            content=_translated(one.body.decode("utf-8", "replace"), known).encode(),
            headers={name: _translated(value, known) for name, value in one.request_headers.items()},
        )
        _learn(known, one, answer)
        if what := tuple(_differs(one, answer)):
            differences.append(Difference(number, f"{one.method} {one.path.partition('?')[0]}", what))
    return len(exchanges), differences


def _translated(text: str, known: dict[str, str]) -> str:
    for theirs, ours in known.items():
        text = text.replace(theirs, ours)
    return text


def _learn(known: dict[str, str], recorded: Exchange, answer: httpx.Response) -> None:
    """Remember which id here stands for which id there."""
    pairs = [(recorded.headers.get("location", ""), answer.headers.get("location", ""))]
    pairs += zip(_locations(recorded.answer), _locations(answer.content), strict=False)
    for theirs, ours in pairs:
        there, here = _LOCATION.search(theirs), _LOCATION.search(ours)
        if there and here and there[1] == here[1]:
            known[f"{there[1]}/{there[2]}"] = f"{here[1]}/{here[2]}"
            known[f'"{there[2]}"'] = f'"{here[2]}"'


def _locations(body: bytes) -> list[str]:
    """The locations of a transaction's answer, in order."""
    bundle = _json(body)
    entries = bundle.get("entry", []) if isinstance(bundle, dict) else []
    return [str(one.get("response", {}).get("location", "")) for one in entries if isinstance(one, dict)]


def _differs(recorded: Exchange, answer: httpx.Response) -> Iterator[str]:
    if recorded.status != answer.status_code:
        yield f"status {recorded.status} there, {answer.status_code} here"
        return
    for name in HEADERS:
        if (name in recorded.headers) != (name in answer.headers):
            yield f"header {name} only {'there' if name in recorded.headers else 'here'}"
    theirs, ours = _json(recorded.answer), _json(answer.content)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        yield from _places(theirs, ours, str(theirs.get("resourceType", "")))
    elif bool(recorded.answer) != bool(answer.content):
        yield f"body only {'there' if recorded.answer else 'here'}"


def _json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None


def _places(theirs: Any, ours: Any, place: str) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted(theirs.keys() | ours.keys()):
            if name in DRAWN:
                continue
            if name not in ours or name not in theirs:
                yield f"{place}.{name} only {'there' if name in theirs else 'here'}"
            else:
                yield from _places(theirs[name], ours[name], f"{place}.{name}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            yield f"{place} has {len(theirs)} there, {len(ours)} here"
        for number, (one, other) in enumerate(zip(theirs, ours, strict=False)):
            yield from _places(one, other, f"{place}[{number}]")
    elif theirs != ours and not place.endswith((".reference", ".div")):
        yield f"{place} differs"
