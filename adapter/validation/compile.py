"""Compiles a profile's overlay tree into closures: cardinality, types, values, bindings, invariants, children."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import ElementDefinition, children, is_primitive, is_resource_type, is_type
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.items import Item, as_object, items_of
from adapter.validation.overlay import Overlay
from adapter.validation.run import Run

if TYPE_CHECKING:
    from adapter.validation.profile import ItemCheck, Profile

FieldCheck = Callable[[dict[str, Any], Run], Findings]
Place = tuple[Overlay, ElementDefinition, str, str]
"""What a profile says of an element, what R4 says of it, and where it stands: type, and path inside it."""


def nothing(_item: Item, _run: Run) -> Findings:
    """Ask nothing of a value."""
    return None


class Compiler:
    """Turns the overlays of one profile into checks; what it does not understand goes to `profile.problems`."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.registry = profile.registry

    def problem(self, overlay: Overlay, what: str) -> None:
        """Note that an element of the profile is not understood."""
        text = f"{overlay.path} ({what})"
        if text not in self.profile.problems:
            self.profile.problems.append(text)

    def item(self, overlay: Overlay, definition: ElementDefinition, owner: str, inside: str) -> ItemCheck:
        """Return the check of one value of an element.

        Args:
            owner, inside: where the element stands: type, and path inside it (empty: the type itself).
        """
        from adapter.validation.facets import facet_checks
        from adapter.validation.type_rules import adds_nothing, type_check

        checks: list[ItemCheck] = []
        if overlay.types is not None and not adds_nothing(overlay.types, definition):
            checks.append(type_check(overlay, self))
        checks += facet_checks(overlay, definition, self)
        if overlay.children or self.repeats(definition):
            checks.append(self._children(overlay, definition, owner, inside))
        if len(checks) < 2:
            return checks[0] if checks else nothing

        def check(item: Item, run: Run) -> Findings:
            found: Findings = None
            for part in checks:
                more = part(item, run)
                if more is not None:
                    found = joined(found, more)
            return found

        return check

    def repeats(self, definition: ElementDefinition) -> bool:
        """True for a content reference to an element that this profile constrains (item in item)."""
        return bool(definition.content) and self._referred(definition) is not None

    def _referred(self, definition: ElementDefinition) -> Overlay | None:
        type_name, _, path = definition.content.partition(".")
        if type_name != self.profile.type_name or not path:
            return None
        found = self.profile.tree.find(path.split("."))
        return found if found and found.children else None

    def _children(self, overlay: Overlay, definition: ElementDefinition, owner: str, inside: str) -> ItemCheck:
        """Return the check of what lies inside a value, compiled once for each type it turns out to have."""
        codes = [rule.code for rule in overlay.types or ()] or [type_.code for type_ in definition.types]
        known = codes if overlay.children and len(codes) == 1 else []
        if not inside and overlay.children:
            known = [owner]
        compiled = {code: self._fields(overlay, definition, code, owner, inside) for code in known}

        def check(item: Item, run: Run) -> Findings:
            code = item.code
            if code not in compiled:
                compiled[code] = self._fields(overlay, definition, code, owner, inside)
            return compiled[code](as_object(item), run)

        return check

    def _fields(
        self, overlay: Overlay, definition: ElementDefinition, code: str, owner: str, inside: str
    ) -> FieldCheck:
        fields = (self.field(*where) for where in self.elements(overlay, definition, code, owner, inside))
        checks = [check_field for check_field in fields if check_field is not None]

        def check(value: dict[str, Any], run: Run) -> Findings:
            found: Findings = None
            for part in checks:
                more = part(value, run)
                if more is not None:
                    found = joined(found, more)
            return found

        return check

    def elements(
        self, overlay: Overlay, definition: ElementDefinition, code: str, owner: str, inside: str
    ) -> Iterator[Place]:
        """Yield what the profile asks about inside a value of type `code`: what `field` takes, for each element."""
        if not overlay.children and definition.content:
            overlay = self._referred(definition) or overlay
        if inside and (code in ("BackboneElement", "Element", "") or definition.content):
            place = (owner, inside)
        else:
            place = (code, "") if is_type(code) else (owner, inside)
        options = children(*place)
        for name, child in overlay.children.items():
            found = options.get(name) or options.get(f"{name}[x]")
            if found is not None:
                yield child, found, place[0], f"{place[1]}.{name}" if place[1] else name
            elif not is_resource_type(place[0]) or place[1] or code == self.profile.type_name:
                self.problem(child, "no such element")
        for name, found in options.items():
            if name not in overlay.children and self.repeats(found):
                below = f"{place[1]}.{name}" if place[1] else name
                yield Overlay(f"{overlay.path}.{name}"), found, place[0], below

    def field(self, overlay: Overlay, definition: ElementDefinition, owner: str, inside: str) -> FieldCheck | None:
        """Return the check of an element with all its values; None when it adds nothing to the base."""
        from adapter.validation.slicing import slicing_check

        name = definition.key.removesuffix("[x]")
        check_item = self.item(overlay, definition, owner, inside)
        check_slices = slicing_check(overlay, definition, owner, inside, self) if overlay.slices else None
        least, most = overlay.min or 0, overlay.max
        gather = items_of(definition)
        if check_item is nothing and check_slices is None and (most is None or most == definition.max):
            if least <= definition.min:
                return None
            if least == 1 and not definition.is_choice:
                return _presence(name)

        def check(value: dict[str, Any], run: Run) -> Findings:
            items = gather(value)
            found: Findings = None
            if len(items) < least:
                finding = Finding("profile-missing", {"name": name, "min": str(least), "count": str(len(items))})
                found = joined(found, run.found(finding))
            if most is not None and len(items) > most:
                key = "profile-forbidden" if most == 0 else "profile-too-many"
                values = {"name": name, "max": str(most), "count": str(len(items))}
                found = joined(found, run.found(Finding(key, values, name)))
                if most == 0:
                    return found
            for item in items:
                more = check_item(item, run)
                if more is not None:
                    found = joined(found, under(item.label, more))
            if check_slices is not None:
                more = check_slices(items, run)
                if more is not None:
                    found = joined(found, more)
            return found

        return check


def _presence(name: str) -> FieldCheck:
    """Return the check that an element is there at all."""
    beside = f"_{name}"

    def check(value: dict[str, Any], run: Run) -> Findings:
        if name in value or beside in value:
            return None
        return run.found(Finding("profile-missing", {"name": name, "min": "1", "count": "0"}))

    return check


def type_path(code: str, definition: ElementDefinition) -> str:
    """Return the FHIRPath type of a value: its type, or the place of a backbone element."""
    if definition.content:
        return definition.content
    if code in ("BackboneElement", "Element", "") and not is_primitive(code):
        return definition.path
    return code
