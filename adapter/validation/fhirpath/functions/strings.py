"""Text functions of FHIRPath N1 §5.6, with regular expressions that cannot take more than linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

from adapter.validation.fhirpath.arithmetic import require_length
from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.functions.signature import BOOLEAN, INTEGER, STRING, Function
from adapter.validation.fhirpath.nodes import EMPTY, Context, Items
from adapter.validation.fhirpath.operators import single

LONGEST_PATTERN = 1_000
"""Longest regular expression in characters."""

LONGEST_REPLACED = 4_000
"""Longest text in characters for `replaceMatches`, whose engine is not linear."""

_UNBOUNDED = re.compile(r"[*+]|\{[0-9]*,[0-9]*\}")


def _textual(
    name: str, body: Callable[..., Any], arguments: int = 0, result: str = STRING, optional: int = 0
) -> Function:
    """Make a function of one text and the single items of its arguments; an empty one makes the result empty."""

    def call(items: Items, given: list[Items], _context: Context) -> Items:
        value = single(items, f"{name}()")
        values = [single(argument, f"{name}()") for argument in given]
        if value is None or None in values:
            return EMPTY
        if type(value) is not str:
            text = getattr(value, "text", None)
            if type(text) is not str:
                raise FhirPathError(f"{name}() takes text")
            value = text
        outcome = body(value, *values)
        return EMPTY if outcome is None else [outcome]

    return Function(call, arguments - optional, arguments, result)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise FhirPathError("text is expected as argument")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise FhirPathError("a whole number is expected as argument")
    return value


def _substring(text: str, start: Any, length: Any = None) -> str | None:
    first = _whole(start)
    if not 0 <= first < len(text):
        return None
    return text[first:] if length is None else text[first : first + max(_whole(length), 0)]


@lru_cache(maxsize=1_024)
def _pattern(pattern: str) -> SchemaValidator:
    """Compile with Rust's regex engine: linear in the text whatever the pattern, no look-around, no back references.

    Raises:
        FhirPathError: the pattern is broken, too long, or needs what a linear engine does not have.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise FhirPathError(f"a regular expression may have {LONGEST_PATTERN} characters")
    try:
        return SchemaValidator(core_schema.str_schema(pattern=f"(?s){pattern}", regex_engine="rust-regex"))
    except SchemaError:
        raise FhirPathError("the regular expression is broken or not linear") from None


def check_pattern(pattern: str) -> None:
    """Refuse a regular expression that `matches` could not use.

    Raises:
        FhirPathError: see `_pattern`.
    """
    _pattern(pattern)


def _matches(text: str, pattern: Any) -> bool:
    """Return whether the pattern occurs somewhere in the text (the Java validator searches, it does not anchor)."""
    return _pattern(_text(pattern)).isinstance_python(text)


@lru_cache(maxsize=256)
def _replaceable(pattern: str) -> re.Pattern[str]:
    """Compile for replacing: at most one unbounded repetition and none inside a repeated group."""
    _pattern(pattern)
    bare = re.sub(r"\\.|\[(?:[^\]\\]|\\.)*\]", "c", pattern)
    if len(_UNBOUNDED.findall(bare)) > 1 or re.search(r"\)(?:[*+]|\{)", bare):
        raise FhirPathError("replaceMatches() takes patterns with one repetition, not of a group")
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        raise FhirPathError("the regular expression is broken") from None


def _replace(text: str, old: Any, new: Any) -> str:
    require_length(len(text) + text.count(_text(old)) * len(_text(new)))
    return text.replace(old, new)


def _replace_matches(text: str, pattern: Any, replacement: Any) -> str:
    if len(text) > LONGEST_REPLACED:
        raise FhirPathError(f"replaceMatches() takes up to {LONGEST_REPLACED} characters")
    require_length((len(text) + 1) * len(_text(replacement)))
    template = re.sub(r"\\(?![0-9])", r"\\\\", re.sub(r"\$([0-9])", r"\\\1", _text(replacement)))
    try:
        return _replaceable(_text(pattern)).sub(template, text)
    except re.error:
        raise FhirPathError("the replacement names a group that the pattern lacks") from None


def _split(items: Items, arguments: list[Items], _context: Context) -> Items:
    text, separator = single(items, "split()"), single(arguments[0], "split()")
    if text is None or separator is None:
        return EMPTY
    return _text(text).split(_text(separator)) if separator else list(_text(text))


def _characters(items: Items, _arguments: list[Items], _context: Context) -> Items:
    text = single(items, "toChars()")
    return EMPTY if text is None else list(_text(text))


def _join(items: Items, arguments: list[Items], _context: Context) -> Items:
    separator = single(arguments[0], "join()") if arguments else ""
    texts = [_text(text) for item in items if (text := single([item], "join()")) is not None]
    between = _text(separator or "")
    require_length(sum(map(len, texts)) + len(between) * len(texts))
    return [between.join(texts)] if items else EMPTY


FUNCTIONS = {
    "length": _textual("length", len, result=INTEGER),
    "upper": _textual("upper", str.upper),
    "lower": _textual("lower", str.lower),
    "trim": _textual("trim", str.strip),
    "indexOf": _textual("indexOf", lambda text, part: text.find(_text(part)), 1, INTEGER),
    "substring": _textual("substring", _substring, 2, optional=1),
    "startsWith": _textual("startsWith", lambda text, part: text.startswith(_text(part)), 1, BOOLEAN),
    "endsWith": _textual("endsWith", lambda text, part: text.endswith(_text(part)), 1, BOOLEAN),
    "contains": _textual("contains", lambda text, part: _text(part) in text, 1, BOOLEAN),
    "replace": _textual("replace", _replace, 2),
    "matches": _textual("matches", _matches, 1, BOOLEAN),
    "replaceMatches": _textual("replaceMatches", _replace_matches, 2),
    "split": Function(_split, 1, 1, STRING, single=False),
    "join": Function(_join, 0, 1, STRING),
    "toChars": Function(_characters, result=STRING, single=False),
}
