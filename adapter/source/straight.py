"""The fast judgement of a record: its schema as straight-line Python, one function for each closed object.

A text of a closed code list, a plain line and what holds others are judged in the generated lines; for any other
value they call the pydantic-core validator of `adapter.source.accept`. The same professional or organisation stands in
many places of a record: what was judged is not judged again in the same words. The generated functions only say yes or
«look exactly»; a property test holds them against the exact check and the library `jsonschema`.
"""

from __future__ import annotations

import linecache
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter.source.accept import Judge, NodeCompiler
from adapter.source.vocabulary import JUDGING, Node
from adapter.types import Json

if TYPE_CHECKING:
    from adapter.source.schema import Schema

_ONE_LINE = r"[^\s\u0000-\u001F\u007F-\u009F]"
PLAIN_PATTERNS = frozenset(
    rf"^{_ONE_LINE}([^{inside}\u007F-\u009F]*{_ONE_LINE})?$"
    for inside in (r"\u0000-\u001F", r"\u0000-\u0008\u000B\u000C\u000E-\u001F")
)
"""Patterns of `line` and `text`: whatever Python calls printable matches them when no blank stands at its ends."""

_REFUSALS = (KeyError, TypeError, AttributeError, ValueError)
"""What the generated lines raise on a value that is not plainly right."""


def compiled(schema: Schema, judge: Judge) -> Callable[[Json], int]:
    """Compile a schema to a function that takes a record and never raises.

    It returns how many names and texts stand in the record, each as often as it stands there, or -1 for «look
    exactly».
    """
    writer = _Writer(schema, NodeCompiler(schema, judge))
    top = writer.top()

    def count(value: Json) -> int:
        try:
            return top(value)
        except _REFUSALS:
            return -1

    return count


def names_and_texts(value: Json) -> int:
    """Count the names of fields and the texts in a value of any form."""
    if isinstance(value, dict):
        return len(value) + sum(map(names_and_texts, value.values()))
    return sum(map(names_and_texts, value)) if isinstance(value, list) else int(isinstance(value, str))


@dataclass(frozen=True, slots=True)
class _Judged:
    """Lines that judge a value.

    Attributes:
        lines: they refuse, and add to `m` what stands in the value.
        is_text: they have nothing to add, because the value is one text.
        of_texts: what they let pass is made of texts alone, so that what equals it passes too (`1 == True`).
    """

    lines: list[str]
    is_text: bool = False
    of_texts: bool = False


class _Writer:
    def __init__(self, schema: Schema, leaves: NodeCompiler) -> None:
        self.schema = schema
        self.leaves = leaves
        self.names: dict[str, Any] = {"counted": names_and_texts}
        self.made: dict[Any, str] = {}
        self.of_texts: set[str] = set()
        self.mentions = Counter(_references(schema.document))
        self.remembering: list[str] = []
        self.functions: list[str] = []

    def top(self) -> Callable[[Json], int]:
        """Return the function of the whole schema."""
        judged = self.value(self.schema.document)
        seen = ", ".join(f"{name!r}: {{}}" for name in self.remembering)
        start = ["def top(v):", f"    m, seen = {int(judged.is_text)}, {{{seen}}}"]
        lines = [*start, *judged.lines, "    return m"]
        self.functions.append("\n".join(lines))
        text = "\n".join(self.functions) + "\n"
        file = f"<schema {self.schema.name}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), self.names)  # noqa: S102 - the text is generated from a checked schema
        found: Callable[[Json], int] = self.names["top"]
        return found

    def value(self, part: Node | bool, name: str = "v", pad: str = "    ") -> _Judged:
        """Return what judges the value in a variable."""
        node: Node = {} if isinstance(part, bool) else self.schema.resolved(part)
        words = node.keys() & JUDGING
        listed = self.leaves.listed(node)
        if _is_closed(node):
            judge = self.function(part, node)
            return _Judged([f"{pad}m += {judge}({name}, seen)"], of_texts=judge in self.of_texts)
        if part is False or words & _COMPOSED:
            return self.leaf(part, name, pad)
        if listed is not None:
            return _Judged([f"{pad}if {name} not in {self.named('C', listed)}: raise ValueError"], True, True)
        if node.get("type") == "array" and "items" in node:
            return self.items(node, name, pad)
        if words <= _PLAIN and node.get("pattern") in PLAIN_PATTERNS and node.get("type") == "string":
            return self.plain(part, node, name, pad)
        return self.leaf(part, name, pad)

    def plain(self, part: Node | bool, node: Node, name: str, pad: str) -> _Judged:
        """Judge a line or text: most need no regular expression."""
        test = f'{name}.isprintable() and {name}.strip() == {name} != ""'
        shortest, longest = node.get("minLength", 0), node.get("maxLength")
        test += f" and len({name}) >= {shortest}" if shortest > 1 else ""
        test += f" and len({name}) <= {longest}" if longest is not None else ""
        return _Judged([f"{pad}if not ({test}) and not {self.validator(part)}({name}): raise ValueError"], True, True)

    def leaf(self, part: Node | bool, name: str, pad: str) -> _Judged:
        """Judge a value by pydantic-core."""
        refuse = f"{pad}if not {self.validator(part)}({name}): raise ValueError"
        kind = "" if isinstance(part, bool) else self.schema.resolved(part).get("type", "")
        if kind in ("string", "number", "integer", "boolean"):
            return _Judged([refuse], kind == "string", kind == "string")
        return _Judged([refuse, f"{pad}m += counted({name})"])

    def items(self, node: Node, name: str, pad: str) -> _Judged:
        """Judge a list, item by item."""
        lines = [f"{pad}if type({name}) is not list: raise ValueError"]
        lines += [f"{pad}if len({name}) < {node['minItems']}: raise ValueError"] if "minItems" in node else []
        lines += [f"{pad}if len({name}) > {node['maxItems']}: raise ValueError"] if "maxItems" in node else []
        if node.get("uniqueItems"):
            lines.append(f"{pad}if not {self.named('D', self.leaves.are_different)}({name}): raise ValueError")
        inner = self.value(node["items"], f"{name}v", f"{pad}    ")
        lines += [f"{pad}m += len({name})"] if inner.is_text else []
        lines += [f"{pad}for {name}v in {name}:", *inner.lines] if inner.lines else []
        return _Judged(lines, of_texts=inner.of_texts)

    def function(self, part: Node | bool, node: Node) -> str:
        """Return the name of the function that judges a closed object; one object is judged by one function."""
        key = _key(part)
        if key not in self.made:
            name = self.made[key] = f"o{len(self.made)}"
            self.functions.append(
                "\n".join([f"def {name}(s, seen):", *self.object(node, name, self.mentions[key] > 1)])
            )
        return self.made[key]

    def object(self, node: Node, name: str, often: bool) -> list[str]:
        """Judge an object: `n` counts its fields, `t` those among them that are texts, `m` what stands deeper."""
        required = node.get("required", ())
        judged: list[str] = []
        texts, of_texts = 0, True
        first = ""
        for field, part in node["properties"].items():
            if field in required:
                found = self.value(part)
                texts += found.is_text
                first = first or (field if found.is_text else "")
                judged += [f"    v = s[{field!r}]", *found.lines]
            else:
                found = self.value(part, pad="        ")
                count = f"        {'t' if found.is_text else 'n'} += 1"
                judged += [f"    if {field!r} in s:", f"        v = s[{field!r}]", count, *found.lines]
            of_texts = of_texts and found.of_texts
        others = sum(field in required for field in node["properties"]) - texts
        lines = [
            f"    n, t, m = {others}, {texts}, 0",
            *judged,
            "    if len(s) != n + t: raise ValueError",
            *(f"    {self.named('X', check)}(s)" for check in self.leaves.object_checks(node)),
        ]
        if of_texts:
            self.of_texts.add(name)
        kind = ["    if type(s) is not dict: raise TypeError"]
        if often and of_texts and first and len(node["properties"]) >= _WORTH_REMEMBERING:
            self.remembering.append(name)
            return [*kind, *_remembered(name, first, lines)]
        return [*kind, *lines, "    return n + 2 * t + m"]

    def validator(self, part: Node | bool) -> str:
        key = ("L", _key(part))
        if key not in self.made:
            self.made[key] = f"L{len(self.made)}"
            self.names[self.made[key]] = self.leaves.validator(part)
        return self.made[key]

    def named(self, letter: str, thing: Any) -> str:
        """Return the name of an object of the generated text."""
        name = f"{letter}{len(self.names)}"
        self.names[name] = thing
        return name


_COMPOSED = frozenset(("oneOf", "anyOf", "allOf", "not", "if"))
_PLAIN = frozenset(("$ref", "type", "pattern", "minLength", "maxLength"))


_WORTH_REMEMBERING = 4
"""Fields from which on an object takes longer to judge than to compare."""


def _remembered(name: str, first: str, lines: list[str]) -> list[str]:
    """Return the lines of an object that is judged once in a record, however often it stands there; `first` is a text
    by which it is found again."""
    return [
        f"    k, known = s[{first!r}], seen[{name!r}]",
        "    e = known.get(k)",
        "    if e is not None and e[0] == s: return e[1]",
        *lines,
        "    m += n + 2 * t",
        "    known[k] = s, m",
        "    return m",
    ]


def _references(part: Json) -> Iterator[str]:
    """Yield what the `$ref`s of a schema name, each as often as it stands there."""
    if isinstance(part, dict):
        for key, child in part.items():
            if key == "$ref":
                yield child
            else:
                yield from _references(child)
    elif isinstance(part, list):
        for child in part:
            yield from _references(child)


def _is_closed(node: Node) -> bool:
    """True for an object whose fields are all named."""
    return node.get("type") == "object" and node.get("additionalProperties") is False and "properties" in node


def _key(part: Node | bool) -> Any:
    """Return what two schema objects have in common that judge alike: a name, or being the same object."""
    if not isinstance(part, bool) and part.keys() & JUDGING == {"$ref"}:
        return part["$ref"]
    return part if isinstance(part, bool) else id(part)
