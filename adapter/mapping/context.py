"""What the rows of one file share while it is read: places, problems, rules, and which fields they account for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapter.data import YamlPath
from adapter.mapping.model import EmbeddedType, Row, Step
from adapter.mapping.problems import Problem
from adapter.mapping.scope import NoSuchField, Scope
from adapter.terminology import Terminology


@dataclass(frozen=True, slots=True)
class Use:
    """A field that a row accounts for.

    Attributes:
        path: dotted from the record; `subtree`: everything below counts, too.
        back: the row gives the field back; `one_way` the reason why not; neither: a copy.
    """

    path: str
    subtree: bool
    back: bool
    one_way: str
    row: Row


@dataclass(frozen=True, slots=True)
class RuleHead:
    """What rows must know of a rule that they refer to; `sure`: its resources are made for every item."""

    type: str
    steps: tuple[Step, ...]
    sure: bool


@dataclass(slots=True)
class FileContext:
    """What all rows of one file share while it is read; `shared` is the file of fragments that stand elsewhere."""

    mapping: str
    file: str
    places: dict[YamlPath, tuple[int, int]]
    terminology: Terminology
    find_type: Callable[[str], EmbeddedType]
    fragments: dict[str, Any] = field(default_factory=dict)
    shared: tuple[str, dict[YamlPath, tuple[int, int]]] = ("", {})
    rules: dict[str, RuleHead] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    used_types: dict[str, EmbeddedType] = field(default_factory=dict)
    rows: int = 0
    calls: int = 0
    last_call: Row | None = None

    def row(self, target: str, at: YamlPath) -> Row:
        """Return the place of a row."""
        file, places = self.file, self.places
        if at[:2] not in places and at[:2] in self.shared[1]:
            file, places = self.shared
        line = next((places[at[:n]][0] for n in range(len(at), -1, -1) if at[:n] in places), 1)
        return Row(self.mapping, target, file, line)

    def problem(self, row: Row, text: str) -> None:
        """Note what is wrong with a row; reading goes on."""
        self.problems.append(Problem(row.file, row.line, row.target, text))


class Unusable(Exception):  # noqa: N818 - never leaves the loader
    """A row that makes nothing; the problem is noted already."""


def account_for(
    scope: Scope, name: str, back: bool, one_way: str, row: Row, context: FileContext, subtree: bool = False
) -> None:
    """Note that a row accounts for a field."""
    try:
        _, _, dotted = scope.find(name)
    except NoSuchField:
        return
    context.uses.append(Use(dotted, subtree, back, one_way, row))
