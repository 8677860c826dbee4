"""A request explained: its body line by line, with the places that were objected to marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from adapter.errors import SourceError
from adapter.mock.journal import Entry
from adapter.mock.profiles import profile_id
from adapter.mock.storage import to_json
from adapter.source.json import read_json
from adapter.types import Issue

SPECIFICATION = "https://hl7.org/fhir/R4"


def explained_issue(issue: Issue, language: str) -> dict[str, str]:
    """Return what a page shows of an issue."""
    source = issue.source
    place = f"{source.path} ({source.line}:{source.column})" if source is not None and source.line else ""
    return {
        "severity": issue.severity,
        "text": issue.text(language),
        "rule": issue.rule_id,
        "place": issue.expression,
        "source": place,
        "profile": issue.profile if issue.profile.startswith("http") else "",
        "profile_id": profile_id(issue.profile),
        "specification": _specification(issue),
    }


def _specification(issue: Issue) -> str:
    kind = issue.expression.partition(".")[0].partition("[")[0]
    return f"{SPECIFICATION}/{kind.lower()}.html" if kind and not issue.profile else ""


def body_lines(text: str, entry: Entry) -> list[tuple[str, str]]:
    """Return the lines of a body, each with the ids of the rules that object to it.

    JSON is set out one element a line; anything else stays as it came. A line that cannot be found (a missing
    element) is marked at its parent.
    """
    try:
        document = read_json(text.encode())
    except SourceError:
        marks = {one.source.line: one.rule_id for one in entry.wire.refusal if one.source is not None}
        return [(line, marks.get(number, "")) for number, line in enumerate(text.splitlines(), 1)]
    if not isinstance(document, dict):
        return [(line, "") for line in text.splitlines()]
    lines = list(_lines(document, str(document.get("resourceType", "")), ""))
    known = {place for _, place in lines}
    notes: dict[str, list[str]] = {}
    for issue in entry.wire.refusal:
        if issue.expression:
            notes.setdefault(_nearest(issue.expression, known), []).append(issue.rule_id)
    return [(line, ", ".join(notes.pop(place, []))) for line, place in lines]


def _nearest(expression: str, known: set[str]) -> str:
    place = expression
    while place and place not in known:
        cut = max(place.rfind("."), place.rfind("["))
        place = place[:cut] if cut > 0 else ""
    return place


def _lines(value: Any, place: str, indent: str, name: str = "", comma: str = "") -> Iterator[tuple[str, str]]:
    start = f"{indent}{json.dumps(name, ensure_ascii=False)}: " if name else indent
    if isinstance(value, dict):
        yield f"{start}{{", place
        last = len(value) - 1
        for number, (key, child) in enumerate(value.items()):
            yield from _lines(child, f"{place}.{key}", f"{indent}  ", key, "," if number < last else "")
        yield f"{indent}}}{comma}", ""
    elif isinstance(value, list):
        yield f"{start}[", place
        for number, child in enumerate(value):
            yield from _lines(child, f"{place}[{number}]", f"{indent}  ", "", "," if number < len(value) - 1 else "")
        yield f"{indent}]{comma}", ""
    else:
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else to_json(value).decode()
        yield f"{start}{shown}{comma}", place
