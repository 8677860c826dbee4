"""FHIR JSON out: keys sorted as in RFC 8785, every number as it was written.

RFC 8785 would turn 5.10 into 5.1, and a decimal's digits mean something in FHIR, so numbers keep their digits;
order and escaping are RFC 8785's. The canonical bytes are what is signed and what is sent. (RFC 8785 sorts by
UTF-16 code units, msgspec by code points: the same for every name that FHIR or a record has, all ASCII.)
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
import orjson

from adapter.types import Json

_CANONICAL = msgspec.json.Encoder(decimal_format="number", order="sorted")
_ANY_NUMBER = msgspec.json.Encoder(decimal_format="number")
_OWN = msgspec.json.Decoder(float_hook=Decimal)


def dumps(value: Json) -> bytes:
    """Return compact JSON (UTF-8) in the order of the dicts, decimals with their digits."""
    try:
        return orjson.dumps(value, default=_digits)
    except TypeError:  # orjson takes no whole number of more than 64 bits
        return _ANY_NUMBER.encode(value)


def _digits(value: object) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError
    return orjson.Fragment(str(value))


def canonical(value: Json) -> bytes:
    """Return the canonical bytes: UTF-8, no blanks, keys sorted, shortest escapes, numbers as written."""
    return _CANONICAL.encode(value)


def read_canonical(data: bytes) -> Json:
    """Read bytes that `canonical` wrote and that nobody else can have changed; any others go through `read_json`."""
    return _OWN.decode(data)
