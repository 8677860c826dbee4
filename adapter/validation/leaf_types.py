"""The fast half of the structure check: pydantic-core judges whole values of simple data types in one call.

A leaf is a data type that carries no rule of its own in the fields that its schema lists: CodeableConcept,
Coding, Identifier, HumanName, Address, … Whatever the schema does not list (extensions, references,
`_siblings`) or does not accept goes to the exact check, which alone decides and explains.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic_core import SchemaValidator, core_schema

from adapter.fhir.definitions import ElementDefinition, children, is_primitive
from adapter.fhir.terminology import WATCHED, core_terminology
from adapter.validation.bindings import required_codes
from adapter.validation.primitives import PRIMITIVES
from adapter.validation.sure_formats import CODE_SYSTEM, SCHEMAS, SYSTEM

_KEY = {
    "Coding": "code",
    "Identifier": "value",
    "Period": "start",
    "Quantity": "value",
    "SimpleQuantity": "value",
    "ContactPoint": "system",
}
"""What a value inside another one must hold to be surely not empty, and what the rules below look at."""

LEAVES = (
    "Coding",
    "CodeableConcept",
    "Identifier",
    "HumanName",
    "Address",
    "Period",
    "Quantity",
    "SimpleQuantity",
    "ContactPoint",
)


@cache
def accepts(type_name: str) -> Callable[[Any], bool] | None:
    """Return the fast test of a leaf type: True is surely right, False is not known; None for other types."""
    if type_name not in LEAVES:
        return None
    return SchemaValidator(_schema(type_name)).isinstance_python


def _schema(type_name: str) -> core_schema.CoreSchema:
    fields = {}
    for name, definition in children(type_name).items():
        value = CODE_SYSTEM if (type_name, name) == ("Coding", "system") else _value(name, definition)
        if value is not None:
            if definition.is_list:
                value = core_schema.list_schema(value, min_length=1, strict=True)
            fields[name] = core_schema.typed_dict_field(
                value, required=definition.min > 0 or name == _KEY.get(type_name)
            )
    schema = core_schema.typed_dict_schema(fields, extra_behavior="forbid", strict=True)
    rule = _RULES.get(type_name)
    return core_schema.no_info_after_validator_function(rule, schema) if rule else schema


def _surely_known(coding: dict[str, str]) -> dict[str, str]:
    """Let a Coding pass whose system neither HL7 nor a caller defines, or whose code they do.

    Raises:
        ValueError: the exact check must look.
    """
    system = coding.get("system", "")
    if system in WATCHED:
        if coding["code"] not in WATCHED[system]:
            raise ValueError
    elif "hl7.org" in system or "/ValueSet/" in system:
        tree = core_terminology().code_system(system)
        if tree is None or coding["code"] not in tree.codes:
            raise ValueError
    return coding


def _surely_in_order(period: dict[str, str]) -> dict[str, str]:
    """Let a Period pass whose ends are written alike and stand in order (per-1).

    Raises:
        ValueError: the exact check must look.
    """
    start, end = period.get("start", ""), period.get("end", "")
    if start and end and not (start[19:] == end[19:] and len(start) == len(end) and start <= end):
        raise ValueError
    return period


def _surely_with_unit_system(value: dict[str, Any]) -> dict[str, Any]:
    """Let a Quantity pass whose code has a system (qty-3).

    Raises:
        ValueError: the exact check must look.
    """
    if "system" not in value and "code" in value:
        raise ValueError
    return value


def _surely_number(value: Any) -> Any:
    """Let a decimal pass that is one.

    Raises:
        ValueError: the exact check must look.
    """
    if PRIMITIVES["decimal"].exact(value) is not None:
        raise ValueError
    return value


def _value(name: str, definition: ElementDefinition) -> core_schema.CoreSchema | None:
    code = definition.types[0].code if len(definition.types) == 1 else ""
    if code in LEAVES and definition.binding is None:
        return _schema(code)
    if not is_primitive(code) or name == "id":
        return None
    if name == "system" and code == "uri":
        return SYSTEM
    binding = definition.binding
    if code == "code" and binding is not None and binding.strength == "required":
        codes = required_codes(binding.value_set)
        return core_schema.literal_schema(sorted(codes)) if codes else None
    if code == "decimal":
        return core_schema.no_info_plain_validator_function(_surely_number)
    return SCHEMAS.get(code)


_RULES: dict[str, Callable[[Any], Any]] = {
    "Coding": _surely_known,
    "Period": _surely_in_order,
    "Quantity": _surely_with_unit_system,
    "SimpleQuantity": _surely_with_unit_system,
}
"""Rules that R4 has for a leaf, in the form «surely kept, or let the exact check look»."""
