"""The check behind `kykysilta mappings check` for code lists: every file is whole, and what it names exists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapter.data import DataFileError, YamlPath
from adapter.terminology import Terminology, codes_folder
from adapter.terminology.files import (
    CodeSystemFile,
    ConceptMapFile,
    ValueSetFile,
    dotted,
    line_of,
    read_file,
)
from adapter.terminology.lists import CodeSystem, ConceptMap, ValueSet
from adapter.types import CANONICAL_ROOT

KINDS = ("codesystem", "valueset", "conceptmap")
LANGUAGES = ("fi", "en")
"""Languages in which every code of ours has a name; Swedish stands where a source gives it."""


def check(folder: Path | None = None) -> tuple[DataFileError, ...]:
    """Return everything that is wrong in a folder of code lists (the packaged one by default); empty when fine.

    Checked: the file reads and says in its name what it is; a code stands once; our own codes have Finnish and
    English names and declared properties; every code that a map or value set takes from a list of ours exists in
    it; a map from a list of ours has a row for each of its codes.
    """
    folder = folder or codes_folder()
    terminology = Terminology(folder)
    problems: list[DataFileError] = []
    for path in sorted(folder.glob("*.json")):
        try:
            problems.extend(_check_file(path, terminology))
        except DataFileError as error:
            problems.append(error)
    return tuple(problems)


def kind_and_name(path: Path) -> tuple[str, str] | None:
    """Return kind (lower case) and short name of a file by its name; None when it is named otherwise."""
    kind, _, name = path.stem.partition("-")
    if kind.lower() not in KINDS:
        name, _, kind = path.stem.rpartition(".")
    return (kind.lower(), name) if kind.lower() in KINDS and name else None


def _check_file(path: Path, terminology: Terminology) -> Iterator[DataFileError]:
    named = kind_and_name(path)
    if named is None:
        yield DataFileError(path, 1, "name the file CodeSystem-x.json or x.codesystem.json (ValueSet, ConceptMap)")
        return
    kind, name = named
    listed: CodeSystem | ValueSet | ConceptMap
    if kind == "codesystem":
        listed = terminology.code_system(name)
        yield from _check_code_system(path, listed)
    elif kind == "valueset":
        listed = terminology.value_set(name)
        yield from _check_value_set(path, terminology)
    else:
        listed = terminology.concept_map(name)
        yield from _check_concept_map(path, terminology)
    if listed.name != name:
        yield _problem(path, ("url",), f"the last part of the URL is the name of the file, '{name}'")


def _check_code_system(path: Path, codes: CodeSystem) -> Iterator[DataFileError]:
    file = read_file(path, CodeSystemFile)
    if file.count is not None and file.count != len(file.concept):
        yield _problem(path, ("count",), f"the list has {len(file.concept)} codes")
    declared = {definition.code: definition.type for definition in file.property}
    for number, concept in enumerate(file.concept):
        at: YamlPath = ("concept", number)
        for language in LANGUAGES:
            if codes.url.startswith(CANONICAL_ROOT) and not codes.has_display(concept.code, language):
                yield _problem(path, at, f"code '{concept.code}' has no name in '{language}'")
        for given in concept.property:
            if given.code not in declared:
                yield _problem(path, at, f"property '{given.code}' is not declared")
            elif getattr(given, f"value_{declared[given.code]}") is None:
                yield _problem(path, at, f"property '{given.code}' is of type {declared[given.code]}")


def _check_value_set(path: Path, terminology: Terminology) -> Iterator[DataFileError]:
    for number, include in enumerate(read_file(path, ValueSetFile).compose.include):
        at: YamlPath = ("compose", "include", number)
        yield from _check_system(path, (*at, "system"), include.system, terminology)
        known = _ours(include.system, terminology)
        for position, concept in enumerate(include.concept):
            if known is not None and concept.code not in known:
                yield _problem(path, (*at, "concept", position), f"'{known.name}' has no code '{concept.code}'")


def _check_concept_map(path: Path, terminology: Terminology) -> Iterator[DataFileError]:
    file = read_file(path, ConceptMapFile)
    mapped: dict[str, set[str]] = {}
    for group_number, group in enumerate(file.group):
        for end, url in (("source", group.source), ("target", group.target)):
            yield from _check_system(path, ("group", group_number, end), url, terminology)
        source, target = _ours(group.source, terminology), _ours(group.target, terminology)
        mapped.setdefault(group.source, set()).update(element.code for element in group.element)
        for number, element in enumerate(group.element):
            at: YamlPath = ("group", group_number, "element", number)
            sides = ((source, element, at), (target, element.target[0], (*at, "target", 0)))
            for known, row, place in sides:
                if known is None or not row.code:
                    continue
                if row.code not in known:
                    yield _problem(path, place, f"'{known.name}' has no code '{row.code}'")
                elif row.display not in ("", known.display(row.code)):
                    yield _problem(path, place, f"code '{row.code}' has another name in '{known.name}'")
    for url, codes in mapped.items():
        known = _ours(url, terminology)
        missing = [code for code in known.codes if code not in codes] if known else []
        if missing:
            yield _problem(path, ("group",), f"no row for {', '.join(missing)} ('unmatched' says that there is none)")


def _check_system(path: Path, at: YamlPath, url: str, terminology: Terminology) -> Iterator[DataFileError]:
    if url.startswith(CANONICAL_ROOT) and _ours(url, terminology) is None:
        yield _problem(path, at, f"there is no code system '{url}'")


def _ours(url: str, terminology: Terminology) -> CodeSystem | None:
    """Return the code system of a URL when it is one of our lists."""
    name = url.removeprefix(f"{CANONICAL_ROOT}/CodeSystem/")
    return terminology.code_system(name) if name != url and terminology.has("CodeSystem", name) else None


def _problem(path: Path, at: YamlPath, text: str) -> DataFileError:
    return DataFileError(path, line_of(path, at), f"{dotted(at)}: {text}")
