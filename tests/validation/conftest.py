"""Shared by the validation tests: one validator of base R4, and short ways to ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapter.types import Issue
from adapter.validation import Validator

Errors = Callable[..., list[tuple[str, str]]]
"""Rule id and FHIRPath of every error of a resource."""


@pytest.fixture(scope="session")
def validator() -> Validator:
    """A validator without further definitions."""
    return Validator()


@pytest.fixture(scope="session")
def errors(validator: Validator) -> Errors:
    """Return rule id and expression of the errors that the base validator finds."""

    def find(resource: Any, checker: Validator = validator, **options: Any) -> list[tuple[str, str]]:
        return [named(issue) for issue in checker.validate(resource, **options).issues if issue.severity != "warning"]

    return find


def named(issue: Issue) -> tuple[str, str]:
    """Return the last part of the key, or the rule when there is one, and the FHIRPath."""
    return issue.rule or issue.key.partition(".")[2], issue.expression
