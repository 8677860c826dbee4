"""From a record's path to the place in the sender's document, looked for only when somebody must be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal

from adapter.source import paths
from adapter.source.json import encoded
from adapter.source.json_places import scan
from adapter.types import Issue, SourcePlace

Format = Literal["json", "xml"]
Locate = Callable[[str], SourcePlace]
"""Takes a path such as `goals[0].status`, gives the sender's own path with line and column."""


def places(
    data: bytes | str,
    format: Format,
    *,
    namespaces: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
) -> Locate:
    """Return the locator of a document that was read before; it scans the document when it is first asked.

    A field that is missing is shown at the object or element that it is missing from.

    Args:
        namespaces, encoding: as for `read_xml`.
    """

    found: Locate | None = None

    def locate(path: str) -> SourcePlace:
        nonlocal found
        if found is None:
            found = _scanned(data, format, namespaces, encoding)
        return found(path)

    return locate


def _scanned(data: bytes | str, format: Format, namespaces: Mapping[str, str] | None, encoding: str) -> Locate:
    if format == "xml":
        from adapter.source.xml import decoded
        from adapter.source.xml_places import XmlPlaces

        return XmlPlaces(decoded(data, encoding=encoding), namespaces)
    return _json_places(encoded(data))


def moved(place: SourcePlace, first_line: int) -> SourcePlace:
    """Return a place as counted from the file's first line when its document begins on `first_line`."""
    return place if place.line is None else replace(place, line=place.line + first_line - 1)


def located(issues: Iterable[Issue], locate: Locate) -> list[Issue]:
    """Return the issues with the sender's own path, line and column instead of the record's path."""
    return [replace(issue, source=locate(issue.source.path)) if issue.source else issue for issue in issues]


def unlocated(path: str) -> SourcePlace:
    """The locator of a record that came as Python objects: the path alone."""
    return SourcePlace(path)


def _json_places(data: bytes) -> Locate:
    found = scan(data).places

    def locate(path: str) -> SourcePlace:
        near = path
        while near not in found and near != paths.ROOT:
            near = paths.parent_of(near)
        return SourcePlace(path, *found.get(near, (None, None)))

    return locate
