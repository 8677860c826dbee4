"""What a mapping file is once it has been read and checked: frozen trees of target elements.

A `Mapping` has rules; a rule makes resources; the tree of a rule has one node for each target element and, at
its ends, producers that say where the value comes from. Everything else (compiled code, interpreter, reverse,
trace, loss report, tables for people) is read off these trees; nothing here runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapter.types import CANONICAL_ROOT, Json

if TYPE_CHECKING:
    from adapter.mapping.shape import Shape

FINNISH_BASE = "https://hl7.fi/fhir/finnish-base-profiles"
"""Canonical root of the Finnish base profiles, which stand beside ours in `meta.profile`."""


def profile_canonical(name: str) -> str:
    """Return the canonical of a short name: `fi-base-…` is a Finnish base profile, anything else one of ours."""
    if ":" in name:
        return name
    return f"{FINNISH_BASE if name.startswith('fi-base-') else CANONICAL_ROOT}/StructureDefinition/{name}"


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row stands: mapping, left side from the top of the rule, file and line."""

    mapping: str
    target: str
    file: str
    line: int

    @property
    def name(self) -> str:
        """Return the name that traces show: `work-ability-plan:CarePlan.status`."""
        return f"{self.mapping}:{self.target}"


@dataclass(frozen=True, slots=True)
class SourcePath:
    """A field of the record: the scope it is seen from and the keys from there.

    Attributes:
        depth: 0 is the record (or the value of a type), 1 the first item that `each` opened, …
        keys: names of fields; empty is the scope itself.
        special: `mapping`, `version` or `digest` for `@…`, else empty.
        surely: the schema requires every key on the way.
    """

    depth: int
    keys: tuple[str, ...]
    special: str = ""
    surely: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """`when`: one field, or several for `present`; `values` are compared as they stand in the record."""

    test: str
    """present, absent, in, not"""
    sources: tuple[SourcePath, ...]
    values: tuple[Json, ...] = ()
    marks: bool = False
    """Written `equals`: where it is met on the way back, the field had that value."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A code with its system and Finnish display (either may be empty)."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class CopyValue:
    """The value as it is. `codes`: what the schema's `x-codes` allows, None when it is no code."""

    codes: frozenset[str] | None = None
    list_name: str = ""


@dataclass(frozen=True, slots=True)
class Translate:
    """`code`: a code list or concept map. `shape`: code, Coding, CodeableConcept; None writes nothing."""

    name: str
    table: dict[str, Coding | None] = field(hash=False)
    back: dict[tuple[str, str], str] = field(hash=False)
    shape: str = "code"
    unmatched: bool = False


@dataclass(frozen=True, slots=True)
class SmallTable:
    """`values`: constants by value of the field."""

    table: dict[Json, Json] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Convert:
    """A named conversion, `system`, or `call`: typed Python both ways; `to` is its argument.

    `always` has the elements that it surely writes: path inside the element, and the value (empty = any).
    """

    name: str
    forward: Callable[..., Any]
    inverse: Callable[..., Any] | None
    to: str = ""
    always: tuple[tuple[tuple[str, ...], str], ...] = ()
    partial: bool = False
    """It may make nothing of a value that is there."""
    whole: bool = False
    """It makes all items of a list at once."""


@dataclass(frozen=True, slots=True)
class UseType:
    """`as: OrganisationRef`: the value goes through an embedded type."""

    type: EmbeddedType


How = CopyValue | Translate | SmallTable | Convert | UseType


@dataclass(frozen=True, slots=True)
class Value:
    """A producer: the element is made from fields of the record."""

    row: Row
    sources: tuple[SourcePath, ...]
    how: How
    when: Condition | None = None
    default: Json = None
    because: str = ""
    copy: bool = False
    one_way: str = ""
    required: bool = False
    is_call: bool = False


@dataclass(frozen=True, slots=True)
class Constant:
    """A producer: always the same."""

    row: Row
    value: Json = field(hash=False)
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A producer: reference(s) to resources that other rules make.

    Attributes:
        rules: the first that was made wins; empty = every owned resource of the record.
        common: for each rule, how many of its loops are also around the link.
        sure: one of the resources is always made.
        bare: the row's target is `reference` itself, so the keys go into the object around it.
    """

    row: Row
    rules: tuple[str, ...]
    common: tuple[int, ...]
    types: tuple[str, ...]
    bare: bool = False
    many: bool = False
    when: Condition | None = None
    sure: bool = False


Producer = Value | Constant | Link


@dataclass(frozen=True, slots=True)
class Step:
    """One loop of `each`: the list (or object) and whether it is a list."""

    source: SourcePath
    is_list: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item of a list, or one alternative of an element that occurs once."""

    name: str
    steps: tuple[Step, ...]
    when: Condition | None
    content: Element
    row: Row

    @property
    def is_constant(self) -> bool:
        """True for an item that stands there whatever the record says."""
        return not self.steps and self.when is None and is_static(self.content)

    @property
    def is_sure(self) -> bool:
        """True when every record that fits its schema makes such an item."""
        walked = all(step.source.surely for step in self.steps)
        return self.when is None and walked and not is_static(self.content) and is_sure(self.content)


@dataclass(frozen=True, slots=True)
class Object:
    """An element with children, by JSON name. `static`, `sure`: see `is_static`, `is_sure`."""

    fields: tuple[tuple[str, Element], ...]
    static: bool = field(init=False, compare=False, repr=False)
    sure: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        children = [child for _, child in self.fields]
        static = all(map(is_static, children))
        object.__setattr__(self, "static", static)
        object.__setattr__(self, "sure", static or any(is_sure(each) for each in children if not is_static(each)))


@dataclass(frozen=True, slots=True)
class Items:
    """An element that repeats (`many`), or the first present of alternatives. `static`, `sure`: as in `Object`."""

    kinds: tuple[Kind, ...]
    many: bool
    static: bool = field(init=False, compare=False, repr=False)
    sure: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        static = all(kind.is_constant for kind in self.kinds)
        object.__setattr__(self, "static", static)
        object.__setattr__(self, "sure", static or any(kind.is_sure for kind in self.kinds))


Element = Object | Items | Value | Constant | Link


def is_static(element: Element) -> bool:
    """True when nothing of the record has a say: constants only."""
    if isinstance(element, Constant):
        return element.when is None
    return isinstance(element, Object | Items) and element.static


def is_sure(element: Element) -> bool:
    """True when the element is written for every record that fits its schema."""
    if isinstance(element, Value):
        partial = isinstance(element.how, Translate) and None in element.how.table.values()
        known = element.required or element.default is not None or all(s.surely for s in element.sources)
        return known and element.when is None and not partial
    if isinstance(element, Constant):
        return element.when is None
    return element.sure


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two resources the same.

    Attributes:
        first: producers of an Identifier, the first present one counts; empty for a key.
        key: fields whose combination identifies.
    """

    first: tuple[Value, ...] = ()
    key: tuple[SourcePath, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One resource, or one for each item.

    Attributes:
        owned: the record owns it (part identifier, record tags); else it is merely referred to.
        main: it stands for the record itself, so its part identifier is the record_id alone.
        sensitivity: data class whose label stands beside R, or empty.
        identifier: `list`, `single` or `none`: how the resource type carries `identifier`.
        has_language: the resource type is written with the record's language.
    """

    name: str
    type: str
    row: Row
    steps: tuple[Step, ...]
    when: Condition | None
    tree: Object
    core: bool = False
    main: bool = False
    owned: bool = True
    profiles: tuple[str, ...] = ()
    sensitivity: str = ""
    identity: Identity | None = None
    identifier: str = "list"


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedType:
    """A value that occurs in many records: an element and the resources that it brings along; loaded once."""

    name: str
    element: str
    tree: Element
    rules: tuple[Rule, ...]
    reference_types: tuple[str, ...]
    shape: Shape = field(repr=False)
    ignored: dict[str, str]
    file: str
    digest: str


@dataclass(frozen=True)
class Mapping:
    """A checked mapping: rules in order, reasons for what is ignored, the shape of its source.

    Attributes:
        vendor: name of the vendor for a vendor → canonical mapping, else empty.
        rules: for `target: record` there is one, and its tree is the canonical record.
        ignored: path in dots → reason.
        digest: sha256 (hex) over the mapping's files.
    """

    id: str
    version: str
    record_type: str
    vendor: str
    rules: tuple[Rule, ...]
    ignored: dict[str, str] = field(hash=False)
    shape: Shape = field(hash=False, repr=False)
    file: str
    digest: str
    types: tuple[EmbeddedType, ...] = ()

    @property
    def to_fhir(self) -> bool:
        """True for canonical → FHIR, False for vendor → canonical."""
        return not self.vendor

    @cached_property
    def specials(self) -> dict[str, str]:
        """What a row says of the mapping itself: `@mapping` (its id), `@version`, `@digest`."""
        return {"mapping": self.id, "version": self.version, "digest": self.digest}

    @cached_property
    def own_identifiers(self) -> dict[str, list[tuple[tuple[Step, ...], SourcePath]]]:
        """By resource type the fields that the `identifier` rows of the record's own resources read, behind the loops
        that lead to them.
        """
        found: dict[str, list[tuple[tuple[Step, ...], SourcePath]]] = {}
        for rule in self.rules:
            rows = dict(rule.tree.fields).get("identifier") if rule.owned else None
            for kind in rows.kinds if isinstance(rows, Items) else ():
                if isinstance(kind.content, Value):
                    found.setdefault(rule.type, []).append((rule.steps, kind.content.sources[0]))
        return found
