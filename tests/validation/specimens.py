"""Valid resources made from the definitions themselves: the smallest of a type, or one with a given element."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

from adapter.fhir.definitions import ElementDefinition, children, choice_key, is_primitive, json_children
from adapter.fhir.terminology import core_terminology

OUR_TYPES = (
    "AuditEvent",
    "Bundle",
    "CarePlan",
    "CareTeam",
    "Consent",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Provenance",
    "QuestionnaireResponse",
)

PRIMITIVES: dict[str, Any] = {
    "base64Binary": "aGVp",
    "boolean": True,
    "canonical": "https://kykysilta.example/fhir/Questionnaire/a",
    "code": "fi",
    "date": "2025-03-14",
    "dateTime": "2025-03-14T09:30:00+02:00",
    "decimal": Decimal("5.10"),
    "id": "a1",
    "instant": "2025-03-14T09:30:00+02:00",
    "integer": 3,
    "markdown": "teksti",
    "oid": "urn:oid:1.2.246",
    "positiveInt": 1,
    "string": "teksti",
    "time": "09:30:00",
    "unsignedInt": 3,
    "uri": "https://kykysilta.example/a",
    "url": "https://kykysilta.example/a",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "xhtml": '<div xmlns="http://www.w3.org/1999/xhtml">teksti</div>',
}

EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

CONTENTS: dict[str, dict[str, Any]] = {
    "Bundle": {"type": "collection"},
    "Bundle.entry": {
        "fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "resource": {"resourceType": "Basic", "code": {"text": "a"}},
    },
    "Consent": {"patient": {"reference": "Patient/a1"}, "policyRule": {"text": "suostumus"}},
    "Observation.referenceRange": {"text": "viitearvo"},
    "Organization": {"name": "Organisaatio"},
    "Patient.contact": {"name": {"text": "nimi"}},
    "Ratio": {"numerator": {"value": 1}, "denominator": {"value": 2}},
}
"""What an object needs beyond its required elements so that no invariant is broken."""

BESIDE: dict[str, dict[str, Any]] = {
    "Attachment.data": {"contentType": "text/plain", "size": 3},
    "Attachment.size": {"data": "aGVp", "contentType": "text/plain"},
    "ContactPoint.value": {"system": "phone"},
    "Quantity.code": {"system": "http://unitsofmeasure.org"},
    "SimpleQuantity.code": {"system": "http://unitsofmeasure.org"},
    "Timing.repeat.duration": {"durationUnit": "h"},
    "Timing.repeat.durationMax": {"duration": 1, "durationUnit": "h"},
    "Timing.repeat.period": {"periodUnit": "d"},
    "Timing.repeat.periodMax": {"period": 1, "periodUnit": "d"},
    "Timing.repeat.countMax": {"count": 1},
    "Timing.repeat.offset": {"when": ["MORN"]},
}
"""What an element needs beside itself, for the same reason."""


def value_of(definition: ElementDefinition, code: str, depth: int = 0) -> Any:
    """Return a small valid value of one type of an element, without a list around."""
    if definition.content or code in ("BackboneElement", "Element"):
        path = definition.content or definition.path
        return object_of(*_split(path), depth)
    if code == "code" and definition.binding is not None and definition.binding.strength == "required":
        codes = core_terminology().value_set(definition.binding.value_set)
        known = codes.all_codes if codes is not None else None
        if known:
            return sorted(known)[-1 if definition.key == "use" else 0]
        return {"mimetypes": "text/plain", "currencies": "EUR"}.get(
            definition.binding.value_set.rpartition("/")[2], PRIMITIVES["code"]
        )
    if is_primitive(code):
        return PRIMITIVES[code]
    if code == "Resource":
        return {"resourceType": "Basic", "id": "c1", "code": {"text": "a"}, "subject": {"reference": "#"}}
    if code == "Reference":
        targets = definition.types[0].targets if len(definition.types) == 1 else _targets(definition)
        target = "Patient" if not targets or "Resource" in targets else targets[0]
        return {"reference": f"{target}/a1"}
    if code == "Extension":
        modifier = definition.key == "modifierExtension"
        return {"url": "http://example.org/muuttaa" if modifier else EXTENSION, "valueCode": "unknown"}
    return coded_of(definition, code) or object_of(code, "", depth) or _first_child(code, depth)


def coded_of(definition: ElementDefinition, code: str) -> Any:
    """Return a coded value inside the element's binding, where the binding can be enumerated."""
    binding = definition.binding
    if (
        binding is None
        or binding.strength not in ("required", "extensible")
        or code not in ("Coding", "CodeableConcept")
    ):
        return None
    codes = core_terminology().value_set(binding.value_set)
    for system, known in sorted(codes.by_system.items()) if codes else ():
        if known:
            coding = {"system": system, "code": sorted(known)[0]}
            return coding if code == "Coding" else {"coding": [coding]}
    return None


def object_of(type_name: str, inside: str, depth: int = 0) -> dict[str, Any]:
    """Return an object with its required elements (and what its invariants ask for)."""
    path = f"{type_name}.{inside}" if inside else type_name
    made: dict[str, Any] = deepcopy(CONTENTS.get(path, {}))
    for name, definition in children(type_name, inside).items():
        if definition.min > 0:
            code = definition.types[0].code if definition.types else ""
            key = choice_key(name, code) if definition.is_choice else name
            if key not in made:
                value = value_of(definition, code, depth + 1)
                made[key] = [value] if definition.is_list else value
    return made or ({} if not inside else _first_child(type_name, depth, inside))


def _first_child(type_name: str, depth: int, inside: str = "") -> dict[str, Any]:
    for name, definition in children(type_name, inside).items():
        code = definition.types[0].code if definition.types else ""
        if name in ("id", "extension", "modifierExtension", "comparator") or depth > 4 or definition.max == 0:
            continue
        key = choice_key(name, code) if definition.is_choice else name
        value = value_of(definition, code, depth + 1)
        return {key: [value] if definition.is_list else value} | BESIDE.get(definition.path, {})
    return {"extension": [{"url": EXTENSION, "valueCode": "unknown"}]}


def _targets(definition: ElementDefinition) -> tuple[str, ...]:
    return next((type_.targets for type_ in definition.types if type_.code == "Reference"), ())


def _split(path: str) -> tuple[str, str]:
    type_name, _, inside = path.partition(".")
    return type_name, inside


def resource_of(type_name: str) -> dict[str, Any]:
    """Return the smallest valid resource of a type."""
    return {"resourceType": type_name} | object_of(type_name, "")


def paths_of(type_name: str, inside: str = "", depth: int = 0) -> list[tuple[str, ...]]:
    """Return the JSON paths of all elements of a type, through backbones and data types, each data type's once."""
    found: list[tuple[str, ...]] = []
    for key, definition in json_children(type_name, inside).items():
        if definition.max == 0 or (type_name, key) == ("SimpleQuantity", "comparator"):
            continue
        found.append((key,))
        code = _type_of(definition)
        below: list[tuple[str, ...]] = []
        if definition.content or depth > 3:
            continue
        if code in ("BackboneElement", "Element"):
            below = paths_of(type_name, f"{inside}.{key}" if inside else key, depth + 1)
        elif not is_primitive(code) and code not in ("Resource", "Extension", "Meta", "Narrative") and depth < 3:
            below = paths_of(code, "", 3)
        found += [(key, *rest) for rest in below]
    return found


def _type_of(definition: ElementDefinition) -> str:
    """Return the type of an element; a quantity without comparator counts as its own."""
    if not definition.types:
        return ""
    return "SimpleQuantity" if "SimpleQuantity" in definition.types[0].profiles else definition.types[0].code


def with_element(type_name: str, path: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any], ElementDefinition]:
    """Return a valid resource that has the element, the object that holds it, and its definition."""
    resource = resource_of(type_name)
    holder, owner, inside = resource, type_name, ""
    for step, key in enumerate(path):
        definition = json_children(owner, inside)[key]
        code = definition.types[0].code if definition.types else ""
        _make_room(holder, definition, key)
        if step == len(path) - 1:
            if key not in holder:
                value = value_of(definition, code)
                holder[key] = [value] if definition.is_list else value
            _fit_bundle(resource)
            return resource, holder, definition
        if key not in holder:
            value = value_of(definition, code)
            holder[key] = [value] if definition.is_list else value
        holder = holder[key][0] if definition.is_list else holder[key]
        if code in ("BackboneElement", "Element"):
            inside = f"{inside}.{key}" if inside else key
        else:
            owner, inside = _type_of(definition), ""
    raise AssertionError(path)


def _make_room(holder: dict[str, Any], definition: ElementDefinition, key: str) -> None:
    """Give an element its companions, and take away what excludes it: other choices, cpl-3 and the like."""
    for name, value in BESIDE.get(definition.path, {}).items():
        holder.setdefault(name, deepcopy(value))
    if definition.path.endswith("[x]"):
        start = definition.path.rpartition(".")[2].removesuffix("[x]")
        for other in [name for name in holder if name.startswith(start) and name[len(start) :][:1].isupper()]:
            if other != key:
                del holder[other]
    for other in EXCLUDES.get(definition.path, ()):
        holder.pop(other, None)


def _fit_bundle(resource: dict[str, Any]) -> None:
    """Give a Bundle the type that allows what it holds."""
    entry = resource.get("entry", [{}])[0]
    if not isinstance(entry, dict) or resource["resourceType"] != "Bundle":
        return
    if "total" in resource or "search" in entry:
        resource["type"] = "searchset"
    if "request" in entry:
        resource["type"] = "batch"
        entry["request"] |= {"method": "POST", "url": "Basic"}
    if "response" in entry:
        resource["type"] = "batch-response"


EXCLUDES: dict[str, tuple[str, ...]] = {
    "AuditEvent.entity.query": ("name",),
    "AuditEvent.entity.name": ("query",),
    "CarePlan.activity.detail": ("reference",),
    "CarePlan.activity.reference": ("detail",),
    "QuestionnaireResponse.item.answer": ("item",),
    "QuestionnaireResponse.item.item": ("answer",),
    "Attachment.url": ("data",),
    "Timing.repeat.timeOfDay": ("when",),
    "Timing.repeat.when": ("timeOfDay",),
}
