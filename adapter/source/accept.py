"""Nodes of a JSON Schema as pydantic-core validators, for the fast judgement (`adapter.source.straight`).

They only say yes or «look exactly». What pydantic-core has no word for is judged by the exact check itself, on the
one node that asks for it; so the two can only differ in speed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic_core import CoreSchema, SchemaError, SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from adapter.source import identity_code
from adapter.source.formats import FORMATS
from adapter.source.limits import DEFAULT
from adapter.source.presence import Check, alternatives_check, object_check, unique_texts
from adapter.source.vocabulary import JUDGING, Node
from adapter.types import Json

if TYPE_CHECKING:
    from adapter.source.schema import Schema

_ALL_TYPES = ("object", "array", "string", "number", "boolean", "null")
_COMPOSED = ("oneOf", "anyOf", "allOf", "not", "if")


Judge = Callable[[Json, "Node", "Schema"], bool]
"""The exact judgement of a value by one node of a schema."""


@cache
def pattern_matches(pattern: str) -> Callable[[str], bool]:
    """Return the judgement of a regular expression, unanchored, by the linear-time engine of pydantic-core.

    A pattern with look-around, which that engine refuses, falls back to Python's engine.
    """
    validate = SchemaValidator(_text(pattern)).validate_python

    def matches(text: str) -> bool:
        try:
            validate(text)
        except ValidationError:
            return False
        return True

    return matches


def _text(pattern: str | None = None, shortest: int | None = None, longest: int | None = None) -> CoreSchema:
    plain = core.str_schema(strict=True, pattern=pattern, min_length=shortest, max_length=longest)
    if pattern is None:
        return plain
    try:
        SchemaValidator(plain)
    except SchemaError:
        return core.str_schema(
            strict=True, pattern=pattern, min_length=shortest, max_length=longest, regex_engine="python-re"
        )
    return plain


class NodeCompiler:
    """Compiles nodes of one schema."""

    def __init__(self, schema: Schema, judge: Judge) -> None:
        self.schema = schema
        self.judge = judge

    def validator(self, node: Node | bool) -> Callable[[Json], bool]:
        """Return the judgement of values by a node."""
        return SchemaValidator(self.node(node)).isinstance_python

    def node(self, node: Node | bool) -> CoreSchema:
        """Return the pydantic-core schema of a node."""
        if isinstance(node, bool):
            return core.any_schema() if node else self.judged(core.any_schema(), {"not": {}})
        node = self.schema.resolved(node)
        union = self.union(node)
        if union is not None:
            return union
        compiled, composed = self._of_types(node), self.composed_check(node)
        return core.no_info_after_validator_function(composed, compiled) if composed else compiled

    def composed_check(self, node: Node) -> Check | None:
        """Return the check of `oneOf`, `not` and the like beside other keywords, None when there are none."""
        beyond = {key: node[key] for key in _COMPOSED if key in node}
        quick = alternatives_check(beyond) if len(beyond) == 1 and node.get("type") == "object" else None
        if quick or not beyond:
            return quick
        return self.judging({**beyond, **{key: node[key] for key in ("then", "else") if key in node}})

    def object_checks(self, node: Node) -> list[Check]:
        """Return the checks of an object beside those of its fields; each returns the value or raises ValueError."""
        unnamed = sorted(set(node.get("required", ())) - node.get("properties", {}).keys())
        needed = self.judging({"required": unnamed}) if unnamed else None
        return [check for check in (object_check(node), needed, self.composed_check(node)) if check]

    def listed(self, node: Node) -> frozenset[str] | None:
        """Return the texts that a node allows when it lists them, else None."""
        values: Sequence[Json] = ()
        if "enum" in node or "const" in node:
            values = node["enum"] if "enum" in node else [node["const"]]
        elif "x-codes" in node:
            values = self.schema.codes(node["x-codes"])
        return frozenset(values) if values and all(isinstance(value, str) for value in values) else None

    def _of_types(self, node: Node) -> CoreSchema:
        listed = self.listed(node)
        if listed is not None:
            return core.literal_schema(sorted(listed))
        for word in ("enum", "const"):
            if word in node:
                if node.get("type") == "boolean":
                    values = node["enum"] if word == "enum" else [node["const"]]
                    return core.chain_schema([core.bool_schema(strict=True), core.literal_schema(values)])
                return self.judged(core.any_schema(), {word: node[word]})
        types = node.get("type", _ALL_TYPES)
        types = (types,) if isinstance(types, str) else tuple(types)
        parts = [self._of_type(name, node) for name in types]
        return parts[0] if len(parts) == 1 else _first_of(parts)

    def _of_type(self, name: str, node: Node) -> CoreSchema:
        if name == "object":
            return self._object(node)
        if name == "array":
            items = self.node(node["items"]) if "items" in node else core.any_schema()
            shortest, longest = node.get("minItems"), node.get("maxItems")
            listed = core.list_schema(items, min_length=shortest, max_length=longest, strict=True)
            return self._list_of_different(listed) if node.get("uniqueItems") else listed
        if name == "string":
            return self._string(node)
        if name in ("integer", "number"):
            return self._number(name, node)
        return core.bool_schema(strict=True) if name == "boolean" else core.none_schema()

    def _string(self, node: Node) -> CoreSchema:
        written = FORMATS[node["format"]] if "format" in node else None
        own = node.get("pattern")
        shortest, longest = node.get("minLength"), node.get("maxLength")
        if written is None:
            text = _text(own, shortest, longest)
        else:
            text = _text(rf"^(?:{written.pattern})$", shortest, longest)
            if own is not None:
                text = core.chain_schema([_text(own), text])
            problem = written.problem
            if problem is not None:
                text = _checked(text, lambda value: problem(value) is None)
        if node.get("x-no-identity-code"):
            return _checked(text, lambda value: not identity_code.is_inside(value))
        return text

    def _number(self, name: str, node: Node) -> CoreSchema:
        most = 10**DEFAULT.digits - 1
        bounds = {
            ours: node[theirs]
            for ours, theirs in (("ge", "minimum"), ("le", "maximum"), ("gt", "exclusiveMinimum"))
            if theirs in node
        } | ({"lt": node["exclusiveMaximum"]} if "exclusiveMaximum" in node else {})
        if any(isinstance(bound, Decimal) for bound in bounds.values()):
            keys = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
            return self.judged(core.any_schema(), {"type": name, **{k: node[k] for k in keys if k in node}})
        whole = core.int_schema(strict=True, **{"ge": -most, "le": most} | bounds)
        if name == "integer":
            return whole
        exact = core.decimal_schema(strict=True, allow_inf_nan=False, max_digits=DEFAULT.digits, **bounds)
        return _first_of([exact, whole])

    def _object(self, node: Node) -> CoreSchema:
        properties: Mapping[str, Any] = node.get("properties", {})
        required = frozenset(node.get("required", ()))
        more = node.get("additionalProperties", True)
        fields = {
            name: core.typed_dict_field(self.node(part), required=name in required) for name, part in properties.items()
        }
        compiled: CoreSchema = core.typed_dict_schema(
            fields,
            strict=True,
            extra_behavior="forbid" if more is False else "allow",
            extras_schema=None if isinstance(more, bool) else self.node(more),
        )
        counted = object_check(node)
        if counted:
            compiled = core.no_info_after_validator_function(counted, compiled)
        unnamed = sorted(required - properties.keys())
        return self.judged(compiled, {"required": unnamed}) if unnamed else compiled

    def _list_of_different(self, listed: CoreSchema) -> CoreSchema:
        return _checked(listed, self.are_different)

    def are_different(self, value: list[Json]) -> bool:
        """Tell whether no item of a list stands in it twice."""
        return unique_texts(value) or self.judge(value, {"uniqueItems": True}, self.schema)

    def union(self, node: Node) -> CoreSchema | None:
        """`anyOf`, or `oneOf` whose alternatives exclude each other: the first that holds, when nothing but a type
        stands beside them."""
        words = node.keys() & JUDGING - {"type", "$defs"}
        if words != {"anyOf"} and (words != {"oneOf"} or not self._exclusive(node["oneOf"])):
            return None
        shared = {"type": node["type"]} if "type" in node else {}
        parts = [self.schema.resolved(part) for part in node[words.pop()]]
        if shared and any(part.get("type", node["type"]) != node["type"] for part in parts):
            return None
        return _first_of([self.node({**part, **shared}) for part in parts])

    def _exclusive(self, alternatives: list[Node]) -> bool:
        parts = [self.schema.resolved(part) for part in alternatives]
        return all(_disjoint(one, other) for at, one in enumerate(parts) for other in parts[at + 1 :])

    def judged(self, compiled: CoreSchema, node: Node) -> CoreSchema:
        """Add the exact judgement of `node` behind a compiled schema."""
        return core.no_info_after_validator_function(self.judging(node), compiled)

    def judging(self, node: Node) -> Check:
        """Return the exact judgement of `node` as a check."""
        return _check(lambda value: self.judge(value, node, self.schema))


def _first_of(parts: Sequence[CoreSchema]) -> CoreSchema:
    return core.union_schema([*parts], mode="left_to_right")


def _checked(compiled: CoreSchema, holds: Callable[[Any], bool]) -> CoreSchema:
    return core.no_info_after_validator_function(_check(holds), compiled)


def _check(holds: Callable[[Any], bool]) -> Check:
    def check(value: Json) -> Json:
        if holds(value):
            return value
        raise ValueError

    return check


def _disjoint(one: Node, other: Node) -> bool:
    """Tell whether no value can match both: other types, or a field that one needs and the other forbids."""
    types = (one.get("type"), other.get("type"))
    if types[0] != types[1]:
        return all(name in ("object", "array", "string", "boolean", "null") for name in types)
    return _forbids(one, other.get("required", ())) or _forbids(other, one.get("required", ()))


def _forbids(node: Node, names: Any) -> bool:
    closed = node.get("type") == "object" and node.get("additionalProperties") is False
    return closed and any(name not in node.get("properties", {}) for name in names)
