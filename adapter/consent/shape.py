"""The base R4 structure of a Consent, as `adapter.validation` judges it; the only tie to that package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from adapter.types import Resource
from adapter.validation.run import Run
from adapter.validation.settings import ValidationSettings
from adapter.validation.validator import Validator

_LEFT_TO_RULES = ("extension-", "reference-", "contained-", "system-", "code-unknown", "rule-per-1")
"""What is no structure: ordinary extensions and contained resources are ignored (R8), and where a reference or a
code leads is for the criteria to judge (R16, R17). Modifier extensions are looked for apart, and so are periods: per-1
compares an instant with a day of the same date and is none the wiser, R9 compares what the two cover."""


def base_structure(consent: Resource) -> Sequence[object]:
    """Return what breaks base R4: types, cardinality, unknown elements, empty arrays, required codes, dates."""
    if consent.get("resourceType") != "Consent":
        return ("not a Consent",)
    validator = _validator()
    findings = validator.findings(consent, (), Run(validator.registry, validator.settings, consent))
    return [one for one in findings or () if one.severity == "error" and not one.key.startswith(_LEFT_TO_RULES)]


@cache
def _validator() -> Validator:
    """Return a validator that judges the shape of base R4 alone."""
    return Validator(settings=ValidationSettings(structure_only=True, unknown_extension="ignore"))
