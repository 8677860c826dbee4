"""Checks over a whole mapping: every field accounted for, every item told apart, every value read back."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.mapping.context import FileContext, Use
from adapter.mapping.model import Element, EmbeddedType, Items, Kind, Mapping, Object, UseType, Value
from adapter.mapping.shape import Shape
from adapter.mapping.signature import gives_back, is_copy, reads_back, tests_of

CALL_SHARE = 10
"""At most one row in this many may be a `call`."""


def check_coverage(shape: Shape, uses: list[Use], ignored: dict[str, str], context: FileContext) -> None:
    """Every leaf of the source is mapped or ignored with a reason, and what is mapped comes back or says why not."""
    row = context.row("", ())
    leaves = {leaf: _above(leaf) for leaf in shape.leaves()}
    exact: dict[str, list[Use]] = {}
    wide: dict[str, list[Use]] = {}
    for use in uses:
        (wide if use.subtree else exact).setdefault(use.path, []).append(use)
    for leaf, around in leaves.items():
        found = exact.get(leaf, []) + [use for top in around for use in wide.get(top, ())]
        skipped = not ignored.keys().isdisjoint(around)
        if not found and not skipped:
            context.problem(row, f"field '{leaf}' is neither mapped nor ignored with a reason")
        elif found and not any(use.back or use.one_way for use in found):
            context.problem(found[0].row, f"field '{leaf}' is only copied: one row must read it back")
    known = {path for around in leaves.values() for path in around}
    for path, reason in ignored.items():
        if path not in known:
            context.problem(context.row("ignored", ("ignored", path)), f"the source has no field '{path}'")
        elif not reason:
            context.problem(context.row("ignored", ("ignored", path)), f"say why '{path}' is ignored")


def _above(leaf: str) -> list[str]:
    """Return the path and everything around it; the record itself last."""
    parts = leaf.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)] + [""]


def check_calls(contexts: list[FileContext]) -> None:
    """`call` stays the exception."""
    rows, calls = sum(each.rows for each in contexts), sum(each.calls for each in contexts)
    if calls * CALL_SHARE > rows:
        text = f"{calls} of {rows} rows are calls; at most one in {CALL_SHARE} may be"
        contexts[0].problem(contexts[0].row("", ()), text)


def check_tree(tree: Element, context: FileContext) -> None:
    """Kinds of items can be told apart, and items that are read back keep their positions."""
    for items in _lists(tree):
        _, clashes = tests_of(items.kinds)
        by_name = {kind.name: kind for kind in items.kinds}
        for one, other in clashes:
            text = f"items [{one}] and [{other}] cannot be told apart on the way back: add a constant"
            context.problem(by_name[other].row, text)
        for number, kind in enumerate(items.kinds):
            _check_kind(kind, items.kinds[:number], context)


def _check_kind(kind: Kind, before: tuple[Kind, ...], context: FileContext) -> None:
    loops = [step for step in kind.steps if step.is_list]
    if gives_back(kind) and loops and (kind.when is not None or len(loops) > 1):
        why = "with a condition" if kind.when is not None else "over lists in lists"
        text = f"items {why} lose their positions on the way back: put the condition inside, or make a rule of it"
        context.problem(kind.row, text)
    if is_copy(kind.content) and any(reads_back(other.content) for other in before):
        text = "a copy stands before the items that are read back"
        if tests_of((*before, kind))[0][-1] == ():
            context.problem(kind.row, text)


def _lists(element: Element) -> Iterator[Items]:
    if isinstance(element, Object):
        for _, child in element.fields:
            yield from _lists(child)
    elif isinstance(element, Items):
        yield element
        for kind in element.kinds:
            yield from _lists(kind.content)


def values_in(element: Element) -> Iterator[Value]:
    """Yield every value row of a tree."""
    if isinstance(element, Value):
        yield element
    elif isinstance(element, Object):
        for _, child in element.fields:
            yield from values_in(child)
    elif isinstance(element, Items):
        for kind in element.kinds:
            yield from values_in(kind.content)


def types_in(embedded: EmbeddedType) -> Iterator[EmbeddedType]:
    """Yield the types that a type uses itself."""
    for tree in (embedded.tree, *(rule.tree for rule in embedded.rules)):
        for value in values_in(tree):
            if isinstance(value.how, UseType):
                yield value.how.type


def rows_of(mapping: Mapping) -> Iterator[Value]:
    """Yield every value row of a mapping and of the types that it uses."""
    for rule in mapping.rules:
        yield from values_in(rule.tree)
    for type_ in mapping.types:
        yield from values_in(type_.tree)
        for rule in type_.rules:
            yield from values_in(rule.tree)
