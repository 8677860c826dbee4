"""JSON in: decimals as written, duplicate keys refused, everything bounded.

`read_json` is the only door for JSON from outside. It accepts fast with `jiter` and a few counts over the
bytes; only when something is wrong does the exact scanner of `json_places` look for every problem and its
line and column.
"""

from __future__ import annotations

import re
from decimal import Decimal

import jiter
import msgspec

from adapter.errors import SourceError
from adapter.source.json_places import scan
from adapter.source.limits import DEFAULT, Limits
from adapter.source.paths import ROOT
from adapter.types import Issue, Json, SourcePlace

_QUICK = msgspec.json.Decoder(float_hook=Decimal)
_BOM = b"\xef\xbb\xbf"
_SHAPES = {**dict.fromkeys(b"0123456789+-.", b"0"), **dict.fromkeys(b"eE", b"e"), **dict.fromkeys(b" \t\n\r[:,", b" ")}
_NUMBER_SHAPE = b"".join(_SHAPES.get(byte, b"x") for byte in range(256))
_ONE_BRACKET = bytes.maketrans(b"[]", b"{}")
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_BRACKETS_IN_TEXT = re.compile(rb'"[^"]*"')


def read_json(data: bytes | str, *, limits: Limits = DEFAULT) -> Json:
    """Read one JSON document (RFC 8259, UTF-8).

    A number with a fraction or an exponent becomes `Decimal` with its digits kept, any other number `int`.
    A UTF-8 byte order mark at the start is skipped: exporters on Windows write it, and RFC 8259 §8.1 lets a
    reader ignore it. UTF-16 and UTF-32 are refused.

    Raises:
        SourceError: not UTF-8, not JSON, `NaN` or `Infinity`, a duplicate key, a NUL character, a lone
            surrogate, or above the limits; one issue a problem with path, line and column.
    """
    body = encoded(data)
    check_size(body, limits)
    body = body.removeprefix(_BOM)
    if may_hold_too_many(body, limits) and (issues := scan(body, limits).issues):
        raise SourceError(issues)
    try:
        value = jiter.from_json(
            body, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True, float_mode="decimal"
        )
    except ValueError as error:
        raise SourceError(scan(body, limits).issues or (_unplaced(error),)) from None
    if not (_surely_within(body, limits) or _within(value, limits)):
        issues = scan(body, limits).issues
        if issues:
            raise SourceError(issues)
    return value


def encoded(data: bytes | str) -> bytes:
    """Return text as UTF-8 bytes, bytes as they are.

    Raises:
        SourceError: the text holds a lone surrogate and has no UTF-8 form.
    """
    if isinstance(data, bytes):
        return data
    try:
        return data.encode("utf-8")
    except UnicodeEncodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind("\n") + 1) + 1
        place = SourcePlace(ROOT, before.count("\n") + 1, column)
        raise SourceError(Issue("fatal", "source.lone-surrogate", source=place)) from None


def check_size(data: bytes, limits: Limits) -> None:
    """Refuse a document of more bytes than the limits allow.

    Raises:
        SourceError: with the limit and the size.
    """
    if len(data) > limits.size:
        values = {"limit": str(limits.size), "size": str(len(data))}
        raise SourceError(Issue("fatal", "source.too-large", values, source=SourcePlace(ROOT)))


def may_hold_too_many(body: bytes, limits: Limits) -> bool:
    """Tell whether so many values may stand in a document that reading them at once would fill the memory."""
    return len(body) > limits.nodes and sum(map(body.count, (b"{", b"[", b","))) > limits.nodes


def read_quickly(body: bytes) -> tuple[Json, int] | None:
    """Read JSON that has nothing unusual, None for what must be read by `read_json`.

    Names that stand twice in an object are not seen here. They make the second part of the answer, how many names and
    texts the document has, greater than what stands in the value.
    """
    escaped_quotes, may_hold_nul = _escapes(body)
    if may_hold_nul:
        return None
    names_and_texts = (body.count(b'"') - escaped_quotes) // 2
    try:
        return _QUICK.decode(body), names_and_texts
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _escapes(body: bytes) -> tuple[int, bool]:
    """Return how many quotes are escaped in a document, and whether a NUL may be; the parser refuses a raw one."""
    quotes, may_hold_nul = 0, False
    at = body.find(b"\\")
    while at >= 0:
        quotes += body.startswith(b'"', at + 1)
        may_hold_nul = may_hold_nul or body.startswith(b"u0000", at + 1)
        at = body.find(b"\\", at + 2)
    return quotes, may_hold_nul


def _surely_within(body: bytes, limits: Limits) -> bool:
    """Judge from the bytes alone, in a few microseconds; False means «count exactly», not «too much».

    A node takes two bytes at least. Numbers are looked for in the shape of the bytes, so a long run of digits in
    a text asks for a count, too.
    """
    if len(body) > 2 * limits.nodes or _escapes(body)[1]:
        return False
    shape = body.translate(_NUMBER_SHAPE)
    if b"0" * (limits.digits + 1) in shape or _has_exponent(shape, limits.digits):
        return False
    return _depth_within(body, limits.depth)


def _has_exponent(shape: bytes, longest: int) -> bool:
    """Tell whether something like ` 1e5` occurs: digits and an exponent behind a blank, colon, comma or bracket."""
    at = shape.find(b"0e0")
    while at >= 0:
        before = shape[max(at - longest, 0) : at].rstrip(b"0")
        if not before or before.endswith(b" "):
            return True
        at = shape.find(b"0e0", at + 2)
    return False


def _depth_within(body: bytes, depth: int) -> bool:
    """Peel the brackets outside texts pair by pair, one level a turn."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = _BRACKETS_IN_TEXT.sub(b"", body.translate(_ONE_BRACKET, _NOT_STRUCTURE).replace(b'""', b""))
    for _ in range(depth):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"")
    return not brackets


def _within(value: Json, limits: Limits) -> bool:
    """Count in the values; False means «let the scanner say», because `0.00…1` and `1e-99` look alike here."""
    level, depth, nodes = [value], 0, 0
    while level:
        nodes += len(level)
        containers = [node for node in level if type(node) is dict or type(node) is list]
        depth += bool(containers)
        if depth > limits.depth or nodes > limits.nodes:
            return False
        if not all(_leaf_within(node, limits) for node in level):
            return False
        level = [child for node in containers for child in (node.values() if type(node) is dict else node)]
    return True


def _leaf_within(node: Json, limits: Limits) -> bool:
    if isinstance(node, str):
        return "\0" not in node
    if isinstance(node, dict):
        return not any("\0" in name for name in node)
    if isinstance(node, Decimal):
        _, digits, exponent = node.as_tuple()
        assert isinstance(exponent, int)
        written = max(len(digits), 1 - exponent)
        return written <= limits.digits and abs(node.adjusted()) <= limits.exponent
    return not isinstance(node, int) or abs(node) < 10**limits.digits


def _unplaced(error: ValueError) -> Issue:
    """A refusal of jiter that the scanner cannot explain: jiter's own words carry line and column only."""
    words = str(error).rsplit(" ", 3)
    line, column = (words[1], words[3]) if len(words) == 4 else ("", "")
    place = SourcePlace(ROOT, int(line) if line.isdigit() else None, int(column) if column.isdigit() else None)
    return Issue("fatal", "source.not-json", source=place)
