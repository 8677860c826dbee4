"""The JSON files of code lists, as they stand on disk, read strictly.

A file that is not JSON, has a key twice, lacks a mandatory element, or holds something that we would have to
leave out (nested concepts, `dependsOn`, `unmapped` …) is refused with file and line. Elements that only describe
the resource (publisher, contact, date …) are free.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeVar

import jiter
import msgspec

from adapter.data import DataFileError, YamlPath, parse_yaml_with_places

Equivalence = Literal[
    "relatedto",
    "equivalent",
    "equal",
    "wider",
    "subsumes",
    "narrower",
    "specializes",
    "inexact",
    "unmatched",
]
"""R4 `concept-map-equivalence` without `disjoint`, which would be a row that says nothing."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of a list: every key is known, or the file is refused."""


class Designation(Strict, frozen=True):
    """A name in another language (`concept.designation`)."""

    language: str
    value: str


class ConceptProperty(Strict, frozen=True):
    """One value of a property (`CodeSystem.concept.property`); exactly one value is given."""

    code: str
    value_code: str | None = None
    value_string: str | None = None
    value_boolean: bool | None = None

    @property
    def value(self) -> str | bool:
        """The value, whichever of the types it has."""
        given = next((v for v in (self.value_code, self.value_string) if v is not None), None)
        return bool(self.value_boolean) if given is None else given


class Concept(Strict, frozen=True):
    """One code with its names and properties (`CodeSystem.concept`, `ValueSet.compose.include.concept`)."""

    code: str
    display: str = ""
    designation: tuple[Designation, ...] = ()
    property: tuple[ConceptProperty, ...] = ()


class PropertyDefinition(Strict, frozen=True):
    """What a property means (`CodeSystem.property`)."""

    code: str
    type: Literal["code", "string", "boolean"]
    description: str = ""


class Include(Strict, frozen=True):
    """A whole code system, or the codes of it that are listed (`ValueSet.compose.include`)."""

    system: str
    concept: tuple[Concept, ...] = ()


class Compose(Strict, frozen=True):
    """`ValueSet.compose`, includes only."""

    include: tuple[Include, ...]


class TargetRow(Strict, frozen=True):
    """Where a code goes (`ConceptMap.group.element.target`); `unmatched` has no code."""

    equivalence: Equivalence
    code: str = ""
    display: str = ""
    comment: str = ""


class Element(Strict, frozen=True):
    """One source code (`ConceptMap.group.element`). Exactly one target: a map that has to choose would guess."""

    code: str
    target: tuple[TargetRow, ...]
    display: str = ""


class Group(Strict, frozen=True):
    """Rows between two code systems (`ConceptMap.group`)."""

    element: tuple[Element, ...]
    source: str = ""
    target: str = ""


class Artefact(msgspec.Struct, frozen=True, rename="camel"):
    """What the three kinds of file have in common."""

    url: str
    name: str
    status: str
    id: str = ""
    title: str = ""
    description: str = ""
    language: str = ""


class CodeSystemFile(Artefact, frozen=True, kw_only=True):
    """A FHIR R4 CodeSystem."""

    resource_type: Literal["CodeSystem"]
    content: Literal["complete", "fragment", "not-present"]
    concept: tuple[Concept, ...] = ()
    property: tuple[PropertyDefinition, ...] = ()
    count: int | None = None


class ValueSetFile(Artefact, frozen=True, kw_only=True):
    """A FHIR R4 ValueSet."""

    resource_type: Literal["ValueSet"]
    compose: Compose


class ConceptMapFile(Artefact, frozen=True, kw_only=True):
    """A FHIR R4 ConceptMap."""

    resource_type: Literal["ConceptMap"]
    group: tuple[Group, ...]
    source_canonical: str = ""
    target_canonical: str = ""


File = TypeVar("File", CodeSystemFile, ValueSetFile, ConceptMapFile)


def read_file(path: Path, kind: type[File]) -> File:
    """Read one file as the kind of resource that is expected.

    Raises:
        DataFileError: not JSON, a key twice, an element missing, unknown or of a wrong type.
    """
    content = path.read_bytes()
    try:
        return msgspec.convert(jiter.from_json(content, catch_duplicate_keys=True), kind)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `")
        at = _steps(place.removesuffix("`"))
        raise DataFileError(path, line_of(path, at), f"{dotted(at)}: {problem}" if at else problem) from None
    except ValueError as error:
        found = re.search(r"(.*) at line (\d+)", str(error))
        problem, line = (found[1], int(found[2])) if found else (str(error), 1)
        raise DataFileError(path, line, problem) from None


def line_of(path: Path, at: YamlPath) -> int:
    """Return the line of an element of a JSON file, or of its nearest parent that exists.

    JSON is read as the YAML that it also is, because only that reader keeps places; used on errors alone.
    """
    try:
        places = parse_yaml_with_places(path.read_text(encoding="utf-8"), path)[1]
    except (DataFileError, UnicodeDecodeError):
        return 1
    while at and at not in places:
        at = at[:-1]
    return places.get(at, (1, 1))[0]


def dotted(at: YamlPath) -> str:
    """Return a path as people write it: `group[0].element[2].code`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).lstrip(".")


def _steps(place: str) -> YamlPath:
    """Split a place of msgspec, e.g. `$.concept[3].code`, into keys and positions."""
    found = re.findall(r"\.(\w+)|\[(\d+)\]", place)
    return tuple(key or int(position) for key, position in found)
