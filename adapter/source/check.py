"""A record against its schema: accepted fast, or every problem at once in words for people.

The verdict is that of JSON Schema 2020-12 with two differences, both on purpose: an integer is written without a
fraction (`1.0` is none), and a binary float from Python is refused because its digits are lost.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.i18n import catalogue
from adapter.source import identity_code, paths
from adapter.source.accept import pattern_matches
from adapter.source.formats import FORMATS
from adapter.source.vocabulary import Node
from adapter.types import Issue, Json, Severity, SourcePlace

if TYPE_CHECKING:
    from adapter.source.schema import Schema

MOST_ISSUES = 100
"""So many problems of one record are told; a document that is wrong everywhere is not listed to its end."""


def check(record: Json, schema: Schema, *, check_character: Severity = "error") -> list[Issue]:
    """Return all problems of a record, each with the sender's path; an empty list when there are none.

    Args:
        record: as read by `read_json` or `read_xml`.
        schema: of the record type.
        check_character: severity of a wrong check character of an identity code. National sample data carry
            wrong ones, so a test system may set `warning`.
    """
    if schema.accepts(record):
        return []
    found = problems_of(record, schema.document, schema, check_character)
    more = len(found) - MOST_ISSUES
    if more > 0:
        rest = Issue("information", "source.more-problems", {"count": str(more)}, source=SourcePlace(paths.ROOT))
        return [*found[:MOST_ISSUES], rest]
    return found


def problems_of(
    value: Json, node: Node | bool, schema: Schema, check_character: Severity = "error", path: str = paths.ROOT
) -> list[Issue]:
    """Return the problems of a value against one node of a schema; slow and exact."""
    explainer = _Explainer(schema, check_character)
    explainer.check(value, node, path)
    return explainer.issues


def satisfies(value: Json, node: Node, schema: Schema) -> bool:
    """Tell whether the exact check finds nothing, warnings included."""
    return not problems_of(value, node, schema)


class _Explainer:
    def __init__(self, schema: Schema, check_character: Severity) -> None:
        self.schema = schema
        self.check_character = check_character
        self.issues: list[Issue] = []

    def tell(self, name: str, path: str, severity: Severity = "error", /, **values: str) -> None:
        issue = Issue(severity, f"source.{name}", values, source=SourcePlace(path))
        if issue not in self.issues:
            self.issues.append(issue)

    def trial(self, value: Json, node: Node | bool, path: str) -> list[Issue]:
        return problems_of(value, node, self.schema, self.check_character, path)

    def check(self, value: Json, node: Node | bool, path: str) -> None:
        if isinstance(node, bool):
            if not node:
                self.tell("not-allowed", path)
            return
        node = self.schema.resolved(node)
        found = type_of(value)
        if found == "float":
            self.tell("binary-float", path)
            return
        expected = _types(node)
        if expected and found not in expected and not (found == "integer" and "number" in expected):
            self.tell("wrong-type", path, expected=", ".join(expected), found=found)
            return
        self.check_listed(value, node, path)
        if isinstance(value, str):
            self.check_text(value, node, path)
        elif isinstance(value, dict):
            self.check_object(value, node, path)
        elif isinstance(value, list):
            self.check_list(value, node, path)
        elif found in ("integer", "number"):
            self.check_number(value, node, path)
        self.check_composed(value, node, path)

    def check_listed(self, value: Json, node: Node, path: str) -> None:
        """`x-codes`, `enum`, `const`."""
        allowed: Sequence[Json] = ()
        words: Sequence[str] = ()
        if "enum" in node:
            allowed = node["enum"]
        elif "const" in node:
            allowed = (node["const"],)
        elif "x-codes" in node:
            allowed, words = self.schema.codes(node["x-codes"]), self.schema.words(node["x-codes"])
        if not allowed or any(_equal(value, one) for one in allowed):
            return
        codes = [_word(one) for one in allowed]
        said = ", ".join(words or codes)
        near = difflib.get_close_matches(value, codes, n=1) if isinstance(value, str) else []
        if near:
            self.tell("code-not-in-list-near", path, allowed=said, near=near[0])
        else:
            self.tell("code-not-in-list", path, allowed=said)

    def check_text(self, value: str, node: Node, path: str) -> None:
        if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
            self.tell("lone-surrogate", path)
            return
        length = str(len(value))
        shapeless = "pattern" in node and not pattern_matches(node["pattern"])(value)
        if not value.strip() and (shapeless or len(value) < node.get("minLength", 0)):
            self.tell("empty-text", path)
            return
        if len(value) < node.get("minLength", 0):
            self.tell("too-short", path, limit=str(node["minLength"]), length=length)
        if len(value) > node.get("maxLength", len(value)):
            self.tell("too-long", path, limit=str(node["maxLength"]), length=length)
        wrong_format = "format" in node and self.check_format(value, node["format"], path)
        if shapeless and not wrong_format:
            self.wrong_pattern(value, node["pattern"], path)
        if node.get("x-no-identity-code") and identity_code.is_inside(value):
            self.tell("identity-code-inside", path)

    def wrong_pattern(self, value: str, pattern: str, path: str) -> None:
        """A pattern of a named definition has a message of its own where the catalogue knows one."""
        name = self.message_of_definition(pattern)
        if name in catalogue("source"):
            self.tell(name, path, length=str(len(value)))
        else:
            self.tell("wrong-pattern", path, pattern=pattern, length=str(len(value)))

    def message_of_definition(self, key: str | int) -> str:
        return f"not-a-{self.schema.text_names.get(key, '')}".replace("_", "-")

    def check_format(self, value: str, name: str, path: str) -> bool:
        """Tell what is wrong with a text of a format, and return whether something is."""
        written = FORMATS[name]
        if not pattern_matches(rf"^(?:{written.pattern})$")(value):
            self.tell(written.message.removeprefix("source."), path, length=str(len(value)))
            return True
        problem = written.problem(value) if written.problem else None
        if problem == "source.identity-code-check":
            self.tell("identity-code-check", path, self.check_character)
        elif problem:
            self.tell(problem.removeprefix("source."), path)
        return problem is not None

    def check_number(self, value: int | Decimal, node: Node, path: str) -> None:
        for word, (message, holds) in _BOUNDS.items():
            if word in node and not holds(value, node[word]):
                self.tell(message, path, limit=str(node[word]))

    def check_list(self, value: list[Json], node: Node, path: str) -> None:
        count = str(len(value))
        if len(value) < node.get("minItems", 0):
            self.tell("too-few-items", path, limit=str(node["minItems"]), count=count)
        if len(value) > node.get("maxItems", len(value)):
            self.tell("too-many-items", path, limit=str(node["maxItems"]), count=count)
        if node.get("uniqueItems"):
            for index, one in enumerate(value):
                if any(_equal(one, other) for other in value[:index]):
                    self.tell("item-twice", paths.item(path, index))
        if "items" in node:
            for index, one in enumerate(value):
                self.check(one, node["items"], paths.item(path, index))

    def check_object(self, value: dict[str, Json], node: Node, path: str) -> None:
        properties: dict[str, Any] = node.get("properties", {})
        more = node.get("additionalProperties", True)
        for name, part in value.items():
            if name in properties:
                self.check(part, properties[name], paths.field(path, name))
            elif more is False:
                self.unknown_field(name, properties, value, path)
            else:
                self.check(part, more, paths.field(path, name))
        for name in node.get("required", ()):
            if name not in value:
                self.tell("missing-field", paths.field(path, name), field=name)
        for name, needed in node.get("dependentRequired", {}).items():
            for other in needed if name in value else ():
                if other not in value:
                    self.tell("missing-beside", paths.field(path, other), field=other, beside=name)
        count = len(value.keys() & properties.keys()) if more is False else len(value)
        least, most = node.get("minProperties", 0), node.get("maxProperties", count)
        if least == most == 1 != count:
            self.tell("one-of", path, fields=" | ".join(properties))
        elif count < least:
            self.tell("too-few-fields", path, limit=str(least), fields=", ".join(properties))
        elif count > most:
            self.tell("too-many-fields", path, limit=str(most))

    def unknown_field(self, name: str, known: Iterable[str], present: dict[str, Json], path: str) -> None:
        shown, here = paths.shown(name), paths.field(path, name)
        free = [field for field in known if field not in present]
        near = difflib.get_close_matches(name, free, n=1)
        if near:
            self.tell("unknown-field-near", here, field=shown, near=near[0])
        else:
            self.tell("unknown-field", here, field=shown, known=", ".join(sorted(known)))

    def check_composed(self, value: Json, node: Node, path: str) -> None:
        for part in node.get("allOf", ()):
            self.check(value, part, path)
        for word in ("oneOf", "anyOf"):
            if word in node:
                self.check_alternatives(value, node[word], path, only_one=word == "oneOf")
        if "not" in node and not _errors(self.trial(value, node["not"], path)):
            together = self.schema.resolved(node["not"]).get("required", ())
            if together:
                self.tell("not-together", path, fields=", ".join(together))
            else:
                self.tell("not-allowed", path)
        if "if" in node:
            branch = "else" if _errors(self.trial(value, node["if"], path)) else "then"
            self.check(value, node.get(branch, True), path)

    def check_alternatives(self, value: Json, alternatives: list[Node], path: str, *, only_one: bool) -> None:
        parts = [self.schema.resolved(part) for part in alternatives]
        trials = [self.trial(value, part, path) for part in parts]
        holding = [trial for trial in trials if not _errors(trial)]
        if len(holding) == 1 or (holding and not only_one):
            self.issues += [issue for issue in holding[0] if issue not in self.issues]
            return
        fields = _distinguishing(parts)
        given = [at for at, names in enumerate(fields) if isinstance(value, dict) and names & value.keys()]
        choice = " | ".join(" + ".join(sorted(names)) for names in fields)
        if isinstance(value, dict) and all(fields) and len(given) != 1:
            self.tell("one-of" if only_one else "any-of", path, fields=choice)
        elif holding:
            self.tell("several-alternatives", path)
        elif given:
            self.issues += trials[given[0]]
        else:
            self.closest(value, alternatives, trials, path)

    def closest(self, value: Json, alternatives: list[Node], trials: list[list[Issue]], path: str) -> None:
        """Tell the problems of the nearest alternative: of the right type and shape, with the fewest problems."""
        parts = [self.schema.resolved(part) for part in alternatives]
        types = list(dict.fromkeys(name for part in parts for name in _types(part)))
        found = type_of(value)
        if types and found not in types and not (found == "integer" and "number" in types):
            self.tell("wrong-type", path, expected=", ".join(types), found=found)
            return
        name = self.message_of_definition(id(alternatives))
        if name in catalogue("source") and not any(self.has_shape(value, part) for part in parts):
            self.tell(name, path)
            return
        fitting = [at for at, part in enumerate(parts) if found in (_types(part) or (found,))] or range(len(parts))
        nearest = min(fitting, key=lambda at: (not self.has_shape(value, parts[at]), len(trials[at])))
        self.issues += trials[nearest]

    def has_shape(self, value: Json, node: Node) -> bool:
        """Tell whether a text matches the pattern of a node, or of one of its alternatives."""
        node = self.schema.resolved(node)
        if "anyOf" in node:
            return any(self.has_shape(value, part) for part in node["anyOf"])
        return isinstance(value, str) and "pattern" in node and pattern_matches(node["pattern"])(value)


_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("number-too-small", operator.ge),
    "maximum": ("number-too-large", operator.le),
    "exclusiveMinimum": ("number-not-above", operator.gt),
    "exclusiveMaximum": ("number-not-below", operator.lt),
}


def type_of(value: Json) -> str:
    """Return the JSON Schema type of a value as we read it; `float` for a binary float from Python."""
    if isinstance(value, bool):
        return "boolean"
    for kind, name in _TYPE_NAMES:
        if isinstance(value, kind):
            return name
    return "null" if value is None else type(value).__name__


_TYPE_NAMES = ((str, "string"), (dict, "object"), (list, "array"), (int, "integer"), (Decimal, "number"))


def _types(node: Node) -> tuple[str, ...]:
    names = node.get("type", ())
    return (names,) if isinstance(names, str) else tuple(names)


def _errors(issues: list[Issue]) -> bool:
    return any(issue.severity in ("fatal", "error") for issue in issues)


def _equal(one: Json, other: Json) -> bool:
    return type_of(one) == type_of(other) and bool(one == other)


def _word(value: Json) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value)) if not isinstance(value, str) else value


def _distinguishing(parts: list[Node]) -> list[set[str]]:
    """For each alternative the fields that it requires and not every other one does, too."""
    required = [set(part.get("required", ())) for part in parts]
    common = set.intersection(*required) if required else set()
    return [names - common for names in required]
