"""One search parameter with its value, as a condition in SQL over the index tables (R4 search, "parameter types").

Every function returns the part of a WHERE clause that holds inside one index table; `adapter.mock.search.compile`
puts it into its sub-select.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from adapter.mock.definitions import Parameter, parameters
from adapter.mock.search.codes import codes_condition, codes_meant
from adapter.mock.search.dates import date_range
from adapter.mock.search.extract import fold, local_reference
from adapter.mock.search.values import number_range, prefixed, split_unescaped, token, unescape

Condition = tuple[str, list[Any]]

MODIFIERS = {
    "token": ("missing", "text", "not", "of-type", "in", "not-in", "below", "above"),
    "reference": ("missing", "identifier", "below", "above"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "string": ("missing", "exact", "contains"),
    "uri": ("missing", "above", "below"),
    "composite": ("missing",),
    "special": (),
}
NEGATED = {"not": "", "not-in": "in"}
"""Modifiers that find what another one (or none) does not."""

_LAST = "\U0010ffff"


def alternatives(values: list[str], one: Callable[[str], Condition]) -> Condition:
    """Join the conditions of values between commas by OR."""
    found = [one(value) for value in values]
    return "(" + " OR ".join(sql for sql, _ in found) + ")", [arg for _, args in found for arg in args]


def token_condition(text: str, modifier: str) -> Condition:
    """Condition on `index_token` or `index_identifier`. Codes and identifiers are compared exactly."""
    if modifier == "text":
        return "instr(text, ?) > 0", [fold(unescape(text))]
    if modifier in ("in", "below", "above"):
        return codes_condition(codes_meant(text, modifier))
    if modifier == "of-type":
        parts = split_unescaped(text, "|")
        if len(parts) != 3:
            raise ValueError("of-type")
        return "(system = ? AND code = ?)", [unescape(parts[0]), f"{unescape(parts[1])}|{unescape(parts[2])}"]
    system, code = token(text)
    if system is None:
        return "code = ?", [code]
    if not system:
        return "(code = ? AND system IS NULL)", [code]
    if code is None:
        return "system = ?", [system]
    return "(code = ? AND system = ?)", [code, system]


def reference_condition(text: str, modifier: str, parameter: Parameter, base: str) -> Condition:
    """Condition on `index_reference`: `id`, `Type/id`, absolute URL, canonical with version, `:identifier`."""
    if modifier == "identifier":
        return token_condition(text, "")
    plain = unescape(text)
    if modifier in ("below", "above"):
        return _hierarchy(plain, modifier, parameter, base)
    if modifier and "/" not in plain:
        return "(type = ? AND id = ?)", [modifier, plain]
    local = local_reference(plain, base)
    if local is not None:
        kind, identity, version = local
        if modifier and modifier != kind:
            raise ValueError("type")
        if version is None:
            return "(id = ? AND type = ?)", [identity, kind]
        return "(id = ? AND type = ? AND version = ?)", [identity, kind, version]
    if ":" in plain:
        url, _, version = plain.partition("|")
        return ("(uri = ? AND version = ?)", [url, version]) if version else ("uri = ?", [url])
    if "/" in plain or not plain:
        raise ValueError("reference")
    if len(parameter.targets) == 1:
        return "(id = ? AND type = ?)", [plain, parameter.targets[0]]
    return "id = ?", [plain]


def _hierarchy(text: str, modifier: str, parameter: Parameter, base: str) -> Condition:
    """`:below` a resource: it or its parts, by their `part-of`; below a canonical: its more special versions."""
    local = local_reference(text if "/" in text else f"{''.join(parameter.targets)}/{text}", base)
    if local is None:
        url, mark, version = text.partition("|")
        if not mark or ":" not in url:
            raise ValueError("hierarchy")
        longer, shorter = ("version", "?") if modifier == "below" else ("?", "version")
        return f"(uri = ? AND (version = ? OR instr({longer}, {shorter} || '.') = 1))", [url, version, version]
    kind, identity, _ = local
    part_of = next((f"{kind}.{name}" for name in ("part-of", "partof") if name in parameters(kind)), "")
    if modifier == "below":
        step = "SELECT c.type, c.id FROM tree JOIN index_reference y ON y.parameter = ? AND y.type = tree.type AND "
        step += "y.id = tree.id JOIN resource c ON c.pk = y.pk AND c.deleted = 0"
    else:
        step = (
            "SELECT y.type, y.id FROM tree JOIN resource c ON c.type = tree.type AND c.id = tree.id AND c.deleted = 0 "
        )
        step += "JOIN index_reference y ON y.pk = c.pk AND y.parameter = ?"
    tree = f"WITH RECURSIVE tree(type, id) AS (VALUES (?, ?) UNION {step}) SELECT type, id FROM tree"
    return f"(type, id) IN ({tree})", [kind, identity, part_of]


def date_condition(text: str, now: datetime) -> Condition:
    """Condition on ranges: eq means that the search range contains the target's (R4 search, "date")."""
    prefix, rest = prefixed(text)
    low, high = date_range(rest)
    inside = "(low >= ? AND high <= ?)"
    if prefix == "eq":
        return inside, [low, high]
    if prefix == "ne":
        return f"NOT {inside}", [low, high]
    if prefix == "ge":
        return f"(high > ? OR {inside})", [high, low, high]
    if prefix == "le":
        return f"(low < ? OR {inside})", [low, low, high]
    if prefix == "ap":
        margin = abs(int(now.timestamp() * 1_000_000) - (low + high) // 2) // 10
        return "(low <= ? AND high >= ?)", [high + margin, low - margin]
    column, sign, edge = {
        "gt": ("high", ">", high),
        "lt": ("low", "<", low),
        "sa": ("low", ">", high),
        "eb": ("high", "<", low),
    }[prefix]
    return f"{column} {sign} ?", [edge]


def number_condition(text: str) -> Condition:
    """Condition on a number: eq within the precision given, the other prefixes by the exact value."""
    prefix, rest = prefixed(text)
    value, low, high = number_range(rest)
    if prefix == "eq":
        return "(low >= ? AND high < ?)", [low, high]
    if prefix == "ne":
        return "NOT (low >= ? AND high < ?)", [low, high]
    if prefix == "ap":
        margin = abs(value) / 10
        return "(low <= ? AND high >= ?)", [value + margin, value - margin]
    column, sign = {
        "gt": ("high", ">"),
        "lt": ("low", "<"),
        "ge": ("high", ">="),
        "le": ("low", "<="),
        "sa": ("low", ">"),
        "eb": ("high", "<"),
    }[prefix]
    return f"{column} {sign} ?", [value]


def quantity_condition(text: str) -> Condition:
    """Condition on a quantity: `number`, `number|system|code` or `number||code-or-unit`."""
    parts = [unescape(one) for one in split_unescaped(text, "|")]
    sql, args = number_condition(parts[0])
    if len(parts) == 1:
        return sql, args
    if len(parts) != 3:
        raise ValueError("quantity")
    if parts[1]:
        return f"({sql} AND system = ? AND code = ?)", [*args, parts[1], parts[2]]
    return f"({sql} AND (code = ? OR unit = ?))", [*args, parts[2], parts[2]]


def string_condition(text: str, modifier: str) -> Condition:
    """Condition on a string: begins with, ignoring case and accents; `:exact`; `:contains`."""
    plain = unescape(text)
    if modifier == "exact":
        return "exact = ?", [plain]
    if modifier == "contains":
        return "instr(folded, ?) > 0", [fold(plain)]
    return "(folded >= ? AND folded < ?)", [fold(plain), fold(plain) + _LAST]


def uri_condition(text: str, modifier: str) -> Condition:
    """Condition on a URI: exact (a canonical also without its version), `:below`, `:above`."""
    plain = unescape(text)
    if modifier == "below":
        stem = plain.rstrip("/")
        return "(value = ? OR value = ? OR (value >= ? AND value < ?))", [plain, stem, stem + "/", stem + "0"]
    if modifier == "above":
        return "(value = ? OR instr(?, rtrim(value, '/') || '/') = 1)", [plain, plain]
    return "(value = ? OR (value >= ? AND value < ?))", [plain, plain + "|", plain + "}"]


def value_condition(kind: str, text: str, modifier: str, parameter: Parameter, base: str, now: datetime) -> Condition:
    """Return the condition for one value of a parameter of type `kind`.

    Raises:
        ValueError: the value does not fit the type.
    """
    if not text:
        raise ValueError("empty")
    if kind == "token":
        return token_condition(text, modifier)
    if kind == "reference":
        return reference_condition(text, modifier, parameter, base)
    if kind == "date":
        return date_condition(text, now)
    if kind == "number":
        return number_condition(text)
    if kind == "quantity":
        return quantity_condition(text)
    if kind == "string":
        return string_condition(text, modifier)
    return uri_condition(text, modifier)
