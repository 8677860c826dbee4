"""Functions whose arguments are evaluated once, by name. Those that repeat an argument per item are in `iteration`."""

from __future__ import annotations

from types import MappingProxyType

from adapter.validation.fhirpath.functions import collections, conversion, fhir, math, strings
from adapter.validation.fhirpath.functions.signature import Function

FUNCTIONS: MappingProxyType[str, Function] = MappingProxyType(
    {
        **collections.FUNCTIONS,
        **conversion.FUNCTIONS,
        **fhir.FUNCTIONS,
        **math.FUNCTIONS,
        **strings.FUNCTIONS,
    }
)
"""Every such function of FHIRPath N1 and of FHIR R4."""
