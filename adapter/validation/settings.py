"""What a caller may set: limits and severities. Defaults follow the official Java validator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adapter.source.limits import DEFAULT, Limits

Answer = Literal["error", "warning", "information", "ignore"]


@dataclass(frozen=True, slots=True)
class ValidationSettings:
    """Limits of a document and severities where FHIR leaves them open.

    Attributes:
        limits: size, depth, nodes and digits; over them the document is refused unread.
        most_issues: a report holds no more; the rest is summed up in one issue.
        most_work: how many invariants in FHIRPath and slices are tried on one document, about half a second; over
            it the document is refused, because what is left was not checked.
        unknown_extension: an extension whose definition is not known (Java validator: error).
        unknown_profile: a profile in `meta.profile` that is not known (Java validator: warning).
        known_unchecked: canonical prefixes of profiles that are known but not checked; they are mentioned
            as information at most.
        extensible: a code outside an extensible value set without another fitting code (warning).
        preferred: a code outside a preferred value set of a profile (warning).
        unresolved_reference: a reference inside a document or message Bundle that leads nowhere (warning).
        vital_signs: Observations with the LOINC code of a vital sign must meet R4's vital-signs profile.
        structure_only: elements, formats and codes of base R4; no rules, bindings of concepts or profiles.
        accepted: elements where a code outside an extensible value set of base R4, or unknown to a code system of HL7
            Terminology, is no news while `extensible` is a warning: their paths from the type of the resource on, or
            from below it for every type.
        narrative: a DomainResource without narrative, dom-6 (ignored: a best practice, not a rule).
    """

    limits: Limits = DEFAULT
    most_issues: int = 500
    most_work: int = 60_000
    unknown_extension: Answer = "error"
    unknown_profile: Answer = "warning"
    known_unchecked: tuple[str, ...] = ()
    extensible: Answer = "warning"
    preferred: Answer = "warning"
    unresolved_reference: Answer = "warning"
    vital_signs: bool = True
    structure_only: bool = False
    accepted: frozenset[str] = frozenset()
    narrative: Answer = "ignore"
