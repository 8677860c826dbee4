"""Tokens to a syntax tree: precedence climbing over the grammar of FHIRPath N1, with bounded nesting."""

from __future__ import annotations

from decimal import Decimal

from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.lexer import Token, tokens
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
from adapter.validation.fhirpath.values import CALENDAR_UNITS, Quantity, parse_temporal, parse_time

MAXIMUM_DEPTH = 60
"""Deepest nesting of brackets and arguments."""

MAXIMUM_CHAIN = 100
"""Most `.steps` or operators of one kind in a row, other than `|`, `and` and `or`."""

_PRECEDENCE = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<": 6,
    ">": 6,
    "<=": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_SIGN_PRECEDENCE = 11
_FLATTENED = frozenset({"|", "and", "or"})
_NAMES_ALSO_OPERATORS = frozenset({"is", "as", "in", "contains"})


def parse(text: str) -> Syntax:
    """Return the syntax tree of an expression.

    Raises:
        FhirPathError: the text is no FHIRPath expression or is nested too deep.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Syntax:
        result = self._expression(0)
        if self._now.kind != "end":
            raise FhirPathError("unexpected text after the expression", self._now.position)
        return result

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _symbol(self, symbol: str) -> bool:
        """Step over the symbol if it stands here."""
        if self._now.kind == "symbol" and self._now.text == symbol:
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._symbol(symbol):
            raise FhirPathError(f"'{symbol}' expected", self._now.position)

    def _expression(self, minimum: int) -> Syntax:
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH:
            raise FhirPathError("expression is nested too deep", self._now.position)
        left = self._signed()
        chain = 0
        while (precedence := self._binary_precedence()) >= max(minimum, 1):
            token = self._next()
            chain += token.text not in _FLATTENED
            if chain > MAXIMUM_CHAIN:
                raise FhirPathError("too many operators in a row", token.position)
            if token.text in ("is", "as"):
                left = TypeOperation(token.text, left, self._type_name(), token.position)
            else:
                left = Operation(token.text, left, self._expression(precedence + 1), token.position)
        self._depth -= 1
        return left

    def _binary_precedence(self) -> int:
        token = self._now
        return _PRECEDENCE.get(token.text, 0) if token.kind in ("symbol", "name") else 0

    def _signed(self) -> Syntax:
        token = self._now
        if token.kind == "symbol" and token.text in "+-":
            self._at += 1
            return Sign(token.text, self._expression(_SIGN_PRECEDENCE))
        return self._path()

    def _path(self) -> Syntax:
        result = self._term()
        for _ in range(MAXIMUM_CHAIN):
            if self._symbol("."):
                result = self._invocation(result)
            elif self._symbol("["):
                result = Index(result, self._expression(0))
                self._expect("]")
            else:
                return result
        raise FhirPathError("too many steps in a row", self._now.position)

    def _term(self) -> Syntax:
        token = self._now
        if token.kind == "symbol":
            return self._bracketed()
        if token.kind in ("name", "quoted-name"):
            if token.kind == "name" and token.text in ("true", "false"):
                self._at += 1
                return Literal(token.text == "true")
            return self._invocation(None)
        self._at += 1
        if token.kind == "string":
            return Literal(token.text)
        if token.kind == "number":
            return self._number(token)
        if token.kind in ("datetime", "time"):
            return self._temporal(token)
        if token.kind == "constant":
            return Constant(token.text, token.position)
        if token.kind == "variable":
            return Variable(token.text, token.position)
        raise FhirPathError("expression expected", token.position)

    def _bracketed(self) -> Syntax:
        token = self._next()
        if token.text == "(":
            inner = self._expression(0)
            self._expect(")")
            return inner
        if token.text == "{":
            self._expect("}")
            return EmptyCollection()
        raise FhirPathError("expression expected", token.position)

    def _number(self, token: Token) -> Syntax:
        number: int | Decimal = Decimal(token.text) if "." in token.text or len(token.text) > 18 else int(token.text)
        following = self._now
        if following.kind == "string":
            self._at += 1
            return Literal(Quantity(Decimal(number), following.text))
        if following.kind == "name" and following.text in CALENDAR_UNITS:
            self._at += 1
            return Literal(Quantity(Decimal(number), CALENDAR_UNITS[following.text]))
        return Literal(number)

    def _temporal(self, token: Token) -> Syntax:
        value = parse_time(token.text[1:]) if token.kind == "time" else parse_temporal(token.text)
        if value is None:
            raise FhirPathError("no such date or time", token.position)
        return Literal(value)

    def _invocation(self, source: Syntax | None) -> Syntax:
        token = self._next()
        if token.kind == "variable" and source is not None:
            raise FhirPathError("a variable cannot follow a step", token.position)
        if token.kind not in ("name", "quoted-name"):
            raise FhirPathError("name expected", token.position)
        if not (token.kind == "name" and self._symbol("(")):
            if source is None and token.text in _PRECEDENCE and token.text not in _NAMES_ALSO_OPERATORS:
                raise FhirPathError("expression expected", token.position)
            return Member(source, token.text, token.position)
        arguments: list[Syntax] = []
        if not self._symbol(")"):
            arguments.append(self._expression(0))
            while self._symbol(","):
                arguments.append(self._expression(0))
            self._expect(")")
        return Call(source, token.text, tuple(arguments), token.position)

    def _type_name(self) -> str:
        token = self._next()
        bracketed = token.kind == "symbol" and token.text == "("
        if bracketed:
            token = self._next()
        if token.kind not in ("name", "quoted-name"):
            raise FhirPathError("name of a type expected", token.position)
        name = token.text
        while self._symbol("."):
            part = self._next()
            if part.kind not in ("name", "quoted-name"):
                raise FhirPathError("name of a type expected", part.position)
            name += "." + part.text
        if bracketed:
            self._expect(")")
        return name
