"""The writer of generated Python: lines, names, fields, conditions and loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapter.mapping.model import Condition, Row, Rule, SourcePath, Step
from adapter.types import Json

Numbers = dict[tuple[int, str], int]
"""What the generated text notes, by the `id` of a node of the trees (and a part of it)."""


class Writer:
    """Lines of Python, the objects they name, and the rules whose resources they may refer to.

    Scopes are `s0`, `s1`, …; positions of loops `i1`, `i2`, …; ids of resources `u_rule`.

    Args:
        names: objects that the text may name from the start.
        skips_empty: an empty text counts as missing (vendors' XML).
        notes: the text notes what it does, for the trace (see `note`).
        numbers: what the functions note that the text calls; its own numbers follow.
    """

    def __init__(self, names: dict[str, Any], skips_empty: bool, notes: bool, numbers: Numbers) -> None:
        self.names = names
        self.skips_empty = skips_empty
        self.notes = notes
        self.numbers = numbers
        self._next = max(numbers.values(), default=-1) + 1
        self.rules: dict[str, Rule] = {}
        self._lines: list[str] = []
        self._depth = 0
        self._count = 0
        self._known: dict[tuple[str, int], str] = {}
        self._constants: dict[str, Json] = {}

    def text(self) -> str:
        """Return the whole text."""
        return "\n".join(self._lines) + "\n"

    def line(self, text: str, row: Row | None = None) -> None:
        """Write one line; the row's place stands behind it."""
        comment = f"  # {row.target} (line {row.line})" if row else ""
        self._lines.append("    " * self._depth + text + comment)

    def note(self, thing: object, part: str = "") -> None:
        """Write that something of the trees was done here, which the trees alone do not tell: its number is noted.

        Args:
            thing: a row that was written, a kind whose condition is met, a step that takes one more turn.
            part: `default`, or the number of a source that is there.
        """
        if self.notes:
            number = self.numbers.setdefault((id(thing), part), self._next)
            self._next = max(self._next, number + 1)
            self.line(f"notes.append({number})")

    def note_expression(self, expression: str) -> None:
        """Write that the value of an expression is noted: ids of resources, a count, an earlier place in the notes."""
        if self.notes:
            self.line(f"notes.append({expression})")

    def enter(self, head: str) -> None:
        """Open a block; `nested` closes it."""
        self.line(head)
        self._depth += 1

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is written inside; a block without lines is given `pass`."""
        self.enter(head)
        start = len(self._lines)
        yield
        if len(self._lines) == start:
            self.line("pass")
        self._depth -= 1

    @contextmanager
    def condition(self, when: Condition | None) -> Iterator[None]:
        """Write what is inside under `if`, or plainly without a condition."""
        if when is None:
            yield
            return
        with self.block(f"if {self.test(when)}:"):
            yield

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Close at the end whatever was opened inside with `enter` and `loop`."""
        depth = self._depth
        yield
        self._depth = depth

    def loop(self, step: Step, positions: bool) -> None:
        """Open the loop of one step of `each`; `positions`: its position is needed."""
        scope = f"s{step.source.depth + 1}"
        source = self.get(step.source)
        if not step.is_list:
            self.line(f"{scope} = {source}")
            if not step.source.surely:
                self.enter(f"if {scope} is not None:")
            return
        several = source if step.source.surely else f"{source} or ()"
        head = f"i{step.source.depth + 1}, {scope} in enumerate({several})" if positions else f"{scope} in {several}"
        self.enter(f"for {head}:")

    def temporary(self) -> str:
        """Return a name that nothing else has."""
        self._count += 1
        return f"t{self._count}"

    def named(self, letter: str, thing: Any) -> str:
        """Return the name of an object of the generated text, the same name for the same object."""
        key = (letter, id(thing))
        if key not in self._known:
            self._known[key] = f"{letter}{len(self._known)}"
            self.names[self._known[key]] = thing
        return self._known[key]

    def constant(self, value: Json) -> str:
        """Return the expression of a constant; to copy a flat dict is three times as fast as to write it anew."""
        if isinstance(value, list):
            return f"[{', '.join(map(self.constant, value))}]"
        if not isinstance(value, dict):
            return repr(value)
        if len(value) > 1 and not any(isinstance(inner, dict | list) for inner in value.values()):
            return f"{self.named('D', self._constants.setdefault(repr(value), value))}.copy()"
        return f"{{{', '.join(f'{key!r}: {self.constant(inner)}' for key, inner in value.items())}}}"

    def id_names(self, rule: Rule) -> tuple[str, str]:
        """Return the variables with the ids of a rule and with its identifiers (empty: it has none)."""
        name = rule.name.replace("-", "_")
        return f"u_{name}", f"n_{name}" if rule.identity is not None and rule.identity.first else ""

    def part(self, rule: Rule) -> str:
        """Return the expression of a rule's part name at the loop positions here."""
        if rule.main:
            return '""'
        places = "".join(f".{{i{number + 1}}}" for number, step in enumerate(rule.steps) if step.is_list)
        return f'f"{rule.name}{places}"' if places else f'"{rule.name}"'

    def get(self, source: SourcePath) -> str:
        """Return the expression of a field, None when it is missing."""
        if source.special:
            return f'run.special("{source.special}")'
        scope = f"s{source.depth}"
        if source.surely:
            return scope + "".join(f"[{key!r}]" for key in source.keys)
        for key in source.keys[:-1]:
            scope = f"({scope}.get({key!r}) or E)"
        return f"{scope}.get({source.keys[-1]!r})"

    def test(self, when: Condition) -> str:
        """Return the expression of a condition."""
        found = [self.get(source) for source in when.sources]
        if when.test == "present":
            return " or ".join(f"{one} is not None" for one in found)
        if when.test == "absent":
            return " and ".join(f"{one} is None" for one in found)
        return f"{found[0]} {'in' if when.test == 'in' else 'not in'} {when.values!r}"


def reference(urn: str, type_: str) -> str:
    """Return the expression of a FHIR reference."""
    return f'{{"reference": {urn}, "type": "{type_}"}}'


def references(ids: str, loops: int, type_: str) -> str:
    """Return the expression of the references to all resources whose ids stand in lists in lists, None for gaps."""
    if loops == 0:
        return f"([] if {ids} is None else [{reference(ids, type_)}])"
    around = f"for a in {ids} " * (loops > 1) + "for a in a " * (loops - 2)
    return f"[{reference('u', type_)} {around}for u in {'a' if around else ids} if u is not None]"


def loops_of(rule: Rule, outer: int = 0) -> int:
    """Return how many lists a rule walks through, those of the first `outer` steps left out."""
    return sum(step.is_list for step in rule.steps[outer:])
