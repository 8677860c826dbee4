"""FHIRPath on the document in hand: what `%resource`, `resolve()`, `memberOf()` and `conformsTo()` mean here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from adapter.validation.fhirpath import Expression, FhirPathError, Node, compile_expression
from adapter.validation.references import resolve
from adapter.validation.run import Run


class Invariant:
    """A FHIRPath invariant, compiled.

    Raises:
        FhirPathError: the expression is not understood; nothing is ever silently passed.
    """

    __slots__ = ("expression",)

    def __init__(self, text: str) -> None:
        self.expression: Expression = compiled(text)

    def holds(self, value: Any, type_path: str, run: Run, sibling: dict[str, Any] | None = None) -> bool:
        """Tell whether the invariant is true of the value; empty counts as not true, as in the R4 validator."""
        return self.expression.holds(Node(value, type_path, sibling), **_surroundings(run))


def _surroundings(run: Run) -> dict[str, Any]:
    registry = run.registry

    def member_of(item: Any, value_set: str) -> bool | None:
        return registry.member_of(item, value_set)

    def conforms_to(item: Any, canonical: str) -> bool:
        return registry.conforms_to(item, canonical, run)

    return {
        "resource": run.resource,
        "root": run.root,
        "resolve": lambda reference: resolve(reference, run) or _inside_entries(reference, run),
        "member_of": member_of,
        "conforms_to": conforms_to,
        "now": run.at,
    }


def _inside_entries(reference: str, run: Run) -> Any:
    """Find a contained resource of an entry, for an invariant that stands on the Bundle."""
    if reference[:1] != "#" or run.root.get("resourceType") != "Bundle" or not run.bundles:
        return None
    for _, entry in run.bundles[-1].each():
        resource = entry.get("resource")
        inside = resource.get("contained") if isinstance(resource, dict) else None
        for contained in inside if isinstance(inside, list) else ():
            if isinstance(contained, dict) and contained.get("id") == reference[1:]:
                return contained
    return None


@lru_cache(maxsize=4096)
def compiled(text: str) -> Expression:
    """Return the compiled expression.

    Raises:
        FhirPathError: it is not understood.
    """
    return compile_expression(text)


def evaluate_text(text: str, value: Any, type_path: str, run: Run) -> list[Any]:
    """Return what an expression finds at a value of the document."""
    return compiled(text).evaluate(Node(value, type_path), **_surroundings(run))


__all__ = ["FhirPathError", "Invariant", "compiled", "evaluate_text"]
