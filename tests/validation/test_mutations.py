"""Every structural rule of our twelve types and their data types, broken once, is found; the unbroken is accepted."""

from __future__ import annotations

import pytest

from adapter.fhir.definitions import resource_types
from adapter.validation import Validator
from tests.validation.mutations import mutants
from tests.validation.specimens import OUR_TYPES, resource_of

VALIDATOR = Validator()


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_broken_rules_are_found(type_name: str) -> None:
    """At least 99 % of the mutants of a type are refused, and no valid specimen is."""
    found, missed, refused = 0, [], []
    for name, resource in mutants(type_name):
        outcome = VALIDATOR.validate(resource)
        if name.startswith("valid "):
            if not outcome.ok:
                refused.append(f"{name}: {outcome.issues[0].expression} {outcome.issues[0].text()}")
        elif outcome.ok:
            missed.append(name)
        else:
            found += 1
    assert not refused
    assert found / (found + len(missed)) >= 0.99, missed
    assert found > 50


@pytest.mark.parametrize("type_name", OUR_TYPES)
def test_smallest_resource_is_accepted(type_name: str) -> None:
    """The smallest resource of each of our types has no error."""
    assert VALIDATOR.validate(resource_of(type_name)).issues == ()


def test_every_resource_type_has_a_check() -> None:
    """All 146 types answer: an empty resource is judged by its own definition, an unknown element is refused."""
    assert len(resource_types()) == 146
    for type_name in resource_types():
        outcome = VALIDATOR.validate({"resourceType": type_name, "eiSellaista": 1})
        assert any(issue.key.startswith("validation.unknown-element") for issue in outcome.issues), type_name
