"""How a function is declared: its code, how many arguments it takes, and what is known of its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from adapter.validation.fhirpath.nodes import Context, Items

Body = Callable[[Items, list[Items], Context], Items]
"""Input collection, evaluated arguments, what the evaluation may see → result."""

BOOLEAN = "System.Boolean"
INTEGER = "System.Integer"
STRING = "System.String"


class Function(NamedTuple):
    """One function.

    Attributes:
        body: see `Body`.
        minimum, maximum: number of arguments.
        result: type of the result's items: a System type, a FHIR type, `same` as the input, or empty if unknown.
        single: True when there is at most one result.
        needs_nodes: True when the function must know the FHIR types of its input.
    """

    body: Body
    minimum: int = 0
    maximum: int = 0
    result: str = ""
    single: bool = True
    needs_nodes: bool = False
