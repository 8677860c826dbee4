"""Syntax to closures. Two ways of compiling the same expression give the same answers:

* on *plain JSON*, when the types of all steps are known beforehand: fast, no wrapping;
* on *nodes*, when they are not: every value carries its type and its `_name` sibling.

The first is tried; where it cannot be right it says so (`NeedsNodes`) and the second is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from adapter.validation.fhirpath import iteration, logic, model, paths
from adapter.validation.fhirpath.analysis import arithmetic_types, common_types, parts, type_argument
from adapter.validation.fhirpath.arithmetic import arithmetic, concatenate
from adapter.validation.fhirpath.calls import call, refuse_dates
from adapter.validation.fhirpath.casting import as_type, is_type
from adapter.validation.fhirpath.code import Code, NeedsNodes, Truth, from_items, from_one, from_truth
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.functions import FUNCTIONS
from adapter.validation.fhirpath.functions.collections import at, union
from adapter.validation.fhirpath.functions.signature import STRING
from adapter.validation.fhirpath.functions.strings import check_pattern
from adapter.validation.fhirpath.nodes import Context, Focus, Items, node_of
from adapter.validation.fhirpath.operators import equivalent
from adapter.validation.fhirpath.syntax import (
    Call,
    Constant,
    EmptyCollection,
    Index,
    Literal,
    Member,
    Operation,
    Sign,
    Syntax,
    TypeOperation,
    Variable,
)
from adapter.validation.fhirpath.values import Quantity, Temporal

_FIXED_CONSTANTS = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
_MAXIMUM_DEPTH = 150


class Compiler:
    """Compiles one expression in one of the two ways.

    Args:
        focus_types: type paths of `$this`; empty when unknown.
        exact: on nodes instead of plain JSON.
        known_constants: names that `environment` will give.
        constants: texts that stand for other names.
        strict: an element that its known type does not have is an error instead of always empty.
        resource_type: type of `%resource` where it follows from the focus, else empty.
    """

    def __init__(
        self,
        focus_types: tuple[str, ...],
        *,
        exact: bool,
        known_constants: frozenset[str],
        constants: Mapping[str, str],
        strict: bool,
        resource_type: str = "",
    ) -> None:
        self.exact = exact
        self._focus_types = focus_types
        self._known = known_constants
        self._constants = {**constants, **_FIXED_CONSTANTS}
        self._strict = strict
        self._resource_type = resource_type
        self._depth = 0

    def compile(self, syntax: Syntax) -> Code:
        """Return the code of a piece of syntax in the present focus.

        Raises:
            FhirPathError: unknown function, constant or type, wrong number of arguments, nested too deep.
            NeedsNodes: not possible on plain JSON.
        """
        self._depth += 1
        if self._depth > _MAXIMUM_DEPTH:
            raise FhirPathError("expression is nested too deep")
        code = _DISPATCH[type(syntax)](self, syntax)
        self._depth -= 1
        return code

    def compile_for_items(self, syntax: Syntax, source: Code) -> Code:
        """Return the code of an argument that is evaluated with each item of the source as `$this`."""
        outer = self._focus_types
        self._focus_types = source.types
        code = self.compile(syntax)
        self._focus_types = outer
        return code

    def uses_position(self, syntax: Syntax) -> bool:
        """True when `$index` or `$total` occurs."""
        return any(type(part) is Variable and part.name != "this" for part in parts(syntax))

    def _literal(self, syntax: Literal) -> Code:
        return from_items([syntax.value], (_SYSTEM_TYPES[type(syntax.value)],))

    def _empty(self, _syntax: EmptyCollection) -> Code:
        return from_items([], paths.UNKNOWN)

    def _this(self) -> Code:
        if not self.exact:
            return from_one(paths.this_one, self._focus_types)
        return Code(lambda this, _context: this.items if type(this) is Focus else [this])

    def _variable(self, syntax: Variable) -> Code:
        if syntax.name == "this":
            return self._this()
        if syntax.name == "index":
            return from_one(lambda _this, context: context.index, ("System.Integer",))
        if not self.exact:
            raise NeedsNodes
        return Code(lambda _this, context: context.total)

    def _constant(self, syntax: Constant) -> Code:
        name = syntax.name
        if name in ("resource", "rootResource", "context"):
            return self._of_context({"resource": "resource", "rootResource": "root", "context": "focus"}[name])
        if name in self._constants:
            return from_items([self._constants[name]], (STRING,))
        for prefix, folder in (("vs-", "ValueSet"), ("ext-", "StructureDefinition")):
            if name.startswith(prefix):
                return from_items([f"http://hl7.org/fhir/{folder}/{name.removeprefix(prefix)}"], (STRING,))
        if name not in self._known:
            raise FhirPathError(f"unknown constant %{name}", syntax.position)
        if not self.exact:
            raise NeedsNodes
        return Code(lambda _this, context: [_wrapped(item) for item in context.environment.get(name, ())])

    def _of_context(self, attribute: str) -> Code:
        if self.exact:
            return Code(lambda _this, context: _nodes_of(getattr(context, attribute)))
        if attribute != "resource" or not self._resource_type:
            raise NeedsNodes
        return from_one(lambda _this, context: context.resource, (self._resource_type,))

    def _member(self, syntax: Member) -> Code:
        if syntax.source is None:
            rooted = self._type_of_focus(syntax.name)
            if rooted is not None:
                return rooted
        source = self._this() if syntax.source is None else self.compile(syntax.source)
        if self.exact:
            return paths.step_on_nodes(source, syntax.name)
        return paths.step_on_json(source, syntax.name, self._strict, syntax.position)

    def _type_of_focus(self, name: str) -> Code | None:
        """Return the focus itself, filtered, for a path that begins with a type (`Patient.name`)."""
        if not name[:1].isupper() or not model.known_type(name):
            return None
        return as_type(self._this(), name, self.exact)

    def _index(self, syntax: Index) -> Code:
        source, index = self.compile(syntax.source), self.compile(syntax.index)
        run, position = source.run, index.run
        return Code(lambda this, context: at(run(this, context), [position(this, context)], context), source.types)

    def _sign(self, syntax: Sign) -> Code:
        operand = self.compile(syntax.operand)
        if syntax.sign == "+":
            return operand
        if operand.constant and len(operand.constant) == 1:
            value = operand.constant[0]
            if type(value) in (int, Decimal):
                return from_items([-value], operand.types)
            if type(value) is Quantity:
                return from_items([Quantity(-value.value, value.unit)], operand.types)
        run = operand.run
        return Code(lambda this, context: arithmetic("*", [-1], run(this, context)), operand.types)

    def _type_operation(self, syntax: TypeOperation) -> Code:
        return self._typed(syntax.operator, self.compile(syntax.operand), syntax.type_name, syntax.position)

    def _typed(self, operator: str, operand: Code, name: str, position: int) -> Code:
        if not model.known_type(name):
            raise FhirPathError(f"unknown type '{name}'", position)
        return (is_type if operator == "is" else as_type)(operand, name, self.exact)

    def _operation(self, syntax: Operation) -> Code:
        operator = syntax.operator
        if operator in ("and", "or", "|"):
            return self._chain(syntax)
        left, right = self.compile(syntax.left), self.compile(syntax.right)
        if operator == "xor":
            return logic.exclusive(left, right)
        if operator == "implies":
            return logic.implication(left, right)
        return self._binary(operator, left, right)

    def _binary(self, operator: str, left: Code, right: Code) -> Code:
        if operator in ("=", "!="):
            test: Truth = logic.equality(left, right, self.exact)
            return from_truth(test if operator == "=" else logic.negated(test))
        if operator in ("<", "<=", ">", ">="):
            return from_truth(logic.comparison(operator, left, right, self.exact))
        if operator in ("in", "contains"):
            pair = (left, right) if operator == "in" else (right, left)
            return from_truth(logic.membership(*pair, self.exact))
        one, other = logic.operand(left, self.exact), logic.operand(right, self.exact)
        if operator in ("~", "!~"):
            wanted = operator == "~"
            return from_truth(lambda this, context: equivalent(one(this, context), other(this, context)) is wanted)
        if operator == "&":
            return Code(lambda this, context: concatenate(one(this, context), other(this, context)), (STRING,))
        return Code(
            lambda this, context: arithmetic(operator, one(this, context), other(this, context)),
            arithmetic_types(left, right),
        )

    def _chain(self, syntax: Operation) -> Code:
        """Compile `a op b op c …` as one; the left spine may be long."""
        operands = [syntax.right]
        left = syntax.left
        while type(left) is Operation and left.operator == syntax.operator:
            operands.append(left.right)
            left = left.left
        codes = [self.compile(part) for part in (left, *reversed(operands))]
        if syntax.operator == "and":
            return logic.all_of(codes)
        return logic.any_of(codes) if syntax.operator == "or" else self._union(codes)

    def _union(self, codes: list[Code]) -> Code:
        types = common_types(codes)
        if not self.exact:
            refuse_dates(types)
        constants = [code.constant for code in codes if code.constant is not None]
        if len(constants) == len(codes):
            items = [item for constant in constants for item in constant]
            return from_items(union(items, [[]], Context()), types)
        runs = [code.run for code in codes]

        def run(this: Any, context: Context) -> Items:
            return union([item for part in runs for item in part(this, context)], [[]], context)

        return Code(run, types)

    def _call(self, syntax: Call) -> Code:
        name, count = syntax.name, len(syntax.arguments)
        if name in ("is", "as", "ofType"):
            self._check_count(syntax, 1, 1)
            source = self._this() if syntax.source is None else self.compile(syntax.source)
            return self._typed(name, source, type_argument(syntax), syntax.position)
        if name == "iif":
            self._check_count(syntax, 2, 3)
            given = None if syntax.source is None else self.compile(syntax.source)
            return iteration.immediate_if(self, given, syntax.arguments)
        builder = iteration.BUILDERS.get(name)
        function = FUNCTIONS.get(name)
        if builder is None and function is None:
            raise FhirPathError(f"unknown function {name}()", syntax.position)
        source = self._this() if syntax.source is None else self.compile(syntax.source)
        if builder is not None:
            self._check_count(syntax, *builder[1:])
            return builder[0](self, source, syntax.arguments)
        assert function is not None
        self._check_count(syntax, function.minimum, function.maximum)
        if name in ("matches", "replaceMatches") and count and isinstance(syntax.arguments[0], Literal):
            check_pattern(str(syntax.arguments[0].value))
        return call(name, function, source, [self.compile(part) for part in syntax.arguments], self.exact)

    def _check_count(self, syntax: Call, minimum: int, maximum: int) -> None:
        if not minimum <= len(syntax.arguments) <= maximum:
            wanted = str(minimum) if minimum == maximum else f"{minimum} to {maximum}"
            raise FhirPathError(
                f"{syntax.name}() takes {wanted} arguments, not {len(syntax.arguments)}", syntax.position
            )


def _wrapped(item: Any) -> Any:
    return node_of(item) if type(item) is dict else item


def _nodes_of(value: Any) -> Items:
    if type(value) is Focus:
        return value.items
    return [] if value is None else [node_of(value)]


_SYSTEM_TYPES: dict[type, str] = {
    str: STRING,
    bool: "System.Boolean",
    int: "System.Integer",
    Decimal: "System.Decimal",
    Temporal: "System.DateTime",
    Quantity: "System.Quantity",
}
_DISPATCH: dict[type, Callable[[Compiler, Any], Code]] = {
    Literal: Compiler._literal,
    EmptyCollection: Compiler._empty,
    Constant: Compiler._constant,
    Variable: Compiler._variable,
    Member: Compiler._member,
    Call: Compiler._call,
    Index: Compiler._index,
    Sign: Compiler._sign,
    Operation: Compiler._operation,
    TypeOperation: Compiler._type_operation,
}
