"""The one error of FHIRPath: an expression that cannot be understood, or cannot be evaluated on this input."""

from __future__ import annotations


class FhirPathError(ValueError):
    """An expression is broken or has no answer.

    Raised by `compile_expression` for a syntax error, an unknown function, constant or type, a wrong number of
    arguments or an expression over the limits, and by `Expression.evaluate` where FHIRPath N1 calls for an error
    (several items where one is expected, an instant that the caller did not give).

    Attributes:
        position: character of the expression counted from 0, or None when it is not about one place.
    """

    def __init__(self, problem: str, position: int | None = None) -> None:
        super().__init__(problem if position is None else f"{problem} (at character {position + 1})")
        self.problem = problem
        self.position = position
