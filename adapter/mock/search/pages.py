"""Pages of a result: the list of matches is fixed at the first request, so pages stay stable while data grows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

REMEMBERED = 200
"""Results that a namespace keeps for paging; the oldest is forgotten first and its pages answer 410."""


@dataclass(frozen=True, slots=True)
class Result:
    """A fixed result.

    Attributes:
        sequences: sequence numbers of the versions found.
        context: what is needed to show a page of them.
        client: id of the system that searched; nobody else may turn its pages.
    """

    sequences: list[int]
    size: int
    context: Any
    client: str


class Pages:
    """The results that can still be paged through, by opaque token.

    Args:
        draw: gives the tokens.
    """

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._results: OrderedDict[str, Result] = OrderedDict()

    def keep(self, result: Result) -> str:
        """Remember a result and return its token."""
        token = self._draw()
        self._results[token] = result
        if len(self._results) > REMEMBERED:
            self._results.popitem(last=False)
        return token

    def get(self, token: str, client: str) -> Result | None:
        """Return a result, or None when it was forgotten or is another client's."""
        found = self._results.get(token)
        return found if found is not None and found.client == client else None
