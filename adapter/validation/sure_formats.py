"""Formats that are surely right, as pydantic-core schemas: one call in compiled code, and nearly every value passes.

They are strict subsets of the exact formats in `adapter.validation.primitives`: what they refuse is not wrong
yet, the exact test decides and explains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import SchemaValidator, core_schema

LONGEST_STRING = 1024 * 1024
"""R4: strings SHALL NOT exceed 1 MB."""

_TEXT = r"^[ \t\r\n]*[^\s\x00-\x1f][^\x00-\x08\x0b\x0c\x0e-\x1f]*$"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_OID = r"[0-2](?:\.(?:0|[1-9][0-9]*))+"
_URI = rf"^(?:https?:[!-~]+|urn:uuid:{_UUID}|urn:oid:{_OID}|urn:ietf:[!-~]+|[!-9;-~]+)$"
_DAY = (
    r"[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"

_PATTERNS = {
    "code": r"^[!-~]+(?: [!-~]+)*$",
    "id": r"^[A-Za-z0-9.\-]{1,64}$",
    "uri": _URI,
    "url": _URI,
    "canonical": _URI,
    "oid": rf"^urn:oid:{_OID}$",
    "uuid": rf"^urn:uuid:{_UUID}$",
    "date": rf"^{_DAY}$",
    "dateTime": rf"^{_DAY}(?:T{_CLOCK}{_ZONE})?$",
    "instant": rf"^{_DAY}T{_CLOCK}{_ZONE}$",
    "time": rf"^{_CLOCK}$",
}

SYSTEM = core_schema.str_schema(strict=True, pattern=rf"^(?:https?://[!-~]+|urn:oid:{_OID})$")
"""Identifier systems that are surely absolute, and ask nothing of the value."""

CODE_SYSTEM = core_schema.str_schema(strict=True, pattern=rf"^(?:https?://[!-~]+|urn:oid:{_OID}|urn:ietf:[0-9a-z:]+)$")
"""Code systems that are surely absolute."""

_PLAIN_WORDS = r"[^\s<>&\x00-\x1f\x{fffe}\x{ffff}][^<>&\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]*"
_PARAGRAPHS = rf'^<div xmlns="http://www\.w3\.org/1999/xhtml">[ \t\r\n]*(?:<p>{_PLAIN_WORDS}</p>[ \t\r\n]*)+</div>$'
"""A narrative of paragraphs without markup."""

SCHEMAS: dict[str, core_schema.CoreSchema] = {
    name: core_schema.str_schema(strict=True, pattern=pattern) for name, pattern in _PATTERNS.items()
} | {
    "string": core_schema.str_schema(strict=True, max_length=LONGEST_STRING, pattern=_TEXT),
    "markdown": core_schema.str_schema(strict=True, max_length=LONGEST_STRING, pattern=_TEXT),
    "xhtml": core_schema.str_schema(strict=True, pattern=_PARAGRAPHS),
    "boolean": core_schema.bool_schema(strict=True),
    "integer": core_schema.int_schema(strict=True, ge=-(2**31), le=2**31 - 1),
    "positiveInt": core_schema.int_schema(strict=True, ge=1, le=2**31 - 1),
    "unsignedInt": core_schema.int_schema(strict=True, ge=0, le=2**31 - 1),
}
"""By primitive type; decimal and base64Binary have none."""


def surely(type_name: str) -> Callable[[Any], bool]:
    """Return the test of a primitive type: True is surely right, False is not known."""
    return SchemaValidator(SCHEMAS[type_name]).isinstance_python
