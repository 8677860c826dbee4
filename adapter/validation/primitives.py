"""Formats of the FHIR primitive types, each checked in time linear in the length of the value.

Every type has a fast test and an exact one. The fast test is one call that returns True for what is surely
right (mostly of pydantic-core, so that no Python code runs); anything else, an exception included, sends the
value to the exact test, which names what is wrong. Source: FHIR R4 datatypes, §2.24.0.1.
"""

from __future__ import annotations

import binascii
import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapter.source.limits import DEFAULT
from adapter.validation.narrative import narrative_fault
from adapter.validation.sure_formats import LONGEST_STRING, SCHEMAS, surely

Fast = Callable[[Any], bool]
"""Returns True for what is surely right; may raise TypeError for what is not."""

Fault = tuple[str, dict[str, str]]
"""Message key (without area) and its placeholders."""

Exact = Callable[[Any], Fault | None]

LONGEST_NUMBER = DEFAULT.digits + 8
"""Digits with sign, point and exponent."""

_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f"


@dataclass(frozen=True, slots=True)
class Primitive:
    """How a primitive type is checked, and its JSON form (`string`, `number`, `boolean`)."""

    fast: Fast
    exact: Exact
    json: str


_JSON_TYPES: dict[type, str] = {str: "string", list: "array", dict: "object"}


def json_type(value: object) -> str:
    """Return the JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    return _JSON_TYPES.get(type(value), "unknown")


def _text(name: str, pattern: str = "") -> Exact:
    full = re.compile(f"(?:{pattern})\\Z", re.DOTALL) if pattern else None

    def exact(value: Any) -> Fault | None:
        if not isinstance(value, str):
            return _wrong_type("string", value)
        if not value:
            return "empty-string", {}
        if len(value) > LONGEST_STRING:
            return "too-long", {"length": str(len(value)), "max": str(LONGEST_STRING)}
        if _BAD_CHARACTER.search(value):
            return "control-character", {}
        if not value.strip():
            return "blank-string", {}
        if full is not None and not full.match(value):
            return f"format-{name}", {}
        return None

    return exact


_BAD_CHARACTER = re.compile(f"[{_CONTROL}\ud800-\udfff]")


def _wrong_type(expected: str, value: object) -> Fault:
    return "wrong-json-type", {"expected": expected, "found": json_type(value)}


_YEAR = r"(?!0000)[0-9]{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,20})?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_ANY_DAY = f"{_YEAR}-{_MONTH}-(?:0[1-9]|[12][0-9]|3[01])"
_DATES = {
    "date": "{day}|{year}-{month}|{year}",
    "dateTime": "{day}T{clock}{zone}|{day}|{year}-{month}|{year}",
    "instant": "{day}T{clock}{zone}",
}


def _date(name: str) -> Exact:
    parts = {"year": _YEAR, "month": _MONTH, "clock": _CLOCK, "zone": _ZONE}
    shape = _text(name, _DATES[name].format(day=_ANY_DAY, **parts))

    def exact(value: Any) -> Fault | None:
        fault = shape(value)
        if fault is None and len(value) >= 10 and int(value[8:10]) > monthrange(int(value[:4]), int(value[5:7]))[1]:
            return "format-calendar", {}
        return fault

    return exact


def _integer(lowest: int, highest: int) -> Exact:
    def exact(value: Any) -> Fault | None:
        if not isinstance(value, int) or isinstance(value, bool):
            if isinstance(value, Decimal):
                return "format-integer", {}
            return _wrong_type("number", value)
        if not lowest <= value <= highest:
            return "out-of-range", {"min": str(lowest), "max": str(highest)}
        return None

    return exact


def _decimal(value: Any) -> Fault | None:
    if value.__class__ is Decimal:
        if value.is_finite() and len(str(value)) < LONGEST_NUMBER and abs(value.adjusted()) <= DEFAULT.exponent:
            return None
        return "format-decimal", {}
    if value.__class__ is int:
        return None if value.bit_length() < DEFAULT.digits * 3 else ("format-decimal", {})
    return _wrong_type("number", value)


def _boolean(value: Any) -> Fault | None:
    return None if value is True or value is False else _wrong_type("boolean", value)


def _base64(value: Any) -> Fault | None:
    if not isinstance(value, str):
        return _wrong_type("string", value)
    if not value:
        return "empty-string", {}
    try:
        binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        return "format-base64Binary", {}
    return None


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OID = r"[0-2](?:\.(?:0|[1-9][0-9]*))+"
_URI_START = re.compile(r"urn:oid:|urn:uuid:|oid:|uuid:")
_URN = re.compile(f"urn:oid:{_OID}\\Z|urn:uuid:{_UUID}\\Z", re.IGNORECASE)
_uri_shape = _text("uri", r"[^\s]+")


def _uri(value: Any) -> Fault | None:
    fault = _uri_shape(value)
    if fault is None and _URI_START.match(value) and not _URN.match(value):
        return ("format-oid" if value.startswith(("urn:oid:", "oid:")) else "format-uuid"), {}
    return fault


_VERSION = re.compile(r"[|#].*", re.DOTALL)


def _canonical(value: Any) -> Fault | None:
    """Check a canonical URL, which may end in a version and a fragment (R4 §2.3.1)."""
    return _uri_shape(value) or _uri(_VERSION.sub("", value) or value)


def _primitive(name: str, exact: Exact, json: str = "string") -> Primitive:
    return Primitive(surely(name) if name in SCHEMAS else lambda value: exact(value) is None, exact, json)


PRIMITIVES: dict[str, Primitive] = {
    "string": _primitive("string", _text("string")),
    "markdown": _primitive("markdown", _text("markdown")),
    "code": _primitive("code", _text("code", r"[^\s]+(?:\s[^\s]+)*")),
    "id": _primitive("id", _text("id", r"[A-Za-z0-9.\-]{1,64}")),
    "uri": _primitive("uri", _uri),
    "url": _primitive("url", _uri),
    "canonical": _primitive("canonical", _canonical),
    "oid": _primitive("oid", _text("oid", f"urn:oid:{_OID}")),
    "uuid": _primitive("uuid", _text("uuid", f"urn:uuid:{_UUID}")),
    "date": _primitive("date", _date("date")),
    "dateTime": _primitive("dateTime", _date("dateTime")),
    "instant": _primitive("instant", _date("instant")),
    "time": _primitive("time", _text("time", _CLOCK)),
    "boolean": _primitive("boolean", _boolean, "boolean"),
    "integer": _primitive("integer", _integer(-(2**31), 2**31 - 1), "number"),
    "positiveInt": _primitive("positiveInt", _integer(1, 2**31 - 1), "number"),
    "unsignedInt": _primitive("unsignedInt", _integer(0, 2**31 - 1), "number"),
    "decimal": _primitive("decimal", _decimal, "number"),
    "base64Binary": _primitive("base64Binary", _base64),
    "xhtml": _primitive("xhtml", narrative_fault),
}
"""All primitive types of R4."""
