"""What R4 knows about its types: which elements there are, their types, cardinality, targets and bindings.

Read lazily from the snapshot in `profiles/r4/` (made by `scripts/make_r4_snapshot.py` from the official
package hl7.fhir.r4.core 4.0.1). Pure lookups; nothing is validated here.

    element("CarePlan", "activity.detail.status").binding   -> Binding("required", "http://…/care-plan-activity-status")
    element("Observation", "valueQuantity").types[0].code    -> "Quantity"
    element("Patient", "name.family").is_list                -> False
    children("CarePlan", "activity.detail")["goal"].types    -> (TypeReference("Reference", …, ("Goal",)),)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import orjson

from adapter.data import data_root

CORE = "http://hl7.org/fhir/StructureDefinition/"
"""Canonical root of every type of the FHIR specification."""

Strength = Literal["required", "extensible", "preferred", "example"]


@dataclass(frozen=True, slots=True)
class TypeReference:
    """One type that an element may have.

    Attributes:
        code: name of the type, e.g. `Reference`, `code`, `BackboneElement`.
        profiles: profiles of the type that the value must meet; a bare name stands for HL7's own canonical.
        targets: for Reference and canonical, the types that may be referred to; empty or `Resource` = any.
    """

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """Which codes an element may have: strength and canonical of the value set, without version."""

    strength: Strength
    value_set: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant: `key` (cpl-3), `severity` (error or warning), HL7's sentence, FHIRPath `expression`."""

    key: str
    severity: str
    human: str
    expression: str


@dataclass(frozen=True, slots=True)
class ElementDefinition:
    """One element of a type.

    Attributes:
        path: definition path, e.g. `CarePlan.activity.detail` or `Observation.value[x]`.
        key: name in JSON without `[x]` resolved, e.g. `detail`, `value[x]`; concrete after `element`.
        min, max: cardinality; `max` None means unbounded.
        types: what it may be; empty for the root and for a content reference.
        content: definition path that this element repeats (`contentReference`), else empty.
        binding: codes allowed, if bound.
        constraints: invariants of this element.
        is_modifier, is_summary, is_xml_attribute: as in R4.
        limits: `maxLength`, `minValueInteger`, `maxValueInteger` where base R4 has one.
    """

    path: str
    key: str
    min: int
    max: int | None
    types: tuple[TypeReference, ...] = ()
    content: str = ""
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    is_modifier: bool = False
    is_summary: bool = False
    is_xml_attribute: bool = False
    limits: tuple[tuple[str, int], ...] = ()

    @property
    def is_list(self) -> bool:
        """True when JSON holds an array (max over 1)."""
        return self.max is None or self.max > 1

    @property
    def is_choice(self) -> bool:
        """True for `value[x]`."""
        return self.key.endswith("[x]")


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A type with all its elements by definition path, in the order of the specification.

    Attributes:
        name: e.g. `CarePlan`, `Period`, `code`.
        kind: `resource`, `complex-type` or `primitive-type`.
        base: the type it specialises (`DomainResource`); empty for Resource and Element.
        abstract: True for Resource, DomainResource, Element, BackboneElement.
        elements: by path; the root is `elements[name]`.
    """

    name: str
    kind: str
    base: str
    abstract: bool
    elements: MappingProxyType[str, ElementDefinition]


def is_type(name: str) -> bool:
    """True for every R4 type: resource, data type or primitive."""
    return name in _index()


def is_resource_type(name: str) -> bool:
    """True for the 146 concrete resource types."""
    row = _index().get(name)
    return row is not None and row["kind"] == "resource" and not row["abstract"]


def is_primitive(name: str) -> bool:
    """True for `string`, `date`, `xhtml`, …"""
    row = _index().get(name)
    return row is not None and row["kind"] == "primitive-type"


@cache
def resource_types() -> tuple[str, ...]:
    """Return the names of the 146 concrete resource types, sorted."""
    return tuple(sorted(name for name in _index() if is_resource_type(name)))


@cache
def is_subtype(name: str, of: str) -> bool:
    """True when `name` is `of` or specialises it: `is_subtype("Age", "Quantity")`."""
    row = _index().get(name)
    return name == of or (row is not None and row["base"] != "" and is_subtype(row["base"], of))


@cache
def type_definition(name: str) -> TypeDefinition:
    """Return the definition of a type.

    Raises:
        LookupError: R4 has no such type.
    """
    row = _index().get(name)
    if row is None:
        raise LookupError(f"FHIR R4 has no type '{name}'")
    elements = {path: _element_at(name, path) for path in _rows(name)}
    return TypeDefinition(name, row["kind"], row["base"], row["abstract"], MappingProxyType(elements))


@cache
def children(type_name: str, path: str = "") -> MappingProxyType[str, ElementDefinition]:
    """Return the child elements of `path` inside a type, by name (`value[x]` unresolved).

    `path` is relative to the type (`""` is the type itself) and may run through data types and content
    references: `children("Bundle", "entry.link")`. Empty when there is no such element.
    """
    where = _locate(type_name, path)
    if where is None:
        return MappingProxyType({})
    owner, start = where
    prefix = f"{start}."
    inside = [full for full in _rows(owner) if full.startswith(prefix) and "." not in full[len(prefix) :]]
    return MappingProxyType({found.key: found for found in (_element_at(owner, full) for full in inside)})


@cache
def json_children(type_name: str, path: str = "") -> MappingProxyType[str, ElementDefinition]:
    """Return the child elements by their JSON name: a choice once for each of its types (`valueQuantity`)."""
    found: dict[str, ElementDefinition] = {}
    for name, child in children(type_name, path).items():
        if not child.is_choice:
            found[name] = child
            continue
        for type_ in child.types:
            key = choice_key(name, type_.code)
            found[key] = replace(child, key=key, types=(type_,))
    return MappingProxyType(found)


@cache
def element(type_name: str, path: str) -> ElementDefinition | None:
    """Return the element at `path` inside a type, or None when R4 has none.

    `path` is relative, without indexes, through data types: `subject.reference`, `activity.detail.status`.
    A choice is named by its JSON name (`valueQuantity`: one type left), by `value[x]`, or bare (`value`).
    """
    parent, _, last = path.rpartition(".")
    options = children(type_name, parent)
    return options.get(last) or options.get(f"{last}[x]") or _of_one_type(options.values(), last)


def _of_one_type(options: Iterable[ElementDefinition], name: str) -> ElementDefinition | None:
    """Return the choice of which `name` is the JSON name (`valueQuantity`), with that type alone."""
    for choice in options:
        if choice.is_choice and name.startswith(choice.key.removesuffix("[x]")):
            for type_ in choice.types:
                if choice_key(choice.key, type_.code) == name:
                    return replace(choice, key=name, types=(type_,))
    return None


def choice_key(name: str, type_code: str) -> str:
    """Return the JSON name of a choice: `("value[x]", "dateTime")` → `valueDateTime`."""
    return name.removesuffix("[x]") + type_code[0].upper() + type_code[1:]


def _locate(type_name: str, path: str) -> tuple[str, str] | None:
    """Return the type that defines the children of `path`, and the path there."""
    if not is_type(type_name):
        return None
    if not path:
        return type_name, type_name
    found = element(type_name, path)
    if found is None:
        return None
    if found.content:
        return found.content.split(".", 1)[0], found.content
    code = found.types[0].code if len(found.types) == 1 else ""
    if code in ("BackboneElement", "Element"):
        return found.path.split(".", 1)[0], found.path
    return (code, code) if is_type(code) else None


@cache
def _rows(name: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a type's elements by path, in the order of the specification."""
    is_resource = _index()[name]["kind"] == "resource"
    rows = _read(f"resources/{name}.json") if is_resource else _read("datatypes.json")[name]
    return {_renamed(row["path"], name): row for row in rows}


@cache
def _element_at(name: str, path: str) -> ElementDefinition:
    """Return one element; most elements of a type are never asked for, so each is made when it is."""
    row = _rows(name)[path]
    binding = row.get("binding")
    return ElementDefinition(
        path=path,
        key=path.rsplit(".", 1)[-1],
        min=row["min"],
        max=None if row["max"] == "*" else int(row["max"]),
        types=tuple(
            TypeReference(type_["code"], tuple(type_.get("profiles", ())), tuple(type_.get("targets", ())))
            for type_ in row.get("types", ())
        ),
        content=row.get("content", ""),
        binding=Binding(*binding) if binding else None,
        constraints=tuple(Constraint(**constraint) for constraint in row.get("constraints", ())),
        is_modifier=row.get("isModifier", False),
        is_summary=row.get("isSummary", False),
        is_xml_attribute=row.get("xmlAttr", False),
        limits=tuple((name, row[name]) for name in ("maxLength", "minValueInteger", "maxValueInteger") if name in row),
    )


def _renamed(path: str, name: str) -> str:
    """Return the path as the type has it; some data types stand in the snapshot under the name of their base."""
    _, dot, inner = path.partition(".")
    return f"{name}{dot}{inner}"


@cache
def _index() -> dict[str, Any]:
    return _read("types.json")  # type: ignore[no-any-return]


@cache
def _read(name: str) -> Any:
    return orjson.loads((data_root() / "profiles" / "r4" / name).read_bytes())
