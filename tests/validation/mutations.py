"""Breaks one rule at a time in valid resources: every structural rule of our twelve types and their data types."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from adapter.fhir.definitions import ElementDefinition, is_primitive
from tests.validation.specimens import paths_of, with_element

BAD_FORMATS: dict[str, tuple[Any, ...]] = {
    "base64Binary": ("%%%", "aGV"),
    "boolean": ("true", 1),
    "canonical": ("a b",),
    "code": (" a", "a  b"),
    "date": ("2025-02-30", "14.3.2025", "2025-3-1"),
    "dateTime": ("2025-03-14T09:30:00", "2025-03-14T09:30+02:00", "2025-13"),
    "decimal": ("5,1", "1.0"),
    "id": ("a_1", "a" * 65),
    "instant": ("2025-03-14", "2025-03-14T09:30:00"),
    "integer": ("3", 2**40),
    "markdown": ("", "\x0b"),
    "oid": ("1.2.246",),
    "positiveInt": (0,),
    "string": ("", "a\x00b"),
    "time": ("9:30", "25:00:00"),
    "unsignedInt": (-1,),
    "uri": ("a b", "urn:uuid:x"),
    "url": ("a b",),
    "uuid": ("c757873d-ec9a-4326-a141-556f43239520",),
    "xhtml": ("<div>ilman nimiavaruutta</div>", '<div xmlns="http://www.w3.org/1999/xhtml"><script/>a</div>'),
}


class Mutant(NamedTuple):
    """A broken resource, what was broken, and where (JSON path)."""

    name: str
    resource: dict[str, Any]


def mutants(type_name: str) -> Iterator[Mutant]:
    """Yield every mutant of one resource type; the first of each path is the unbroken specimen (`valid …`)."""
    for path in paths_of(type_name):
        shown = f"{type_name}.{'.'.join(path)}"
        resource, holder, definition = with_element(type_name, path)
        yield Mutant(f"valid {shown}", resource)
        key = path[-1]
        for what, change in changes(definition, key, holder[key]):
            broken, copied = _copy(resource, holder)
            change(copied)
            yield Mutant(f"{what} {shown}", broken)


def _copy(resource: dict[str, Any], holder: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    memo: dict[int, Any] = {}
    broken = deepcopy(resource, memo)
    return broken, memo[id(holder)]


def changes(definition: ElementDefinition, key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every way to break an element: its name, and what does it to the object that holds the element."""

    def put(new: Any) -> Any:
        return lambda holder: holder.__setitem__(key, new)

    def listed(new: Any) -> Any:
        return put([new] if definition.is_list else new)

    code = definition.types[0].code if definition.types else ""
    yield "null", put(None)
    yield "wrong shape", put(value[0] if definition.is_list else [value])
    yield "null item" if definition.is_list else "empty array", put([None] if definition.is_list else [])
    yield "beside unknown", lambda holder: holder.__setitem__("eiSellaista", 1)
    if definition.min > 0 and not definition.path.endswith("[x]"):
        yield "removed", lambda holder: holder.pop(key)
    if is_primitive(code):
        yield "object for primitive", listed({"a": 1})
        for bad in BAD_FORMATS[code] if key != "id" or code == "id" else ("", " "):
            yield f"format {bad!r:.20}", listed(bad)
        if code == "code" and _has_list_of_codes(definition):
            yield "code", listed("eiOleKoodi")
    elif code != "Resource":
        yield "text for object", listed("teksti")
        yield "empty object", listed({})
    if code == "Reference":
        targets = definition.types[0].targets
        if targets and "Resource" not in targets:
            yield "target", listed({"reference": "Slot/a1" if "Slot" not in targets else "Patient/a1"})
        yield "dangling local", listed({"reference": "#puuttuu"})
    if code == "Extension":
        yield "unknown extension", listed({"url": "https://kykysilta.example/ei", "valueString": "a"})
        yield "no value", listed({"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"})
    if code in ("CodeableConcept", "Coding") and definition.binding and definition.binding.strength == "required":
        coding = {"system": "https://kykysilta.example/ei", "code": "ei"}
        yield "binding", listed(coding if code == "Coding" else {"coding": [coding]})


def _has_list_of_codes(definition: ElementDefinition) -> bool:
    """Tell whether a required binding is a list of codes, not a grammar."""
    binding = definition.binding
    grammars = ("mimetypes", "currencies", "all-languages")
    return binding is not None and binding.strength == "required" and not binding.value_set.endswith(grammars)
