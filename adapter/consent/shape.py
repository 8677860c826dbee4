"""The base R4 structure of a Consent, as `adapter.validation` judges it; the only tie to that package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from adapter.types import Issue, Resource
from adapter.validation.settings import ValidationSettings
from adapter.validation.validator import Validator

_IGNORED = "validation.extension-"
"""Ordinary extensions say nothing that the rules read (R8); modifier extensions are looked for apart."""


def base_structure(consent: Resource) -> Sequence[Issue]:
    """Return what breaks base R4: types, cardinality, unknown elements, empty arrays, required codes, dates."""
    if consent.get("resourceType") != "Consent":
        return (Issue("error", "consent.not-a-consent"),)
    issues = _validator().validate(consent).issues
    return [issue for issue in issues if issue.severity in ("fatal", "error") and not issue.key.startswith(_IGNORED)]


@cache
def _validator() -> Validator:
    settings = ValidationSettings(
        unknown_extension="ignore", unknown_profile="ignore", extensible="ignore", preferred="ignore"
    )
    return Validator(settings=settings)
