"""FHIRPath (N1, with R4's functions) compiled to Python closures: pure, bounded, and silent about what it reads."""

from adapter.validation.fhirpath.errors import FhirPathError
from adapter.validation.fhirpath.expression import Expression, compile_expression, instant
from adapter.validation.fhirpath.functions.fhir import reference_stub
from adapter.validation.fhirpath.nodes import BUDGET, Context, Node
from adapter.validation.fhirpath.values import Quantity

__all__ = [
    "BUDGET",
    "Context",
    "Expression",
    "FhirPathError",
    "Node",
    "Quantity",
    "compile_expression",
    "instant",
    "reference_stub",
]
