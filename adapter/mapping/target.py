"""What may stand on the left side of a row: elements of R4, or fields of a canonical record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

from adapter.fhir import definitions
from adapter.mapping.shape import Shape


@dataclass(frozen=True)
class FhirPlace:
    """An element of R4: the type it is seen from and the dotted path inside it (`""` is the type itself).

    Rows ask the same few hundred places again and again, so each remembers its answers and its children.
    """

    type: str
    path: str = ""

    @cached_property
    def element(self) -> definitions.ElementDefinition | None:
        """The definition, None for a type's root."""
        return definitions.element(self.type, self.path) if self.path else None

    @cached_property
    def is_list(self) -> bool:
        """True when the element repeats."""
        return self.element is not None and self.element.is_list

    @cached_property
    def is_choice(self) -> bool:
        """True for `value[x]` without its type."""
        return self.element is not None and self.element.is_choice

    @cached_property
    def types(self) -> tuple[str, ...]:
        """Names of the types that the element may have."""
        if self.element is None:
            return (self.type,)
        return tuple(type_.code for type_ in self.element.types) or ("BackboneElement",)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Resource types that a Reference may point at; empty = any."""
        if self.element is None:
            return ()
        targets = {target for type_ in self.element.types for target in type_.targets}
        return () if "Resource" in targets else tuple(sorted(targets))

    @cache  # noqa: B019 - places are few and live as long as the definitions
    def child(self, name: str) -> FhirPlace | None:
        """Return the place of a child element by its JSON name, None when R4 has none."""
        if name.startswith("_"):
            return FhirPlace("Element") if self.child(name[1:]) is not None else None
        found = FhirPlace(self.type, f"{self.path}.{name}" if self.path else name)
        return found if found.element is not None else None


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """A field of the canonical record, where a vendor's mapping writes to."""

    shape: Shape
    is_list: bool = False
    is_choice: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        """The kind of the field, as one name."""
        return (self.shape.kind or "any",)

    @property
    def targets(self) -> tuple[str, ...]:
        """Nothing: a record has no references."""
        return ()

    def child(self, name: str) -> RecordPlace | None:
        """Return the place of a field, None when the record has none."""
        found = self.shape.fields.get(name)
        if found is None:
            return None
        return RecordPlace(found.items, True) if found.items is not None else RecordPlace(found)


Place = FhirPlace | RecordPlace
