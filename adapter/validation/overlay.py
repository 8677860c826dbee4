"""A profile as a tree: what its differential, and those of the profiles it comes from, ask beyond base R4.

Every element of a differential finds its node by its path and slice names; the chain of base profiles is laid
into the same tree, the oldest first, so that a slice refined by a later profile keeps its discriminator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from adapter.fhir.definitions import Constraint, choice_key, element

Step = tuple[str, tuple[str, ...]]
"""Element name and slice names (a re-slice has several)."""

CORE = "http://hl7.org/fhir/StructureDefinition/"
MIN_LENGTH = f"{CORE}minLength"
REGEX = f"{CORE}regex"
MUST_HAVE_VALUE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue"
PROFILE_ELEMENT = f"{CORE}elementdefinition-profile-element"


@dataclass(frozen=True, slots=True)
class TypeRule:
    """One type that a profile allows: code, profiles (with the element inside them, if named), targets, how."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    aggregation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slicing:
    """How a list is divided: discriminators as (type, path), order, and what is not in any slice."""

    discriminators: tuple[tuple[str, str], ...] = ()
    ordered: bool = False
    rules: str = "open"


@dataclass(slots=True)
class Overlay:
    """What a profile asks of one element. None everywhere means: nothing beyond the base.

    Attributes:
        path: definition path with slice names, for messages: `Patient.identifier:hetu.value`.
        own: True when the differential speaks of this very element (not only of something below).
        children: by element name; `slices` by slice name, in order.
    """

    path: str
    min: int | None = None
    max: int | None = None
    types: tuple[TypeRule, ...] | None = None
    fixed: Any = None
    pattern: Any = None
    binding: tuple[str, str] | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_value: Any = None
    max_value: Any = None
    must_have_value: bool = False
    regex: str = ""
    constraints: dict[str, Constraint] = field(default_factory=dict)
    slicing: Slicing | None = None
    children: dict[str, Overlay] = field(default_factory=dict)
    slices: dict[str, Overlay] = field(default_factory=dict)
    is_modifier: bool = False

    def child(self, name: str) -> Overlay:
        """Return the overlay of a child element, made when new."""
        return self.children.setdefault(name, Overlay(f"{self.path}.{name}"))

    def slice(self, name: str) -> Overlay:
        """Return the overlay of a slice, made when new."""
        return self.slices.setdefault(name, Overlay(f"{self.path}:{name}"))

    def find(self, steps: Iterable[str]) -> Overlay | None:
        """Return the overlay of an element below, by names."""
        present: Overlay | None = self
        for name in steps:
            present = present.children.get(name) if present else None
        return present


def lay(tree: Overlay, elements: list[dict[str, Any]], type_name: str) -> None:
    """Lay the elements of one differential into the tree."""
    for steps, row in _addressed(elements, type_name):
        node = tree
        for name, slices in steps:
            node = node.child(name)
            for slice_name in slices:
                node = node.slice(slice_name)
        _apply(node, row)


def _addressed(elements: list[dict[str, Any]], type_name: str) -> Iterator[tuple[list[Step], dict[str, Any]]]:
    """Yield every element with its steps, by its id or, where ids are missing, by path and slice names."""
    open_slices: dict[str, str] = {}
    for row in elements:
        path = row["path"]
        for other in [held for held in open_slices if held == path or not path.startswith(f"{held}.")]:
            del open_slices[other]
        if "sliceName" in row:
            open_slices[path] = row["sliceName"]
        identity = row.get("id", "")
        if ":" in identity or (identity == path and not open_slices):
            yield _steps_of_id(identity, type_name), row
        else:
            yield _steps_of_path(path, open_slices, type_name), row


def _steps_of_id(identity: str, type_name: str) -> list[Step]:
    steps: list[Step] = []
    inside = ""
    for part in identity.split(".")[1:] if "." in identity else ():
        name, _, slices = part.partition(":")
        inside = _add(steps, name, slices, type_name, inside)
    return steps


def _steps_of_path(path: str, open_slices: dict[str, str], type_name: str) -> list[Step]:
    steps: list[Step] = []
    inside, walked = "", path.split(".", 1)[0]
    for name in path.split(".")[1:]:
        walked = f"{walked}.{name}"
        inside = _add(steps, name, open_slices.get(walked, ""), type_name, inside)
    return steps


def _add(steps: list[Step], name: str, slices: str, type_name: str, inside: str) -> str:
    """Append a step; a choice named by its type (`valueQuantity`) becomes a slice of `value[x]`."""
    names = tuple(slices.split("/")) if slices else ()
    below = f"{inside}.{name}" if inside else name
    found = element(type_name, below)
    if found is not None and found.path.endswith("[x]") and not name.endswith("[x]"):
        bare = found.path.rsplit(".", 1)[-1]
        names = names or ((choice_key(bare, found.types[0].code),) if len(found.types) == 1 else ())
        name = bare
    elif found is not None and name.endswith("[x]") and names and element(type_name, _beside(inside, names[0])):
        below = _beside(inside, names[0])
    steps.append((name, names))
    return below


def _beside(inside: str, name: str) -> str:
    return f"{inside}.{name}" if inside else name


def _apply(node: Overlay, row: dict[str, Any]) -> None:
    """Write the facts of one differential element into its node; a later profile wins.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the element is not shaped as R4 has it.
    """
    if "min" in row:
        node.min = max(node.min or 0, row["min"])
    if "max" in row and row["max"] != "*":
        limit = int(row["max"])
        node.max = limit if node.max is None else min(node.max, limit)
    if "type" in row:
        node.types = tuple(_type_rule(type_) for type_ in row["type"])
    for name, value in row.items():
        if name.startswith("fixed"):
            node.fixed = value
        elif name.startswith("pattern"):
            node.pattern = value
        elif name.startswith("minValue"):
            node.min_value = value
        elif name.startswith("maxValue"):
            node.max_value = value
    if "maxLength" in row:
        node.max_length = row["maxLength"]
    binding = row.get("binding", {})
    if "valueSet" in binding:
        node.binding = (binding["strength"], binding["valueSet"])
    for constraint in row.get("constraint", ()):
        if constraint.get("expression") is not None:
            rule = Constraint(
                constraint["key"], constraint["severity"], constraint.get("human", ""), constraint["expression"]
            )
            node.constraints[rule.key] = rule
    if "slicing" in row:
        node.slicing = _slicing(row["slicing"])
    node.is_modifier = row.get("isModifier", node.is_modifier)
    for extension in row.get("extension", ()):
        if extension.get("url") == MIN_LENGTH:
            node.min_length = extension.get("valueInteger")
        elif extension.get("url") == REGEX:
            node.regex = str(extension.get("valueString", ""))
        elif extension.get("url") == MUST_HAVE_VALUE:
            node.must_have_value = bool(extension.get("valueBoolean"))


def _slicing(row: dict[str, Any]) -> Slicing:
    discriminators = tuple((found["type"], found["path"]) for found in row.get("discriminator", ()))
    return Slicing(discriminators, row.get("ordered", False), row.get("rules", "open"))


def _type_rule(row: dict[str, Any]) -> TypeRule:
    profiles = list(row.get("profile", ()))
    for position, beside in enumerate(row.get("_profile", ())):
        for extension in (beside or {}).get("extension", ()):
            if extension.get("url") == PROFILE_ELEMENT:
                profiles[position] = f"{profiles[position]}#{extension['valueString']}"
    code = row["code"].removeprefix("http://hl7.org/fhirpath/System.")
    code = code[:1].lower() + code[1:] if code != row["code"] else code
    return TypeRule(code, tuple(profiles), tuple(row.get("targetProfile", ())), tuple(row.get("aggregation", ())))
