"""Codes and their names, from the FHIR files in `mappings/codes/`; loaded list by list, when first asked for.

    code_system("plan-type").display("activation-plan", "sv")     'aktiveringsplan'
    coding("plan-type", "activation-plan")                        {'system': …, 'code': …, 'display': …}
    concept_map("plan-status").translate("ended")                 ('http://hl7.org/fhir/request-status', 'completed')
    concept_map("plan-status").reverse("completed")               'ended'
    system("hetu"), system("cs:plan-type"), extension("handover") URIs by short name

A vendor's own lists lie in another folder and are asked first: `Terminology(folder).concept_map("tila")` reads
`folder/tila.conceptmap.json`, else the packaged list of that name. A single file is read by `load_concept_map`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from adapter.data import data_root, read_yaml
from adapter.terminology.files import CodeSystemFile, ConceptMapFile, ValueSetFile, read_file
from adapter.terminology.lists import (
    CodeSystem,
    ConceptMap,
    ValueSet,
    code_system_of,
    concept_map_of,
    value_set_of,
)
from adapter.types import CANONICAL_ROOT, Json

__all__ = [
    "PACKAGED",
    "CodeSystem",
    "ConceptMap",
    "Terminology",
    "ValueSet",
    "code_system",
    "coding",
    "concept_map",
    "extension",
    "load_concept_map",
    "system",
    "value_set",
]

Kind = Literal["CodeSystem", "ValueSet", "ConceptMap"]


def codes_folder() -> Path:
    """Return the folder of the packaged lists."""
    return data_root() / "mappings" / "codes"


class Terminology:
    """Code lists of some folders, asked in the order given and then in `mappings/codes/`.

    In a folder, the list `x` is the file `CodeSystem-x.json` or `x.codesystem.json`, and the same with ValueSet
    and ConceptMap. Every list is looked for and read once, when it is first asked for.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._files: dict[tuple[Kind, str], Path | None] = {}
        self._code_systems: dict[str, CodeSystem] = {}
        self._value_sets: dict[str, ValueSet] = {}
        self._concept_maps: dict[str, ConceptMap] = {}
        self._uris: dict[str, dict[str, str]] = {}

    def code_system(self, name: str) -> CodeSystem:
        """Return a code list by its short name.

        Raises:
            LookupError: there is no such list.
            DataFileError: its file is broken.
        """
        found = self._code_systems.get(name)
        if found is None:
            path = self.path("CodeSystem", name)
            found = self._code_systems[name] = code_system_of(read_file(path, CodeSystemFile), path)
        return found

    def value_set(self, name: str) -> ValueSet:
        """Return a value set by its short name; errors as in `code_system`."""
        found = self._value_sets.get(name)
        if found is None:
            path = self.path("ValueSet", name)
            file = read_file(path, ValueSetFile)
            prefix = f"{CANONICAL_ROOT}/CodeSystem/"
            urls = [include.system for include in file.compose.include if include.system.startswith(prefix)]
            systems = {url: self.code_system(url.removeprefix(prefix)) for url in urls}
            found = self._value_sets[name] = value_set_of(file, path, systems)
        return found

    def concept_map(self, name: str) -> ConceptMap:
        """Return a concept map by its short name; errors as in `code_system`."""
        found = self._concept_maps.get(name)
        if found is None:
            found = self._concept_maps[name] = load_concept_map(self.path("ConceptMap", name))
        return found

    def coding(self, name: str, code: str) -> dict[str, Json]:
        """Return the FHIR Coding of a code of a list of ours, or of an external system that has a value set here.

        The display is the Finnish one for our own and for national codes, else the one of the code's system.

        Raises:
            LookupError: no such list, or no such code in it.
        """
        if self.has("CodeSystem", name):
            return self.code_system(name).coding(code)
        return self.value_set(name).coding(code)

    def system(self, short: str) -> str:
        """Return the URI of a short name of `systems.yaml`, or of a code list of ours written `cs:<name>`.

        Raises:
            LookupError: no such short name or list.
        """
        if short.startswith("cs:"):
            return self.code_system(short.removeprefix("cs:")).url
        return self._uri("systems", short)

    def extension(self, short: str) -> str:
        """Return the URL of an extension by its short name.

        Raises:
            LookupError: no such extension.
        """
        return self._uri("extensions", short)

    def short_names(self) -> dict[str, dict[str, str]]:
        """Return all short names of `systems.yaml` with their URIs, in the parts `systems` and `extensions`."""
        if not self._uris:
            written: dict[str, dict[str, str]] = read_yaml(codes_folder() / "systems.yaml")
            self._uris = {
                part: {short: uri.replace("{canonical}", CANONICAL_ROOT) for short, uri in rows.items()}
                for part, rows in written.items()
            }
        return self._uris

    def has(self, kind: Kind, name: str) -> bool:
        """Tell whether a list exists, without reading it."""
        return self._find(kind, name) is not None

    def path(self, kind: Kind, name: str) -> Path:
        """Return the file of a list.

        Raises:
            LookupError: there is no such file in any of the folders.
        """
        found = self._find(kind, name)
        if found is None:
            raise LookupError(f"no {kind} '{name}'")
        return found

    def _find(self, kind: Kind, name: str) -> Path | None:
        if (kind, name) not in self._files:
            self._files[kind, name] = self._searched(kind, name)
        return self._files[kind, name]

    def _searched(self, kind: Kind, name: str) -> Path | None:
        for folder in (*self._folders, codes_folder()):
            for path in (folder / f"{kind}-{name}.json", folder / f"{name}.{kind.lower()}.json"):
                if path.is_file():
                    return path
        return None

    def _uri(self, part: str, short: str) -> str:
        found = self.short_names()[part].get(short)
        if found is None:
            raise LookupError(f"no short name '{short}' in {part} of systems.yaml")
        return found


def load_concept_map(path: Path) -> ConceptMap:
    """Read one concept map file, wherever it lies.

    Raises:
        DataFileError: the file is broken; the text names file, line and element.
    """
    return concept_map_of(read_file(path, ConceptMapFile), path)


PACKAGED = Terminology()
"""The lists of `mappings/codes/` alone."""

code_system = PACKAGED.code_system
value_set = PACKAGED.value_set
concept_map = PACKAGED.concept_map
coding = PACKAGED.coding
system = PACKAGED.system
extension = PACKAGED.extension
