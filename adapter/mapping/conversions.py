"""Named conversions: what `as:` with a small letter does. Each is a pair of small pure functions.

A conversion gets the field's value, the `Context` of the record and the row's `to`. One that cannot say a value
raises `Unfit`; it never guesses and never shows the value.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from adapter.mapping import data_classes, finnish_times
from adapter.types import Json

URI = "urn:ietf:rfc:3986"
BUSINESS_ID = "urn:oid:1.2.246.10"
IDENTITY_CODE = "urn:oid:1.2.246.21"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_BUSINESS_ID = re.compile(r"[0-9]{7}-[0-9]")


class Context(Protocol):
    """What a conversion may know of the record."""

    @property
    def source_system(self) -> str:
        """The envelope's source_system."""

    def own_ids(self, type_: str) -> Collection[str]:
        """Return the identifiers of the resources of a type that the record itself makes."""


class Unfit(ValueError):  # noqa: N818 - says what the value is
    """A value that a conversion cannot say; `key` is the message, `values` its placeholders."""

    def __init__(self, key: str, **values: str) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


@dataclass(frozen=True, slots=True)
class Conversion:
    """A pair of functions.

    Attributes:
        element: FHIR types it makes; empty for a vendor's conversion to a canonical field.
        forward, inverse: `f(value, context, to)`; no inverse means one-way.
        kinds: kinds of source field it takes (JSON Schema types); `fields` for several fields as a list.
        reads: fields it reads when the value is an object.
        always: names of the constants it always writes, with their values (`{to}` = the row's `to`).
        whole: it makes all items of a list at once, and reads them back together.
    """

    element: tuple[str, ...]
    forward: Callable[[Any, Context, str], Any]
    inverse: Callable[[Any, Context, str], Any] | None
    kinds: tuple[str, ...] = ("string",)
    reads: tuple[str, ...] = ()
    always: tuple[tuple[tuple[str, ...], str], ...] = ()
    whole: bool = False


def _identifier(value: Any, context: Context, to: str) -> Json:
    system = context.source_system
    if isinstance(value, dict):
        system, value = value.get("system", system), value.get("id")
    if value is None:
        return None
    return {"use": to or "official", "system": system, "value": value}


def _identifier_text(element: Any, _context: Context, _to: str) -> Json:
    return element["value"]


def _identifier_object(element: Any, context: Context, _to: str) -> Json:
    found = {"id": element["value"], "system": element.get("system", context.source_system)}
    if found["system"] == context.source_system:
        del found["system"]
    return found


def _organisation_identifier(value: Any, context: Context, _to: str) -> Json:
    identity = value["id"]
    system = value.get("system")
    if system is None:
        if _OID.fullmatch(identity):
            return {"system": URI, "value": f"urn:oid:{identity}"}
        system = BUSINESS_ID if _BUSINESS_ID.fullmatch(identity) else context.source_system
    return {"system": system, "value": identity}


def _organisation_identifier_back(element: Any, context: Context, _to: str) -> Json:
    system, value = element["system"], element["value"]
    if system == URI and value.startswith("urn:oid:"):
        return {"id": value[8:]}
    expected = BUSINESS_ID if _BUSINESS_ID.fullmatch(value) else context.source_system
    return {"id": value} if system == expected else {"id": value, "system": system}


def _practitioner_identifier(value: Any, context: Context, _to: str) -> Json:
    return {"system": value.get("system", context.source_system), "value": value["id"]}


def _identity_code(value: Any, _context: Context, to: str) -> Json:
    return {
        "use": to or "official",
        "type": {"coding": [{"system": V2_0203, "code": "NNFIN"}]},
        "system": IDENTITY_CODE,
        "value": value,
    }


def _oldest_identity_code(value: Any, context: Context, to: str) -> Json:
    """The first of the previous identity codes: it names the person for ever."""
    return _identity_code(value[0], context, to or "old")


def _base64(value: Any, _context: Context, _to: str) -> Json:
    return base64.b64encode(value.encode()).decode()


def _base64_back(element: Any, _context: Context, _to: str) -> Json:
    return base64.b64decode(element).decode()


def _own_reference(value: Any, context: Context, to: str) -> Json:
    """Refuse a reference to a part of the record that is not there."""
    if value["id"] not in context.own_ids(to) or value.get("system", context.source_system) != context.source_system:
        raise Unfit("mapping.no-such-part", type=to)
    return _reference(value, context, to)


def _reference(value: Any, context: Context, to: str) -> Json:
    made = {
        "type": to,
        "identifier": {"system": value.get("system", context.source_system), "value": value["id"]},
    }
    if "display" in value:
        made["display"] = value["display"]
    return made


def _reference_back(element: Any, context: Context, to: str) -> Json:
    found: dict[str, Json] = _identifier_object(element["identifier"], context, to)
    if "display" in element:
        found["display"] = element["display"]
    return found


def _annotation(value: Any, _context: Context, _to: str) -> Json:
    return {"text": value}


def _annotation_back(element: Any, _context: Context, _to: str) -> Json:
    return element["text"]


def _full_name(value: Any, _context: Context, _to: str) -> Json:
    """Given names and family name, in this order, with blanks between."""
    words = [word for part in value if part for word in ([part] if isinstance(part, str) else part)]
    return " ".join(words) or None


def _integer(value: Any, _context: Context, _to: str) -> Json:
    if not re.fullmatch(r"[+-]?[0-9]{1,64}", value.strip()):
        raise Unfit("mapping.not-an-integer", length=str(len(value)))
    return int(value)


def _decimal(value: Any, _context: Context, _to: str) -> Json:
    """A decimal with a point or a Finnish comma; its digits are kept."""
    text = value.strip().replace(",", ".")
    if not re.fullmatch(r"[+-]?[0-9]{1,48}(\.[0-9]{1,16})?", text):
        raise Unfit("mapping.not-a-decimal", length=str(len(value)))
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Unfit("mapping.not-a-decimal", length=str(len(value))) from None


_TRUTH = {"true": True, "1": True, "kyllä": True, "k": True, "false": False, "0": False, "ei": False, "e": False}


def _boolean(value: Any, _context: Context, _to: str) -> Json:
    if isinstance(value, bool):
        return value
    found = _TRUTH.get(str(value).strip().lower())
    if found is None:
        raise Unfit("mapping.not-a-boolean", allowed=", ".join(_TRUTH))
    return found


def _comma(element: Any, _context: Context, _to: str) -> Json:
    """The decimal as Finns write it, with a comma."""
    return str(element).replace(".", ",")


def _text(element: Any, _context: Context, _to: str) -> Json:
    return str(element)


def _boolean_text(element: Any, _context: Context, _to: str) -> Json:
    return "true" if element else "false"


def _date(value: Any, _context: Context, _to: str) -> Json:
    return _judged(finnish_times.date_from_finnish(value), "mapping.not-a-finnish-date", value)


def _date_back(element: Any, _context: Context, _to: str) -> Json:
    return finnish_times.finnish_date(element)


def _date_time(value: Any, _context: Context, _to: str) -> Json:
    return _judged(finnish_times.instant_from_finnish(value), "mapping.not-a-finnish-date-time", value)


def _date_time_back(element: Any, _context: Context, _to: str) -> Json:
    return finnish_times.finnish_date_time(element)


def _local_date_time(value: Any, _context: Context, _to: str) -> Json:
    return _judged(finnish_times.with_offset(value), "mapping.not-a-date-time", value)


def _local_date_time_back(element: Any, _context: Context, _to: str) -> Json:
    return finnish_times.without_offset(element)


def _moment(value: Any, _context: Context, _to: str) -> Json:
    return _judged(finnish_times.moment_from_finnish(value), "mapping.not-a-finnish-date-time", value)


def _moment_back(element: Any, _context: Context, _to: str) -> Json:
    return finnish_times.finnish_moment(element)


def _local_moment(value: Any, _context: Context, _to: str) -> Json:
    return _judged(finnish_times.moment_from_local(value), "mapping.not-a-date-time", value)


def _local_moment_back(element: Any, _context: Context, _to: str) -> Json:
    return finnish_times.local_moment(element)


def _judged(found: str | None, key: str, value: str) -> str:
    if found is None:
        raise Unfit(key, length=str(len(value)))
    return found


_IDENTIFIER_TYPES = ("Identifier",)
_XREF = ("id", "system")

CONVERSIONS: dict[str, tuple[Conversion, ...]] = {
    "identifier": (
        Conversion(_IDENTIFIER_TYPES, _identifier, _identifier_text, always=((("use",), "{to|official}"),)),
        Conversion(
            _IDENTIFIER_TYPES,
            _identifier,
            _identifier_object,
            ("object",),
            _XREF,
            ((("use",), "{to|official}"),),
        ),
    ),
    "organisation-identifier": (
        Conversion(_IDENTIFIER_TYPES, _organisation_identifier, _organisation_identifier_back, ("object",), _XREF),
    ),
    "practitioner-identifier": (
        Conversion(_IDENTIFIER_TYPES, _practitioner_identifier, _identifier_object, ("object",), _XREF),
    ),
    "personal-identity-code": (
        Conversion(
            _IDENTIFIER_TYPES,
            _identity_code,
            _identifier_text,
            always=((("use",), "{to|official}"), (("system",), IDENTITY_CODE)),
        ),
    ),
    "own-reference": (
        Conversion(
            ("Reference",),
            _own_reference,
            _reference_back,
            ("object",),
            (*_XREF, "display"),
            ((("type",), "{to}"), (("identifier",), "")),
        ),
    ),
    "reference": (
        Conversion(
            ("Reference",),
            _reference,
            _reference_back,
            ("object",),
            (*_XREF, "display"),
            ((("type",), "{to}"), (("identifier",), "")),
        ),
    ),
    "data-classes": (
        Conversion(
            ("Coding",),
            data_classes.class_codings,
            data_classes.class_list,
            ("array",),
            always=((("system",), URI),),
            whole=True,
        ),
        Conversion(
            ("Coding",),
            data_classes.class_codings,
            data_classes.class_of,
            always=((("system",), URI),),
            whole=True,
        ),
    ),
    "oldest-identity-code": (Conversion(_IDENTIFIER_TYPES, _oldest_identity_code, None, ("array",)),),
    "base64-text": (Conversion(("base64Binary",), _base64, _base64_back),),
    "annotation": (Conversion(("Annotation",), _annotation, _annotation_back),),
    "full-name": (Conversion(("string",), _full_name, None, ("fields",)),),
    "integer": (Conversion((), _integer, _text),),
    "decimal": (Conversion((), _decimal, _text),),
    "finnish-decimal": (Conversion((), _decimal, _comma),),
    "boolean": (Conversion((), _boolean, _boolean_text, ("string", "boolean")),),
    "finnish-date": (Conversion((), _date, _date_back),),
    "finnish-date-time": (Conversion((), _date_time, _date_time_back),),
    "finnish-moment": (Conversion((), _moment, _moment_back),),
    "local-date-time": (Conversion((), _local_date_time, _local_date_time_back),),
    "local-moment": (Conversion((), _local_moment, _local_moment_back),),
}
"""By name; several when the field may be of several kinds."""


def find_conversion(name: str, kind: str) -> Conversion | None:
    """Return the conversion `name` for a field of `kind` (JSON Schema type; `""` unknown), None if there is none."""
    options = CONVERSIONS.get(name, ())
    return next((option for option in options if not kind or kind in option.kinds), None)
