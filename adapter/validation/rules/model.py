"""What a business rule is: a row of `profiles/rules/`, compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from adapter.types import Resource
from adapter.validation.fhirpath import Expression

if TYPE_CHECKING:
    from adapter.validation.rules.scope import Scope

RuleSeverity = Literal["error", "warning"]
Texts = dict[str, str]
"""Sentences by language (`fi`, `en`, perhaps `sv`)."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One place where a rule is broken.

    Attributes:
        element: FHIRPath relative to the resource (`activity[2].detail`); empty is the resource itself.
        variant: name of the rule's variant that applies; empty is the rule's own text and severity.
        values: placeholders of the text: codes, names of elements, counts; never a value of the record.
    """

    element: str = ""
    variant: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


Judgement = Callable[["Scope", Resource], Iterable[Breach]]
"""A named function: what sees the whole Bundle and one resource, and tells where the rule is broken."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A case of a rule with its own severity and sentence, e.g. a draft that may still lack something."""

    severity: RuleSeverity
    texts: Texts


@dataclass(frozen=True, slots=True)
class Rule:
    """A business rule that is judged on every resource of one type.

    Attributes:
        id, key: `BR-017` and `has-next-meeting`.
        fields: fields of the record to mend, where nothing of the Bundle came from them; the first that the record's
            type has counts.
        severity: of the rule's own text.
        resource_types: FHIR types of the resources that it is judged on; empty is every type.
        codes: for Observations: (system, code) of those it concerns; the code `*` is any; empty is all.
        texts: what is wrong and what to do, by language.
        variants: further cases by name.
        seed: where the fact stands in the sources.
        family: name of its file.
        needs: what beyond the Bundle it looks at: `at` (an instant), or related records by their type.
        condition: FHIRPath on the resource: when false the rule does not apply.
        each: path of the elements that are judged one by one (`activity.detail`), empty for the resource itself.
        filter: FHIRPath on each element: when false the element is left out.
        must: FHIRPath that each element has to meet; None when `judge` decides.
        judge: the named function, or None.
        points: name of the element that is missing, put behind the place of the finding.
    """

    id: str
    key: str
    fields: tuple[str, ...]
    severity: RuleSeverity
    resource_types: tuple[str, ...]
    codes: tuple[tuple[str, str], ...]
    texts: Texts
    variants: Mapping[str, Variant]
    seed: str
    family: str
    needs: tuple[str, ...]
    condition: Expression | None
    each: tuple[str, ...]
    filter: Expression | None
    must: Expression | None
    judge: Judgement | None
    points: str


@dataclass(frozen=True, slots=True)
class WaitingRule:
    """A rule that cannot be judged yet, because record types that it needs are not built."""

    id: str
    key: str
    severity: RuleSeverity
    needs: tuple[str, ...]
    seed: str
    family: str


@dataclass(frozen=True, slots=True)
class ElsewhereRule:
    """A rule of the domain model that is no validation: decided by mapping, consent, pages or reports."""

    id: str
    key: str
    decided_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rules BR-001 … BR-149: those that are judged, those that wait, those that are decided elsewhere."""

    rules: tuple[Rule, ...]
    waiting: tuple[WaitingRule, ...]
    elsewhere: tuple[ElsewhereRule, ...]
