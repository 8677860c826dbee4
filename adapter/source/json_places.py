"""Where everything stands in a JSON document, and everything that is wrong with it.

A slow, exact scanner in plain Python. It runs only when a problem must be shown: `read_json` has refused the
document, or an issue needs the line and column of a field.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from adapter.source import paths
from adapter.source.limits import DEFAULT, Limits
from adapter.types import Issue, Severity, SourcePlace

MOST_ISSUES = 100
"""So many problems of one document are told; the scanner then stops."""

_SPACE = re.compile(r"[ \t\n\r]*+")
_TEXT = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*'
_STRING = re.compile(f'"({_TEXT})"')
_STRING_BEGUN = re.compile(f'"{_TEXT}')
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*+)(\.[0-9]++)?(?:[eE]([+-]?[0-9]++))?(?![0-9.eE+-])")
_NUMBER_LIKE = re.compile(r"[-+.0-9][-+.0-9eE]*+|-?Infinity|NaN")
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class Scan:
    """What the scanner saw.

    Attributes:
        places: by path, where a field's name or a list's item begins, as (line, column) counted from 1 in
            characters.
        issues: every problem up to the first one that hides the rest.
    """

    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)


def scan(data: bytes, limits: Limits = DEFAULT) -> Scan:
    """Scan a whole document; never raises, whatever the bytes are."""
    result = Scan()
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        result.issues.append(_wrong_encoding(data, error))
        return result
    scanner = _Scanner(text, limits, result)
    with suppress(_StopError):
        scanner.document()
    return result


def _wrong_encoding(data: bytes, error: UnicodeDecodeError) -> Issue:
    if data.startswith(_OTHER_ENCODINGS) or b"\0" in data[:4]:
        return Issue("fatal", "source.utf-16", source=SourcePlace(paths.ROOT, 1, 1))
    before = data[: error.start].decode("utf-8", errors="replace")
    line = before.count("\n") + 1
    place = SourcePlace(paths.ROOT, line, len(before) - (before.rfind("\n") + 1) + 1)
    return Issue("fatal", "source.not-utf-8", source=place)


class _StopError(Exception):
    """The rest of the document cannot be understood."""


class _Scanner:
    def __init__(self, text: str, limits: Limits, result: Scan) -> None:
        self.text = text
        self.limits = limits
        self.result = result
        self.at = 0
        self.nodes = 0
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> None:
        """Read one value and nothing behind it."""
        if self.text.startswith("\0") or self.text[1:2] == "\0":
            self.stop("utf-16", paths.ROOT)
        self.skip_space()
        self.result.places[paths.ROOT] = self.line_and_column(self.at)
        self.value(paths.ROOT, 1)
        self.skip_space()
        if self.at < len(self.text):
            self.stop("json-trailing", paths.ROOT)

    def value(self, path: str, depth: int) -> None:
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            self.stop("too-many-nodes", path, limit=str(self.limits.nodes))
        start = self.text[self.at : self.at + 1]
        if start and start in "{[":
            if depth > self.limits.depth:
                self.stop("too-deep", path, limit=str(self.limits.depth))
            self.at += 1
            (self.members if start == "{" else self.items)(path, depth)
        elif start == '"':
            self.string(path)
        elif not start:
            self.stop("json-cut-short", path)
        else:
            self.word(path)

    def members(self, path: str, depth: int) -> None:
        lines: dict[str, int] = {}
        self.skip_space()
        if self.taken("}"):
            return
        while True:
            self.skip_space()
            begin = self.at
            if self.text[begin : begin + 1] != '"':
                self.stop_at_member(path)
            name = self.string(path)
            here = paths.field(path, name)
            place = self.line_and_column(begin)
            if name in lines:
                values = {"field": paths.shown(name), "line": str(lines[name])}
                self.tell("error", "duplicate-key", here, begin, **values)
            lines.setdefault(name, place[0])
            self.result.places.setdefault(here, place)
            self.skip_space()
            self.expect(":", here)
            self.skip_space()
            self.value(here, depth + 1)
            if self.ended("}", path):
                return

    def items(self, path: str, depth: int) -> None:
        self.skip_space()
        if self.taken("]"):
            return
        index = 0
        while True:
            self.skip_space()
            here = paths.item(path, index)
            self.result.places[here] = self.line_and_column(self.at)
            if self.text[self.at : self.at + 1] == "]":
                self.stop("json-trailing-comma", path)
            self.value(here, depth + 1)
            if self.ended("]", path):
                return
            index += 1

    def string(self, path: str) -> str:
        begin = self.at
        match = _STRING.match(self.text, begin)
        if match is None:
            self.broken_string(path)
        self.at = match.end()
        inner = match[1]
        if "\\" not in inner:
            return inner
        text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SIMPLE.get(m[2], m[2]), inner)
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if "\ufffd" in text:
                self.tell("error", "lone-surrogate", path, begin)
        if "\0" in text:
            self.tell("error", "nul-character", path, begin)
        return text

    def broken_string(self, path: str) -> NoReturn:
        match = _STRING_BEGUN.match(self.text, self.at)
        self.at = match.end() if match else self.at
        following = self.text[self.at : self.at + 1]
        if not following:
            self.stop("json-cut-short", path)
        self.stop("json-bad-escape" if following == "\\" else "json-control-character", path)

    def word(self, path: str) -> None:
        """A number, true, false or null."""
        number = _NUMBER.match(self.text, self.at)
        if number:
            self.check_number(number, path)
            self.at = number.end()
            return
        for word in ("true", "false", "null"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return
        self.stop("json-bad-number" if _NUMBER_LIKE.match(self.text, self.at) else "json-expected-value", path)

    def check_number(self, number: re.Match[str], path: str) -> None:
        digits = len(number[1]) + max(len(number[2] or "") - 1, 0)
        if digits > self.limits.digits:
            values = {"limit": str(self.limits.digits), "digits": str(digits)}
            self.tell("error", "number-too-long", path, number.start(), **values)
        elif number[3] and not _exponent_within(number[3], self.limits.exponent):
            self.tell("error", "exponent-too-large", path, number.start(), limit=str(self.limits.exponent))

    def ended(self, bracket: str, path: str) -> bool:
        self.skip_space()
        if self.taken(bracket):
            return True
        if not self.taken(","):
            self.stop_missing(f", {bracket}", path)
        return False

    def stop_at_member(self, path: str) -> NoReturn:
        following = self.text[self.at : self.at + 1]
        if not following:
            self.stop("json-cut-short", path)
        self.stop("json-trailing-comma" if following == "}" else "json-expected-name", path)

    def expect(self, sign: str, path: str) -> None:
        if not self.taken(sign):
            self.stop_missing(sign, path)

    def stop_missing(self, signs: str, path: str) -> NoReturn:
        if self.at >= len(self.text):
            self.stop("json-cut-short", path)
        self.stop("json-expected-sign", path, signs=signs)

    def taken(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += 1
            return True
        return False

    def skip_space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def line_and_column(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def tell(self, severity: Severity, name: str, path: str, offset: int, **values: str) -> None:
        line, column = self.line_and_column(offset)
        place = SourcePlace(path, line, column)
        self.result.issues.append(Issue(severity, f"source.{name}", values, source=place))
        if len(self.result.issues) >= MOST_ISSUES:
            raise _StopError

    def stop(self, name: str, path: str, **values: str) -> NoReturn:
        self.tell("fatal", name, path, self.at, **values)
        raise _StopError


def _exponent_within(exponent: str, limit: int) -> bool:
    digits = exponent.lstrip("+-").lstrip("0")
    return len(digits) <= len(str(limit)) and int(digits or "0") <= limit
