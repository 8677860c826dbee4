"""Judgements about FHIR R4 resources: base R4, profiles, and where each problem comes from. Pure; never a network call.

from adapter.validation import validate
outcome = validate(resource, profiles=["https://…/StructureDefinition/x"], definitions=["package.tgz"])
outcome.ok, outcome.issues, outcome.operation_outcome("fi")
"""

from __future__ import annotations

from adapter.validation.settings import ValidationSettings
from adapter.validation.validator import Validator

__all__ = ["ValidationSettings", "Validator"]
