"""Items of a collection: plain JSON and System values, or a `Node` where the FHIR type must be remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from adapter.validation.fhirpath import model
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.values import UCUM_CALENDAR, Quantity, Temporal, parse_temporal, parse_time

Items = list[Any]
"""A collection. Never changed once made: it may be a list of the document itself."""

EMPTY: Items = []
UCUM_SYSTEM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Node:
    """A FHIR value with its type.

    Attributes:
        value: JSON object, or the value of a primitive; None for a primitive that has only extensions.
        type: type path (`Period`, `CarePlan.activity`), empty when unknown.
        sibling: the `_name` object of a primitive (id and extensions), if there is one.
    """

    value: Any
    type: str
    sibling: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Focus:
    """A whole collection as `$this`, where a function looks at its input as one (`x.iif(empty(), …)`)."""

    items: Items


BUDGET = 250_000
"""Items that one evaluation may visit."""


@dataclass(slots=True)
class Context:
    """What an evaluation may see besides its focus; one can serve many expressions and nodes of a resource.

    Attributes:
        resource: `%resource`, the resource that holds the focus.
        root: `%rootResource`, the resource that contains it; a Bundle makes its entries resolvable.
        environment: values of the constants that were known at compile time, by name without `%`.
        resolve: finds the resource of a literal reference that is neither contained nor in the root Bundle.
        member_of: says whether a code, Coding or CodeableConcept is in a value set; None when it cannot be said.
        conforms_to: says whether a value conforms to a profile.
        now: the present instant.
        focus, index, total, budget: state of the running evaluation (`%context`, `$index`, `$total`, work left).
    """

    resource: Any = None
    root: Any = None
    environment: Mapping[str, Items] = field(default_factory=dict)
    resolve: Callable[[str], Any] | None = None
    member_of: Callable[[Any, str], bool | None] | None = None
    conforms_to: Callable[[Any, str], bool] | None = None
    now: Temporal | None = None
    focus: Any = None
    index: int = 0
    total: Items = field(default_factory=list)
    budget: int = BUDGET

    def spend(self, items: int) -> None:
        """Count work that grows with the input.

        Raises:
            FhirPathError: one evaluation visited more than `BUDGET` items.
        """
        self.budget -= items
        if self.budget < 0:
            raise FhirPathError("evaluation visits too many elements")


def node_of(value: Any, type_path: str = "") -> Node:
    """Wrap a JSON value; a resource shows its own type."""
    if isinstance(value, Node):
        return value
    return Node(value, model.type_of(value) or type_path)


def scalar(item: Any) -> Any:
    """Return the System value of an item: primitives unwrapped, dates and quantities read; None without value.

    A complex element that is no Quantity comes back as its JSON object.
    """
    if type(item) is not Node:
        return quantity_of(item) if type(item) is dict else item
    value = item.value
    if type(value) is str and item.type in model.TEMPORAL_TYPES:
        return as_temporal(value, item.type)
    return quantity_of(value) if type(value) is dict else value


def as_temporal(text: Any, type_path: str = "dateTime") -> Any:
    """Return a FHIR date or time as `Temporal`; what is none stays as it is."""
    if type(text) is not str:
        return scalar(text) if type(text) is Node else text
    found = parse_time(text) if type_path == "time" else parse_temporal(text)
    return text if found is None else found


def quantity_of(value: Any) -> Any:
    """Return a FHIR Quantity (number without comparator, no Money) as `Quantity`; anything else unchanged."""
    if type(value) is not dict:
        return value
    number = value.get("value")
    if type(number) not in (int, Decimal) or "comparator" in value or "currency" in value:
        return value
    if not value.keys() <= {"value", "unit", "system", "code", "id", "extension", "_unit", "_code"}:
        return value
    number = Decimal(str(number))
    code = value.get("code")
    if value.get("system") == UCUM_SYSTEM and type(code) is str:
        return Quantity(number, UCUM_CALENDAR.get(code, code))
    unit = code or value.get("unit") or "1"
    return Quantity(number, unit) if type(unit) is str else value


def steps(items: Iterable[Any], name: str) -> Items:
    """Return the members `name` of all nodes, typed as far as it is known."""
    found: Items = []
    for item in items:
        if type(item) is Node:
            found.extend(_members(item, name))
    return found


def _members(node: Node, name: str) -> Iterator[Node]:
    value = node.value
    if type(value) is not dict:
        inside = node.sibling
        if type(inside) is dict and name in ("extension", "id"):
            yield from _typed(inside, name, "Extension" if name == "extension" else "string")
        return
    if not node.type:
        yield from _untyped_members(value, name)
        return
    member = model.member(node.type, name)
    for key, type_path in member.types.items() if member else ():
        if key in value or "_" + key in value:
            yield from _typed(value, key, type_path)


def _untyped_members(value: dict[str, Any], name: str) -> Iterator[Node]:
    if name in value or "_" + name in value:
        yield from _typed(value, name, "")
        return
    for key in value:
        type_path = model.choice_type(name, key.removeprefix("_"))
        if type_path and not (key[0] == "_" and key[1:] in value):
            yield from _typed(value, key.removeprefix("_"), type_path)


def _typed(owner: dict[str, Any], key: str, type_path: str) -> Iterator[Node]:
    """Yield the values of one JSON name with their `_name` siblings."""
    value, sibling = owner.get(key), owner.get("_" + key)
    if type(value) is not list and type(sibling) is not list:
        yield from _one(value, type_path, sibling)
        return
    values = value if type(value) is list else []
    siblings = sibling if type(sibling) is list else []
    for index in range(max(len(values), len(siblings))):
        yield from _one(
            values[index] if index < len(values) else None,
            type_path,
            siblings[index] if index < len(siblings) else None,
        )


def _one(value: Any, type_path: str, sibling: Any) -> Iterator[Node]:
    inside = sibling if type(sibling) is dict else None
    if value is not None or inside is not None:
        yield Node(value, model.type_of(value) or type_path, inside)


def children(node: Any) -> Items:
    """Return all child nodes in document order; `resourceType` is no element."""
    if type(node) is not Node:
        return EMPTY
    value = node.value
    if type(value) is not dict:
        return [child for name in ("id", "extension") for child in _members(node, name)]
    types = model.json_members(node.type) if node.type else {}
    found: Items = []
    for key in value:
        name = key[1:] if key[:1] == "_" else key
        if (name is not key and name in value) or key == "resourceType":
            continue
        found.extend(_typed(value, name, types.get(name, "")))
    return found


def descendants(nodes: Iterable[Any], context: Context) -> Items:
    """Return all nodes below, without recursion."""
    found: Items = []
    level = list(nodes)
    while level:
        level = [child for node in level for child in children(node)]
        context.spend(len(level))
        found.extend(level)
    return found
