"""FHIRPath on the document in hand: what `%resource`, `resolve()`, `memberOf()` and `conformsTo()` mean here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from adapter.validation.fhirpath import BUDGET, Context, Expression, FhirPathError, Node, compile_expression, instant
from adapter.validation.references import resolve
from adapter.validation.run import Run

VISITS_A_TRY = 10
"""So many elements that an invariant visits cost about as much as trying a small one."""


@lru_cache(maxsize=8192)
def compiled(text: str, type_path: str = "") -> Expression:
    """Return a compiled expression for nodes of a type.

    Raises:
        FhirPathError: it is not understood; nothing is ever silently passed.
    """
    return compile_expression(text, context_type=type_path)


def holds(expression: Expression, value: Any, run: Run, sibling: dict[str, Any] | None = None) -> bool:
    """Tell whether an invariant is true of a value; empty counts as not true, as in the official validator."""
    if not run.spend(1):
        return True
    focus = value if sibling is None and isinstance(value, dict) else Node(value, expression.context_type, sibling)
    context = context_of(run)
    met = expression.holds_in(focus, context)
    run.spend((BUDGET - context.budget) // VISITS_A_TRY)
    return met


def select(text: str, value: Any, type_path: str, run: Run) -> list[Any]:
    """Return what an expression finds at a value of the document.

    Raises:
        FhirPathError: it is not understood, or has no answer here.
    """
    found = compiled(text, type_path).evaluate_nodes(value, context_of(run))
    return [node.value for node in found]


def context_of(run: Run) -> Context:
    """Return the surroundings of an evaluation: one object a run, looking at the resource that is checked now."""
    context = run.context
    if context is None:
        context = run.context = Context(
            resolve=lambda reference: resolve(reference, run) or _inside_entries(reference, run),
            member_of=run.registry.member_of,
            conforms_to=lambda value, canonical: _conforms(value, canonical, run),
            now=instant(run.at),
        )
    context.resource, context.root = run.resource, run.root
    return context


def _conforms(value: Any, canonical: str, run: Run) -> bool:
    """Answer `conformsTo()`; what is evaluated on the way has surroundings of its own."""
    outer, run.context = run.context, None
    try:
        return run.registry.conforms_to(value, canonical, run)
    finally:
        run.context = outer


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


__all__ = ["FhirPathError", "compiled", "context_of", "holds", "select"]
