"""Calls of functions whose arguments are evaluated once."""

from __future__ import annotations

from typing import Any

from adapter.validation.fhirpath import logic, model, paths
from adapter.validation.fhirpath.analysis import common_types, is_complex
from adapter.validation.fhirpath.code import Code, NeedsNodes, from_truth, truth
from adapter.validation.fhirpath.functions.signature import BOOLEAN, Function
from adapter.validation.fhirpath.nodes import Context, Items, node_of

_SETS = frozenset({"distinct", "isDistinct", "intersect", "exclude", "combine", "union", "subsetOf", "supersetOf"})


def call(name: str, function: Function, source: Code, arguments: list[Code], exact: bool) -> Code:
    """Make `source.name(arguments)`.

    Raises:
        NeedsNodes: on plain JSON the types are not known well enough.
    """
    if function.needs_nodes and not exact:
        if name != "extension" or not is_complex(source):
            raise NeedsNodes
        return _extension(source, arguments[0])
    if name == "not":
        return from_truth(logic.negated(truth(source)))
    if name in _SETS and not exact:
        refuse_dates(common_types([source, *arguments]))
    code = _called(function, source, arguments, exact, as_they_are=exact or name == "count")
    if name in ("combine", "union"):
        return Code(code.run, common_types([source, *arguments]))
    if name == "resolve" and exact:
        run = code.run
        return Code(lambda this, context: [node_of(item) for item in run(this, context)])
    return code


def _called(function: Function, source: Code, arguments: list[Code], exact: bool, as_they_are: bool) -> Code:
    body = function.body
    keeps = function.result == "same"
    run = source.run if keeps else logic.operand(source, as_they_are)
    given = [logic.operand(argument, exact) for argument in arguments]
    types = source.types if keeps else (function.result,) if function.result else ()

    def items(this: Any, context: Context) -> Items:
        found = run(this, context)
        context.spend(len(found))
        return body(found, [argument(this, context) for argument in given], context)

    if not (function.single and function.result):
        return Code(items, types)

    def one(this: Any, context: Context) -> Any:
        return next(iter(items(this, context)), None)

    return from_truth(one) if function.result == BOOLEAN else Code(items, types, one)


def refuse_dates(types: tuple[str, ...]) -> None:
    """Leave plain JSON where items become keys of a set and some may be dates, or nothing is known of them.

    Raises:
        NeedsNodes: that is so.
    """
    if not types or any(type_path in model.TEMPORAL_TYPES for type_path in types):
        raise NeedsNodes


def _extension(source: Code, url: Code) -> Code:
    """Make `extension(url)` of complex elements on plain JSON."""
    extensions = paths.step_on_json(source, "extension", False, 0).run
    if url.constant is None or len(url.constant) != 1:
        raise NeedsNodes
    wanted = url.constant[0]
    return Code(
        lambda this, context: [item for item in extensions(this, context) if item.get("url") == wanted],
        ("Extension",),
    )
