"""Conformance resources from where a caller keeps them: dicts, files, folders and FHIR packages (.tgz).

What is not a StructureDefinition, ValueSet or CodeSystem is passed over; what cannot be read is said by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from adapter.errors import SourceError
from adapter.source.limits import Limits
from adapter.types import Issue, Resource
from adapter.validation.reading import read_resource

CONFORMANCE = ("StructureDefinition", "ValueSet", "CodeSystem")

PACKAGE_LIMITS = Limits(size=64_000_000, depth=100, nodes=5_000_000)
"""A definition may be far larger than a record."""

MOST_MEMBERS = 10_000
"""Of an archive; that of R4 itself has half of it."""

MOST_BYTES = 256_000_000
"""Of an archive unpacked; that of R4 itself, examples included, is smaller."""

MOST_UNREADABLE = 100
"""What holds more than so many unreadable files is no package."""


def load_definitions(sources: Iterable[Resource | str | Path]) -> tuple[list[Resource], list[Issue]]:
    """Return all conformance resources of the sources, and what could not be read."""
    resources: list[Resource] = []
    issues: list[Issue] = []
    for source in sources:
        if isinstance(source, dict):
            found = list(_conformance(source))
            if not found or not all(isinstance(resource.get("url"), str) for resource in found):
                issues.append(_unreadable(f"{source.get('resourceType')} (url)"))
            resources += found
            continue
        for name, content in _documents(Path(source), issues):
            try:
                resources += _conformance(read_resource(content, PACKAGE_LIMITS)[0])
            except SourceError:
                issues.append(_unreadable(name))
                if len(issues) > MOST_UNREADABLE:
                    return resources, issues
    return resources, issues


def _conformance(resource: Any) -> Iterator[Resource]:
    """Yield a conformance resource, or those of a Bundle."""
    if not isinstance(resource, dict):
        return
    if resource.get("resourceType") in CONFORMANCE:
        yield resource
    elif resource.get("resourceType") == "Bundle":
        for entry in resource.get("entry", ()):
            yield from _conformance(entry.get("resource"))


def _documents(path: Path, issues: list[Issue]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file that may be a resource."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in (".json", ".xml") and file.is_file():
                yield file.name, file.read_bytes()
    elif path.suffix in (".tgz", ".gz"):
        yield from _members(path, issues)
    elif path.is_file():
        yield path.name, path.read_bytes()
    else:
        issues.append(_unreadable(path.name))


def _members(path: Path, issues: list[Issue]) -> Iterator[tuple[str, bytes]]:
    import tarfile

    try:
        with tarfile.open(path) as archive:
            size = 0
            for number, member in enumerate(archive):
                size += member.size
                if number >= MOST_MEMBERS or size > MOST_BYTES:
                    issues.append(_unreadable(path.name))
                    return
                name = PurePosixPath(member.name)
                plain = member.isfile() and member.size <= PACKAGE_LIMITS.size and name.suffix == ".json"
                if not plain or name.name.startswith(".") or name.name == "package.json" or len(name.parts) > 2:
                    continue
                handle = archive.extractfile(member)
                if handle is not None:
                    yield name.name, handle.read()
    except (tarfile.TarError, OSError, EOFError):
        issues.append(_unreadable(path.name))


def _unreadable(name: str) -> Issue:
    return Issue("error", "validation.definition-unreadable", {"name": name})
