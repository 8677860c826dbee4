"""The syntax tree of FHIRPath: what the parser makes and the compiler reads."""

from __future__ import annotations

from dataclasses import dataclass

from adapter.validation.fhirpath.values import Value


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant of a System type."""

    value: Value


@dataclass(frozen=True, slots=True)
class EmptyCollection:
    """`{}`."""


@dataclass(frozen=True, slots=True)
class Constant:
    """`%name`, with the name without the sign."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$this`, `$index` or `$total`, with the name without the sign."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Member:
    """`source.name`; without a source the focus is meant."""

    source: Syntax | None
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """`source.name(arguments)`; without a source the focus is meant."""

    source: Syntax | None
    name: str
    arguments: tuple[Syntax, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Index:
    """`source[index]`."""

    source: Syntax
    index: Syntax


@dataclass(frozen=True, slots=True)
class Sign:
    """`+x` or `-x`."""

    sign: str
    operand: Syntax


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands and the operator's symbol or word."""

    operator: str
    left: Syntax
    right: Syntax
    position: int


@dataclass(frozen=True, slots=True)
class TypeOperation:
    """`operand is Type` or `operand as Type`."""

    operator: str
    operand: Syntax
    type_name: str
    position: int


Syntax = Literal | EmptyCollection | Constant | Variable | Member | Call | Index | Sign | Operation | TypeOperation
