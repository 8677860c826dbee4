"""The words everybody uses: JSON values, places in a sender's document, issues and outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from adapter.i18n import message, text

CANONICAL_ROOT = "https://kykysilta.example/fhir"
"""Root of every canonical URL of ours: profiles, code systems, value sets, extensions (design §5)."""

Json = Any
"""A JSON value as read by `adapter.source`: dict, list, str, int, Decimal, bool or None. Never float."""

Resource = dict[str, Any]
"""One FHIR R4 resource as a dict with `resourceType`."""

Record = dict[str, Any]
"""One source record: a canonical record (domain model §2) or a vendor's own."""

Severity = Literal["fatal", "error", "warning", "information"]
"""As FHIR `issue-severity`. Fatal and error refuse, the others only tell."""


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """A place in the sender's document.

    Attributes:
        path: the sender's own path, e.g. `suunnitelma.tavoitteet[0].tila` or `/p:Plan/p:Goal[1]/@state`.
        line, column: counted from 1; None when the document was not text (a dict from Python).
    """

    path: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong or worth knowing, said once.

    Attributes:
        severity: see `Severity`.
        key: message key `area.name`; number and FHIR issue type stand in the catalogue.
        values: placeholders of the text: names, codes allowed, types, lengths; never a value of the record.
        expression: FHIRPath of the element, e.g. `Bundle.entry[2].resource.status`; empty when unknown.
        source: where in the sender's document, when known.
        rule: what was broken: `BR-017`, `cpl-3`, `K1003`, …; empty means the number of the key.
        profile: canonical `url|version` of the profile that asks for it; empty for base R4.
        fixed: texts by language that replace the catalogue's (a profile's or rule's own message).
        code: FHIR issue type; empty means the catalogue's.
    """

    severity: Severity
    key: str
    values: dict[str, str] = field(default_factory=dict)
    expression: str = ""
    source: SourcePlace | None = None
    rule: str = ""
    profile: str = ""
    fixed: dict[str, str] = field(default_factory=dict)
    code: str = ""

    @property
    def rule_id(self) -> str:
        """The rule's own id, or `K` and the number of the message."""
        return self.rule or f"K{message(self.key).number}"

    @property
    def issue_type(self) -> str:
        """FHIR `issue-type` code."""
        return self.code or message(self.key).code

    def text(self, language: str = "en") -> str:
        """Return the sentence for people; Swedish falls back to Finnish."""
        own = self.fixed.get(language) or (self.fixed.get("fi") if language == "sv" else None)
        return own or self.fixed.get("en") or text(self.key, language, **self.values)

    def as_fhir(self, language: str = "en") -> dict[str, Any]:
        """Return the issue as `OperationOutcome.issue` (R4).

        `expression` has the FHIRPath, `location` the sender's path with line and column, `details.coding` the
        rule and `diagnostics` the profile. `location` is deprecated in R4 for paths but is the only native
        element for a place that is not FHIRPath.
        """
        issue: dict[str, Any] = {
            "severity": self.severity,
            "code": self.issue_type,
            "details": {
                "coding": [{"system": f"{CANONICAL_ROOT}/CodeSystem/issue", "code": self.rule_id}],
                "text": self.text(language),
            },
        }
        if self.profile:
            issue["diagnostics"] = f"profile {self.profile}"
        if self.source:
            place = self.source.path
            if self.source.line is not None:
                place += f" (line {self.source.line}, column {self.source.column})"
            issue["location"] = [place]
        if self.expression:
            issue["expression"] = [self.expression]
        return issue


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found. `ok` is true when nothing refuses; `language` is that of its OperationOutcome."""

    issues: tuple[Issue, ...] = ()
    language: str = "en"

    @property
    def ok(self) -> bool:
        """True when no issue is fatal or an error."""
        return not any(issue.severity in ("fatal", "error") for issue in self.issues)

    def operation_outcome(self, language: str | None = None) -> Resource:
        """Return a FHIR OperationOutcome; one `information` issue «all ok» when there is nothing to say."""
        return operation_outcome(self.issues, language or self.language)


def operation_outcome(issues: Iterable[Issue], language: str = "en") -> Resource:
    """Return a FHIR R4 OperationOutcome of the issues, in the language asked for."""
    found = [issue.as_fhir(language) for issue in issues]
    if not found:
        found = [Issue("information", "common.all-ok").as_fhir(language)]
    return {"resourceType": "OperationOutcome", "language": language, "issue": found}


@dataclass(frozen=True, slots=True)
class TraceRow:
    """Which of the sender's fields made an element.

    Attributes:
        element: FHIRPath inside the Bundle, e.g. `Bundle.entry[0].resource.status`.
        source: the sender's path, or empty for a constant.
        row: where the rule stands, e.g. `work-ability-plan:CarePlan.status`.
        via: concept map or conversion that was used, or empty.
    """

    element: str
    source: str
    row: str
    via: str = ""
