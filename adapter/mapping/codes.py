"""What `code:` and `coding:` mean: lists and concept maps of `adapter.terminology` as tables for rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from adapter.mapping.model import Coding, Translate
from adapter.terminology import Terminology
from adapter.types import Json

CODED_SHAPES = ("CodeableConcept", "Coding")
FORCED_MAP = "ConceptMap/"


@lru_cache(maxsize=256)
def translate_by(name: str, shape: str, unmatched: bool, terminology: Terminology) -> Translate:
    """Return the table of a code list (identity with system and display) or concept map.

    On an element of type code a concept map comes before a list of the same name, because the list's own codes
    do not fit there; on Coding and CodeableConcept the list comes first. `ConceptMap/<name>` always is the map.

    Raises:
        LookupError: there is neither a list nor a map of that name.
    """
    bare = name.removeprefix(FORCED_MAP)
    map_first = bare != name or shape not in CODED_SHAPES
    if terminology.has("ConceptMap", bare) and (map_first or not _is_list(bare, terminology)):
        found = terminology.concept_map(bare)
        table: dict[str, Coding | None] = {}
        for code in found.codes:
            coding = found.coding(code)
            table[code] = _coding(coding) if coding else None
        return Translate(bare, table, dict(found.sources), shape, unmatched)
    table = {code: _coding(coding) for code, coding in _codings(bare, terminology).items()}
    back = {(coding.system, coding.code): code for code, coding in table.items() if coding}
    return Translate(bare, table, back, shape, unmatched)


def allowed_codes(name: str, terminology: Terminology) -> tuple[str, ...]:
    """Return the codes that a source field of the list `name` (`x-codes`) may have; empty = not enumerated.

    Raises:
        LookupError: there is no such list.
    """
    if _is_list(name, terminology):
        return tuple(_codings(name, terminology))
    return terminology.concept_map(name).codes


def constant_coding(text: str, terminology: Terminology) -> Coding:
    """Return the coding that `list#code` names.

    Raises:
        LookupError: no such list or system, or no such code in the list.
    """
    name, _, code = text.partition("#")
    if not name or not code:
        raise LookupError(f"'{text}' is not of the form list#code")
    if _is_list(name, terminology):
        known = _codings(name, terminology)
        if code in known:
            return _coding(known[code])
        if known:
            raise LookupError(f"'{name}' has no code '{code}' (there are: {', '.join(known)})")
    return Coding(terminology.system(name), code)


def constant_of(coding: Coding, shape: str) -> Json:
    """Return a coding in the shape of the element: code, Coding or CodeableConcept."""
    if shape not in CODED_SHAPES:
        return coding.code
    written = {"system": coding.system, "code": coding.code}
    if coding.display:
        written["display"] = coding.display
    return {"coding": [written]} if shape == "CodeableConcept" else written


def _is_list(name: str, terminology: Terminology) -> bool:
    return terminology.has("CodeSystem", name) or terminology.has("ValueSet", name)


@lru_cache(maxsize=256)
def _codings(name: str, terminology: Terminology) -> Mapping[str, dict[str, Json]]:
    """Return the codings of a list by code; many rows ask for the same list."""
    if terminology.has("CodeSystem", name):
        codes = terminology.code_system(name)
        return {code: codes.coding(code) for code in codes.codes}
    if terminology.has("ValueSet", name):
        values = terminology.value_set(name)
        return {code: values.coding(code) for _, code in values.concepts}
    raise LookupError(f"there is no code list or concept map '{name}'")


def _coding(found: dict[str, Json]) -> Coding:
    return Coding(found["system"], found["code"], found.get("display", ""))
