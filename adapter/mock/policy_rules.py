"""Rules of a repository in FHIRPath, read from its policy file: what FHIR and its profiles do not say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter.data import DataFileError
from adapter.i18n import LANGUAGES
from adapter.types import Issue, Resource
from adapter.validation.fhirpath import Expression, FhirPathError, compile_expression

_KEYS = frozenset(("on", "if", "must", "points", "code", *LANGUAGES))


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule.

    Attributes:
        id: policy and key, e.g. `national-one-client`.
        on: resource type that is judged; `Bundle` for a whole transaction.
        condition: the rule applies when it is true; None means always.
        must: has to be true.
        points: element that the finding points to.
        code: national code of the refusal, or empty.
        texts: what is wrong and what would be right, by language.
    """

    id: str
    on: str
    condition: Expression | None
    must: Expression
    points: str
    code: str
    texts: dict[str, str]

    def broken(self, resource: Resource) -> bool:
        """True when the resource breaks the rule."""
        return (self.condition is None or self.condition.holds(resource)) and not self.must.holds(resource)


def broken_rules(rules: Iterable[PolicyRule], resource: Resource) -> list[Issue]:
    """Return what a resource breaks of a policy's rules."""
    kind = resource["resourceType"]
    return [
        Issue(
            "error",
            "mock.policy-rule",
            {"rule": one.id},
            expression=f"{kind}.{one.points}" if one.points else kind,
            rule=one.id,
            fixed=one.texts,
        )
        for one in rules
        if one.on == kind and one.broken(resource)
    ]


def read_rules(policy: str, rows: Any, constants: Any, path: Path) -> tuple[PolicyRule, ...]:
    """Read the rules of a policy file.

    Args:
        constants: texts that stand for `%name` in the expressions.

    Raises:
        DataFileError: an unknown key, a missing one, or a FHIRPath that cannot be compiled.
    """
    if not isinstance(rows, dict) or not isinstance(constants, dict):
        raise DataFileError(path, 1, "'rules' maps names of rules to their rows, 'constants' names to texts")
    return tuple(_rule(f"{policy}-{name}", row, constants, path) for name, row in rows.items())


def _rule(identity: str, row: Any, constants: dict[str, str], path: Path) -> PolicyRule:
    if not isinstance(row, dict) or not {"on", "must", "en"} <= row.keys():
        raise DataFileError(path, 1, f"the rule {identity} needs 'on', 'must' and 'en'")
    if unknown := sorted(row.keys() - _KEYS):
        raise DataFileError(path, 1, f"unknown key '{unknown[0]}' of the rule {identity}")
    try:
        condition, must = (
            compile_expression(row[name], constants=constants, context_type=row["on"], strict=True)
            if name in row
            else None
            for name in ("if", "must")
        )
    except FhirPathError as error:
        raise DataFileError(path, 1, f"the rule {identity}: {error}") from None
    texts = {str(language): row[language] for language in LANGUAGES if language in row}
    assert must is not None
    return PolicyRule(identity, row["on"], condition, must, row.get("points", ""), row.get("code", ""), texts)
