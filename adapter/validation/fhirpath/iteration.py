"""Functions that evaluate an argument for each item: where, select, all, exists, repeat, aggregate, iif; and trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from adapter.validation.fhirpath.code import Code, NeedsNodes, Truth, from_items, from_truth, truth
from adapter.validation.fhirpath.nodes import EMPTY, Context, Focus, Items
from adapter.validation.fhirpath.operators import key_of
from adapter.validation.fhirpath.syntax import Syntax


class ArgumentCompiler(Protocol):
    """What a function needs of the compiler."""

    exact: bool

    def compile(self, syntax: Syntax) -> Code:
        """Compile in the same focus."""

    def compile_for_items(self, syntax: Syntax, source: Code) -> Code:
        """Compile with each item of the source as `$this`."""

    def uses_position(self, syntax: Syntax) -> bool:
        """True when `$index` or `$total` occurs."""


Builder = Callable[[ArgumentCompiler, Code, tuple[Syntax, ...]], Code]


def _counted(test: Truth) -> Callable[[Items, Context], list[bool | None]]:
    """Make a loop that keeps `$index`."""

    def loop(items: Items, context: Context) -> list[bool | None]:
        before = context.index
        answers = []
        for position, item in enumerate(items):
            context.index = position
            answers.append(test(item, context))
        context.index = before
        return answers

    return loop


def where(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`where(criteria)`."""
    test = truth(compiler.compile_for_items(arguments[0], source))
    run = source.run
    if compiler.uses_position(arguments[0]):
        loop = _counted(test)

        def filtered_by_position(this: Any, context: Context) -> Items:
            items = run(this, context)
            context.spend(len(items))
            return [item for item, answer in zip(items, loop(items, context), strict=True) if answer]

        return Code(filtered_by_position, source.types)

    def filtered(this: Any, context: Context) -> Items:
        items = run(this, context)
        context.spend(len(items))
        return [item for item in items if test(item, context)]

    return Code(filtered, source.types)


def exists(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`exists()` and `exists(criteria)`."""
    run = source.run
    if not arguments:
        if source.one is not None:
            one = source.one
            return from_truth(lambda this, context: one(this, context) is not None)
        return from_truth(lambda this, context: bool(run(this, context)))
    if compiler.uses_position(arguments[0]):
        return exists(compiler, where(compiler, source, arguments), ())
    test = truth(compiler.compile_for_items(arguments[0], source))

    def some(this: Any, context: Context) -> bool:
        items = run(this, context)
        context.spend(len(items))
        for item in items:  # noqa: SIM110 - a generator costs more than the question
            if test(item, context):
                return True
        return False

    return from_truth(some)


def empty(_compiler: ArgumentCompiler, source: Code, _arguments: tuple[Syntax, ...]) -> Code:
    """`empty()`."""
    run = source.run
    if source.one is not None:
        one = source.one
        return from_truth(lambda this, context: one(this, context) is None)
    return from_truth(lambda this, context: not run(this, context))


def every(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`all(criteria)`: empty criteria count as false."""
    test = truth(compiler.compile_for_items(arguments[0], source))
    run = source.run
    if compiler.uses_position(arguments[0]):
        loop = _counted(test)
        return from_truth(lambda this, context: all(loop(run(this, context), context)))

    def all_hold(this: Any, context: Context) -> bool:
        items = run(this, context)
        context.spend(len(items))
        for item in items:  # noqa: SIM110 - as above
            if not test(item, context):
                return False
        return True

    return from_truth(all_hold)


def select(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`select(projection)`."""
    projection = compiler.compile_for_items(arguments[0], source)
    run, project = source.run, projection.run

    def selected(this: Any, context: Context) -> Items:
        items = run(this, context)
        before = context.index
        found: Items = []
        for position, item in enumerate(items):
            context.index = position
            more = project(item, context)
            context.spend(1 + len(more))
            found.extend(more)
        context.index = before
        return found

    return Code(selected, projection.types)


def repeat(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`repeat(projection)`: until nothing new is found; equal items count once."""
    if not compiler.exact:
        raise NeedsNodes
    project = compiler.compile_for_items(arguments[0], source).run
    run = source.run

    def repeated(this: Any, context: Context) -> Items:
        seen: dict[object, Any] = {}
        queue = list(run(this, context))
        while queue:
            found = [item for parent in queue for item in project(parent, context)]
            context.spend(len(found))
            queue = []
            for item in found:
                key = key_of(item)
                if key not in seen:
                    seen[key] = item
                    queue.append(item)
        return list(seen.values())

    return Code(repeated)


def aggregate(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`aggregate(aggregator, initial)`, with `$total`."""
    aggregator = compiler.compile_for_items(arguments[0], source).run
    initial = compiler.compile(arguments[1]).run if len(arguments) > 1 else None
    run = source.run

    def aggregated(this: Any, context: Context) -> Items:
        items = run(this, context)
        context.spend(len(items))
        outer_total, outer_index = context.total, context.index
        total = initial(this, context) if initial else EMPTY
        for position, item in enumerate(items):
            context.index, context.total = position, total
            total = aggregator(item, context)
        context.index, context.total = outer_index, outer_total
        return total

    return Code(aggregated)


def immediate_if(compiler: ArgumentCompiler, source: Code | None, arguments: tuple[Syntax, ...]) -> Code:
    """`iif(criterion, result, otherwise)`; as a method it looks at its whole input as `$this`."""
    if source is not None and not compiler.exact:
        raise NeedsNodes
    criterion = truth(compiler.compile(arguments[0]))
    codes = [compiler.compile(argument) for argument in arguments[1:]]
    yes, no = codes[0].run, codes[1].run if len(codes) > 1 else None
    run = source.run if source is not None else None

    def chosen(this: Any, context: Context) -> Items:
        focus = this if run is None else Focus(run(this, context))
        if criterion(focus, context):
            return yes(focus, context)
        return no(focus, context) if no else EMPTY

    if any(not code.types for code in codes):
        return Code(chosen)
    return Code(chosen, tuple(dict.fromkeys(type_path for code in codes for type_path in code.types)))


def trace(compiler: ArgumentCompiler, source: Code, arguments: tuple[Syntax, ...]) -> Code:
    """`trace(name, projection)`: the input, and nothing is written anywhere."""
    for argument in arguments[1:]:
        compiler.compile_for_items(argument, source)
    return source if source.constant is None else from_items(source.constant, source.types)


BUILDERS: dict[str, tuple[Builder, int, int]] = {
    "where": (where, 1, 1),
    "exists": (exists, 0, 1),
    "empty": (empty, 0, 0),
    "all": (every, 1, 1),
    "select": (select, 1, 1),
    "repeat": (repeat, 1, 1),
    "aggregate": (aggregate, 1, 2),
    "trace": (trace, 1, 2),
}
"""Builders with the smallest and largest number of their arguments; `iif` is apart, as it may lack an input."""
