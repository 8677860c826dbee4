"""The public face of FHIRPath: compile an expression once, evaluate it on many nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from adapter.validation.fhirpath import model
from adapter.validation.fhirpath.code import Code, NeedsNodes, Truth, truth
from adapter.validation.fhirpath.compile import Compiler
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.nodes import BUDGET, Context, Focus, Items, Node, node_of
from adapter.validation.fhirpath.parser import parse
from adapter.validation.fhirpath.values import Quantity, Temporal, parse_temporal

_NOT_AS_EXPECTED = (TypeError, AttributeError, KeyError, ValueError)
"""What plain closures raise on JSON that is not shaped as R4 says."""


class Options(NamedTuple):
    """How an expression is compiled; see `compile_expression`."""

    known_constants: frozenset[str] = frozenset()
    constants: Mapping[str, str] = MappingProxyType({})
    context_type: str = ""
    strict: bool = False


class Expression:
    """A compiled FHIRPath expression. Immutable towards callers and safe to share between threads."""

    def __init__(self, text: str, options: Options) -> None:
        self.text = text
        self.context_type = options.context_type
        self._options = options
        self._syntax = parse(text)
        self._exact = self._compile((), exact=True)
        self._exact_truth = truth(self._exact)
        self._plain: dict[str, tuple[Code, Truth] | None] = {}
        if self.context_type:
            self._plain_for(self.context_type)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(
        self,
        node: Any,
        *,
        resource: Any = None,
        root: Any = None,
        environment: Mapping[str, Items] | None = None,
        resolve: Callable[[str], Any] | None = None,
        member_of: Callable[[Any, str], bool | None] | None = None,
        conforms_to: Callable[[Any, str], bool] | None = None,
        now: str | datetime | None = None,
    ) -> list[Any]:
        """Return the result as plain values: JSON objects, texts, numbers, Booleans, `Quantity`.

        Dates and times come back as text. A primitive that has only extensions comes back as None.

        Args:
            node: JSON value, `Node`, or a list of them as one collection.
            resource: `%resource`; the node itself when not given.
            root: `%rootResource`; the resource when not given.
            environment, resolve, member_of, conforms_to: see `Context`.
            now: the present instant for `now()`, `today()` and `timeOfDay()`: FHIR instant or aware datetime.

        Raises:
            FhirPathError: the expression has no answer on this input.
        """
        context = _context(node, resource, root, environment, resolve, member_of, conforms_to, now)
        return [_plain_value(item) for item in self._items(node, context)]

    def evaluate_nodes(self, node: Any, context: Context) -> list[Node]:
        """Return the result with types: `Node` for every item; System values have a type such as `System.String`.

        Raises:
            FhirPathError: the expression has no answer on this input.
        """
        return [_typed(item) for item in self._run_exact(self._exact.run, node, context)]

    def holds(
        self,
        node: Any,
        *,
        resource: Any = None,
        root: Any = None,
        environment: Mapping[str, Items] | None = None,
        resolve: Callable[[str], Any] | None = None,
        member_of: Callable[[Any, str], bool | None] | None = None,
        conforms_to: Callable[[Any, str], bool] | None = None,
        now: str | datetime | None = None,
    ) -> bool:
        """Return whether the invariant is met, as the Java validator decides: see `holds_in`."""
        return self.holds_in(node, _context(node, resource, root, environment, resolve, member_of, conforms_to, now))

    def holds_in(self, node: Any, context: Context) -> bool:
        """Return whether the invariant is met at a node, in a context that many evaluations share.

        Met is: true, or one or more items that are no Boolean. Not met is: false, empty, or an expression that
        has no answer on this input (FhirPathError); an invariant never passes silently.
        """
        context.focus = node
        context.budget = BUDGET
        kind = self.context_type or model.type_of(node)
        plain = self._plain[kind] if kind in self._plain else self._plain_for(kind)
        if plain is not None and type(node) is not Node and type(node) is not list:
            try:
                return _met(plain[1], plain[0], node, context)
            except _NOT_AS_EXPECTED:
                context.budget = BUDGET
        try:
            return _met(self._exact_truth, self._exact, self._focus(node), context)
        except (FhirPathError, RecursionError):
            return False

    def _items(self, node: Any, context: Context) -> Items:
        kind = self.context_type or model.type_of(node)
        plain = self._plain[kind] if kind in self._plain else self._plain_for(kind)
        if plain is not None and type(node) is not Node and type(node) is not list:
            try:
                return plain[0].run(node, context)
            except _NOT_AS_EXPECTED:
                context.budget = BUDGET
        return self._run_exact(self._exact.run, node, context)

    def _run_exact(self, run: Callable[[Any, Context], Items], node: Any, context: Context) -> Items:
        context.focus = node
        context.budget = BUDGET
        try:
            return run(self._focus(node), context)
        except RecursionError:
            raise FhirPathError("evaluation is nested too deep") from None

    def _focus(self, node: Any) -> Any:
        if isinstance(node, list):
            return Focus([node_of(item, self.context_type) for item in node])
        return node_of(node, self.context_type)

    def _plain_for(self, kind: str) -> tuple[Code, Truth] | None:
        """Compile on plain JSON for a type of focus, once; None when that is not possible."""
        try:
            code = self._compile((kind,), exact=False) if kind else None
        except NeedsNodes:
            code = None
        self._plain[kind] = None if code is None else (code, truth(code))
        return self._plain[kind]

    def _compile(self, focus_types: tuple[str, ...], *, exact: bool) -> Code:
        owner = model.type_of_resource(focus_types[0].partition(".")[0]) if focus_types else ""
        compiler = Compiler(
            focus_types,
            exact=exact,
            known_constants=self._options.known_constants,
            constants=self._options.constants,
            strict=self._options.strict,
            resource_type=owner,
        )
        try:
            return compiler.compile(self._syntax)
        except RecursionError:
            raise FhirPathError("expression is nested too deep") from None


def compile_expression(
    text: str,
    *,
    known_constants: Iterable[str] = (),
    constants: Mapping[str, str] = MappingProxyType({}),
    context_type: str = "",
    strict: bool = False,
) -> Expression:
    """Compile a FHIRPath expression (N1, with the functions of FHIR R4).

    Args:
        text: the expression.
        known_constants: names, without `%`, that `environment` will give besides R4's own.
        constants: texts that stand for further names, such as canonical URLs: no cost at evaluation.
        context_type: type path of the nodes it will be evaluated on: `CarePlan`, `CarePlan.activity.detail`,
            `Period`, `dateTime`; makes it fast and its comparisons right. A resource shows its type by itself.
        strict: with a context type, refuse elements that R4 does not have.

    Raises:
        FhirPathError: syntax, unknown function, constant or type, broken or non-linear regular expression, limits.
    """
    return Expression(text, Options(frozenset(known_constants), constants, context_type, strict))


def instant(now: str | datetime | None) -> Temporal | None:
    """Return the caller's instant as a value of the language.

    Raises:
        FhirPathError: it is no instant with an offset.
    """
    if now is None:
        return None
    text = now.isoformat() if isinstance(now, datetime) else now
    found = parse_temporal(text) if isinstance(text, str) else None
    if found is None or found.offset is None or len(found.parts) < 6:
        raise FhirPathError("the present instant needs date, time with seconds and offset")
    return found


def _context(
    node: Any,
    resource: Any,
    root: Any,
    environment: Mapping[str, Items] | None,
    resolve: Callable[[str], Any] | None,
    member_of: Callable[[Any, str], bool | None] | None,
    conforms_to: Callable[[Any, str], bool] | None,
    now: str | datetime | None,
) -> Context:
    if resource is None:
        resource = node
    return Context(
        resource,
        resource if root is None else root,
        environment or {},
        resolve,
        member_of,
        conforms_to,
        instant(now),
        node,
    )


def _met(test: Truth, code: Code, focus: Any, context: Context) -> bool:
    """As the Java validator: several items count as true."""
    if code.truth is not None:
        return test(focus, context) is True
    items = code.run(focus, context)
    return len(items) > 1 or (len(items) == 1 and test(focus, context) is True)


def _plain_value(item: Any) -> Any:
    if type(item) is Node:
        return item.value
    return item.text if type(item) is Temporal else item


def _typed(item: Any) -> Node:
    if type(item) is Node:
        return item
    kind = {str: "String", bool: "Boolean", int: "Integer", Quantity: "Quantity"}.get(type(item), "Decimal")
    return Node(item.text, f"System.{item.kind}") if type(item) is Temporal else Node(item, f"System.{kind}")
