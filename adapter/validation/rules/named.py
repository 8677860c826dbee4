"""The closed list of named functions: for what FHIRPath cannot say, such as coverage of a period."""

from __future__ import annotations

from collections.abc import Callable

from adapter.validation.rules.model import Judgement

JUDGEMENTS: dict[str, Judgement] = {}
"""By name, filled by the modules of this package that use `judgement`."""


def judgement(name: str) -> Callable[[Judgement], Judgement]:
    """Register a function under the name that `profiles/rules/` uses."""

    def register(function: Judgement) -> Judgement:
        JUDGEMENTS[name] = function
        return function

    return register
