"""Text of a FHIRPath expression to tokens (FHIRPath N1 §Lexical Elements), in one linear pass."""

from __future__ import annotations

import re
from typing import NamedTuple

from adapter.validation.fhirpath.errors import FhirPathError

MAXIMUM_LENGTH = 20_000
"""Longest expression in characters; the longest of R4 has about 1,500."""

MAXIMUM_TOKENS = 5_000
"""Most tokens of one expression."""


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: `name`, `quoted-name`, `string`, `number`, `datetime`, `time`, `constant`, `variable`, `symbol`, `end`.
        text: the decoded content: names without back-ticks, strings without quotes, dates without `@`.
        position: first character, counted from 0.
    """

    kind: str
    text: str
    position: int


_TOKEN = re.compile(
    r"""
      (?P<space>   [ \t\r\n\f\u00a0]+ | //[^\r\n]* | /\*(?:[^*]|\*(?!/))*\*/ )
    | (?P<datetime> @[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?
                    (?:T(?:[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)? )
    | (?P<time>     @T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)? )
    | (?P<number>   [0-9]+(?:\.[0-9]+)? )
    | (?P<constant> %(?: [A-Za-z_][A-Za-z0-9_-]* | '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*` ) )
    | (?P<variable> \$(?:this|index|total)\b )
    | (?P<name>     [A-Za-z_][A-Za-z0-9_]* )
    | (?P<quoted>   `(?:[^`\\]|\\.)*` )
    | (?P<string>   '(?:[^'\\]|\\.)*' )
    | (?P<symbol>   <= | >= | != | !~ | [-+*/&|<>=~.,()\[\]{}] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {
    "'": "'",
    '"': '"',
    "`": "`",
    "\\": "\\",
    "/": "/",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
}


def tokens(text: str) -> list[Token]:
    """Return the tokens of an expression, with one of kind `end` last.

    Raises:
        FhirPathError: a character that begins no token, an open string or comment, or a text over the limits.
    """
    if len(text) > MAXIMUM_LENGTH:
        raise FhirPathError(f"expression is longer than {MAXIMUM_LENGTH} characters")
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FhirPathError("unexpected character", position)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_token(kind, match.group(), position))
        if len(found) > MAXIMUM_TOKENS:
            raise FhirPathError(f"expression has more than {MAXIMUM_TOKENS} tokens")
        position = match.end()
    found.append(Token("end", "", position))
    return found


def _token(kind: str, raw: str, position: int) -> Token:
    if kind == "string":
        return Token(kind, _unescape(raw[1:-1], position), position)
    if kind == "quoted":
        return Token("quoted-name", _unescape(raw[1:-1], position), position)
    if kind == "constant":
        name = raw[1:]
        return Token(kind, _unescape(name[1:-1], position) if name[0] in "'`" else name, position)
    if kind in ("datetime", "time", "variable"):
        return Token(kind, raw[1:], position)
    return Token(kind, raw, position)


def _unescape(raw: str, position: int) -> str:
    if "\\" not in raw:
        return raw

    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise FhirPathError(f"unknown escape \\{code}", position)
        return _ESCAPED[code]

    return _ESCAPE.sub(character, raw)
