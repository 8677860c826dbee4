"""Slicing: which values belong to which slice, how many each may have, and what each slice asks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from adapter.fhir.definitions import ElementDefinition
from adapter.validation.discriminators import Test, test_of
from adapter.validation.findings import Finding, Findings, joined, under
from adapter.validation.items import Item
from adapter.validation.matching import shown
from adapter.validation.overlay import Overlay, Slicing
from adapter.validation.run import Run

if TYPE_CHECKING:
    from adapter.validation.compile import Compiler

SlicesCheck = Callable[[list[Item], Run], Findings]

BY_URL = Slicing((("value", "url"),))
BY_TYPE = Slicing((("type", "$this"),))


class _Slice:
    """One slice, compiled: how a value shows that it belongs here, and what is asked of it."""

    def __init__(
        self,
        name: str,
        overlay: Overlay,
        definition: ElementDefinition,
        place: tuple[str, str],
        slicing: Slicing,
        compiler: Compiler,
    ) -> None:
        self.name = name
        self.sign = _sign(overlay, slicing)
        self.min = overlay.min or 0
        self.max = overlay.max
        tests = [test_of(kind, path, overlay, compiler) for kind, path in slicing.discriminators]
        self.holds = _all([test for test in tests if test is not None])
        if slicing.discriminators and all(test is None for test in tests):
            compiler.problem(overlay, "nothing at the discriminator's path")
        self.check = compiler.item(overlay, definition, *place)
        self.inner = slicing_check(overlay, definition, *place, compiler) if overlay.slices else None


def _all(tests: list[Test]) -> Test:
    """Return the test that a value is in a slice; nothing is in a slice that has no test."""
    if len(tests) == 1:
        return tests[0]
    return lambda item, run: bool(tests) and all(test(item, run) for test in tests)


def slicing_check(
    overlay: Overlay, definition: ElementDefinition, owner: str, inside: str, compiler: Compiler
) -> SlicesCheck:
    """Return the check that puts the values of an element into its slices."""
    slicing = _slicing_of(overlay, definition)
    if slicing is None:
        compiler.problem(overlay, "slices without slicing")
        return lambda _items, _run: None
    slices = [
        _Slice(name, inner, definition, (owner, inside), slicing, compiler) for name, inner in overlay.slices.items()
    ]
    if not slicing.discriminators:
        compiler.problem(overlay, "slicing without discriminator")
        return lambda _items, _run: None
    names = ", ".join(piece.name for piece in slices)
    element = definition.key.removesuffix("[x]")

    def check(items: list[Item], run: Run) -> Findings:
        found: Findings = None
        members: list[list[Item]] = [[] for _ in slices]
        last, seen_outside = 0, False
        for item in items:
            if not run.spend(len(slices)):
                return found
            position = _first(slices, item, run)
            if position is None:
                seen_outside = True
                if slicing.rules == "closed":
                    more = run.found(Finding("slice-closed", {"names": names}))
                    found = joined(found, under(item.label, more) if more else None)
                continue
            if slicing.rules == "openAtEnd" and seen_outside:
                found = joined(found, _said("slice-at-end", slices[position], item, run))
            if slicing.ordered and position < last:
                found = joined(found, _said("slice-order", slices[position], item, run))
            last = max(last, position)
            members[position].append(item)
            more = slices[position].check(item, run)
            if more is not None:
                found = joined(found, under(item.label, more))
        for piece, inside_items in zip(slices, members, strict=True):
            count = len(inside_items)
            if count < piece.min or (piece.max is not None and count > piece.max):
                found = joined(found, _wrong_count(piece, element, count, run))
            if piece.inner is not None:
                found = joined(found, piece.inner(inside_items, run))
        return found

    return check


def _slicing_of(overlay: Overlay, definition: ElementDefinition) -> Slicing | None:
    """Return how an element is divided, what needs no words filled in."""
    slicing = overlay.slicing or _implied(definition)
    if slicing is None or slicing.discriminators:
        return slicing
    return Slicing((_implied(definition) or Slicing()).discriminators, slicing.ordered, slicing.rules)


def plainly_divided(overlay: Overlay, definition: ElementDefinition) -> Slicing | None:
    """Return how an element is divided, when the order of its values says nothing and no slice is divided again."""
    slicing = _slicing_of(overlay, definition)
    if slicing is None or not slicing.discriminators or slicing.ordered or slicing.rules == "openAtEnd":
        return None
    return None if any(inner.slices for inner in overlay.slices.values()) else slicing


def _first(slices: list[_Slice], item: Item, run: Run) -> int | None:
    """Return the position of the first slice that a value is in."""
    for position, piece in enumerate(slices):
        if piece.holds(item, run):
            return position
    return None


def _sign(overlay: Overlay, slicing: Slicing) -> str:
    """Return, for messages, what a value of the slice is known by: ` (system urn:oid:1.2.246.21)`."""
    for _, path in slicing.discriminators:
        node: Overlay | None = overlay
        for step in () if path == "$this" else path.split("."):
            node = node.children.get(step) if node else None
        expected = None if node is None else node.pattern if node.fixed is None else node.fixed
        if expected is not None:
            return f" ({shown(expected)})" if path == "$this" else f" ({path} {shown(expected)})"
    profiles = overlay.types[0].profiles if overlay.types else ()
    return f" (url {profiles[0]})" if profiles else ""


def _implied(definition: ElementDefinition) -> Slicing | None:
    """Return the slicing that needs no words: extensions by URL, choices by type."""
    if definition.types and definition.types[0].code == "Extension":
        return BY_URL
    return BY_TYPE if definition.is_choice else None


def _said(key: str, piece: _Slice, item: Item, run: Run) -> Findings:
    more = run.found(Finding(key, {"slice": piece.name}))
    return under(item.label, more) if more else None


def _wrong_count(piece: _Slice, element: str, count: int, run: Run) -> Findings:
    if count < piece.min:
        values = {"slice": piece.name, "sign": piece.sign, "name": element, "min": str(piece.min), "count": str(count)}
        return run.found(Finding("slice-missing", values))
    values = {"slice": piece.name, "name": element, "max": str(piece.max), "count": str(count)}
    return run.found(Finding("slice-too-many", values, element))
