"""One profile, compiled from its differentials: what it asks of a value beyond base R4."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adapter.fhir.definitions import element, is_resource_type, type_definition
from adapter.validation.findings import Findings
from adapter.validation.items import Item
from adapter.validation.overlay import Overlay, lay
from adapter.validation.run import Run
from adapter.validation.sure_shapes import Sure, is_worth_writing

if TYPE_CHECKING:
    from adapter.validation.registry import Registry

ItemCheck = Callable[[Item, Run], Findings]

DEEPEST_INHERITANCE = 64

MALFORMED = (AttributeError, KeyError, TypeError, ValueError)
"""What a differential that is no differential of R4 raises when it is laid: definitions come from anybody."""


class Profile:
    """A StructureDefinition that constrains, with everything it inherits.

    Attributes:
        url, version, canonical: its canonical, and both as one: `url|version`.
        type_name: the type it constrains.
        lineage: urls of itself and of all profiles that it builds on.
        tree: its overlay.
        problems: what could not be understood, each by the element's name; found when it is compiled.
    """

    def __init__(self, definition: dict[str, Any], registry: Registry) -> None:
        self.url: str = definition["url"]
        self.version: str = definition.get("version", "")
        self.canonical = f"{self.url}|{self.version}" if self.version else self.url
        self.type_name: str = definition["type"]
        self.definition = definition
        self.registry = registry
        self.problems: list[str] = []
        self.tree = self._lay_chain()
        self._check: ItemCheck | None = None
        self._sure: Sure | None = None
        self._asked = 0

    def _lay_chain(self) -> Overlay:
        chain = [self.definition]
        while len(chain) < DEEPEST_INHERITANCE:
            base = str(chain[-1].get("baseDefinition", ""))
            parent = self.registry.structure(base)
            circle = any(parent is definition for definition in chain)
            if parent is None or parent.get("derivation") != "constraint" or circle:
                if circle or (parent is None and not self.registry.is_base(base)):
                    self.problems.append(f"baseDefinition {base}")
                break
            chain.append(parent)
        else:
            self.problems.append(f"baseDefinition {chain[-1]['url']}")
        self.lineage = frozenset(definition["url"] for definition in chain)
        tree = Overlay(self.type_name)
        for definition in reversed(chain):
            try:
                lay(tree, definition["differential"]["element"], self.type_name)
            except MALFORMED:
                self.problems.append("differential")
        return tree

    def compile(self) -> ItemCheck:
        """Return the check of a whole value, compiled once; fills `problems`."""
        if self._check is None:
            from adapter.validation.compile import Compiler

            definition = type_definition(self.type_name).elements[self.type_name]
            self._check = Compiler(self).item(self.tree, definition, self.type_name, "")
        return self._check

    def element_check(self, identity: str) -> tuple[Overlay, ItemCheck] | None:
        """Return overlay and check of one element of the profile (`Composition.section:codeA`), or None."""
        from adapter.validation.compile import Compiler

        found = self.overlay_of(identity)
        definition = element(self.type_name, found[1]) if found else None
        if found is None or definition is None:
            return None
        return found[0], Compiler(self).item(found[0], definition, self.type_name, found[1])

    def overlay_of(self, identity: str) -> tuple[Overlay, str] | None:
        """Return the overlay of an element by its id, and the element's path inside the type."""
        node: Overlay | None = self.tree
        path = ""
        for part in identity.split(".")[1:]:
            name, _, slice_name = part.partition(":")
            path = f"{path}.{name}" if path else name
            node = node.children.get(name) if node else None
            if node and slice_name:
                node = node.slices.get(slice_name)
        return None if node is None else (node, path)

    def findings(self, value: Any, run: Run) -> Findings:
        """Return what breaks the profile; paths are relative to the value. Circles end where they began."""
        stated = value.get("resourceType") if isinstance(value, dict) else None
        code = stated if isinstance(stated, str) else self.type_name
        mark = (id(value), self.canonical)
        if mark in run.under_check:
            return None
        run.under_check.add(mark)
        if run.sound is not None and value is run.sound:
            before = run.room()
            if self.is_surely_met(value, run):
                run.under_check.discard(mark)
                return None
            run.give_back(before)
        item = Item("", value, None, code)
        if self.of_resource and value is not run.resource:
            found = run.at_resource(value, lambda: self.compile()(item, run))
        else:
            found = self.compile()(item, run)
        run.under_check.discard(mark)
        for finding in found or ():
            finding.profile = finding.profile or self.canonical
        return run.registry.accepted.silenced(found, code, run) if self.of_resource else found

    def is_surely_met(self, value: Any, run: Run) -> bool:
        """Tell whether a value whose shape is right surely keeps the profile; False is not known."""
        if self._sure is None:
            self._asked += 1
            if not is_worth_writing(self._asked):
                return False
            from adapter.validation.sure_profiles import sure_profile

            self._sure = sure_profile(self)
        return self._sure(value, run)

    @property
    def of_resource(self) -> bool:
        """True for a profile of a resource, False for one of a data type or extension."""
        return is_resource_type(self.type_name)
