"""Code systems, value sets and concept maps as the rest of the program uses them. Nothing here guesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapter.data import DataFileError, YamlPath
from adapter.terminology.files import (
    CodeSystemFile,
    Concept,
    ConceptMapFile,
    Element,
    Group,
    TargetRow,
    ValueSetFile,
    dotted,
    line_of,
)
from adapter.types import Json

REVERSIBLE = ("equal", "equivalent")
"""Equivalences that hold in both directions (R4 `concept-map-equivalence`)."""


def fhir_coding(system: str, code: str, display: str = "") -> dict[str, Json]:
    """Return a FHIR Coding; `display` is left out when there is none."""
    coding: dict[str, Json] = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return coding


def _named(concept: Concept, language: str) -> str:
    """Return the designation in a language; without one the display, so Swedish falls back to Finnish."""
    return next((d.value for d in concept.designation if d.language == language), concept.display)


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """A list of codes with Finnish names.

    Attributes:
        name: short name, e.g. `plan-type`.
        url: canonical, the `system` of a Coding.
        title: Finnish name of the list.
        description: what the list is, in Finnish.
        concepts: the codes in their order; empty when the codes are not listed (`issue`).
    """

    name: str
    url: str
    title: str
    description: str
    concepts: Mapping[str, Concept]

    @property
    def codes(self) -> tuple[str, ...]:
        """All codes, in the order of the file."""
        return tuple(self.concepts)

    def __contains__(self, code: object) -> bool:
        return code in self.concepts

    def display(self, code: str, language: str = "fi") -> str:
        """Return the name of a code in `fi`, `sv` or `en`; Swedish falls back to Finnish.

        Raises:
            LookupError: no such code in the list.
        """
        return _named(self._concept(code), language)

    def has_display(self, code: str, language: str) -> bool:
        """Tell whether a name in this very language exists (Finnish is the language of `display`)."""
        concept = self._concept(code)
        return bool(concept.display) if language == "fi" else language in (d.language for d in concept.designation)

    def properties(self, code: str) -> dict[str, tuple[str | bool, ...]]:
        """Return the properties of a code: name to values, e.g. `{"group": ("rehabilitation",)}`.

        Raises:
            LookupError: no such code in the list.
        """
        found: dict[str, tuple[str | bool, ...]] = {}
        for given in self._concept(code).property:
            found[given.code] = (*found.get(given.code, ()), given.value)
        return found

    def coding(self, code: str) -> dict[str, Json]:
        """Return the FHIR Coding with the Finnish display.

        Raises:
            LookupError: no such code in the list.
        """
        return fhir_coding(self.url, code, self._concept(code).display)

    def _concept(self, code: str) -> Concept:
        concept = self.concepts.get(code)
        if concept is None:
            raise LookupError(f"code list '{self.name}' has no such code")
        return concept


@dataclass(frozen=True, slots=True)
class ValueSet:
    """Codes of one or more systems that may stand in an element.

    Attributes:
        name, url, title: as in `CodeSystem`.
        concepts: the codes by (system, code), in their order.
    """

    name: str
    url: str
    title: str
    concepts: Mapping[tuple[str, str], Concept]

    def __contains__(self, system_and_code: object) -> bool:
        return system_and_code in self.concepts

    def display(self, system: str, code: str, language: str = "fi") -> str:
        """Return the name of a code; what has no name in the language keeps the one of its own system.

        Raises:
            LookupError: no such code in the value set.
        """
        return _named(self._concept(system, code), language)

    def coding(self, code: str) -> dict[str, Json]:
        """Return the FHIR Coding with the display of its own system (English for HL7, Finnish for national).

        Raises:
            LookupError: no such code in the value set, or the code stands in two of its systems.
        """
        systems = [system for system, known in self.concepts if known == code]
        if len(systems) != 1:
            raise LookupError(f"value set '{self.name}' has {len(systems)} systems with such a code")
        return fhir_coding(systems[0], code, self._concept(systems[0], code).display)

    def _concept(self, system: str, code: str) -> Concept:
        concept = self.concepts.get((system, code))
        if concept is None:
            raise LookupError(f"value set '{self.name}' has no such code")
        return concept


@dataclass(frozen=True, slots=True)
class ConceptMap:
    """What a code is called elsewhere, and back. A code that is not in the map has no translation.

    Attributes:
        name, url, title: as in `CodeSystem`.
        targets: source code to its row and target system; rows `unmatched` have no target.
        sources: (target system, target code) to the one source code that it is read back as.
        names: source code to its name, where the file gives one.
    """

    name: str
    url: str
    title: str
    targets: Mapping[str, tuple[str, TargetRow]]
    sources: Mapping[tuple[str, str], str]
    names: Mapping[str, str]

    @property
    def codes(self) -> tuple[str, ...]:
        """All source codes, matched or not, in the order of the file."""
        return tuple(self.targets)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The source codes of which it is known that they have no counterpart."""
        return tuple(code for code, (_, row) in self.targets.items() if row.equivalence == "unmatched")

    @property
    def is_injective(self) -> bool:
        """True when every translation is read back as the code it came from."""
        return len(self.sources) == len(self.targets) - len(self.unmatched)

    def translate(self, code: str) -> tuple[str, str] | None:
        """Return (system, code) of the counterpart; None when it is unmatched or not in the map."""
        system, row = self.targets.get(code, ("", None))
        return None if row is None or not row.code else (system, row.code)

    def coding(self, code: str) -> dict[str, Json] | None:
        """Return the counterpart as a FHIR Coding with its display when known; None as in `translate`."""
        system, row = self.targets.get(code, ("", None))
        return None if row is None or not row.code else fhir_coding(system, row.code, row.display)

    def reverse(self, code: str, system: str | None = None) -> str | None:
        """Return the source code of a target code; None when no row with `equal` or `equivalent` leads there.

        Without `system` the code must stand in one target system only, else the answer is None.
        """
        if system is not None:
            return self.sources.get((system, code))
        found = [source for (_, target), source in self.sources.items() if target == code]
        return found[0] if len(found) == 1 else None


def code_system_of(file: CodeSystemFile, path: Path) -> CodeSystem:
    """Build the list of a file.

    Raises:
        DataFileError: a code stands twice.
    """
    concepts = _by_code(file.concept, path, ("concept",))
    return CodeSystem(_short(file.url), file.url, file.title, file.description, concepts)


def value_set_of(file: ValueSetFile, path: Path, systems: Mapping[str, CodeSystem]) -> ValueSet:
    """Build the value set of a file; `systems` are the code systems, by URL, that it includes whole.

    Raises:
        DataFileError: a code stands twice, or a whole system is included whose codes are not known here.
    """
    concepts: dict[tuple[str, str], Concept] = {}
    for number, include in enumerate(file.compose.include):
        at: YamlPath = ("compose", "include", number)
        listed: Mapping[str, Concept] = _by_code(include.concept, path, (*at, "concept"))
        if not listed:
            if include.system not in systems:
                raise _error(path, (*at, "system"), "list the codes: the system is not in the code folder")
            listed = systems[include.system].concepts
        concepts.update({(include.system, code): concept for code, concept in listed.items()})
    return ValueSet(_short(file.url), file.url, file.title, concepts)


def concept_map_of(file: ConceptMapFile, path: Path) -> ConceptMap:
    """Build the map of a file.

    Raises:
        DataFileError: a source code stands twice, has no or several targets, a target lacks its code or system,
            two rows claim to be read back from the same target, or an inexact row does not say why (R4 cmd-1).
    """
    targets: dict[str, tuple[str, TargetRow]] = {}
    sources: dict[tuple[str, str], str] = {}
    for group_number, group in enumerate(file.group):
        for number, element in enumerate(group.element):
            at: YamlPath = ("group", group_number, "element", number)
            if element.code in targets:
                raise _error(path, at, f"code '{element.code}' stands twice")
            row = _checked_row(group, element, path, at)
            targets[element.code] = (group.target, row)
            if row.equivalence not in REVERSIBLE:
                continue
            first = sources.setdefault((group.target, row.code), element.code)
            if first != element.code:
                problem = f"'{first}' and '{element.code}' both are '{row.code}': mark all but one as 'wider'"
                raise _error(path, at, problem)
    names = {element.code: element.display for group in file.group for element in group.element if element.display}
    return ConceptMap(_short(file.url), file.url, file.title, targets, sources, names)


def _checked_row(group: Group, element: Element, path: Path, at: YamlPath) -> TargetRow:
    """Return the one target of an element.

    Raises:
        DataFileError: see `concept_map_of`.
    """
    if len(element.target) != 1:
        raise _error(path, at, f"code '{element.code}' needs exactly one target ('unmatched' if there is none)")
    row = element.target[0]
    if (row.equivalence == "unmatched") == bool(row.code):
        problem = f"code '{element.code}': a target has a code, unless it is 'unmatched'"
        raise _error(path, (*at, "target", 0), problem)
    if row.code and not group.target:
        raise _error(path, at[:2], "a group with targets names their system in 'target'")
    if row.equivalence in ("narrower", "inexact") and not row.comment:
        raise _error(path, (*at, "target", 0), f"'{row.equivalence}' needs a comment that says why (cmd-1)")
    return row


def _by_code(concepts: Iterable[Concept], path: Path, at: YamlPath) -> dict[str, Concept]:
    found: dict[str, Concept] = {}
    for number, concept in enumerate(concepts):
        if concept.code in found:
            raise _error(path, (*at, number, "code"), f"code '{concept.code}' stands twice")
        found[concept.code] = concept
    return found


def _short(url: str) -> str:
    return url.rpartition("/")[2]


def _error(path: Path, at: YamlPath, problem: str) -> DataFileError:
    return DataFileError(path, line_of(path, at), f"{dotted(at)}: {problem}")
